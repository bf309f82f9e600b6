"""All claims against all runs: verdicts, their log, and the structural checks of this machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paperlab.entities import ClaimKind, VerdictKind
from paperlab.errors import PaperlabError
from paperlab.library import claims as library
from paperlab.runs import indexer, judging, launch, structure
from paperlab.store import verdicts as log
from paperlab.store.database import Engine, read_only, session
from reproductions import registry
from tests.paperlab.runs import directories
from tests.paperlab.runs.test_verdict import AT_LEAST

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CLAIM = replace(
    AT_LEAST,
    id="ours:exact-match",
    dataset="number-words",
    reproduction="transformer",
    recipe="transformer-base",
    tier="smoke",
)
CHECKS = {"transformer": structure.Check("c" * 64)}
TODAY = registry.fingerprint("transformer-base", "smoke", code="c" * 64)


def measure(runs_dir: Path, engine: Engine, values: list[float], first: int = 1, **options: Any) -> None:
    for seed, value in enumerate(values, start=first):
        measurement = directories.measured(CLAIM.id, value)
        given = {"fingerprint": TODAY, **options}
        directories.finished(runs_dir, seed=seed, measurements=[measurement], **given)
    indexer.index(engine, runs_dir)


def test_three_finished_runs_judge_the_claim_that_they_measured(engine: Engine, runs_dir: Path) -> None:
    measure(runs_dir, engine, [1.0, 0.998, 1.0])
    with read_only(engine) as reading:
        (verdict,) = judging.verdicts(reading, [CLAIM], CHECKS)
    assert verdict.kind is VerdictKind.REPRODUCED
    assert verdict.seeds == 3
    assert len(verdict.run_ids) == 3


def test_runs_of_changed_code_leave_the_claim_stale(engine: Engine, runs_dir: Path) -> None:
    measure(runs_dir, engine, [1.0, 0.998, 1.0], fingerprint="e" * 64)
    with read_only(engine) as reading:
        (verdict,) = judging.verdicts(reading, [CLAIM], CHECKS)
    assert verdict.kind is VerdictKind.STALE


def test_a_number_changed_in_another_tier_leaves_the_verdict_as_it_is(
    engine: Engine, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(runs_dir, engine, [1.0, 0.998, 1.0])
    tuned = {tier: replace(registry.recipe("transformer-base", tier), name=f"tuned {tier}") for tier in registry.TIERS}
    untouched = registry.recipe("transformer-base", "smoke")

    def kind() -> VerdictKind:
        with read_only(engine) as reading:
            return judging.verdicts(reading, [CLAIM], CHECKS)[0].kind

    monkeypatch.setattr(registry, "recipe", lambda _, tier: untouched if tier == "smoke" else tuned[tier])
    assert kind() is VerdictKind.REPRODUCED
    monkeypatch.setattr(registry, "recipe", lambda _, tier: tuned[tier])
    assert kind() is VerdictKind.STALE


def test_runs_with_overrides_are_not_comparable(engine: Engine, runs_dir: Path) -> None:
    measured = [directories.measured(CLAIM.id)]
    directories.finished(runs_dir, measurements=measured, overrides={"train.max_steps": "5"})
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        (verdict,) = judging.verdicts(reading, [CLAIM], CHECKS)
    assert verdict.kind is VerdictKind.NOT_COMPARABLE
    assert verdict.differing_fields == ("train.max_steps",)


def test_the_log_grows_only_when_a_verdict_or_its_grounds_change(engine: Engine, runs_dir: Path) -> None:
    def judge(days: int) -> int:
        with session(engine) as writing:
            judged = judging.judgements(writing, [CLAIM], CHECKS)
            return len(judging.record(writing, [CLAIM], judged, now=NOW + timedelta(days=days)))

    assert judge(0) == 0  # nothing attempted is no news
    measure(runs_dir, engine, [1.0, 0.998])
    assert judge(1) == 1
    assert judge(2) == 0
    measure(runs_dir, engine, [0.996], first=3)
    assert judge(3) == 1
    with read_only(engine) as reading:
        entries = log.history(reading, CLAIM.id)
    assert [entry.judged_at.day for entry in entries] == [25, 27]
    assert [item["value"] for item in entries[-1].computed_from["measurements"]] == [1.0, 0.998, 0.996]


# --- structural checks -------------------------------------------------------------------------------------------


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", "tests.paperlab.claimed_paper")
    return "claimed"


def test_a_structural_check_is_made_once_for_each_code(
    engine: Engine, tmp_path: Path, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [claim for claim in library.load([claimed]) if claim.kind is ClaimKind.STRUCTURAL]
    assert structure.known([claimed], tmp_path)[claimed].measurements == ()
    made = structure.check([claimed], tmp_path)
    assert [item.value for item in made[claimed].measurements] == [189.0] * 3
    assert structure.known([claimed], tmp_path) == made
    assert structure.check([claimed], tmp_path, python="/no/such/python") == made
    with read_only(engine) as reading:
        kinds = [verdict.kind for verdict in judging.verdicts(reading, claims, made)]
    assert kinds == [VerdictKind.REPRODUCED, VerdictKind.DIFFERS, VerdictKind.NOT_COMPARABLE]
    monkeypatch.setattr(registry, "fingerprint", lambda *_, **__: "another")
    assert structure.known([claimed], tmp_path)[claimed].measurements == ()


def test_without_torch_structural_claims_are_not_attempted_and_say_why(
    engine: Engine, tmp_path: Path, claimed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "missing_packages", list)
    checks = structure.check([claimed], tmp_path)
    claims = [claim for claim in library.load([claimed]) if claim.kind is ClaimKind.STRUCTURAL]
    with read_only(engine) as reading:
        verdicts = judging.verdicts(reading, claims, checks)
    assert {verdict.kind for verdict in verdicts} == {VerdictKind.NOT_ATTEMPTED}
    assert verdicts[0].reason == "torch is not installed: pip install 'paperlab[train]'"


def test_a_check_that_breaks_says_how_to_see_it(tmp_path: Path, claimed: str) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'error: no memory.' >&2\nexit 4\n")
    python.chmod(0o755)
    with pytest.raises(PaperlabError, match="structural check of claimed failed: no memory") as caught:
        structure.check([claimed], tmp_path, python=str(python))
    assert caught.value.hint == "python -m reproductions claimed --structure"


# --- data -------------------------------------------------------------------------------------------------------


def test_runs_on_data_that_is_another_now_leave_the_claim_stale(
    engine: Engine, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "data_hashes", lambda: {"words/train.gz": "a" * 64, "words/other.gz": "c" * 64})
    measure(runs_dir, engine, [1.0, 0.998], data={"words/train.gz": "a" * 64})
    measure(runs_dir, engine, [0.996], first=3, data={"words/train.gz": "b" * 64, "words/unknown.gz": "d" * 64})
    with read_only(engine) as reading:
        (verdict,) = judging.verdicts(reading, [CLAIM], CHECKS)
    assert (verdict.kind, verdict.seeds) == (VerdictKind.REPRODUCED, 2)  # the third is another sample
    monkeypatch.setattr(registry, "data_hashes", lambda: {"words/train.gz": "e" * 64})
    with read_only(engine) as reading:
        (judgement,) = judging.judgements(reading, [CLAIM], CHECKS).values()
    assert judgement.verdict.kind is VerdictKind.STALE
    assert "with data that has changed since (words/train.gz): " in judgement.verdict.reason
    assert judgement.verdict.seeds == 1


def test_the_manifest_names_the_data_as_provenance_does() -> None:
    hashes = registry.data_hashes()
    assert len(hashes["multi30k/train.en.gz"]) == 64
