"""`paperlab claims renew`: stale verdicts, and code that computes the same or does not."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import launch
from reproductions import registry
from tests.paperlab.cli.test_claims import accuracy, verdicts
from tests.paperlab.runs import directories

OLD = "e" * 64
"""The code that the runs were made with."""


def run_of(home: Path, seed: int, *, code: str = OLD, loss: float = 0.0, token: str = "7f3a", threads: int = 1) -> Path:
    """A finished run with weights, as the child writes it."""
    path = directories.finished(
        home / "runs",
        recipe="claimed-next",
        seed=seed,
        token=token,
        fingerprint=registry.fingerprint("claimed-next", "smoke", code=code),
        measurements=[accuracy(seed / 10)],
        code=code,
        provenance={"device": "cpu", "threads": threads},
        offset=loss,
    )
    directories.weights(path, f"weights of seed {seed} with {loss}".encode())
    return path


Trains = Callable[..., list[launch.Request]]


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> Trains:
    """Training ends at once, with a run of today's code; gives the requests that were made."""

    def replaced(*, loss: float = 0.0, exit_code: int = 0) -> list[launch.Request]:
        asked: list[launch.Request] = []

        def run(request: launch.Request, *, home: Path) -> launch.Ended:
            asked.append(request)
            if exit_code:
                return launch.Ended(exit_code)
            code = registry.fingerprint("claimed")
            path = run_of(home, request.seed, code=code, loss=loss, token="0000", threads=request.threads or 0)
            return launch.Ended(0, path.name, path, "finished")

        monkeypatch.setattr(launch, "run", run)
        return asked

    return replaced


def verdict_of(outcome: Any) -> tuple[str, str]:
    (claim,) = [claim for claim in outcome.json["claims"] if claim["id"] == "claimed:accuracy"]
    return claim["verdict"], claim["reason"]


def test_a_replay_that_parts_nowhere_makes_the_verdict_hold_again(paperlab: Any, home: Path, trains: Trains) -> None:
    for seed in (1, 2, 3):
        run_of(home, seed)
    assert verdict_of(paperlab("claims", "check", "--json"))[0] == "stale"
    asked = trains()
    renewed = paperlab("claims", "renew", "--json")
    assert renewed.code == 0, renewed.err
    assert [(each.seed, each.tier, each.device, each.threads) for each in asked] == [(3, "smoke", "cpu", 1)]
    kind, reason = verdict_of(renewed)
    assert kind == "reproduced"
    assert (
        "the code has changed since, and computes the same (replay 20261124-093003-claimed-next-smoke-0000)" in reason
    )
    (made,) = renewed.json["replays"]
    assert made["equal"]
    assert made["details"]["values"] == 20
    again = paperlab("claims", "renew")
    assert again.code == 0
    assert "none of 5 claims is stale" in again.err
    assert verdict_of(paperlab("claims", "list", "--json"))[0] == "reproduced"
    log = paperlab("claims", "show", "claimed:accuracy", "--json").json["log"]
    assert [entry["kind"] for entry in log] == ["stale", "reproduced"]


def test_after_a_replay_that_parts_only_what_today_s_code_measured_counts_and_the_reason_says_where(
    paperlab: Any, home: Path, trains: Trains
) -> None:
    run_of(home, 1)
    run_of(home, 2)
    trains(loss=0.5)
    renewed = paperlab("claims", "renew", "--json")
    assert not renewed.json["replays"][0]["equal"]
    assert renewed.json["replays"][0]["details"]["parts_at"] == "step 1, train/loss: 9.0 then, 9.5 now"
    kind, reason = verdict_of(renewed)
    assert kind == "inconclusive"  # the replay is a run of today's code: one seed
    assert (
        "; 2 older left out, with code that has changed since (a replay parts from it: step 1, train/loss: 9.0 then, "
        "9.5 now)" in reason
    )
    assert verdict_of(paperlab("claims", "list", "--json")) == (kind, reason)


