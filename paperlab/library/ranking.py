"""Which papers to read first: a linear model that learns from the reader's stars and tags, and shows its words.

Logistic regression on the TF-IDF vectors of store/vectors.py: papers that the reader starred or tagged against papers
that the reader skipped and a fixed sample of all others, of which a few would have been liked too.  A paper's score is
the sum of what each of its words contributes, weight times value: so the words that lifted it are exact, no guess.
With too few stars nothing is pretended: the newest papers come first, those of the profile before the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import NotReady, UnknownName
from paperlab.library.reading import tag_name
from paperlab.settings import Settings
from paperlab.store import matches, papers, reading, vectorising, vectors
from paperlab.store.database import Session
from paperlab.store.papers import PaperFilter
from paperlab.store.reading import Mark
from paperlab.store.segments import Array
from paperlab.store.vectors import Vectors

MIN_POSITIVES = 5
"""The fewest liked papers with which the ranking was measured: benchmarks/ranking.py."""
SAMPLE = 3000
"""So many papers that the reader has not judged stand for all others.  Chosen, as COST, on the development topics."""
COST = 3.0
"""Inverse strength of the regularisation; C in Fan et al., LIBLINEAR, JMLR 9, 2008, section 2."""
LIFTING, LOWERING, OF_MODEL = 6, 3, 20
"""How many words are shown: those that lifted a paper, those that lowered it, and the model's own."""


@dataclass(frozen=True)
class Word:
    """A term as people write it, and what it added to a score."""

    text: str
    contribution: float


@dataclass(frozen=True)
class RankedPaper:
    """A paper with its place explained; without a score where there was no model."""

    paper: Paper
    score: float | None
    lifted: tuple[Word, ...]
    lowered: tuple[Word, ...]
    why: str
    """One line: the words that lifted it, or why it is listed at all."""


@dataclass(frozen=True)
class Model:
    """What the ranking was learnt from, and what it learnt."""

    positives: int
    skipped: int
    sampled: int
    liked_words: tuple[Word, ...] = ()
    """Those with the largest weights."""
    disliked_words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Ranking:
    papers: tuple[RankedPaper, ...]
    candidates: int
    """How many papers there were to choose from."""
    model: Model
    cold: bool
    """There were too few stars or tags: the order is by profile and date."""
    missing: int
    """How many more are needed for a model."""


def silent(_: str) -> None:
    """For those who wait without a word."""


def recommend(
    session: Session,
    settings: Settings,
    *,
    tag: str | None = None,
    since: datetime | None,
    limit: int = 20,
    rebuild: bool = False,
    tell: Callable[[str], None] = silent,
) -> Ranking:
    """The papers submitted at `since` or later (None: all) that are most like those with `tag`, or starred or tagged.

    Leaves out what the reader starred, read or skipped, what has the tag already, and withdrawn papers.  Brings the
    vectors up to date first, from the choice of their words on with `rebuild`; `tell` hears where that takes long.  The
    same papers, stars and tags give the same ranking.  Raises UnknownName for a tag on
    no paper, NotReady without scikit-learn.
    """
    tag = None if tag is None else tag_name(tag)
    starred, skipped = reading.marked(session, Mark.STARRED), reading.marked(session, Mark.SKIPPED)
    tagged = reading.tagged(session, tag)
    if tag is not None and not tagged:
        raise UnknownName("tag", tag, reading.tags_in_use(session), "paperlab papers tag --help")
    positives = (tagged if tag is not None else starred | tagged) - skipped
    judged = positives | tagged | starred | skipped | reading.marked(session, Mark.READ)
    if len(positives) < MIN_POSITIVES:
        if rebuild:
            opened(session, settings, tell=tell, rebuild=True)
        return _cold(session, settings, positives, skipped, judged, since=since, limit=limit)
    held = opened(session, settings, tell=tell, rebuild=rebuild)
    rows = Rows.of(held, positives=positives, skipped=skipped, judged=judged, since=since)
    if not len(rows.candidates):
        return Ranking((), 0, Model(len(positives), len(skipped), sampled=0), cold=False, missing=0)
    model, weights, offset = learn(held, rows)
    scores = vectors.products(held, weights, rows.candidates) + offset
    ranked = explained(session, held, weights, rows.candidates, scores, limit=limit)
    return Ranking(tuple(ranked), len(rows.candidates), model, cold=False, missing=0)


