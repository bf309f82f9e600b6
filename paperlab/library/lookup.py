"""Single papers from arXiv by their identifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from paperlab.arxiv import query_api
from paperlab.arxiv.client import Client
from paperlab.arxiv.limiter import Clock
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, PaperlabError, TryAgain
from paperlab.library import arrivals
from paperlab.settings import Settings
from paperlab.store import database, receipts
from paperlab.store.database import Engine

LOOKUP = "lookup"
TRIES = 3
"""How often a batch is asked for before ids that are missing from the answer count as unknown or as not given."""


@dataclass(frozen=True)
class Added:
    """What a look-up brought.  `unknown` are the identifiers that arXiv does not have."""

    papers: tuple[Paper, ...]
    receipt: Receipt
    unknown: tuple[str, ...] = ()


class UnknownPapers(InvalidInput):
    """arXiv does not know some of the identifiers (exit 3); the others are held, see `added`."""

    def __init__(self, added: Added) -> None:
        names = ", ".join(added.unknown)
        held = len({paper.arxiv_id for paper in added.papers})
        kept = f"; the other {held} are held" if held else ""
        super().__init__(f"arXiv has no paper {names}{kept}", "look at https://arxiv.org/a or search by title")
        self.added = added


def parse_ids(texts: Iterable[str]) -> list[ArxivId]:
    """Identifiers from ids and addresses, each once.  Raises InvalidInput naming every text that holds none."""
    ids: dict[ArxivId, None] = {}
    bad: list[InvalidInput] = []
    for text in texts:
        try:
            ids[ArxivId.parse(text)] = None
        except InvalidInput as error:
            bad.append(error)
    if len(bad) == 1:
        raise bad[0]
    if bad:
        raise InvalidInput("; ".join(error.message for error in bad), bad[0].hint)
    return list(ids)


def add(engine: Engine, settings: Settings, ids: Sequence[ArxivId], clock: Clock | None = None) -> Added:
    """Fetch papers by identifier, in batches, and hold them.  A version that is named is fetched as that version.

    Raises UnknownPapers for identifiers that arXiv does not have, once the others are held; TryAgain where arXiv stays
    away: what came in by then is held.
    """
    clock = clock or Clock()
    began = _time(clock)
    got: list[Paper] = []
    unknown: list[str] = []
    outcomes: dict[str, str] = {}
    stopped: PaperlabError | None = None
    with Client.of(settings, clock=clock) as client:
        for start in range(0, len(ids), query_api.IDS_PER_REQUEST):
            try:
                found = look_up(client, settings, ids[start : start + query_api.IDS_PER_REQUEST])
            except PaperlabError as error:
                stopped = error
                break
            got.extend(found.papers)
            unknown.extend(map(str, found.unknown))
            with database.session(engine) as session:
                counts = arrivals.take(session, settings, found.papers, _time(clock))
            for paper in found.papers:  # one that is named twice, with and without a version, is one paper
                outcomes.setdefault(paper.arxiv_id, "unchanged")
            outcomes.update((each, "revised") for each in counts.changed if outcomes[each] != "new")
            outcomes.update(dict.fromkeys(counts.arrived, "new"))
            if found.unanswered:
                stopped = _unanswered(found.unanswered)
                break
    tally = Counter(outcomes.values())
    reason = stopped.message if stopped else f"unknown to arXiv: {', '.join(unknown)}" if unknown else ""
    with database.session(engine) as session:
        receipt = receipts.start(
            session,
            source=query_api.SOURCE,
            kind=LOOKUP,
            query=f"id_list of {len(ids)}: {', '.join(str(arxiv_id) for arxiv_id in ids[:20])}",
            cursor=None,
            process={},
            now=began,
        )
        receipt = replace(
            receipt,
            status=ReceiptStatus.PARTIAL if stopped else ReceiptStatus.COMPLETE,
            reason=reason,
            finished_at=_time(clock),
            requests=client.spent.requests,
            waited_s=round(client.spent.waited_s, 3),
            announced=tally.total(),
            held=tally.total(),
            new=tally["new"],
            revised=tally["revised"],
            unchanged=tally["unchanged"],
        )
        receipts.save(session, receipt)
    if stopped is not None:
        raise stopped
    added = Added(tuple(got), receipt, tuple(unknown))
    if unknown:
        raise UnknownPapers(added)
    return added


@dataclass(frozen=True)
class Found:
    """What became of one batch.  `unknown` is only what two whole answers in a row did not have."""

    papers: tuple[Paper, ...]
    unknown: tuple[ArxivId, ...] = ()
    unanswered: tuple[ArxivId, ...] = ()
    """Missing from answers none of which was whole."""


def look_up(client: Client, settings: Settings, batch: Sequence[ArxivId]) -> Found:
    """Ask for at most IDS_PER_REQUEST papers by identifier.  Holds nothing; raises what `Client.get` raises."""
    found: list[Paper] = []
    open_ids = list(batch)
    whole_before = False
    for _ in range(TRIES):
        page = query_api.fetch_ids(client, settings.arxiv.api_url, open_ids)
        arrived = {(paper.arxiv_id, paper.version): paper for paper in page.papers}
        found.extend(paper for paper in arrived.values() if any(_is_of(paper, asked) for asked in open_ids))
        absent = [asked for asked in open_ids if not any(_is_of(paper, asked) for paper in arrived.values())]
        whole = page.total is not None and len(arrived) >= page.total and not page.unreadable
        if not absent or (whole and whole_before and len(absent) == len(open_ids)):
            return Found(tuple(found), tuple(absent))
        open_ids, whole_before = absent, whole
    return Found(tuple(found), unanswered=tuple(open_ids))


def _unanswered(ids: Sequence[ArxivId]) -> TryAgain:
    return TryAgain(
        f"arXiv gave no whole answer for {', '.join(map(str, ids))}",
        "run the same command again; what came in is held",
        reason="incomplete",
        retry_after_s=60.0,
    )


def _is_of(paper: Paper, asked: ArxivId) -> bool:
    return paper.arxiv_id == asked.base and asked.version in {None, paper.version}


def _time(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.wall(), UTC)
