"""arXiv's query API through the `arxiv` package, on our transport, with every page checked for completeness.

The package reads entries; what it does not do is done here: it repairs a cut XML silently, takes an HTML page for an
empty result, skips entries that lack a date, and pages by what it parsed.  So the raw bytes are parsed strictly first,
entries are counted, and one call asks for one page.

Manual: https://info.arxiv.org/help/api/user-manual.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast

from paperlab.arxiv import strict_xml
from paperlab.arxiv.client import BadAnswer, Client
from paperlab.arxiv.withdrawal import is_withdrawn
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, PaperlabError

if TYPE_CHECKING:
    import arxiv

SOURCE = "query-api"
MAX_PAGE = 2_000
MAX_RESULTS = 30_000
"""Start plus page size beyond this is HTTP 400."""
IDS_PER_REQUEST = 100
"""A URL of 100 identifiers stays below 2,000 characters."""

_ATOM = "{http://www.w3.org/2005/Atom}"
_OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
_TOTAL_DIGITS = 9
"""arXiv holds millions of papers; a longer number is none."""
_ERROR_ID = "/api/errors"

Order = Literal["submittedDate", "lastUpdatedDate"]


@dataclass(frozen=True)
class Unreadable:
    """An entry that came and could not be read.

    `arxiv_id` is None where it does not say whose it is, and without version where that is what can't be read.
    """

    arxiv_id: ArxivId | None
    entry: str
    flaw: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.flaw}"


@dataclass(frozen=True)
class Page:
    """One answer.  `entries` counts what the server sent; what could not be read is named in `unreadable`."""

    papers: tuple[Paper, ...]
    total: int | None
    """What the server says the whole query holds; None where it does not say."""
    entries: int
    unreadable: tuple[Unreadable, ...] = ()


# --- asking ---------------------------------------------------------------------------------------------------


def category_query(categories: Sequence[str], since: datetime | None = None, until: datetime | None = None) -> str:
    """`(cat:cs.CL OR cat:cs.LG) AND submittedDate:[202411010000 TO 202411080000]`, whole minutes in GMT."""
    query = " OR ".join(f"cat:{category}" for category in categories)
    if since is None or until is None:
        return query
    window = f"submittedDate:[{since.astimezone(UTC):%Y%m%d%H%M} TO {until.astimezone(UTC):%Y%m%d%H%M}]"
    return f"({query}) AND {window}"


def fetch_page(
    client: Client, api_url: str, query: str, *, start: int, size: int, order: Order, descending: bool
) -> Page:
    """Entries `start` to `start + size` of a query.  Raises what `Client.get` raises."""
    import arxiv

    search = arxiv.Search(
        query=query,
        max_results=start + size,
        sort_by=arxiv.SortCriterion(order),
        sort_order=arxiv.SortOrder.Descending if descending else arxiv.SortOrder.Ascending,
    )
    return _fetch(client, api_url, search, start, size)


def fetch_ids(client: Client, api_url: str, ids: Sequence[ArxivId]) -> Page:
    """The papers with these identifiers; the server drops what it does not know without a word."""
    import arxiv

    search = arxiv.Search(id_list=[str(arxiv_id) for arxiv_id in ids], max_results=len(ids))
    return _fetch(client, api_url, search, 0, len(ids))


def _fetch(client: Client, api_url: str, search: arxiv.Search, start: int, size: int) -> Page:
    import arxiv

    transport = _Transport(client, size)
    package = arxiv.Client(page_size=size, delay_seconds=0.0, num_retries=0)
    package.query_url_format = f"{api_url}?{{}}"
    package._session = cast(Any, transport)
    results = package.results(search, offset=start)
    # The first step fetches; taking no more than the page holds keeps the package from asking for another.
    first = list(islice(results, 1))
    answer = transport.answer
    papers = [_as_paper(result) for result in (*first, *islice(results, max(0, answer.readable - 1)))]
    if len(papers) != answer.readable:
        raise RuntimeError(f"the arxiv package read {len(papers)} of {answer.readable} entries")
    return Page(tuple(papers), answer.total, answer.readable + len(answer.unreadable), answer.unreadable)


@dataclass(frozen=True)
class _Response:
    """As much of a response as the package looks at."""

    content: bytes
    status_code: int = 200


class _Transport:
    """What the package takes for its session: one GET through our client, checked before the package sees it."""

    def __init__(self, client: Client, size: int) -> None:
        self._client = client
        self._size = size
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        if self._answer is None:
            raise RuntimeError("the arxiv package did not ask")
        return self._answer

    def get(self, url: str, **_headers: Any) -> _Response:
        def check(body: bytes) -> None:
            self._answer = read_answer(body)
            entries = self._answer.readable + len(self._answer.unreadable)
            if entries > self._size:
                raise BadAnswer(f"{entries} entries where {self._size} were asked for")

        self._client.get(url, check=check, refused=refusal)
        return _Response(self.answer.body)


# --- checking -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A well-formed Atom answer.  `body` holds the readable entries only, so that the package skips none."""

    body: bytes
    total: int | None
    readable: int
    unreadable: tuple[Unreadable, ...]


