"""Receipts balance, and a sync that died leaves one that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paperlab.entities import Receipt, ReceiptStatus
from paperlab.store import cursors, database, receipts
from paperlab.store.database import Session

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)


@pytest.fixture
def session(settings_for, engine_for) -> Iterator[Session]:
    with database.session(engine_for(settings_for())) as session:
        yield session


def start(session: Session, kind: str = "nightly") -> Receipt:
    return receipts.start(
        session, source="query-api", kind=kind, query="cat:cs.CL", cursor=NOW, process={"pid": 42}, now=NOW
    )


def test_a_receipt_is_there_from_the_start(session):
    receipt = start(session)
    assert receipts.get(session, receipt.id) == receipt
    assert receipt.status is ReceiptStatus.RUNNING


def test_a_receipt_that_does_not_balance_is_refused(session):
    receipt = start(session)
    with pytest.raises(ValueError, match="held \\+ open"):
        receipts.save(session, replace(receipt, announced=3, held=2, new=2))
    with pytest.raises(ValueError, match="new \\+ revised \\+ unchanged"):
        receipts.save(session, replace(receipt, announced=2, held=2, new=1))
    balanced = replace(
        receipt,
        status=ReceiptStatus.PARTIAL,
        announced=6,
        held=4,
        new=1,
        revised=1,
        unchanged=2,
        open=2,
        finished_at=NOW,
    )
    receipts.save(session, balanced)
    assert receipts.latest(session) == [balanced]


def test_who_died_is_marked_and_who_ended_is_not(session):
    ended, died = start(session), start(session)
    receipts.save(session, replace(ended, status=ReceiptStatus.COMPLETE, finished_at=NOW))
    assert receipts.close_dead(session, now=NOW) == 1
    statuses = {receipt.id: receipt.status for receipt in receipts.latest(session)}
    assert statuses == {ended.id: ReceiptStatus.COMPLETE, died.id: ReceiptStatus.INTERRUPTED}
    interrupted = receipts.get(session, died.id)
    assert interrupted is not None
    assert "42" in interrupted.reason
    success = receipts.last_success(session)
    assert success is not None
    assert success.id == ended.id


def test_every_kind_of_receipt_of_a_dead_process_is_marked(session):
    died = [start(session, kind) for kind in ("nightly", "announcements", "harvest", "snapshot")]
    assert receipts.close_dead(session, now=NOW) == len(died)
    assert {receipt.status for receipt in receipts.latest(session)} == {ReceiptStatus.INTERRUPTED}


def test_a_window_that_was_asked_for_is_no_success_of_the_nights_and_the_first_sync_is_one(session):
    def ended(kind: str, before: datetime | None, after: datetime | None) -> Receipt:
        receipt = replace(start(session, kind), cursor_before=before, cursor_after=after, finished_at=NOW)
        receipts.save(session, replace(receipt, status=ReceiptStatus.COMPLETE))
        return receipt

    ended("window", None, None)
    assert receipts.last_success(session) is None
    first = ended("window", None, NOW)
    ended("window", NOW, NOW)
    success = receipts.last_success(session)
    assert success is not None
    assert success.id == first.id


def test_a_cursor_moves_and_goes(session):
    assert cursors.get(session, "query-api:cs.CL") is None
    cursors.move(session, "query-api:cs.CL", NOW, NOW)
    cursors.move(session, "query-api:cs.CL", NOW.replace(hour=7), NOW)
    assert cursors.every(session) == {"query-api:cs.CL": NOW.replace(hour=7)}
    cursors.drop(session, "query-api:cs.CL")
    assert cursors.every(session) == {}
