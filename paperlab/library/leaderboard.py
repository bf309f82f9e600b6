"""Leaderboards: tasks and datasets with results, reported or measured here, and what papers are said to report on them.

Sources spell the same thing differently ("WMT 2014 EN-DE", "wmt14-en-de"), so names are compared folded: without case,
blanks and marks, but for those that tell things apart (Net and Net++, C++ and C#, SQuAD 1.1 and SQuAD 11).  Rows that
several sources have are one row that names them all; where they disagree, every value stands with its source.
Reported numbers are never truth, and their protocols are not known: they are ordered by what they say and have no
rank.  Ranks are for our own numbers, which runs/standings.py compares within one protocol.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from paperlab.entities import Claim, Measurement, ReportedResult, VerdictKind
from paperlab.errors import InvalidInput
from paperlab.library.metrics import is_lower_better
from paperlab.store import code_links, measurements, papers, reported_results, verdicts
from paperlab.store.database import Session
from paperlab.store.measurements import MeasuredCount
from paperlab.store.reported_results import BoardCount


@dataclass(frozen=True)
class Board:
    """A task and dataset with results."""

    task: str
    dataset: str
    spellings: tuple[tuple[str, str], ...]
    """Task and dataset as each source has them."""
    metrics: tuple[str, ...]
    """The one with the most results first."""
    results: int
    """Reported ones."""
    sources: tuple[str, ...]
    measured: int = 0
    """Values that our runs measured."""

    @property
    def name(self) -> str:
        return f"{self.task}/{self.dataset}"


@dataclass(frozen=True)
class Reported:
    """One value of one metric, and every source that has it."""

    value_text: str
    value: float | None
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One model of one paper."""

    model: str
    arxiv_id: str | None
    held: bool
    """Whether we hold the paper."""
    paper_title: str
    paper_url: str
    date: str
    code_links: tuple[str, ...]
    additional_data: bool
    values: dict[str, tuple[Reported, ...]]
    """By metric; more than one where sources disagree."""


@dataclass(frozen=True)
class OurClaim:
    """A claim of our registry about the same task and dataset."""

    id: str
    statement: str
    metric: str
    split: str
    reported: float | None
    verdict: VerdictKind
    measured: float | None
    """None until a run has measured it."""


@dataclass(frozen=True)
class Leaderboard:
    board: Board
    metric: str
    lower_is_better: bool | None
    """None: the direction is not known."""
    entries: tuple[Entry, ...]
    """Reported ones, the best number first."""
    measurements: tuple[Measurement, ...]
    """Ours, of every protocol."""
    ours: tuple[OurClaim, ...]


def boards(session: Session) -> list[Board]:
    """Every task and dataset with results, spellings of different sources together, ordered by name.

    What was measured here belongs to the board of its task and dataset, or makes one.
    """
    groups: dict[tuple[str, str], list[BoardCount]] = defaultdict(list)
    for count in reported_results.boards(session):
        groups[fold_task(count.task), fold_dataset(count.dataset)].append(count)
    own: dict[tuple[str, str], list[MeasuredCount]] = defaultdict(list)
    for item in measurements.counts(session):
        task, dataset = fold_task(item.task), fold_dataset(item.dataset)
        if not dataset:
            continue  # a count of parameters is of no dataset
        near = [key for key in groups if key[1] == dataset and _same(key[0], task)]
        own[near[0] if near else (task, dataset)].append(item)
    found = [_board(groups.get(key, []), own.get(key, [])) for key in dict.fromkeys([*groups, *own])]
    return sorted(found, key=lambda board: (board.task.casefold(), board.dataset.casefold()))


def show(
    session: Session,
    name: str,
    claims: Iterable[Claim] = (),
    metric: str | None = None,
) -> Leaderboard:
    """The leaderboard "TASK/DATASET", by its main metric or the one named.

    Raises InvalidInput with near names for a task, dataset or metric without results.
    """
    board = find(boards(session), name)
    chosen = _metric(board, metric)
    results = reported_results.of_board(session, board.spellings)
    lower = is_lower_better(chosen)
    return Leaderboard(
        board,
        chosen,
        lower,
        tuple(_ordered(_entries(session, results), chosen, lower)),
        tuple(measurements.of_quantities(session, _measured(session, board, chosen))),
        tuple(_ours(session, board, chosen, claims)),
    )


def _measured(session: Session, board: Board, metric: str) -> list[tuple[str, str, str]]:
    """Task, dataset and metric of what was measured here and belongs to the board, as the runs spell them."""
    return [
        (each.task, each.dataset, each.metric)
        for each in measurements.counts(session)
        if _is_on(board, each.task, each.dataset) and _alike(each.metric, metric)
    ]


