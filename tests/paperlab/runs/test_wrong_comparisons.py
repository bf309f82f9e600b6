"""Measured about right, compared wrong: the five mistakes for which a public service had to take verdicts back.

Each is played through the whole path, from run directories by the index to the verdict, with three seeds whose mean is
the number that the claim reports to the last digit: what forbids a verdict is never the size of the number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from paperlab.entities import Claim, ClaimKind, DecisionKind, Tolerance, Verdict, VerdictKind
from paperlab.runs import decisions, indexer, judging, structure
from paperlab.store.database import Engine, session
from reproductions import registry
from tests.paperlab.runs import directories

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CHECKS = {"transformer": structure.Check("c" * 64)}
TODAY = registry.fingerprint("transformer-base", "smoke", code="c" * 64)

SUMMARY = Claim(
    id="2401.00001:table-4:model:rouge-l",
    source="2401.00001",
    kind=ClaimKind.VALUE,
    place={"table": "4", "row": "model", "column": "ROUGE-L"},
    statement="the model reaches 39.2 ROUGE-L",
    task="summarisation",
    dataset="news",
    split="test",
    metric="rougeL",
    value=39.2,
    unit="points",
    protocol={"stemming": True, "beam": 4},
    tolerance=Tolerance(0.3, "ours: twice the spread of three seeds"),
    reproduction="transformer",
    recipe="transformer-base",
    tier="smoke",
    confidence="verified-in-text",
)
TRANSLATION = replace(
    SUMMARY,
    id="2401.00001:table-2:model:bleu",
    place={"table": "2", "row": "model", "column": "BLEU"},
    statement="the model reaches 41.0 BLEU",
    task="translation",
    metric="bleu",
    unit="BLEU",
    value=41.0,
    protocol={"tokenisation": "13a", "casing": "cased", "beam": 5, "checkpoint_average": 5},
)

Judge = Callable[..., Verdict]


@pytest.fixture
def judge(engine: Engine, runs_dir: Path) -> Judge:
    """The verdict on a claim, after three runs that measured its number with these changes to how."""

    def verdict(
        claim: Claim,
        *,
        protocol: Mapping[str, Any] | None = None,
        decision: tuple[DecisionKind, str] | None = None,
        **changes: Any,
    ) -> Verdict:
        assert claim.value is not None
        for seed, nudge in enumerate((-0.01, 0.0, 0.01), start=1):
            fields = {name: getattr(claim, name) for name in ("task", "dataset", "split", "metric", "unit")}
            entry = directories.measured(
                claim.id,
                claim.value + nudge,
                **{**fields, "protocol": {**claim.protocol, **(protocol or {})}, **changes},
            )
            directories.finished(runs_dir, seed=seed, fingerprint=TODAY, measurements=[entry])
        indexer.index(engine, runs_dir)
        with session(engine) as writing:
            if decision is not None:
                decisions.decide(writing, [claim], *decision, now=NOW, by="ada")
            (found,) = judging.verdicts(writing, [claim], CHECKS)
        return found

    return verdict


@pytest.mark.parametrize("claim", [SUMMARY, TRANSLATION])
def test_the_same_numbers_measured_as_the_claim_says_reproduce_it(judge: Judge, claim: Claim) -> None:
    """The control: without the mistake each of these sets of runs is a reproduction."""
    assert judge(claim).kind is VerdictKind.REPRODUCED


def test_rouge_l_over_sentences_does_not_judge_rouge_l_over_the_text(judge: Judge) -> None:
    found = judge(SUMMARY, metric="rougeLsum")
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.differing_fields == ("metric",)
    assert found.reason.startswith("metric: claim rouge-l, run rouge-lsum (known effect: +9 to +14.1 points; seen: ")
    assert "google-research issue 168" in found.reason


def test_greedy_decoding_does_not_judge_what_was_decoded_with_a_beam_of_five(judge: Judge) -> None:
    found = judge(TRANSLATION, protocol={"beam": 1})
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.differing_fields == ("beam",)
    assert found.reason.startswith("beam: claim 5, run 1 (known effect: -1.7 to -1 BLEU; seen: ")


def test_a_number_of_another_row_is_refused_once_the_claim_is_retracted(judge: Judge) -> None:
    found = judge(TRANSLATION, decision=(DecisionKind.RETRACTED, "41.0 stands in the row of the larger model"))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert found.measured is None
    assert found.reason == "retracted on 2026-11-24 by ada: 41.0 stands in the row of the larger model"


def test_a_row_of_another_data_set_is_not_comparable_by_itself(judge: Judge) -> None:
    """The wrong row that the runs can see: they measured another split than the row that was typed off."""
    found = judge(TRANSLATION, split="test_2017")
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.reason == "split: claim test, run test_2017"


def test_another_checkpoint_does_not_judge_the_mean_of_five(judge: Judge) -> None:
    found = judge(TRANSLATION, protocol={"checkpoint_average": 0})
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.differing_fields == ("checkpoint_average",)
    assert "checkpoint_average: claim 5, run 0 (known effect: -0.65 to" in found.reason
    assert "fairseq issue 1352" in found.reason


def test_a_target_that_was_read_in_no_text_is_refused_until_somebody_has_looked(judge: Judge) -> None:
    unread = replace(TRANSLATION, confidence="memory")
    found = judge(unread)
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert found.measured is None
    assert found.reason.startswith("not confirmed in a text: nothing can be held against it")


def test_a_target_that_is_not_in_the_paper_stays_refused(judge: Judge) -> None:
    unread = replace(TRANSLATION, confidence="memory")
    found = judge(unread, decision=(DecisionKind.RETRACTED, "no table of v3 has such a number"))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert found.reason.endswith("by ada: no table of v3 has such a number")
