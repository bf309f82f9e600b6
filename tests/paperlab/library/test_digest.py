"""What a digest holds, in which order, and that nothing comes twice or gets lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.entities import AnnouncementKind, Profile, Verdict, VerdictKind
from paperlab.errors import TryAgain
from paperlab.library import arrivals, digest, ranking, watchlists
from paperlab.news import WhyKind
from paperlab.settings import LLM_PROFILE
from paperlab.store import database, reading, verdicts
from paperlab.store.reading import Mark
from paperlab.store.schema import AlertRow, AnnouncementRow, GapRow, WatchlistRow, WatchMatchRow
from tests.fakes import make_papers

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
PROFILES = ["llm", "vision"]
VISION = Profile("vision", ("cs.CV",), always=("cs.CV",), terms=())
DAY = timedelta(days=1)


@pytest.fixture
def store(settings_for, engine_for):
    """An empty store, with what a sync, a watchlist and a verdict would do to it."""
    settings = replace(settings_for(), profiles={"llm": LLM_PROFILE, "vision": VISION})
    engine = engine_for(settings)

    class Store:
        def __init__(self):
            self.engine = engine

        def write(self, *rows):
            with database.session(engine) as session:
                for row in rows:
                    session.add(row)
                    session.flush()

        def hold(self, papers, at=NOW):
            with database.session(engine) as session:
                arrivals.take(session, settings, papers, at)

        def watch(self, name, ids, at=NOW, query="x"):
            self.write(WatchlistRow(name=name, query=query, created_at=at, matched_query=query))
            self.write(*(WatchMatchRow(watchlist=name, arxiv_id=each, matched_at=at, shown_at=None) for each in ids))

        def digest(self, since=None, now=NOW, limit=None, profiles=PROFILES):
            with database.read_only(engine) as session:
                return digest.collect(session, settings, profiles, since=since, now=now, limit=limit)

        def again(self):
            with database.read_only(engine) as session:
                return digest.once_more(session, PROFILES)

        def lately(self, now=NOW, profiles=PROFILES):
            with database.read_only(engine) as session:
                return digest.lately(session, profiles, now)

        def mark(self, shown, profiles=PROFILES):
            with database.session(engine) as session:
                digest.mark(session, settings, profiles, shown)

        def judge(self, claim, kind, at, **evidence):
            with database.session(engine) as session:
                verdicts.append_if_changed(session, Verdict(claim, kind, "because"), evidence, at)

    return Store()


def papers(count, at=NOW):
    """So many papers of a category that is all relevant."""
    made = make_papers(4 * count, newest=at - timedelta(hours=2))
    return [paper for paper in made if "cs.CL" in paper.categories][:count]


def of_day(day, count, at):
    """Papers that no other day has, submitted shortly before."""
    return [replace(paper, arxiv_id=f"26{day:02d}.{n + 1:05d}") for n, paper in enumerate(papers(count, at=at))]


def seeing(count, at=NOW):
    """Papers that the second profile calls relevant, and the first does not."""
    about = {"title": "Optical flow", "abstract": "Pixels.", "categories": ("cs.CV",), "primary_category": "cs.CV"}
    return [replace(paper, arxiv_id=f"2699.{n:05d}", **about) for n, paper in enumerate(papers(count, at=at))]


def ids(entries):
    return [entry.paper.arxiv_id for entry in entries]


def test_relevant_papers_come_newest_first_with_the_terms_that_made_them_so(store):
    made = papers(5)
    store.hold(made)
    found = store.digest()
    assert ids(found.relevant) == [paper.arxiv_id for paper in made]
    [why] = found.relevant[0].why
    assert (why.kind, why.name) == (WhyKind.PROFILE, "llm")
    assert found.since == NOW - digest.FIRST_DIGEST


def test_what_a_watchlist_matches_comes_first_and_only_once(store):
    made = papers(6)
    store.hold(made)
    store.watch("zeta", [made[4].arxiv_id, made[1].arxiv_id])
    store.watch("alpha", [made[5].arxiv_id, made[1].arxiv_id])
    found = store.digest()
    assert ids(found.watched) == [made[1].arxiv_id, made[5].arxiv_id, made[4].arxiv_id]
    assert [why.name for why in found.watched[0].why] == ["alpha", "zeta", "llm"]
    assert set(ids(found.watched)).isdisjoint(ids(found.relevant))
    assert len(found.watched) + len(found.relevant) == 6


def test_what_was_marked_is_not_shown_again_and_the_rest_is(store):
    made = papers(6)
    store.hold(made)
    first = store.digest(limit=4)
    assert first.left_out == 2
    assert ids(store.digest(limit=4).relevant) == ids(first.relevant)  # nothing was marked yet
    store.mark(first)
    second = store.digest(now=NOW + timedelta(hours=1))
    assert set(ids(first.relevant)).isdisjoint(ids(second.relevant))
    assert len(ids(first.relevant) + ids(second.relevant)) == 6
    store.mark(second)
    assert not store.digest(now=NOW + timedelta(hours=2)).has_news
    assert not store.digest(since=NOW - timedelta(days=300)).has_news


def test_a_paper_stored_under_a_time_before_the_last_digest_is_not_lost(store):
    store.hold(papers(2))
    store.mark(store.digest())
    late = papers(3)[2]
    store.hold([late], at=NOW - timedelta(minutes=10))
    assert ids(store.digest(now=NOW + timedelta(days=1)).relevant) == [late.arxiv_id]


def test_a_backfill_is_no_news_but_a_paper_that_was_on_hold_is(store):
    old = papers(3, at=NOW - timedelta(days=400))
    store.hold(old)
    assert not store.digest().has_news
    store.write(
        AnnouncementRow(
            arxiv_id=old[1].arxiv_id,
            version=1,
            kind=AnnouncementKind.NEW.value,
            announced_at=NOW - timedelta(hours=1),
            first_seen_at=NOW,
        )
    )
    assert ids(store.digest().relevant) == [old[1].arxiv_id]


def test_a_watchlist_added_today_does_not_bring_the_past(store):
    old = papers(3, at=NOW - timedelta(days=400))
    store.hold(old, at=NOW - timedelta(days=300))
    store.watch("all", [paper.arxiv_id for paper in old])
    assert not store.digest().has_news


def test_a_revision_that_a_watchlist_matches_now_is_news(store):
    [old] = papers(1, at=NOW - timedelta(days=60))
    store.hold([old], at=NOW - timedelta(days=59))
    store.hold([replace(old, version=2, updated_at=NOW, title="Mixtures")])
    store.watch("moe", [old.arxiv_id])
    assert ids(store.digest().watched) == [old.arxiv_id]


def test_alerts_that_were_not_seen_are_shown_once(store):
    [paper] = papers(1)
    store.hold([paper], at=NOW - timedelta(days=20))
    for arxiv_id, seen in ((paper.arxiv_id, None), ("1706.03762", NOW)):
        store.write(
            AlertRow(
                arxiv_id=arxiv_id,
                kind="replaced",
                details={"version": 2, "why": ["starred"]},
                raised_at=NOW,
                seen_at=seen,
            ),
        )
    found = store.digest()
    [entry] = found.alerts
    assert (entry.alert.arxiv_id, entry.title) == (paper.arxiv_id, paper.title)
    assert "replaced by v2" in entry.words
    assert "starred" in entry.words
    store.mark(found)
    assert store.digest(now=NOW + timedelta(hours=1)).alerts == ()


def test_a_verdict_that_changed_is_shown_once_and_more_evidence_for_the_same_is_not(store):
    store.judge("a", VerdictKind.INCONCLUSIVE, NOW - timedelta(days=30), runs=1)
    store.judge("a", VerdictKind.REPRODUCED, NOW - timedelta(hours=3), runs=2)
    store.judge("a", VerdictKind.REPRODUCED, NOW - timedelta(hours=2), runs=3)
    [change] = store.digest().verdicts
    assert (change.claim_id, change.before, change.after) == ("a", VerdictKind.INCONCLUSIVE, VerdictKind.REPRODUCED)
    store.mark(store.digest())
    assert store.digest(now=NOW + timedelta(hours=1)).verdicts == ()


def test_open_gaps_are_said_every_time_and_are_no_news(store):
    gap = {"version": 1, "source": "rss", "reason": "", "opened_at": NOW, "last_tried_at": None, "outcome": None}
    store.write(
        GapRow(arxiv_id="2611.09999", closed_at=None, **gap), GapRow(arxiv_id="2611.09998", closed_at=NOW, **gap)
    )
    for _ in range(2):
        found = store.digest()
        assert [each.arxiv_id for each in found.gaps] == ["2611.09999"]
        assert not found.has_news
        store.mark(found)


def test_the_last_digest_can_be_put_together_once_more(store):
    assert store.again() is None
    made = papers(4)
    store.hold(made)
    store.watch("w", [made[2].arxiv_id])
    store.judge("a", VerdictKind.REPRODUCED, NOW - timedelta(hours=3))
    first = store.digest(limit=3)
    store.mark(first)
    again = store.again()
    assert (again.watched, again.relevant, again.verdicts) == (first.watched, first.relevant, first.verdicts)
    assert (again.since, again.until) == (None, NOW)


def test_what_was_seen_as_new_in_a_watchlist_is_not_new_and_the_digest_tells_the_watchlist(store):
    made = papers(3)
    store.hold(made)
    store.watch("w", [made[0].arxiv_id, made[1].arxiv_id], query="au:nobody OR ti:x")
    with database.session(store.engine) as session:
        watchlists.mark_shown(session, "w", [made[0].arxiv_id], NOW)
    found = store.digest()
    assert ids(found.watched) == [made[1].arxiv_id]
    assert ids(found.relevant) == [made[2].arxiv_id]
    store.mark(found)
    with database.read_only(store.engine) as session:
        assert watchlists.matches(session, "w", new_only=True).papers == ()


def test_what_the_reader_starred_read_or_skipped_is_not_new(store):
    made = papers(4)
    store.hold(made)
    with database.session(store.engine) as session:
        for paper, kind in zip(made, Mark, strict=False):
            reading.mark(session, [paper.arxiv_id], kind, NOW)
    assert ids(store.digest().relevant) == [made[3].arxiv_id]


def test_a_followed_author_is_named_as_such(store):
    [paper] = papers(1)
    store.hold([paper])
    store.watch("ada", [paper.arxiv_id], query='au:("Ada Author" OR "A. Author")')
    assert store.digest().watched[0].why[0].kind is WhyKind.AUTHOR


def test_what_is_like_the_stars_comes_before_the_rest_with_the_words_that_lifted_it(store):
    pytest.importorskip("sklearn")
    old = papers(40, at=NOW - timedelta(days=60))
    about = "Quantised adapters for gradient checkpointing of retrieval memories"
    liked = [replace(paper, title=f"{about} {n}", abstract=about) for n, paper in enumerate(old[:8])]
    store.hold([*liked, *old[8:]], at=NOW - timedelta(days=59))
    with database.session(store.engine) as session:
        reading.mark(session, [paper.arxiv_id for paper in liked], Mark.STARRED, NOW)
    new = [replace(p, arxiv_id=f"2612.{n + 1:05d}") for n, p in enumerate(papers(5))]
    new[3] = replace(new[3], title=f"More {about}", abstract=about)
    store.hold(new)
    found = store.digest()
    assert ids(found.ranked)[0] == new[3].arxiv_id
    why = found.ranked[0].why[0]
    assert why.kind is WhyKind.RANKING
    assert {"quantised", "adapters", "retrieval", "memories", "gradient", "checkpointing"} & set(
        " ".join(why.words).lower().split()
    )
    assert new[3].arxiv_id not in ids(found.relevant)
    assert len(found.papers) == 5
    store.mark(found)
    assert not store.digest(now=NOW + timedelta(hours=1)).has_news


@pytest.mark.parametrize("asked", [2, 100])
def test_papers_that_only_the_ranking_names_come_with_later_digests_where_a_limit_left_them_out(
    store, monkeypatch, asked
):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(digest, "RANKED", asked)
    about = "Quantised adapters for gradient checkpointing of retrieval memories"
    nobodys = {"categories": ("math.CO",), "primary_category": "math.CO", "abstract": about}
    old = papers(40, at=NOW - timedelta(days=60))
    liked = [replace(paper, title=f"{about} {n}", **nobodys) for n, paper in enumerate(old[:8])]
    store.hold([*liked, *old[8:]], at=NOW - timedelta(days=59))
    with database.session(store.engine) as session:
        reading.mark(session, [paper.arxiv_id for paper in liked], Mark.STARRED, NOW)
    new = [
        replace(p, arxiv_id=f"2612.{n + 1:05d}", title=f"More {about} {n}", **nobodys) for n, p in enumerate(papers(4))
    ]
    store.hold(new, at=NOW - timedelta(hours=1))
    came = []
    for day in range(5):
        found = store.digest(now=NOW + day * DAY, limit=1)
        store.mark(found)
        assert ids(found.ranked) == ids(found.papers)
        came += ids(found.papers)
    assert sorted(came) == [paper.arxiv_id for paper in new]


def test_without_scikit_learn_a_digest_is_by_profile_and_date(store, monkeypatch):
    made = papers(9)
    store.hold(made)
    with database.session(store.engine) as session:
        reading.mark(session, [paper.arxiv_id for paper in made[:6]], Mark.STARRED, NOW)
    monkeypatch.setattr(ranking, "find_spec", lambda name: None)
    assert ids(store.digest().relevant) == [paper.arxiv_id for paper in made[6:]]


def test_two_digests_at_once_are_refused(settings_for):
    settings = settings_for()
    with digest.one_at_a_time(settings), pytest.raises(TryAgain), digest.one_at_a_time(settings):
        pass


def test_the_landmark_papers_are_no_news(store):
    store.hold([replace(paper, source="seed") for paper in papers(3)])
    assert not store.digest().has_news


def test_papers_over_the_limit_come_with_the_digests_of_the_next_days_and_all_of_them(store):
    made = papers(24)
    store.hold(made, at=NOW - timedelta(hours=1))
    shown, left = [], []
    for day in range(5):
        found = store.digest(now=NOW + day * DAY, limit=6)
        store.mark(found)
        shown += ids(found.papers)
        left.append(found.left_out)
    assert left == [18, 12, 6, 0, 0]
    assert sorted(shown) == sorted(paper.arxiv_id for paper in made)


def test_what_waits_comes_in_turn_while_watchlists_fill_every_digest(store):
    made = papers(8)
    store.hold(made, at=NOW - timedelta(hours=1))
    store.watch("busy", [])
    shown = set()
    for day in range(10):
        now = NOW + day * DAY
        urgent = of_day(day + 12, 3, at=now)
        store.hold(urgent, at=now - timedelta(minutes=30))
        store.write(
            *(WatchMatchRow(watchlist="busy", arxiv_id=p.arxiv_id, matched_at=now, shown_at=None) for p in urgent)
        )
        found = store.digest(now=now, limit=3)
        assert len(found.papers) == 3
        shown.update(ids(found.papers))
        store.mark(found)
    assert {paper.arxiv_id for paper in made} <= shown


def test_a_paper_that_was_on_hold_and_is_left_out_comes_the_next_time(store):
    old, older = papers(2, at=NOW - timedelta(days=40))
    fresh = of_day(77, 1, at=NOW)
    store.hold([old, older, *fresh])
    for paper in (old, older):
        announced = {"announced_at": NOW - timedelta(days=3), "first_seen_at": NOW}
        store.write(AnnouncementRow(arxiv_id=paper.arxiv_id, version=1, kind=AnnouncementKind.NEW.value, **announced))
    shown = []
    for day in range(3):
        found = store.digest(now=NOW + day * DAY, limit=1)
        store.mark(found)
        shown += ids(found.papers)
    assert sorted(shown) == sorted([old.arxiv_id, older.arxiv_id, fresh[0].arxiv_id])


def test_a_paper_submitted_just_within_the_time_and_left_out_comes_the_next_time(store):
    at_the_edge = NOW - digest.FIRST_DIGEST - digest.ON_HOLD + timedelta(hours=3)
    edge = papers(1, at=at_the_edge)
    store.hold([*edge, *of_day(77, 1, at=NOW)])
    store.mark(store.digest(limit=1))
    assert ids(store.digest(now=NOW + DAY).papers) == [edge[0].arxiv_id]


def test_a_revision_left_out_that_a_watchlist_matches_comes_the_next_time(store):
    old = papers(3, at=NOW - timedelta(days=60))
    store.hold(old, at=NOW - timedelta(days=59))
    store.hold([replace(paper, version=2, updated_at=NOW, title="Mixtures") for paper in old])
    store.watch("moe", [paper.arxiv_id for paper in old])
    shown = []
    for day in range(4):
        found = store.digest(now=NOW + day * 3 * DAY, limit=1)
        store.mark(found)
        shown += ids(found.watched)
    assert sorted(shown) == sorted(paper.arxiv_id for paper in old)


def test_what_the_reader_deals_with_does_not_hold_the_next_digest_back(store):
    made = papers(3)
    store.hold(made, at=NOW - timedelta(hours=1))
    store.mark(store.digest(limit=1))
    with database.session(store.engine) as session:
        reading.mark(session, [paper.arxiv_id for paper in made], Mark.SKIPPED, NOW)
    found = store.digest(now=NOW + 20 * DAY)
    store.mark(found)
    assert not found.has_news
    assert store.digest(now=NOW + 21 * DAY).since == NOW + 20 * DAY - digest.OVERLAP


def test_a_digest_since_a_day_leaves_what_came_before_to_the_next_plain_one(store):
    early, late = papers(2)
    store.hold([early], at=NOW - 3 * DAY)
    store.hold([late], at=NOW - timedelta(hours=1))
    narrow = store.digest(since=NOW - timedelta(hours=2))
    assert ids(narrow.papers) == [late.arxiv_id]
    store.mark(narrow)
    assert ids(store.digest(now=NOW + DAY).papers) == [early.arxiv_id]


def test_a_digest_of_one_profile_leaves_the_others_papers_to_the_next_plain_one(store):
    store.mark(store.digest())
    other = seeing(2)
    store.hold(other, at=NOW + DAY)
    for day in range(1, 4):
        store.hold(of_day(day + 12, 1, at=NOW + day * DAY), at=NOW + day * DAY)
        found = store.digest(now=NOW + day * DAY, profiles=["llm"])
        store.mark(found, profiles=["llm"])
        assert [arxiv_id[:4] for arxiv_id in ids(found.papers)] == [f"26{day + 12}"]
    for profiles in (["vision"], PROFILES):
        assert set(ids(store.digest(now=NOW + 4 * DAY, profiles=profiles).papers)) == {p.arxiv_id for p in other}


def test_what_is_left_out_for_two_months_is_said_to_be_lost_once_and_can_be_asked_for(store):
    made = papers(3)
    store.hold(made)
    store.mark(store.digest(limit=1))
    found = store.digest(now=NOW + digest.FARTHEST + DAY)
    assert (found.has_news, found.lost, found.lost_since) == (False, 2, NOW)
    store.mark(found)
    assert store.digest(now=NOW + digest.FARTHEST + 2 * DAY).lost == 0
    assert len(store.digest(since=found.lost_since, now=NOW + digest.FARTHEST + DAY).papers) == 2


def test_a_clock_that_was_ahead_does_not_hide_what_comes_in_afterwards(store):
    store.mark(store.digest(now=NOW + 300 * DAY))
    made = papers(1)
    store.hold(made)
    assert ids(store.digest().papers) == [made[0].arxiv_id]


@pytest.mark.parametrize(("year", "papers_found"), [(1, 1), (9999, 0)])
def test_no_day_is_too_far_off_to_begin_with(store, year, papers_found):
    store.hold(papers(1))
    assert len(store.digest(since=datetime(year, 1, 1, tzinfo=UTC)).papers) == papers_found


def test_what_was_shown_in_two_weeks_is_there_for_a_feed_the_last_shown_first(store):
    days = [of_day(day, 2, at=NOW + day * DAY) for day in (10, 20, 21)]
    for made, day in zip(days, (10, 20, 21), strict=True):
        store.hold(made, at=NOW + day * DAY)
        store.mark(store.digest(now=NOW + day * DAY))
    store.judge("a", VerdictKind.REPRODUCED, NOW + 22 * DAY)
    store.mark(store.digest(now=NOW + 22 * DAY))
    found = store.lately(now=NOW + 30 * DAY)
    assert [arxiv_id[:4] for arxiv_id in ids(found.papers)] == ["2621", "2621", "2620", "2620"]
    assert [change.claim_id for change in found.verdicts] == ["a"]


def test_a_feed_of_one_profile_has_not_what_only_the_others_call_relevant(store):
    made, other = papers(2), seeing(2)
    store.hold([*made, *other])
    store.mark(store.digest())
    assert set(ids(store.lately(profiles=["vision"]).papers)) == {paper.arxiv_id for paper in other}
    assert len(store.lately().papers) == 4
