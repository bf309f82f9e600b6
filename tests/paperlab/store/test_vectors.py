"""TF-IDF vectors beside the database: what an update costs, what it equals, and what survives."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from filelock import FileLock

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import NotReady, TryAgain
from paperlab.settings import Settings
from paperlab.store import database, papers, segments, terms, vectorising, vectors
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
PAPERS = make_papers(300, NOW)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code catches it."""


class Library:
    """A database and its vectors."""

    def __init__(self, settings: Settings, engine: database.Engine) -> None:
        self.settings, self.engine = settings, engine

    def take(self, arriving: Sequence[Paper], now: datetime = NOW) -> None:
        with database.session(self.engine) as session:
            papers.upsert(session, arriving, now)

    def update(self, *, rebuild: bool = False) -> vectorising.Update:
        with database.read_only(self.engine) as session:
            return vectorising.update(session, self.settings, rebuild=rebuild)

    @property
    def vectors(self) -> vectors.Vectors:
        held = vectors.load(self.settings)
        assert held is not None
        return held

    def dense(self, ordinals: Sequence[int] = ()) -> np.ndarray:
        """The vectors of these papers, or of all by ordinal, as a dense array (papers, terms)."""
        held = self.vectors
        rows = vectors.rows_of(held, ordinals or held.ordinals.tolist())
        return vectors.matrix(held, rows[held.ordinals[rows].argsort()]).toarray()


@pytest.fixture
def library(settings_for, engine_for) -> Library:
    settings = settings_for()
    return Library(settings, engine_for(settings))


@pytest.fixture
def another(settings_for, engine_for, tmp_path) -> Callable[[], Library]:
    def make() -> Library:
        settings = settings_for(home=tmp_path / "another")
        return Library(settings, engine_for(settings))

    return make


def test_a_row_is_tf_idf_of_length_one(library):
    library.take(PAPERS)
    library.update()
    held = library.vectors
    places = {term: i for i, term in enumerate(held.vocabulary.terms)}
    of_all = [terms.count(paper.title, paper.abstract, places) for paper in PAPERS]
    weights = np.zeros(len(places))
    for place, tf in of_all[7].items():
        df = sum(place in counted for counted in of_all)
        weights[place] = (1 + math.log(tf)) * (math.log((1 + len(PAPERS)) / (1 + df)) + 1)
    row = library.dense([ArxivId(PAPERS[7].arxiv_id).ordinal])[0]
    np.testing.assert_allclose(row, weights / np.linalg.norm(weights), atol=1e-6)


def test_an_empty_store_has_empty_vectors(library):
    assert library.update() == vectorising.Update(papers=0, read=0, rebuilt=True, reweighed=True)
    assert library.dense().shape == (0, 0)
    library.take(PAPERS[:1])
    library.update()
    assert library.vectors.state.papers == 1
    library.take(PAPERS[:40])
    assert library.update().rebuilt
    assert library.vectors.state.papers == 40


def test_a_night_counts_only_what_is_new(library):
    library.take(PAPERS[:280])
    library.update()
    library.take(PAPERS[280:], NOW + timedelta(days=3))
    assert library.update() == vectorising.Update(papers=300, read=20, rebuilt=False, reweighed=False)
    assert library.update().read == 0


def test_nights_come_to_what_a_rebuild_with_the_same_words_comes_to(library, another, monkeypatch):
    library.take(PAPERS[:200])
    library.update()
    for night, start in enumerate(range(200, 300, 10), 1):
        library.take(PAPERS[start : start + 10], NOW + timedelta(days=night))
        library.update()
    assert library.vectors.state.idf_papers > 200
    at_once = another()
    at_once.take(PAPERS)
    monkeypatch.setattr(terms, "choose", lambda texts: library.vectors.vocabulary)
    at_once.update()
    np.testing.assert_array_equal(library.vectors.counts, at_once.vectors.counts)
    of_last_idf = library.vectors.idf
    ratio = at_once.vectors.idf / of_last_idf
    weighed = library.dense() * ratio
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    np.testing.assert_allclose(weighed, at_once.dense(), atol=1e-6)


def test_when_the_papers_grew_by_a_fifth_every_row_is_weighed_anew(library, another, monkeypatch):
    library.take(PAPERS[:240])
    library.update()
    library.take(PAPERS, NOW + timedelta(days=1))
    assert library.update().reweighed
    at_once = another()
    at_once.take(PAPERS)
    monkeypatch.setattr(terms, "choose", lambda texts: library.vectors.vocabulary)
    at_once.update()
    np.testing.assert_allclose(library.dense(), at_once.dense(), atol=1e-6)


def test_when_the_papers_doubled_the_words_are_chosen_anew(library):
    library.take(PAPERS[:100])
    library.update()
    arriving = [replace(paper, title=f"{paper.title} novelword") for paper in PAPERS[100:130]]
    arriving += PAPERS[130:200]
    library.take(arriving, NOW + timedelta(days=1))
    assert library.update().rebuilt
    assert "novelword" in library.vectors.vocabulary.terms


