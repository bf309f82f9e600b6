"""Everything that a run says of itself, held against what is here: files, code, recipe, data, events, measurements.

Nothing is asked of the network, and nothing of the run is executed.  What this machine lacks is said, not passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput, PaperlabError
from paperlab.runs import admission, changes, code_check, snapshot
from paperlab.runs.integrity import Check, differs, ok, result_file, unchecked, written_files
from reproductions import registry, run_files
from reproductions.registry import ReproductionError
from reproductions.run_directory import RunDirectory


def verify(folder: Path, *, data_home: Path, checkout: Path = code_check.ROOT) -> list[Check]:
    """All checks of the run in `folder`.  Raises InvalidInput where it is no run at all."""
    directory = RunDirectory(folder)
    try:
        run, events, result = directory.run, directory.events(), directory.result
        form = _form(folder)
    except ReproductionError as error:
        raise InvalidInput(error.message, error.hint) from error
    except RecursionError as error:
        raise InvalidInput(f"{folder} has JSON that is nested too deep", "it is no run of ours") from error
    found = [form]
    try:
        today = registry.fingerprint(str(run.get("reproduction")))
    except ReproductionError:
        today = None
    steps: dict[str, Callable[[], Iterable[Check]]] = {
        "files": lambda: _files(folder, events, result),
        "code": lambda: [code_check.check(folder, run, today, checkout)],
        "recipe": lambda: _recipe(run, today),
        "data": lambda: _data(run, data_home),
        "events": lambda: _events(folder, run, events, result),
        "measurements": lambda: _measurements(run, result),
    }
    for what, step in steps.items():
        try:
            found += step()
        except (*changes.UNREADABLE, PaperlabError) as error:
            why = error.message if isinstance(error, PaperlabError) else f"{type(error).__name__} {error}"
            found.append(differs(what, f"it is not as ours are: {admission.shown(why)}"))
    return found


def _form(folder: Path) -> Check:
    """Names, sizes, lines, numbers and texts; the hashes of artifacts, and of each checkpoint's files."""
    try:
        with snapshot.taken(folder, snapshot.Checkpoints.ALL) as parts:
            hashes = {}
            for part in parts:
                digest = hashlib.sha256()
                for chunk in part.chunks():
                    digest.update(chunk)
                hashes[part.name] = digest.hexdigest()
        admission.check(folder, folder.name, hashes)
    except InvalidInput as error:
        return differs("form", error.message)
    count = sum(name.endswith("/state.json") for name in hashes)
    return ok("form", f"{len(hashes)} files, {count} checkpoints among them, each as a run has it")


def _files(folder: Path, events: Sequence[Mapping[str, Any]], result: Mapping[str, Any] | None) -> Iterator[Check]:
    if result is None and (folder / "result.json").exists():
        yield differs("result.json", "it can't be read")
    elif result is None:
        yield unchecked("files", "the run is not finished: hashes are written at its end")
    else:
        yield from written_files(folder, result)
        yield result_file(folder, events)
    for event in events:
        if event["event"] == "artifact":
            path = folder / str(event["file"])
            if admission.largest(str(event["file"])) is None:
                yield unchecked(str(event["file"]), "no bundle carries such a file")
            elif not path.is_file():
                yield differs(str(event["file"]), "an event tells it, and it is not here")
            elif run_files.sha256(path) != event["sha256"]:
                yield differs(str(event["file"]), "it has another hash than when it was written")


def _recipe(run: Mapping[str, Any], today: str | None) -> Iterator[Check]:
    name, tier, overrides, values = run["recipe"], run["tier"], run["overrides"], run["recipe_values"]
    if not overrides and isinstance(run.get("code"), str):
        follows = registry.fingerprint(name, tier, code=run["code"], values=values) == run["fingerprint"]
        why = "the fingerprint follows from the code and the recipe's values"
        yield ok("fingerprint", why) if follows else differs("fingerprint", "it does not follow from code and recipe")
    try:
        now = registry.recipe_values(name, tier, overrides)
        is_current = registry.fingerprint(name, tier, code=today) == run["fingerprint"]
    except ReproductionError as error:
        yield unchecked("recipe", error.message)
        return
    if registry.computing(now) == registry.computing(values):
        yield ok("recipe", "its values are those of today, with the overrides applied")
    elif is_current:
        yield differs("recipe", "its values are not those that its fingerprint stands for")
    else:
        yield unchecked("recipe", "it has changed since")


