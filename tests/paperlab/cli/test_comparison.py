"""`paperlab runs compare`, of runs and of two recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import launch
from tests.paperlab.runs import directories


def test_runs_are_compared_by_how_their_names_begin(paperlab: Any, home: Path) -> None:
    for seed in (1, 2, 3):
        directories.finished(home / "runs", seed=seed, measurements=[directories.measured(None, 0.5 + seed / 100)])
        directories.finished(
            home / "runs",
            seed=seed,
            overrides={"optim.lr": "2"},
            token="aaaa",
            measurements=[directories.measured(None, 0.6 + seed / 90)],
        )
    found = paperlab(
        "runs", "compare", "20261124-093001-transformer-base-smoke-7", "093001-transformer-base-smoke-aaaa"
    )
    assert found.code == 0, found.err
    for expected in ("overrides.optim.lr", "B - A", "3 seeds", "p = "):
        assert expected in found.out
    record = paperlab("runs", "compare", "093001-transformer-base-smoke-7", "093001-transformer-base-smoke-a", "--json")
    (row,) = record.json["rows"]
    assert row["values"] == [0.51, pytest.approx(0.6 + 1 / 90)]
    assert row["tests"][0]["seeds"] == [1, 2, 3]


def test_one_run_or_the_same_run_twice_is_refused(paperlab: Any, home: Path) -> None:
    name = directories.finished(home / "runs").name
    assert paperlab("runs", "compare", name).code == 2
    assert paperlab("runs", "compare", name, name).code == 3
    assert paperlab("runs", "compare", name, "nothing").code == 3


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs end at once; which ones were asked for."""
    asked: list[str] = []

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        asked.append(f"{request.seed} {' '.join(request.overrides)}".strip())
        overrides = dict(word.split("=") for word in request.overrides)
        token = "aaaa" if overrides else "7f3a"
        with directories.begin(
            home / "runs", recipe=request.recipe, seed=request.seed, overrides=overrides, token=token
        ) as recorder:
            recorder.metrics({"val/loss": (2.0 if overrides else 3.0) + 0.01 * request.seed**2 * len(token)}, 1)
            recorder.result([], seconds=1.0)
            return launch.Ended(0, recorder.path.name, recorder.path, "finished")

    monkeypatch.setattr(launch, "run", run)
    return asked


def test_two_recipes_are_trained_in_turns_and_tested(paperlab: Any, trained: list[str]) -> None:
    words = ("runs", "compare", "claimed-next", "claimed-next optim.lr=2", "--ab", "--seeds", "2")
    found = paperlab(*words, "--json").json
    assert trained == ["1", "1 optim.lr=2", "2", "2 optim.lr=2"]
    assert [pair["seed"] for pair in found["pairs"]] == [1, 2]
    assert found["test"]["mean"] == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("claimed-next", "--ab"), 2, "two recipes"),
        (("claimed-next", "claimed-next", "--ab"), 3, "compared with itself"),
        (("claimed-next", "claimd-next", "--ab"), 3, "did you mean: claimed-next"),
        (("claimed-next", "claimed-next a.b=1", "--ab", "--metric", "test/bleu"), 3, "no ground for choosing"),
    ],
)
def test_what_can_not_be_compared_is_refused_before_anything_is_trained(
    paperlab: Any, trained: list[str], words: tuple[str, ...], code: int, said: str
) -> None:
    refused = paperlab("runs", "compare", *words)
    assert refused.code == code
    assert said in refused.err
    assert trained == []


def test_a_training_that_stops_early_ends_the_command_as_it_ended(
    paperlab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "run", lambda request, *, home: launch.Ended(75, "run", home, "interrupted"))
    assert paperlab("runs", "compare", "claimed-next", "claimed-next a.b=1", "--ab").code == 75
