"""May a claim be judged?  What somebody decides about it, and what puts it back up for confirmation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.entities import Claim, Decision, DecisionKind, Verdict, VerdictKind
from paperlab.errors import InvalidInput
from paperlab.runs import decisions, judging, verdict
from paperlab.runs.decisions import Standing, content_hash, standing
from paperlab.store import decisions as log
from paperlab.store import papers
from paperlab.store.database import Engine, read_only, session
from tests.fakes.papers import make_paper
from tests.paperlab.runs.test_verdict import BETTER, CLAIM, CLAIMS, ORDERING, WORSE, seeds

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
READ = replace(CLAIM, source_version=1)
UNREAD = replace(READ, confidence="memory")
CLOSE = seeds([27.2, 27.3, 27.4])


def decided(claim: Claim, kind: DecisionKind = DecisionKind.CONFIRMED, version: int | None = None) -> Decision:
    return Decision(claim.id, kind, "read in table 1", content_hash(claim), NOW, "ada", version)


def judged(claim: Claim, held: Standing) -> Verdict:
    return verdict.judge(claim, CLOSE, standings={claim.id: held}, claims=CLAIMS).verdict


# --- confirmed ------------------------------------------------------------------------------------------------


def test_an_unread_claim_is_judged_once_somebody_has_confirmed_it_and_the_verdict_says_who() -> None:
    refused = judged(UNREAD, standing(UNREAD))
    assert refused.kind is VerdictKind.NOT_ATTEMPTED
    assert refused.reason.startswith("not confirmed in a text")
    assert f"paperlab claims confirm {UNREAD.id}" in refused.reason
    found = judged(UNREAD, standing(UNREAD, decided(UNREAD)))
    assert found.kind is VerdictKind.REPRODUCED
    assert found.reason.endswith("; confirmed on 2026-11-24 by ada: read in table 1")


@pytest.mark.parametrize(
    "changed",
    [replace(UNREAD, value=27.4), replace(UNREAD, protocol={"beam": 5}), replace(UNREAD, place={"table": "2"})],
)
def test_a_claim_that_changed_after_it_was_confirmed_has_to_be_confirmed_again(changed: Claim) -> None:
    found = judged(changed, standing(changed, decided(UNREAD)))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert "the claim that was confirmed on 2026-11-24 by ada" in found.reason
    assert "has changed since" in found.reason


# --- retracted ------------------------------------------------------------------------------------------------


def test_a_retracted_claim_is_never_judged_and_says_by_whom_when_and_why() -> None:
    found = judged(READ, standing(READ, decided(READ, DecisionKind.RETRACTED)))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert found.reason == "retracted on 2026-11-24 by ada: read in table 1"


def test_a_retracted_claim_that_was_corrected_waits_to_be_confirmed() -> None:
    corrected = replace(READ, value=27.4)
    refused = standing(corrected, decided(READ, DecisionKind.RETRACTED))
    assert "it has changed since: paperlab claims confirm" in refused.refusal
    assert judged(corrected, standing(corrected, decided(corrected))).kind is VerdictKind.REPRODUCED


def test_an_ordering_that_runs_through_a_retracted_claim_is_not_judged() -> None:
    measurements = [*seeds([28.0, 28.1, 28.2], BETTER), *seeds([27.0, 27.1, 27.1], WORSE)]
    gone = standing(WORSE, decided(WORSE, DecisionKind.RETRACTED))
    found = verdict.judge(ORDERING, measurements, claims=CLAIMS, standings={WORSE.id: gone}).verdict
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert found.reason.startswith(f"it runs through {WORSE.id}, which is retracted on 2026-11-24")


# --- a newer version of the paper -----------------------------------------------------------------------------


def test_a_newer_version_of_the_paper_makes_a_verdict_stale_until_the_claim_is_confirmed() -> None:
    found = judged(READ, standing(READ, None, held_version=2))
    assert found.kind is VerdictKind.STALE
    assert found.reason.startswith("was reproduced: ")
    assert "v2 of 2401.00001 is out and the claim was last read in v1: paperlab claims confirm" in found.reason
    assert judged(READ, standing(READ, decided(READ, version=2), held_version=2)).kind is VerdictKind.REPRODUCED
    assert judged(READ, standing(READ, decided(READ, version=2), held_version=3)).kind is VerdictKind.STALE


def test_the_version_it_was_read_in_or_an_older_one_raises_no_doubt() -> None:
    for held in (None, 1):
        assert standing(READ, None, held) == Standing()
    assert standing(CLAIM, None, 9) == Standing()  # the file does not say in which version it was read


# --- in the database ------------------------------------------------------------------------------------------


def test_decisions_are_only_added_and_the_last_one_holds(engine: Engine) -> None:
    with session(engine) as writing:
        for day, (kind, reason) in enumerate(
            [
                (DecisionKind.CONFIRMED, "read in v1"),
                (DecisionKind.CONFIRMED, "read  in\nv1 "),
                (DecisionKind.RETRACTED, "wrong row"),
            ]
        ):
            decisions.decide(writing, [UNREAD], kind, reason, now=NOW + timedelta(days=day), by="ada")
    with read_only(engine) as reading:
        entries = log.history(reading, {UNREAD.id})
        assert [(entry.kind, entry.reason) for entry in entries] == [
            (DecisionKind.CONFIRMED, "read in v1"),
            (DecisionKind.RETRACTED, "wrong row"),
        ]
        assert decisions.standings(reading, [UNREAD])[UNREAD.id].retracted


def test_a_decision_needs_a_reason(engine: Engine) -> None:
    with session(engine) as writing, pytest.raises(InvalidInput, match="needs a reason"):
        decisions.decide(writing, [UNREAD], DecisionKind.CONFIRMED, " \n", now=NOW)


def test_a_version_that_arrives_puts_the_claims_of_its_paper_back_up(engine: Engine) -> None:
    claim = replace(READ, source="2611.00001")
    version = make_paper(0, NOW)
    assert version.arxiv_id == claim.source

    def doubt() -> str:
        with session(engine) as writing:
            return decisions.standings(writing, [claim])[claim.id].doubt

    for number, expected in ((1, ""), (2, "v2 of 2611.00001 is out")):
        with session(engine) as writing:
            papers.upsert(writing, [replace(version, version=number, title=f"Title {number}")], NOW)
        assert doubt().startswith(expected)
        assert bool(doubt()) is bool(expected)
    with session(engine) as writing:
        decisions.decide(writing, [claim], DecisionKind.CONFIRMED, "the same in v2", now=NOW)
    assert doubt() == ""


def test_a_claim_that_changed_since_its_verdict_was_logged_is_stale_until_it_is_judged_as_it_is_now(
    engine: Engine,
) -> None:
    measured = replace(CLAIM, id="some:claim")
    held = verdict.judge(measured, seeds([27.2, 27.3, 27.4], measured))
    with session(engine) as writing:
        judging.record(writing, [measured], {measured.id: held}, now=NOW)
    wider = replace(measured, value=27.2)
    with session(engine) as writing:
        stale = judging.unless_changed(writing, [wider], {wider.id: held})[wider.id].verdict
        assert stale.kind is VerdictKind.STALE
        assert stale.reason.startswith("was reproduced on 2026-11-24, but the claim has changed since")
        same = judging.unless_changed(writing, [measured], {measured.id: held})[measured.id]
        assert same is held