def _data(run: Mapping[str, Any], data_home: Path) -> Iterator[Check]:
    provenance = run.get("provenance") or {}
    known = registry.data_files()
    for name, file in sorted((provenance.get("data") or {}).items()):
        digest, what = str(file["sha256"]), f"data {name}"
        listed, cached = known.get(str(file.get("url") or name)), data_home / "files" / digest
        if listed is not None and listed != digest:
            yield differs(what, "its hash is not the one that data/manifest.toml has")
        elif not digest.isalnum() or not cached.is_file():
            made = "nothing was downloaded for it" if file.get("url") is None else "it is not in the cache"
            yield unchecked(what, made) if listed is None else ok(what, f"as data/manifest.toml has it; {made}")
        elif run_files.sha256(cached) != digest:
            yield differs(what, "the file in the cache has another hash")
        else:
            yield ok(what, "the file in the cache has its hash")
    tokenizer = (provenance.get("tokenizer") or {}).get("sha256")
    if tokenizer is not None:
        here = any(run_files.sha256(path) == tokenizer for path in (data_home / "tokenizers").glob("*/*.json"))
        yield ok("tokenizer", "one here has its hash") if here else unchecked("tokenizer", "none here has its hash")


def _events(
    folder: Path, run: Mapping[str, Any], events: Sequence[Mapping[str, Any]], result: Mapping[str, Any] | None
) -> Iterator[Check]:
    problems = [*_attempts(folder, events)]
    if result is not None:
        problems += _agreement(folder, run, events, result)
    yield from (differs("events", problem) for problem in problems)
    if not problems:
        beside = "" if result is None else ", in agreement with the result"
        yield ok("events", f"{len(events)}{beside}")


def _attempts(folder: Path, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    attempts = [event["attempt"] for event in events if event["event"] in ("started", "resumed")]
    if attempts != list(range(1, len(attempts) + 1)):
        yield f"attempts are numbered {attempts[:10]}"
    for name in ("metrics", "samples"):
        path = folder / f"{name}.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if any(event.get(f"{name}_offset", 0) > size for event in events):
            yield f"a resume stands behind the end of {name}.jsonl"
    told = {event["checkpoint"] for event in events if event["event"] == "checkpointed"}
    untold = [path.name for path in RunDirectory(folder).checkpoints() if path.name not in told]
    if untold:
        yield f"no event tells of {untold[0]}"


def _agreement(
    folder: Path, run: Mapping[str, Any], events: Sequence[Mapping[str, Any]], result: Mapping[str, Any]
) -> Iterator[str]:
    last = next((event["event"] for event in reversed(events) if event["event"] != "artifact"), "none")
    if last not in ("finished", "evaluating"):  # a kill can come between result and event
        yield f"the run has a result, and its last event is {last}"
    steps = max((point["step"] for point in RunDirectory(folder).metrics()), default=0)
    planned = (run["recipe_values"].get("train") or {}).get("max_steps", result["step"])
    if result["step"] != planned or steps > planned:
        yield f"the result is of step {result['step']} of {planned}, and points go up to {steps}"
    evaluated = [event for event in events if event["event"] == "evaluating"]
    if evaluated and evaluated[-1].get("averaged") != result.get("averaged"):
        yield "the result averages other checkpoints than were evaluated"


def _measurements(run: Mapping[str, Any], result: Mapping[str, Any] | None) -> Iterator[Check]:
    if result is None:
        return
    try:
        claims = {claim["id"] for claim in registry.claims(str(run["reproduction"]))}
    except (ReproductionError, FileNotFoundError):  # a paper of another version, or one without claims
        claims = set()
    for entry in result["measurements"]:
        measured = changes.measurement(entry, fingerprint=str(run["fingerprint"]))
        what = f"measurement {measured.metric}"
        if measured.claim_id is not None and measured.claim_id not in claims:
            yield unchecked(what, f"no claim here is called {admission.shown(measured.claim_id)}")
        else:
            yield ok(what, f"{measured.value:.6g} {measured.unit}".strip())
