"""Does changed code still compute the same?  A smoke run of the old code is made again, and laid beside the first.

Where every logged value, every final weight and every measurement agree to the last bit, runs of the old code count
as runs of today's: what they measured is fresh again.  Where anything parts, it stays stale and the verdict says
where.  A replay speaks for the recipe that was trained, at all its tiers, as far as their numbers are what they
were; what no smoke run reaches (several GPUs, bf16, another data set) it does not try.

What a replay showed is kept for good (store/replays.py), equal or not.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from paperlab.entities import Measurement, Replay, Run, RunStatus
from paperlab.errors import InvalidInput
from paperlab.runs import launch
from paperlab.runs.evidence import Today
from paperlab.store import runs as store
from paperlab.store.database import Session
from reproductions import registry
from reproductions.registry import ReproductionError
from reproductions.run_directory import RunDirectory

TIER = "smoke"
_OF_THE_CLOCK = frozenset({"train/tokens_per_second"})
"""Values that no two runs have in common."""


@dataclass(frozen=True)
class Plan:
    """What could show that one state of a recipe's code computes what today's does."""

    recipe: str
    code: str
    """The code's own fingerprint, or that of a run which does not tell it."""
    claims: tuple[str, ...]
    """Whose verdicts it would renew."""
    run: Run | None
    """The smoke run to be made again."""
    obstacle: str = ""
    """Why there is none."""


# --- what to replay ---------------------------------------------------------------------------------------------


def plans(session: Session, stale: Mapping[str, Sequence[Measurement]], today: Today) -> list[Plan]:
    """One plan for each recipe and old code that `stale` verdicts, by claim, were computed from measurements of."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for claim_id, used in stale.items():
        for item in used:
            if item.run_id is None or item.recipe is None or not today.is_of_old_code(item):
                continue
            run = store.get(session, item.run_id)
            code = str((run.record.get("code") if run else None) or item.fingerprint)
            wanted.setdefault((item.recipe, code), []).append(claim_id)
    found = []
    for (recipe, code), claims in sorted(wanted.items()):
        runs = _smoke_runs(session, recipe, code)
        run = next((run for run in runs if RunDirectory(run.path).latest_checkpoint() is not None), None)
        obstacle = ""
        if not runs:
            obstacle = f"no finished run of {recipe} --tier {TIER} was made with that code"
        elif run is None:
            obstacle = f"the final weights of {runs[0].id} are not there any more"
        found.append(Plan(recipe, code, tuple(dict.fromkeys(claims)), run, obstacle))
    return found


def _smoke_runs(session: Session, recipe: str, code: str) -> list[Run]:
    """The finished ones without changes, first those on a CPU with few threads: they repeat to the last bit."""
    runs = [
        run
        for run in store.find(session, store.RunFilter(recipe=recipe, tier=TIER, status=RunStatus.FINISHED))
        if not run.overrides and code in (run.record.get("code"), run.fingerprint)
    ]
    return sorted(runs, key=lambda run: (run.device != "cpu", _threads(run) or 1, -run.created_at.timestamp()))


def request(run: Run, *, quiet: bool = False, again: bool = False) -> launch.Request:
    """The run once more: its seed, device and threads, with the code of now."""
    device = "cuda" if run.device.startswith("cuda") else "cpu"
    return launch.Request(run.recipe, run.tier, run.seed, (), again, device, _threads(run), quiet)


def repeat(
    run: Run, train: Callable[[launch.Request], launch.Ended], *, quiet: bool = False
) -> tuple[launch.Ended, RunDirectory | None]:
    """Trains it again, or takes the finished run of today's code if that was made the same way.

    Returns how training ended, and the run directory where it came to its end.
    """
    ended = train(request(run, quiet=quiet))
    if ended.exit_code == 0 and ended.path is not None and not _made_alike(run, RunDirectory(ended.path)):
        ended = train(request(run, quiet=quiet, again=True))
    made = RunDirectory(ended.path) if ended.exit_code == 0 and ended.path is not None else None
    return ended, made


def _made_alike(run: Run, directory: RunDirectory) -> bool:
    provenance = directory.run.get("provenance") or {}
    device = str(provenance.get("device", ""))
    return (device[:4], provenance.get("threads")) == (run.device[:4], _threads(run))


def _threads(run: Run) -> int | None:
    threads = (run.record.get("provenance") or {}).get("threads")
    return None if threads is None else int(threads)


# --- what a replay showed ---------------------------------------------------------------------------------------


def compare(before: RunDirectory, after: RunDirectory, *, now: datetime) -> Replay:
    """Two finished runs, value by value and bit by bit.

    Raises InvalidInput where the final weights of one of them are not there any more.
    """
    old, new = before.run, after.run
    weights, weights_now = _weights(before), _weights(after)
    parts_at = (
        _first_difference(_series(before), _series(after), lambda key: f"step {key[0]}, {key[1]}")
        or _first_difference(_measured(before), _measured(after), lambda key: f"measurement {' '.join(key)}")
        or _first_difference(weights, weights_now, lambda key: f"final weights, {key}", shown=False)
    )
    return Replay(
        recipe=str(old["recipe"]),
        before=str(old["fingerprint"]),
        after=str(new["fingerprint"]),
        equal=not parts_at,
        run_before=before.id,
        run_after=after.id,
        details={
            "tier": old["tier"],
            "seed": old["seed"],
            "code_before": old.get("code"),
            "code_after": new.get("code"),
            "device": (new.get("provenance") or {}).get("device"),
            "threads": (new.get("provenance") or {}).get("threads"),
            "values": len(_series(before)),
            "measurements": len(_measured(before)),
            "weights": weights,
            "parts_at": parts_at + (_surroundings(old, new) if parts_at else ""),
        },
        replayed_at=now,
    )


def _series(directory: RunDirectory) -> dict[tuple[int, str], Any]:
    return {
        (int(point["step"]), str(point["name"])): point["value"]
        for point in directory.metrics()
        if point["name"] not in _OF_THE_CLOCK
    }


def _measured(directory: RunDirectory) -> dict[tuple[str, ...], Any]:
    names = ("claim", "task", "dataset", "split", "metric")
    return {
        tuple(str(item[name]) for name in names if item.get(name)): item["value"]
        for item in (directory.result or {}).get("measurements", ())
    }


def _weights(directory: RunDirectory) -> dict[str, str]:
    """SHA-256 of the last checkpoint's weights, and of the averaged ones where there are such."""
    last = directory.latest_checkpoint()
    folders = [*([last] if last else []), directory.path / "checkpoints" / "averaged"]
    files = {folder.name: folder / "model.safetensors" for folder in folders}
    found = {name: _sha256(file) for name, file in files.items() if file.is_file()}
    if last is None or last.name not in found:
        raise InvalidInput(
            f"the final weights of {directory.id} are not there any more, so nothing can be compared with them",
            "new runs renew the verdicts: paperlab claims list --verdict stale",
        )
    return found