def find(known: Sequence[Board], name: str) -> Board:
    """The board of this name, whatever its spelling.  Raises InvalidInput with near names."""
    if not known:
        raise InvalidInput(
            f'no leaderboard is called "{name}": no results are held', "paperlab import FILE, or paperlab reproduce"
        )
    parts = [(fold_task(name[:at]), fold_dataset(name[at + 1 :])) for at, sign in enumerate(name) if sign == "/"]
    by_key = {(fold_task(board.task), fold_dataset(board.dataset)): board for board in known}
    for key in parts:
        if key in by_key:
            return by_key[key]
    alike = [
        board
        for (task, dataset), board in by_key.items()
        for asked in parts
        if dataset == asked[1] and _same(task, asked[0])
    ]
    if len(alike) == 1:
        return alike[0]
    near = [f'"{board.name}"' for board in alike] or _near(name, [board.name for board in known])
    meant = f"did you mean: {', '.join(near)}          " if near else ""
    raise InvalidInput(f'no leaderboard is called "{name}"', f"{meant}all of them: paperlab leaderboard")


# --- names ----------------------------------------------------------------------------------------------------

_LANGUAGES = {"english": "en", "german": "de", "french": "fr", "romanian": "ro", "czech": "cs", "chinese": "zh"}
_TASKS = {"modelling": "modeling", "mt": "machine translation", "nli": "natural language inference"}
_TASKS |= {"qa": "question answering", "ner": "named entity recognition", "lm": "language modeling"}


_DOT = r"(?<=\d)\.(?=\d)"
_WORD = re.compile(rf"(?:[^\W_]|[+#]|{_DOT})+")
_PIECE = re.compile(rf"[^\W\d_]+|(?:\d|{_DOT})+|[+#]+")


@lru_cache(maxsize=4096)
def fold_task(name: str) -> str:
    """ "Language Modelling" and "language-modeling" are one task."""
    return " ".join(_TASKS.get(word, word) for word in _WORD.findall(name.casefold()))


@lru_cache(maxsize=4096)
def fold_dataset(name: str) -> str:
    """ "WMT2014 English-German", "WMT 2014 EN-DE" and "wmt14-en-de" are one dataset."""
    words = _PIECE.findall(name.casefold())
    short = (word[2:] if re.fullmatch(r"20\d\d", word) else _LANGUAGES.get(word, word) for word in words)
    return re.sub(r"(?<=\d) (?=\d)", "-", " ".join(short)).replace(" ", "")  # 1 1 is not 11


def _same(one: str, other: str) -> bool:
    """ "translation" is "machine translation"."""
    a, b = one.split(), other.split()
    return bool(a and b) and (a[-len(b) :] == b or b[-len(a) :] == a)


def _near(name: str, known: Sequence[str]) -> list[str]:
    """Names that are spelled alike, then names that have every word."""
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)
    words = re.findall(r"\w+", name.casefold())
    holding = [each for each in folded if words and all(word in each for word in words)]
    return [f'"{folded[each]}"' for each in list(dict.fromkeys([*close, *holding]))[:5]]


def _board(counts: Sequence[BoardCount], measured: Sequence[MeasuredCount]) -> Board:
    by_spelling: dict[tuple[str, str], int] = defaultdict(int)
    by_metric: dict[str, int] = defaultdict(int)
    for count in counts:
        by_spelling[count.task, count.dataset] += count.results
        by_metric[count.metric] += count.results
    results = sum(by_metric.values())
    for item in measured:
        if not counts:  # a board that others have keeps their name
            by_spelling[item.task, item.dataset] += item.values
        alike = next((metric for metric in by_metric if _alike(item.metric, metric)), item.metric)
        by_metric[alike] += item.values
    task, dataset = max(by_spelling, key=lambda names: (by_spelling[names], names))
    return Board(
        task=task,
        dataset=dataset,
        spellings=tuple(by_spelling),
        metrics=tuple(
            sorted(by_metric, key=lambda metric: (is_lower_better(metric) is None, -by_metric[metric], metric))
        ),
        results=results,
        sources=tuple(sorted({count.source for count in counts})),
        measured=sum(item.values for item in measured),
    )


def _is_on(board: Board, task: str, dataset: str) -> bool:
    """Whether a task and dataset of ours are the board's, whatever their spelling."""
    keys = [(fold_task(one), fold_dataset(other)) for one, other in board.spellings]
    return any(known == fold_dataset(dataset) and _same(each, fold_task(task)) for each, known in keys)