def read_answer(body: bytes) -> Answer:
    """Parse strictly.  Raises BadAnswer for anything but a whole Atom feed, InvalidInput for arXiv's error entry."""
    body = strict_xml.cleaned(body)
    root = _parse(body)
    entries = root.findall(f"{_ATOM}entry")
    for entry in entries:
        if _ERROR_ID in (entry.findtext(f"{_ATOM}id") or ""):
            raise _refused_with(entry)
    broken = [(entry, flaw) for entry in entries if (flaw := _flaw(entry))]
    for entry, _ in broken:
        root.remove(entry)
    return Answer(
        body=_as_bytes(root) if broken else body,
        total=_total(root),
        readable=len(entries) - len(broken),
        unreadable=tuple(_named(entry, flaw) for entry, flaw in broken),
    )


def refusal(body: bytes) -> PaperlabError:
    """What a 400 says, in arXiv's words."""
    try:
        entry = _parse(body).find(f"{_ATOM}entry")
    except BadAnswer:
        entry = None
    if entry is None:
        return InvalidInput("arXiv refuses the question (HTTP 400) and does not say why", "check categories and dates")
    return _refused_with(entry)


def _refused_with(entry: Any) -> InvalidInput:
    words = " ".join((entry.findtext(f"{_ATOM}summary") or "no reason given").split())
    return InvalidInput(f"arXiv refuses the question: {words}", "check identifiers, categories and dates")


def _parse(body: bytes) -> Any:
    root = strict_xml.parse(body, "Atom")
    if root.tag != f"{_ATOM}feed":
        raise BadAnswer(f"<{root.tag}> instead of an Atom feed")
    return root


def _as_bytes(root: Any) -> bytes:
    from lxml import etree  # type: ignore[import-untyped]

    return bytes(etree.tostring(root))


def _named(entry: Any, flaw: str) -> Unreadable:
    name = entry.findtext(f"{_ATOM}id") or ""
    try:
        return Unreadable(_identifier(name), name, flaw)
    except InvalidInput:
        return Unreadable(ArxivId.of_damaged(name), name[:80] or "an entry", flaw)


def _total(root: Any) -> int | None:
    text = (root.findtext(f"{_OPENSEARCH}totalResults") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _TOTAL_DIGITS else None


def _flaw(entry: Any) -> str:
    """Why an entry is not to be read: the package could not, or it lacks what every paper has.  Empty if it is."""
    name = entry.findtext(f"{_ATOM}id") or ""
    try:
        _identifier(name)
    except InvalidInput:
        return "no version" if ArxivId.of_damaged(name) else "no arXiv identifier"
    for name in ("published", "updated"):
        text = (entry.findtext(f"{_ATOM}{name}") or "").strip()
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return f"no <{name}> that is a time"
    if not entry.findall(f"{_ATOM}category") or not (entry.findtext(f"{_ATOM}title") or "").strip():
        return "no title or category"
    # Every paper has both.  An entry without them would wipe out what is held.
    if entry.find(f"{_ATOM}summary") is None:
        return "no <summary>"
    if not any((name.text or "").strip() for name in entry.iterfind(f"{_ATOM}author/{_ATOM}name")):
        return "no author"
    return ""


# --- reading --------------------------------------------------------------------------------------------------


def _identifier(entry_id: str) -> ArxivId:
    return ArxivId.parse(entry_id)


def _as_paper(result: arxiv.Result) -> Paper:
    arxiv_id = _identifier(result.entry_id)
    categories = tuple(dict.fromkeys(result.categories))
    return Paper(
        arxiv_id=arxiv_id.base,
        version=arxiv_id.version or 1,
        title=_line(result.title) or "",
        abstract=result.summary.strip(),
        authors=tuple(name for author in result.authors if (name := _line(author.name))),
        categories=categories,
        primary_category=result.primary_category or categories[0],
        submitted_at=result.published,
        updated_at=result.updated,
        comment=_line(result.comment),
        journal_ref=_line(result.journal_ref),
        doi=_line(result.doi),
        source=SOURCE,
        withdrawn=is_withdrawn(result.comment, result.summary, result.title),
    )


def _line(text: str | None) -> str | None:
    return " ".join(text.split()) or None if text else None
