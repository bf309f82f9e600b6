"""A paper that concerns the reader and was replaced or withdrawn is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv_id import ArxivId
from paperlab.entities import AlertKind
from paperlab.errors import InvalidInput
from paperlab.library import alerts, arrivals, claims, reading
from paperlab.store import database
from paperlab.store.papers import SEED
from tests.fakes import make_paper

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
FIRST = replace(make_paper(1, NOW), abstract="We train\na model.", comment="9 pages")
SECOND = replace(FIRST, version=2, abstract="We train a larger model.", updated_at=LATER)
WITHDRAWN = replace(SECOND, comment="This paper has been withdrawn by the author", withdrawn=True)
PAPER = ArxivId(FIRST.arxiv_id)
ATTENTION = replace(FIRST, arxiv_id="1706.03762", title="Attention Is All You Need", version=7)
LANDMARK = replace(ATTENTION, version=1, abstract="In our own words.", source=SEED)


@pytest.fixture
def settings(settings_for):
    return settings_for()


@pytest.fixture
def session(settings, engine_for):
    with database.session(engine_for(settings)) as session:
        yield session


@pytest.fixture
def take(session, settings) -> Callable[..., None]:
    return lambda *papers: arrivals.take(session, settings, papers, LATER)


@pytest.mark.parametrize(
    ("why", "concern"),
    [
        ("starred", lambda session: reading.star(session, [PAPER], NOW)),
        ("tagged moe, to cite", lambda session: reading.tag(session, [PAPER], ["to cite", "moe"], NOW)),
        ("noted", lambda session: reading.add_note(session, PAPER, "text", NOW)),
    ],
    ids=["starred", "tagged", "noted"],
)
def test_a_paper_of_mine_that_is_replaced_raises_one_alert(session, take, why, concern):
    take(FIRST)
    concern(session)
    take(SECOND)
    (alert,) = alerts.find(session)
    assert (alert.arxiv_id, alert.kind, alert.raised_at) == (FIRST.arxiv_id, AlertKind.REPLACED, LATER)
    assert alert.details == {"version": 2, "from": 1, "fields": ["abstract"], "title": FIRST.title, "why": [why]}
    assert alerts.in_words(alert) == f"replaced by v2 (changed: abstract); {why}"


def test_the_same_version_again_raises_nothing_and_the_next_one_does(session, take):
    take(FIRST)
    reading.star(session, [PAPER], NOW)
    take(SECOND)
    take(SECOND)
    take(replace(SECOND, comment="10 pages"))
    take(FIRST)
    assert len(alerts.find(session)) == 1
    take(replace(SECOND, version=3))
    assert [alert.details["version"] for alert in alerts.find(session)] == [3, 2]


def test_wrapping_and_a_journal_reference_under_the_same_version_are_no_alert(session, take):
    take(FIRST)
    reading.star(session, [PAPER], NOW)
    take(replace(FIRST, abstract="We train a model."))
    take(replace(FIRST, journal_ref="ACL 2026", doi="10.1/2"))
    assert alerts.find(session) == []


def test_a_new_version_with_the_same_record_is_an_alert_that_says_so(session, take):
    take(FIRST)
    reading.star(session, [PAPER], NOW)
    take(replace(SECOND, abstract="We train a model."))
    (alert,) = alerts.find(session)
    assert alerts.in_words(alert) == "replaced by v2 (its record is the same); starred"


def test_a_paper_that_concerns_nobody_raises_nothing(session, take):
    take(FIRST)
    reading.set_read(session, [PAPER], NOW)
    reading.star(session, [PAPER], NOW)
    reading.unstar(session, [PAPER])
    take(SECOND)
    assert alerts.find(session) == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_withdrawal_is_one_alert_whether_or_not_it_is_a_new_version(session, take, version):
    take(FIRST)
    reading.star(session, [PAPER], NOW)
    take(replace(WITHDRAWN, version=version))
    take(replace(WITHDRAWN, version=version, comment="withdrawn"))
    (alert,) = alerts.find(session)
    assert alert.kind is AlertKind.WITHDRAWN
    assert alerts.in_words(alert) == f"withdrawn in v{version}; starred"


def test_a_paper_that_comes_back_after_its_withdrawal_was_replaced(session, take):
    take(FIRST)
    reading.star(session, [PAPER], NOW)
    take(WITHDRAWN)
    take(replace(SECOND, version=3))
    assert [alert.kind for alert in alerts.find(session)] == [AlertKind.REPLACED, AlertKind.WITHDRAWN]


def test_a_new_version_of_a_reproduced_paper_names_the_claims_that_were_read_in_an_older_one(session, take):
    in_v7 = [claim for claim in claims.load(["transformer"]) if claim.source_version == 7]
    take(ATTENTION)
    take(replace(ATTENTION, version=8, abstract="Another."))
    (alert,) = alerts.find(session)
    assert alert.details["why"] == ["reproduced"]
    assert alert.details["claims"] == [
        {"id": claim.id, "read_in": 7} for claim in in_v7 if claim.source == "1706.03762"
    ]
    assert f"{len(alert.details['claims'])} claims were read in v7, now v8" in alerts.in_words(alert)


def test_the_place_holder_of_a_landmark_gives_way_without_an_alert(session, take):
    take(LANDMARK)
    take(ATTENTION)
    assert alerts.find(session) == []


def test_a_landmark_that_arrives_in_a_newer_version_than_its_claims_were_read_in_is_told(session, take):
    take(LANDMARK)
    take(replace(ATTENTION, version=9))
    (alert,) = alerts.find(session)
    assert alert.details["from"] is None
    assert "claims were read in v7, now v9" in alerts.in_words(alert)


def test_claims_that_cannot_be_read_do_not_keep_papers_out(session, take, monkeypatch):
    def broken(_names: object) -> None:
        raise InvalidInput("claims.toml of transformer, x: value is missing")

    take(ATTENTION)
    monkeypatch.setattr(claims, "load", broken)
    take(replace(ATTENTION, version=8))
    (alert,) = alerts.find(session)
    assert "its claims can't be read: claims.toml of transformer, x: value is missing" in alerts.in_words(alert)


def test_alerts_are_seen_by_number_by_paper_or_all(session, take):
    others = [replace(FIRST, arxiv_id=f"2611.0900{n}") for n in range(3)]
    take(*others)
    reading.star(session, [ArxivId(paper.arxiv_id) for paper in others], NOW)
    take(*(replace(paper, version=2) for paper in others))
    first, second, third = sorted(alerts.find(session), key=lambda alert: alert.id)
    assert alerts.mark_seen(session, [str(first.id), second.arxiv_id], LATER) == 2
    assert alerts.mark_seen(session, [str(first.id)], LATER) == 0
    assert alerts.find(session) == [third]
    assert alerts.mark_all_seen(session, LATER) == 1
    assert alerts.find(session) == []
    assert len(alerts.find(session, seen=True)) == 3
    with pytest.raises(InvalidInput, match='"99" is no alert'):
        alerts.mark_seen(session, ["99"], LATER)