def _alike(ours: str, metric: str) -> bool:
    """ "exact_match" is "Exact Match", and "bleu" is "BLEU"; "BLEU score" may be another one."""
    return _spelled(ours) == _spelled(metric)


@lru_cache(maxsize=4096)
def _spelled(metric: str) -> str:
    return re.sub(r"[\W_]+", " ", metric.casefold())


def _metric(board: Board, asked: str | None) -> str:
    if asked is None:
        return board.metrics[0]
    exact = [metric for metric in board.metrics if metric == asked]
    alike = [metric for metric in board.metrics if metric.casefold() == asked.casefold()]
    if exact or alike:
        return (exact or alike)[0]
    raise InvalidInput(f'"{board.name}" has no results in "{asked}"', f"its metrics: {', '.join(board.metrics)}")


# --- rows -----------------------------------------------------------------------------------------------------


def _entries(session: Session, results: Sequence[ReportedResult]) -> list[Entry]:
    """The results as rows: one for each model of each paper, whoever reports it."""
    groups: dict[tuple[str, str], list[ReportedResult]] = defaultdict(list)
    for result in results:
        model = " ".join(_WORD.findall(result.model.casefold()))
        groups[model, result.arxiv_id or _title(result).casefold()].append(result)
    ids = {result.arxiv_id for result in results if result.arxiv_id}
    held = {paper.arxiv_id: paper for paper in papers.get_many(session, ids)}
    links = code_links.of_papers(session, ids)
    entries = []
    for group in groups.values():
        first = group[0]
        paper = held.get(first.arxiv_id or "")
        known = [link.url for link in links.get(first.arxiv_id or "", [])]
        said = [str(url) for result in group for url in result.details.get("code_links", ())]
        submitted = paper.submitted_at.date().isoformat() if paper else ""
        entries.append(
            Entry(
                model=first.model,
                arxiv_id=first.arxiv_id,
                held=paper is not None,
                paper_title=" ".join(paper.title.split()) if paper else _title(first),
                paper_url=_first(group, "paper_url"),
                date=_first(group, "paper_date") or submitted,
                code_links=tuple(dict.fromkeys([*said, *known])),
                additional_data=any(result.details.get("uses_additional_data") for result in group),
                values=_values(group),
            )
        )
    return entries


def _values(group: Sequence[ReportedResult]) -> dict[str, tuple[Reported, ...]]:
    """By metric every distinct value with its sources; "28.4" and "28.40" are two texts of one value."""
    by_metric: dict[str, dict[float | str, list[ReportedResult]]] = defaultdict(lambda: defaultdict(list))
    for result in group:
        by_metric[result.metric][result.value_text if result.value is None else result.value].append(result)
    return {
        metric: tuple(
            Reported(same[0].value_text, same[0].value, tuple(dict.fromkeys(result.source for result in same)))
            for same in values.values()
        )
        for metric, values in by_metric.items()
    }


def _ordered(entries: Iterable[Entry], metric: str, lower: bool | None) -> list[Entry]:
    """Best first, without a number last; by name where the direction is not known."""
    with_metric = [entry for entry in entries if metric in entry.values]
    if lower is None:
        return sorted(with_metric, key=lambda entry: (entry.model.casefold(), entry.paper_title.casefold()))
    sign = 1.0 if lower else -1.0

    def place(entry: Entry) -> tuple[bool, float, str]:
        best = _best(entry, metric, lower)
        return best is None, 0.0 if best is None else sign * best, entry.model.casefold()

    return sorted(with_metric, key=place)


def _best(entry: Entry, metric: str, lower: bool) -> float | None:
    numbers = [reported.value for reported in entry.values[metric] if reported.value is not None]
    return (min(numbers) if lower else max(numbers)) if numbers else None


def _title(result: ReportedResult) -> str:
    return str(result.details.get("paper_title", ""))


def _first(group: Sequence[ReportedResult], name: str) -> str:
    return next((str(result.details[name]) for result in group if result.details.get(name)), "")


# --- ours -----------------------------------------------------------------------------------------------------


def _ours(session: Session, board: Board, metric: str, claims: Iterable[Claim]) -> list[OurClaim]:
    """The claims of a number in this metric on this task and dataset, each with its last verdict."""
    found = []
    for claim in claims:
        if claim.value is None or claim.metric.casefold() not in metric.casefold():
            continue
        if not _is_on(board, claim.task, claim.dataset):
            continue
        logged = verdicts.latest(session, claim.id)
        verdict = logged.kind if logged else VerdictKind.NOT_ATTEMPTED
        measured = logged.measured if logged else None
        found.append(OurClaim(claim.id, claim.statement, claim.metric, claim.split, claim.value, verdict, measured))
    return found