def test_without_a_smoke_run_of_the_old_code_or_its_weights_nothing_is_trained(
    paperlab: Any, home: Path, trains: Trains
) -> None:
    other = {"recipe": "claimed-next", "fingerprint": "d" * 64, "measurements": [accuracy(0.2)]}
    for seed in (1, 2):
        directories.finished(home / "runs", seed=seed, **other)
    asked = trains()
    refused = paperlab("claims", "renew", "--json")
    assert refused.code == 0
    assert verdict_of(refused)[0] == "stale"
    (obstacle,) = refused.json["not_replayed"]
    assert obstacle["claims"] == ["claimed:accuracy"]
    assert obstacle["why"] == "the final weights of 20261124-093002-claimed-next-smoke-7f3a are not there any more"
    said = paperlab("claims", "renew")
    assert "; new runs renew claimed:accuracy" in said.err
    assert "1 stale; 0 replayed" in said.err
    assert asked == []


def test_a_claim_that_is_stale_for_another_reason_is_told_apart(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(home, 1, code=registry.fingerprint("claimed"))
    monkeypatch.setattr(registry, "data_hashes", lambda: {"train.gz": "b" * 64})
    directories.finished(
        home / "runs",
        recipe="claimed-next",
        token="0001",
        fingerprint=registry.fingerprint("claimed-next", "smoke"),
        measurements=[accuracy(0.2)],
        data={"train.gz": "a" * 64},
    )
    (first,) = [path for path in (home / "runs").iterdir() if path.name.endswith("7f3a")]
    shutil.rmtree(first)
    said = paperlab("claims", "renew")
    assert said.code == 0
    assert "1 for another reason than code: paperlab claims list --verdict stale" in said.err


def test_training_that_does_not_end_well_ends_the_command_with_its_code(
    paperlab: Any, home: Path, trains: Trains
) -> None:
    run_of(home, 1)
    trains(exit_code=75)
    assert paperlab("claims", "renew").code == 75
    assert verdict_of(paperlab("claims", "list", "--json"))[0] == "stale"


@pytest.fixture
def editable(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a paper whose code a test may change."""
    folder = tmp_path / "papers" / "edited_paper"
    source = Path(registry.folder("claimed"))
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    root = str(Path(__file__).parents[3])
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("PYTHONPATH", f"{root}:{folder.parent}")
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", "edited_paper")
    yield folder
    for name in [name for name in sys.modules if name.startswith("edited_paper")]:
        del sys.modules[name]


@pytest.mark.soak
def test_code_is_changed_and_trained_again_for_real(paperlab: Any, editable: Path) -> None:
    """The real child and real weights: a variable is given another name, then a number another value."""
    smoke = ("reproduce", "claimed-next", "--tier", "smoke", "--threads", "1", "--quiet", "--json")
    for seed in "12":
        trained = paperlab(*smoke, "--seed", seed)
        assert trained.code == 0, trained.err
    assert trained.json["verdicts"][0]["verdict"] == "reproduced"

    task = editable / "task.py"
    text = task.read_text()
    task.write_text(text.replace("(accuracy,)", "(measured,)").replace("**accuracy", "**measured"))
    assert verdicts(paperlab("claims", "list", "--json"))["claimed:accuracy"] == "stale"
    renewed = paperlab("claims", "renew", "--json")
    assert renewed.code == 0, renewed.err
    assert renewed.json["replays"][0]["equal"]
    assert verdict_of(renewed)[0] == "reproduced"

    task.write_text(
        text.replace("return [{**accuracy,", 'return [{**accuracy, "value": accuracy["value"] * 0.999999999,')
    )
    parted = paperlab("claims", "renew", "--json")
    assert parted.code == 0, parted.err
    kind, reason = verdict_of(parted)
    assert kind == "inconclusive"
    assert "3 older left out, with code that has changed since (a replay parts from it: measurement" in reason
    assert json.dumps(parted.json["replays"][0]["details"]["weights"]) != "{}"