def require_packages() -> None:
    """Raises NotReady where the packages of the ranking are not installed."""
    for module, package in (("sklearn", "scikit-learn"), ("scipy", "scipy"), ("numpy", "numpy")):
        if find_spec(module) is None:
            raise NotReady(f"ranking needs {package}, which is not installed", "pip install 'paperlab[ranking]'")


def is_ready(settings: Settings) -> bool:
    """Whether a ranking takes a moment: the words of the papers held were counted before."""
    try:
        require_packages()
    except NotReady:
        return False
    return vectors.read_state(vectors.folder(settings), settings) is not None


def opened(session: Session, settings: Settings, *, tell: Callable[[str], None], rebuild: bool = False) -> Vectors:
    """The vectors of the papers held, up to date; with `rebuild` from the choice of the words on."""
    require_packages()
    if rebuild or vectors.read_state(vectors.folder(settings), settings) is None:
        tell("counting the words of every paper held: a minute for 100,000 papers, this once")
    vectorising.update(session, settings, rebuild=rebuild)
    held = vectors.load(settings)
    if held is None:
        raise NotReady(f"{vectors.folder(settings)} can't be read", "paperlab recommend --rebuild")
    return held


# --- learning -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Rows of the vectors by their part in one ranking; each an array of int64."""

    positives: Array
    skipped: Array
    sample: Array
    candidates: Array

    @classmethod
    def of(
        cls,
        held: Vectors,
        *,
        positives: Iterable[str],
        skipped: Iterable[str],
        judged: Iterable[str],
        since: datetime | None,
    ) -> Rows:
        import numpy as np

        live: Array = np.flatnonzero(held.newest)
        recent = live if since is None else live[held.submitted[live] >= since.timestamp()]
        liked, passed = _rows(held, positives), _rows(held, skipped)
        return cls(
            positives=liked,
            skipped=passed,
            sample=_sample(held, np.setdiff1d(live, np.concatenate([liked, passed]))),
            candidates=np.setdiff1d(recent, _rows(held, judged)),
        )


def _rows(held: Vectors, arxiv_ids: Iterable[str]) -> Array:
    """Ordered by ordinal, so that how the rows came to lie where they lie does not matter."""
    rows = vectors.rows_of(held, (ArxivId(each).ordinal for each in arxiv_ids))
    return rows[held.ordinals[rows].argsort()]


def _sample(held: Vectors, rows: Array) -> Array:
    """SAMPLE of these rows: those whose ordinals have the smallest hash.

    The choice is spread evenly, needs no seed, and changes little as papers come in.
    """
    import numpy as np

    # The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014, figure 15).
    mixed = held.ordinals[rows].astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return rows[np.argsort(mixed)[:SAMPLE]]


def learn(held: Vectors, rows: Rows) -> tuple[Model, Array, float]:
    """Fit the model: what it is, its weights (terms,) and its offset."""
    import numpy as np

    features = vectors.matrix(held, np.concatenate([rows.positives, rows.skipped, rows.sample]))
    weights, offset = fit(features, len(rows.positives), len(rows.skipped))
    order = np.argsort(-weights, kind="stable")
    spelled = held.vocabulary.spellings
    model = Model(
        positives=len(rows.positives),
        skipped=len(rows.skipped),
        sampled=len(rows.sample),
        liked_words=tuple(Word(spelled[i], float(weights[i])) for i in order[:OF_MODEL] if weights[i] > 0),
        disliked_words=tuple(
            Word(spelled[i], float(weights[i])) for i in order[: -OF_MODEL - 1 : -1] if weights[i] < 0
        ),
    )
    return model, weights, offset