def test_a_revised_paper_gets_a_new_row_and_counts_once(library):
    library.take(PAPERS)
    library.update()
    before = library.vectors.counts.copy()
    revised = replace(PAPERS[5], version=2, title=PAPERS[9].title, abstract=PAPERS[9].abstract)
    library.take([revised], NOW + timedelta(minutes=5))
    assert library.update() == vectorising.Update(papers=300, read=1, rebuilt=False, reweighed=False)
    five, nine = (library.dense([ArxivId(PAPERS[n].arxiv_id).ordinal])[0] for n in (5, 9))
    np.testing.assert_allclose(five, nine, atol=1e-6)
    assert library.vectors.newest.sum() == 300
    np.testing.assert_array_equal(before - library.vectors.counts, _counts(library, 5, before) - (nine > 0))


def _counts(library: Library, number: int, like: np.ndarray) -> np.ndarray:
    places = {term: i for i, term in enumerate(library.vectors.vocabulary.terms)}
    held = np.zeros_like(like)
    held[list(terms.count(PAPERS[number].title, PAPERS[number].abstract, places))] = 1
    return held


def test_a_paper_that_comes_with_an_old_time_is_not_missed(library):
    library.take(PAPERS[:290])
    library.update()
    library.take(PAPERS[290:], NOW - timedelta(days=90))
    assert library.update().read == 10
    assert library.update().read == 0


def test_papers_that_are_gone_from_the_database_go_from_the_vectors(library):
    library.take(PAPERS)
    library.update()
    gone = PAPERS[3].arxiv_id
    with library.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM papers WHERE arxiv_id = :gone"), {"gone": gone})
    assert library.update().papers == 299
    assert not len(vectors.rows_of(library.vectors, [ArxivId(gone).ordinal]))


def test_many_nights_leave_few_files(library):
    library.take(PAPERS[:280])
    library.update()
    for night in range(20):
        library.take([PAPERS[280 + night]], NOW + timedelta(days=2 + night))
        library.update()
    assert len(library.vectors.state.segments) <= 6
    assert library.vectors.newest.sum() == 300
    assert len(list(vectors.folder(library.settings).iterdir())) <= 6 * len(segments.ARRAYS) + 5


@pytest.mark.parametrize("after", [1, 4, 7, 8, 9, 12])
def test_an_update_that_is_killed_leaves_the_state_before_and_the_next_one_mends_it(library, monkeypatch, after):
    library.take(PAPERS[:200])
    library.update()
    before, counts = library.dense(), library.vectors.counts
    library.take(PAPERS[200:], NOW + timedelta(days=1))
    written = []

    def write_or_die(path, array, write=segments.write_array):
        if len(written) == after:
            path.write_bytes(b"\x93NUMPY torn")
            raise Killed
        written.append(path)
        write(path, array)

    monkeypatch.setattr(segments, "write_array", write_or_die)
    with pytest.raises(Killed):
        library.update()
    monkeypatch.undo()
    np.testing.assert_array_equal(library.dense(), before)
    np.testing.assert_array_equal(library.vectors.counts, counts)
    assert library.update().papers == 300
    assert library.dense().shape[0] == 300


@pytest.mark.parametrize("damage", ["state", "vocabulary", "values", "lost", "other database"])
def test_damaged_vectors_are_made_again(library, damage):
    library.take(PAPERS)
    library.update()
    good, place = library.dense(), vectors.folder(library.settings)
    if damage == "state":
        (place / "state.json").write_text('{"format": 1, "seg')
    elif damage == "vocabulary":
        next(place.glob("vocabulary*")).write_text("[")
    elif damage == "values":
        file = next(place.glob("*.values.npy"))
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "lost":
        next(place.glob("*.starts.npy")).unlink()
    else:
        state = json.loads((place / "state.json").read_text())
        (place / "state.json").write_text(json.dumps({**state, "database": "of another home"}))
    assert vectors.load(library.settings) is None
    assert library.update().rebuilt
    np.testing.assert_array_equal(library.dense(), good)


def test_a_reader_keeps_its_vectors_while_another_process_replaces_them(library):
    library.take(PAPERS[:150])
    library.update()
    held = library.vectors
    weights = np.ones(len(held.vocabulary.terms), np.float32)
    rows = np.arange(150)
    before = vectors.products(held, weights, rows)
    library.take(PAPERS, NOW + timedelta(days=1))
    library.update()
    np.testing.assert_array_equal(vectors.products(held, weights, rows), before)


def test_products_of_few_and_of_many_rows_agree(library):
    library.take(PAPERS)
    library.update()
    held = library.vectors
    weights = np.random.default_rng(0).standard_normal(len(held.vocabulary.terms)).astype(np.float32)
    few = np.asarray([250, 3, 77])
    np.testing.assert_allclose(
        vectors.products(held, weights, few), vectors.products(held, weights, np.arange(300))[few], rtol=1e-5
    )


def test_a_folder_that_can_not_be_made_is_named(library):
    library.settings.home.mkdir(exist_ok=True)
    (library.settings.home / "vectors").write_text("a file stands here")
    with pytest.raises(NotReady, match="vectors"):
        library.update()


def test_vectors_without_their_folder_are_none(library):
    library.take(PAPERS[:20])
    library.update()
    shutil.rmtree(vectors.folder(library.settings))
    assert vectors.load(library.settings) is None


def test_while_another_process_updates_the_words_it_says_to_try_again(library, monkeypatch):
    library.take(PAPERS[:20])
    monkeypatch.setattr(vectorising, "LOCK_PATIENCE_S", 0.05)
    place = vectors.folder(library.settings)
    place.mkdir(parents=True)
    with FileLock(place / "lock"), pytest.raises(TryAgain, match="another process"):
        library.update()
    assert library.update().papers == 20
