"""Papers ranked by what the reader liked: planted topics are found, and the planted words are what lifted them."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, NotReady, UnknownName
from paperlab.library import ranking, similar
from paperlab.settings import Settings
from paperlab.store import database, papers, reading
from paperlab.store.database import Engine
from paperlab.store.reading import Mark
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=3650)
TOPICS = {
    "speech": ("phoneme", "acoustic", "spectrogram", "vocoder", "prosody"),
    "chemistry": ("molecule", "catalyst", "polymer", "solvent", "reagent"),
}
FILLER = [f"filler{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij"]


def planted(count: int, topic: str | None, first: int) -> list[Paper]:
    """Papers of random words; with a topic, four of its words and two in the title."""
    made = []
    for offset, paper in enumerate(make_papers(count + first, NOW)[first:]):
        rng = random.Random(first + offset)
        words = rng.choices(FILLER, k=40)
        title = rng.choices(FILLER, k=4)
        if topic:
            words += rng.sample(TOPICS[topic], 4)
            title += rng.sample(TOPICS[topic], 2)
        rng.shuffle(words)
        made.append(replace(paper, title=" ".join(title), abstract=" ".join(words)))
    return made


SPEECH, CHEMISTRY, REST = planted(30, "speech", 0), planted(30, "chemistry", 100), planted(240, None, 200)
ALL = [*REST, *SPEECH, *CHEMISTRY]


def ids(papers: Iterable[Paper]) -> list[str]:
    return [paper.arxiv_id for paper in papers]


class Desk:
    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine

    def take(self, arriving: Sequence[Paper], now: datetime = NOW) -> None:
        with database.session(self.engine) as session:
            papers.upsert(session, arriving, now)

    def star(self, liked: Iterable[Paper], mark: Mark = Mark.STARRED) -> None:
        with database.session(self.engine) as session:
            reading.mark(session, ids(liked), mark, NOW)

    def tag(self, liked: Iterable[Paper], name: str) -> None:
        with database.session(self.engine) as session:
            reading.tag(session, ids(liked), [name], NOW)

    def recommend(self, *, tag: str | None = None, since: datetime | None = None, limit: int = 20) -> ranking.Ranking:
        with database.read_only(self.engine) as session:
            return ranking.recommend(session, self.settings, tag=tag, since=since, limit=limit)

    def like(self, paper: Paper, limit: int = 20) -> similar.Similar:
        with database.read_only(self.engine) as session:
            return similar.similar(session, self.settings, ArxivId(paper.arxiv_id), limit=limit)


@pytest.fixture
def desk(settings_for, engine_for) -> Desk:
    settings = settings_for()
    filled = Desk(settings, engine_for(settings))
    filled.take(ALL)
    return filled


def ranked_ids(found: ranking.Ranking) -> list[str]:
    return [each.paper.arxiv_id for each in found.papers]


def test_a_planted_topic_comes_first_and_its_words_lifted_it(desk):
    desk.star(SPEECH[:10])
    found = desk.recommend()
    assert not found.cold
    assert set(ranked_ids(found)) == set(ids(SPEECH[10:]))
    for each in found.papers:
        text = f"{each.paper.title} {each.paper.abstract}"
        assert each.lifted
        assert sum(word.contribution for word in each.lifted[:3]) > 0
        assert set(each.lifted[0].text.split()) & set(TOPICS["speech"])
        assert all(part in text for word in each.lifted for part in word.text.split())
    of_topic = [set(word.text.split()) <= set(TOPICS["speech"]) for word in found.model.liked_words[:5]]
    assert sum(of_topic) >= 4  # the fifth may be a pair that two of ten starred papers share by chance


def test_a_score_is_the_sum_of_what_its_words_contribute(desk):
    desk.star(SPEECH[:10])
    scores = [each.score for each in desk.recommend(limit=300).papers]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 290


def test_a_tag_asks_for_its_own_topic(desk):
    desk.star(SPEECH[:10])
    desk.tag(CHEMISTRY[:10], "lab")
    assert set(ranked_ids(desk.recommend(tag=" Lab "))) == set(ids(CHEMISTRY[10:]))
    of_all = desk.recommend(limit=40)
    both = set(ids([*SPEECH[10:], *CHEMISTRY[10:]]))
    assert len(both.intersection(ranked_ids(of_all))) >= 38  # of 40; by chance 5
    assert of_all.model.positives == 20


def test_skipped_papers_push_their_like_down_and_say_why(desk):
    desk.star([*SPEECH[:8], *CHEMISTRY[:8]])
    before = set(ranked_ids(desk.recommend(limit=20))) & set(ids(CHEMISTRY))
    desk.star(CHEMISTRY[20:30], Mark.SKIPPED)
    found = desk.recommend(limit=400)
    top = set(ranked_ids(found)[:20])
    assert len(top & set(ids(CHEMISTRY))) < len(before)
    assert found.model.skipped == 10
    assert not set(ranked_ids(found)) & set(ids([*CHEMISTRY[20:30], *SPEECH[:8]]))


@pytest.mark.parametrize("liked", [0, 1, ranking.MIN_POSITIVES - 1])
def test_with_too_few_stars_the_newest_come_first_and_it_says_how_many_are_missing(desk, liked):
    desk.star(SPEECH[:liked])
    found = desk.recommend(limit=10)
    assert found.cold
    assert found.missing == ranking.MIN_POSITIVES - liked
    assert [each.score for each in found.papers] == [None] * 10
    newest = sorted(ALL, key=lambda paper: paper.submitted_at, reverse=True)
    assert ranked_ids(found) == ids(newest[liked : liked + 10])
    assert all(each.why.startswith("newest") and not each.lifted for each in found.papers)


def test_the_same_stars_give_the_same_ranking_however_the_papers_came_in(desk, settings_for, engine_for, tmp_path):
    desk.star(SPEECH[:10])
    settings = settings_for(home=tmp_path / "another")
    another = Desk(settings, engine_for(settings))
    another.take(ALL[::-1])
    another.star(SPEECH[:10][::-1])
    assert another.recommend(limit=50) == desk.recommend(limit=50) == desk.recommend(limit=50)


def test_new_papers_are_ranked_without_being_asked_for(desk):
    desk.star(SPEECH[:10])
    desk.recommend()
    fresh = planted(1, "speech", 500)
    desk.take(fresh, NOW + timedelta(days=1))
    assert fresh[0].arxiv_id in ranked_ids(desk.recommend(limit=21))


def test_only_papers_since_a_day_are_ranked(desk):
    desk.star(SPEECH[:10])
    since = SPEECH[19].submitted_at
    found = desk.recommend(since=since, limit=300)
    assert set(ranked_ids(found)) == set(ids(SPEECH[10:20]))
    assert found.candidates == 10


def test_withdrawn_and_read_papers_are_left_out(desk):
    desk.star(SPEECH[:10])
    desk.star(SPEECH[10:15], Mark.READ)
    desk.take([replace(paper, version=2, withdrawn=True) for paper in SPEECH[15:20]], NOW + timedelta(hours=1))
    assert set(ranked_ids(desk.recommend(limit=10))) == set(ids(SPEECH[20:]))


def test_when_everything_was_judged_nothing_is_recommended(desk):
    desk.star(ALL)
    assert desk.recommend().papers == ()
    assert desk.recommend(since=NOW + timedelta(days=1)).papers == ()


def test_a_tag_that_is_on_no_paper_is_named_with_those_near(desk):
    desk.tag(SPEECH[:1], "speech")
    with pytest.raises(UnknownName, match="speach") as caught:
        desk.recommend(tag="speach")
    assert "speech" in caught.value.hint


def test_an_empty_home_recommends_nothing_and_says_what_is_missing(settings_for, engine_for, tmp_path):
    settings = settings_for(home=tmp_path / "empty")
    found = Desk(settings, engine_for(settings)).recommend()
    assert (found.papers, found.cold, found.missing) == ((), True, ranking.MIN_POSITIVES)


def test_without_scikit_learn_the_install_command_is_named(desk, monkeypatch):
    desk.star(SPEECH[:10])
    real = importlib.util.find_spec
    monkeypatch.setattr(ranking, "find_spec", lambda name: None if name == "sklearn" else real(name))
    with pytest.raises(NotReady, match="scikit-learn") as caught:
        desk.recommend()
    assert caught.value.hint == "pip install 'paperlab[ranking]'"


def test_similar_papers_share_its_words(desk):
    found = desk.like(SPEECH[0], limit=10)
    assert {each.paper.arxiv_id for each in found.papers} <= set(ids(SPEECH[1:]))
    for each in found.papers:
        assert 0 < (each.score or 0) <= 1
        assert {word.text for word in each.lifted} & set(TOPICS["speech"])


def test_the_same_text_is_most_similar_with_cosine_one(desk):
    twin = replace(SPEECH[0], arxiv_id="2611.99999")
    desk.take([twin], NOW + timedelta(days=1))
    best = desk.like(SPEECH[0]).papers[0]
    assert best.paper.arxiv_id == twin.arxiv_id
    assert best.score == pytest.approx(1.0, abs=1e-5)


def test_similar_to_a_paper_that_is_not_held_says_how_to_get_it(desk):
    with pytest.raises(InvalidInput, match="9999.00001 is not held") as caught:
        desk.like(replace(SPEECH[0], arxiv_id="9999.00001"))
    assert caught.value.hint == "paperlab papers add 9999.00001"