def fit(features: Any, positives: int, skipped: int) -> tuple[Array, float]:
    """Weights (terms,) float32 and offset from CSR rows: first the positives, then the skipped, then the sample.

    Both classes weigh the same; among the others a skipped paper weighs as much as a liked one, and the sample as much
    as all liked ones together.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = features.shape[0]
    sampled = rows - positives - skipped
    labels = np.arange(rows) < positives
    of_sample = np.full(sampled, positives / max(sampled, 1))
    importance = np.concatenate([np.ones(positives), np.ones(skipped), of_sample])
    importance[labels] *= rows / 2 / importance[labels].sum()
    importance[~labels] *= rows / 2 / importance[~labels].sum()
    model = LogisticRegression(C=COST, solver="liblinear", max_iter=200, random_state=0)
    model.fit(features, labels, sample_weight=importance)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


# --- showing --------------------------------------------------------------------------------------------------


def explained(
    session: Session,
    held: Vectors,
    weights: Array,
    rows: Array,
    scores: Array,
    *,
    limit: int,
) -> list[RankedPaper]:
    """The best of `rows` by `scores`, newest first among equals, with the words that made them so."""
    import numpy as np

    order = np.lexsort((-held.ordinals[rows], -scores))
    ranked: list[RankedPaper] = []
    for start in range(0, len(order), max(limit, 1)):
        if len(ranked) >= limit:
            break
        best = order[start : start + limit]
        found = _papers_at(session, held, rows[best])
        features = vectors.matrix(held, rows[best])
        for place, (row, score) in enumerate(zip(rows[best], scores[best], strict=True)):
            paper = found.get(int(held.ordinals[row]))
            if paper is None or paper.withdrawn:
                continue
            entry = slice(features.indptr[place], features.indptr[place + 1])
            terms, values = features.indices[entry], features.data[entry]
            lifted, lowered = words(held, terms, values * weights[terms])
            why = ", ".join(word.text for word in lifted) or "no word of it counts for or against"
            ranked.append(RankedPaper(paper, float(score), lifted, lowered, why))
    return ranked[:limit]


def words(held: Vectors, terms: Array, contributions: Array) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The terms (places in the vocabulary) that added most, and those that took away most.

    Of a pair and its words that all stand out, the pair is shown.
    """
    order = contributions.argsort(kind="stable")
    down, up = order[: 2 * LOWERING], order[::-1][: 2 * LIFTING]
    lifted = _distinct(held, [(int(terms[i]), float(contributions[i])) for i in up if contributions[i] > 0])
    lowered = _distinct(held, [(int(terms[i]), float(contributions[i])) for i in down if contributions[i] < 0])
    return tuple(lifted)[:LIFTING], tuple(lowered)[:LOWERING]


def _distinct(held: Vectors, found: Sequence[tuple[int, float]]) -> Iterator[Word]:
    in_pairs = {word for i, _ in found if " " in held.vocabulary.terms[i] for word in held.vocabulary.terms[i].split()}
    for i, contribution in found:
        if held.vocabulary.terms[i] not in in_pairs:
            yield Word(held.vocabulary.spellings[i], contribution)


def _papers_at(session: Session, held: Vectors, rows: Array) -> dict[int, Paper]:
    by_id = {ArxivId.from_ordinal(ordinal).base: ordinal for ordinal in held.ordinals[rows].tolist()}
    return {by_id[paper.arxiv_id]: paper for paper in papers.get_many(session, by_id)}


def _cold(
    session: Session,
    settings: Settings,
    positives: frozenset[str],
    skipped: frozenset[str],
    judged: frozenset[str],
    *,
    since: datetime | None,
    limit: int,
) -> Ranking:
    """The newest papers of the first profile, then the newest of all."""
    profile = next(iter(settings.profiles))
    chosen: dict[str, Paper] = {}
    for wanted in (PaperFilter(profile=profile, since=since), PaperFilter(since=since)):
        for paper in papers.find(session, wanted, limit + len(judged)):
            if paper.arxiv_id not in judged and not paper.withdrawn and len(chosen) < limit:
                chosen.setdefault(paper.arxiv_id, paper)
    found = matches.of_papers(session, chosen)
    ranked = []
    for paper in chosen.values():
        match = next((each for each in found.get(paper.arxiv_id, ()) if each.profile == profile), None)
        why = f"newest; {profile}: {', '.join(match.terms) or 'by category'}" if match else "newest"
        ranked.append(RankedPaper(paper, None, (), (), why))
    model = Model(positives=len(positives), skipped=len(skipped), sampled=0)
    candidates = papers.count(session, PaperFilter(since=since))
    return Ranking(tuple(ranked), candidates, model, cold=True, missing=MIN_POSITIVES - len(positives))