def _first_difference(
    old: Mapping[Any, Any], new: Mapping[Any, Any], named: Callable[[Any], str], *, shown: bool = True
) -> str:
    for key in sorted({*old, *new}):
        if key not in old or key not in new:
            return f"{named(key)}: only {'now' if key in new else 'then'}"
        if old[key] != new[key]:
            return f"{named(key)}: {old[key]!r} then, {new[key]!r} now" if shown else named(key)
    return ""


def _surroundings(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What else is not as it was, and may be the reason."""
    then, now = old.get("provenance") or {}, new.get("provenance") or {}
    packages = [
        name
        for name, version in (then.get("packages") or {}).items()
        if (now.get("packages") or {}).get(name) != version
    ]
    others = [name for name in ("device", "threads", "precision", "data") if then.get(name) != now.get(name)]
    hardware = [name for name in ("cpu", "gpu") if _part(then, name) != _part(now, name)]
    changed = [*packages, *hardware, *others]
    text = f"; changed besides the code: {', '.join(changed)}" if changed else ""
    if str(then.get("device", "cpu")) != "cpu" or then.get("threads", 1) != 1:
        text += "; only runs on one CPU thread are sure to repeat to the last bit"
    return text


def _part(provenance: Mapping[str, Any], name: str) -> Any:
    return (provenance.get("hardware") or {}).get(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- what follows for other runs --------------------------------------------------------------------------------


def known(replays: Iterable[Replay], recipes: Mapping[str, str]) -> tuple[dict[tuple[str, str], Replay], ...]:
    """What replays say of older code: (equal to today's, parted from it), by recipe and fingerprint of a run.

    `recipes` gives the fingerprint of today's code by recipe.  Equality goes on from replay to replay, and the last
    replay of two states of the code counts; a state that parts from today's directly is not equal to it by any detour,
    and what equals that one parts as well.
    """
    equal: dict[tuple[str, str], Replay] = {}
    parted: dict[tuple[str, str], Replay] = {}
    last: dict[tuple[str, frozenset[str]], Replay] = {}
    for replay in replays:
        if _before(replay) != _after(replay):
            last[replay.recipe, frozenset((_before(replay), _after(replay)))] = replay
    for recipe, code in recipes.items():
        mine = [replay for (name, _), replay in last.items() if name == recipe]
        if not mine:
            continue
        start = {code, *_runs_with(recipe, code)}
        differing = {other: replay for replay in mine if not replay.equal for other in _other_sides(replay, start)}
        reached = _alike(mine, start, leaving=differing)
        differing |= {
            state: differing[origin]
            for origin in list(differing)
            for state in _alike(mine, [origin], leaving=start | reached.keys() | differing.keys())
        }
        for states, found in ((reached, equal), (differing, parted)):
            for state, replay in states.items():
                found |= {(recipe, name): replay for name in (state, *_runs_with(recipe, state))}
    return equal, parted


def _alike(replays: Sequence[Replay], states: Iterable[str], *, leaving: Collection[str]) -> dict[str, Replay]:
    """The states that equal one of these, from replay to replay, each with the one that led there."""
    reached, waiting = dict[str, Replay](), list(states)
    begun = set(waiting)
    while waiting:
        at = {waiting.pop()}
        for replay in replays:
            for other in _other_sides(replay, at) if replay.equal else ():
                if other not in reached and other not in begun and other not in leaving:
                    reached[other] = replay
                    waiting.append(other)
    return reached


def _other_sides(replay: Replay, states: set[str]) -> Iterator[str]:
    sides = (_before(replay), _after(replay))
    for one, other in (sides, sides[::-1]):
        if one in states:
            yield other


def _before(replay: Replay) -> str:
    return str(replay.details.get("code_before") or replay.before)


def _after(replay: Replay) -> str:
    return str(replay.details.get("code_after") or replay.after)


def _runs_with(recipe: str, code: str) -> Iterator[str]:
    """The fingerprints of runs of this recipe by that code, at each tier, with the numbers that it has today."""
    with contextlib.suppress(ReproductionError):  # the recipe is gone
        for tier in registry.tiers(recipe):
            yield registry.fingerprint(recipe, tier, code=code)
