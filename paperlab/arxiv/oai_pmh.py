"""arXiv's OAI-PMH 2.0: every record that changed since a day, page by page, for whole backfills.

What its server does (since March 2025; https://info.arxiv.org/help/oa/index.html and the server's own public code):
datestamps are days of last modification, and move when arXiv edits in bulk; lists are in their order; a page with a
resumption token is full; the token is the last day and a number of records to skip, so that a record which changes
meanwhile moves the others up; it expires at midnight UTC and carries no list size; errors come with status 200.

Papers are read from the format arXivRaw only: `<created>` in the format `arXiv` can be the date of a later version.
The formats `arXiv` and `oai_dc` are read for what they say, and make no Paper.

Protocol: http://www.openarchives.org/OAI/openarchivesprotocol.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from paperlab.arxiv import author_names, strict_xml
from paperlab.arxiv.client import BadAnswer, Client
from paperlab.arxiv.withdrawal import is_withdrawn
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, PaperlabError

SOURCE = "oai"
FORMAT = "arXivRaw"
EARLIEST = date(2005, 9, 16)
"""No record has an older datestamp; an earlier `from` is an error."""

_WITHDRAWN = "I"
"""The source type of a version that was taken back."""
_VERSION = re.compile(r"v([1-9]\d{0,3})", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T[\d:.]+Z)?", re.ASCII)


@dataclass(frozen=True)
class Question:
    """Records of a set (of all without one) that changed in these days, both included; or the rest of such a list."""

    set: str = ""
    since: date | None = None
    until: date | None = None
    token: str | None = None

    def url(self, oai_url: str) -> str:
        asked = {"verb": "ListRecords"}
        if self.token is not None:
            return f"{oai_url}?{urlencode(asked | {'resumptionToken': self.token})}"
        asked |= {"metadataPrefix": FORMAT}
        since = max(self.since, EARLIEST) if self.since else None
        named = {"set": self.set, "from": since, "until": self.until}
        return f"{oai_url}?{urlencode(asked | {name: str(value) for name, value in named.items() if value})}"


@dataclass(frozen=True)
class Version:
    number: int
    submitted_at: datetime
    source_type: str = ""
    """arXiv's flags: "D" for pdfTeX, "I" for withdrawn, and others."""


@dataclass(frozen=True)
class Description:
    """What a record says of its paper, in whichever format; what that format does not tell is empty."""

    format: str
    """ "arXivRaw", "arXiv" or "oai_dc"."""
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    """oai_dc has no categories but their names in words, and MSC and ACM classes."""
    comment: str | None = None
    journal_ref: str | None = None
    doi: str | None = None
    versions: tuple[Version, ...] = ()
    """arXivRaw only, oldest first."""
    dates: tuple[date, ...] = ()
    """`arXiv`: created and updated; `oai_dc`: its dates."""


@dataclass(frozen=True)
class Record:
    """One record.  A deleted one, or one in a format that we don't know, has no description."""

    arxiv_id: str
    datestamp: date
    sets: tuple[str, ...] = ()
    deleted: bool = False
    description: Description | None = None
    paper: Paper | None = None
    """From arXivRaw."""


@dataclass(frozen=True)
class Unreadable:
    """A record that came but holds no paper, and why."""

    arxiv_id: str | None
    datestamp: date | None
    flaw: str


@dataclass(frozen=True)
class Listing:
    """One answer: records, and the token of the rest, if there is one."""

    records: tuple[Record, ...]
    responded_at: datetime
    token: str | None = None
    unreadable: tuple[Unreadable, ...] = ()
    expired: bool = False
    """The token that was asked with means nothing any more; nothing else is told."""


class _Flaw(Exception):
    """Why a record can't be read."""


def fetch(client: Client, oai_url: str, question: Question) -> Listing:
    """One page.  Raises what `Client.get` raises, and InvalidInput in arXiv's words where it refuses the question."""
    read: list[Listing] = []
    client.get(question.url(oai_url), check=lambda body: read.append(read_listing(body)), refused=refusal)
    return read[-1]


def fetch_record(client: Client, oai_url: str, arxiv_id: str) -> Record | Unreadable | None:
    """One paper's record, or None where arXiv has none.  Raises what `fetch` raises."""
    read: list[Listing] = []
    asked = {"verb": "GetRecord", "identifier": f"oai:arXiv.org:{arxiv_id}", "metadataPrefix": FORMAT}
    client.get(f"{oai_url}?{urlencode(asked)}", check=lambda body: read.append(read_listing(body)), refused=refusal)
    told: tuple[Record | Unreadable, ...] = (*read[-1].records, *read[-1].unreadable)
    return told[0] if told else None


def refusal(body: bytes) -> PaperlabError:
    """What a 400 says, in arXiv's words."""
    try:
        read_listing(body)
    except InvalidInput as error:
        return error
    except BadAnswer:
        pass
    return InvalidInput("arXiv refuses the question (HTTP 400) and does not say why", "check --set, --from and --until")


# --- the answer -----------------------------------------------------------------------------------------------


def read_listing(body: bytes) -> Listing:
    """Read an answer to ListRecords or GetRecord.

    No records for a question is an empty listing.  Raises BadAnswer for anything but a whole answer, InvalidInput for
    a question that arXiv refuses.
    """
    root = strict_xml.parse(body, "OAI-PMH")
    if _name(root) != "OAI-PMH":
        raise BadAnswer(f"<{_name(root)}> instead of OAI-PMH")
    responded_at = _responded_at(root)
    error = _child(root, "error")
    if error is not None:
        return _after_error(error, responded_at)
    listed = _child(root, "ListRecords")
    if listed is None:
        listed = _child(root, "GetRecord")
    if listed is None:
        raise BadAnswer("an OAI-PMH answer without records")
    records: list[Record] = []
    unreadable: list[Unreadable] = []
    for element in _children(listed, "record"):
        outcome = _record(element)
        if isinstance(outcome, Record):
            records.append(outcome)
        else:
            unreadable.append(outcome)
    if not records and not unreadable:
        raise BadAnswer("an OAI-PMH list without records")
    token = _text(listed, "resumptionToken")
    return Listing(tuple(records), responded_at, token or None, tuple(unreadable))


def read_record(body: bytes) -> Record:
    """Read one `<record>` by itself.  Raises BadAnswer where it is none, or can't be read."""
    root = strict_xml.parse(body, "an OAI-PMH record")
    if _name(root) != "record":
        raise BadAnswer(f"<{_name(root)}> instead of <record>")
    outcome = _record(root)
    if isinstance(outcome, Unreadable):
        raise BadAnswer(outcome.flaw)
    return outcome


def _responded_at(root: Any) -> datetime:
    text = _text(root, "responseDate")
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadAnswer(f'an OAI-PMH answer of the time "{text[:40]}"') from error


def _after_error(error: Any, responded_at: datetime) -> Listing:
    code = error.get("code", "")
    if code in {"noRecordsMatch", "idDoesNotExist"}:
        return Listing((), responded_at)
    if code == "badResumptionToken":
        return Listing((), responded_at, expired=True)
    words = " ".join((error.text or "no reason given").split())
    raise InvalidInput(f"arXiv refuses the question ({code or 'no code'}): {words}", "check --set, --from and --until")


# --- one record -----------------------------------------------------------------------------------------------


def _record(element: Any) -> Record | Unreadable:
    header = _child(element, "header")
    arxiv_id: str | None = None
    datestamp: date | None = None
    try:
        if header is None:
            raise _Flaw("a record without a header")
        arxiv_id = _identifier(_text(header, "identifier"))
        datestamp = _day(_text(header, "datestamp"), f"{arxiv_id}: datestamp")
        sets = tuple(_line(each.text) for each in _children(header, "setSpec"))
        if header.get("status") == "deleted":
            return Record(arxiv_id, datestamp, sets, deleted=True)
        metadata = _child(element, "metadata")
        described = next(iter(metadata), None) if metadata is not None else None
        if described is None:
            raise _Flaw(f"{arxiv_id}: a record without metadata")
        if (told := _child(described, "id")) is not None and _identifier(told.text or "") != arxiv_id:
            raise _Flaw(f"{arxiv_id}: metadata of {_line(told.text)}")
        description = _describe(described, arxiv_id)
        paper = _as_paper(arxiv_id, description) if description and description.format == FORMAT else None
    except _Flaw as flaw:
        return Unreadable(arxiv_id, datestamp, str(flaw))
    return Record(arxiv_id, datestamp, sets, description=description, paper=paper)


def _describe(element: Any, arxiv_id: str) -> Description | None:
    name = _name(element)
    if name == "arXivRaw":
        return _read_raw(element, arxiv_id)
    if name == "arXiv":
        return _read_arxiv(element, arxiv_id)
    return _read_dublin_core(element, arxiv_id) if name == "dc" else None


def _read_raw(element: Any, arxiv_id: str) -> Description:
    versions = [_version(each, arxiv_id) for each in _children(element, "version")]
    if len({version.number for version in versions}) < len(versions):
        raise _Flaw(f"{arxiv_id}: a version twice")
    return Description(
        format="arXivRaw",
        **_shared(element),
        authors=author_names.split(_text(element, "authors")),
        versions=tuple(sorted(versions, key=lambda version: version.number)),
    )


def _read_arxiv(element: Any, arxiv_id: str) -> Description:
    authors = _child(element, "authors")
    people = list(_children(authors, "author")) if authors is not None else []
    names = [_line(" ".join(_text(each, part) for part in ("forenames", "keyname", "suffix"))) for each in people]
    return Description(
        format="arXiv",
        **_shared(element),
        authors=tuple(name for name in names if any(character.isalnum() for character in name)),
        dates=tuple(
            _day(text, f"{arxiv_id}: {name}") for name in ("created", "updated") if (text := _text(element, name))
        ),
    )


def _shared(element: Any) -> dict[str, Any]:
    """What arXivRaw and `arXiv` write alike."""
    abstract = _child(element, "abstract")
    return {
        "title": _text(element, "title"),
        "abstract": (abstract.text or "").strip() if abstract is not None else "",
        "categories": tuple(dict.fromkeys(_text(element, "categories").split())),
        "comment": _text(element, "comments") or None,
        "journal_ref": _text(element, "journal-ref") or None,
        "doi": _text(element, "doi") or None,
    }


def _read_dublin_core(element: Any, arxiv_id: str) -> Description:
    def every(name: str) -> list[str]:
        return [each.text or "" for each in _children(element, name)]

    descriptions = every("description")
    identifiers = [_line(text) for text in every("identifier")]
    others = [text for text in identifiers if "://arxiv.org/abs/" not in text]
    doi = next((text.removeprefix("doi:") for text in others if text.startswith("doi:")), None)
    return Description(
        format="oai_dc",
        title=_text(element, "title"),
        abstract=descriptions[0].strip() if descriptions else "",
        # "Last, First" here; the letters are accented already.
        authors=tuple(" ".join(reversed(_line(text).split(", ", 1))) for text in every("creator")),
        subjects=tuple(map(_line, every("subject"))),
        comment=_line(descriptions[1]).removeprefix("Comment: ") if len(descriptions) > 1 else None,
        journal_ref=next((text for text in others if not text.startswith("doi:")), None),
        doi=doi,
        dates=tuple(_day(_line(text), f"{arxiv_id}: date") for text in every("date")),
    )


def _as_paper(arxiv_id: str, told: Description) -> Paper:
    if not told.versions:
        raise _Flaw(f"{arxiv_id}: no versions")
    if not told.title or not told.categories:
        raise _Flaw(f"{arxiv_id}: no title or category")
    newest = told.versions[-1]
    return Paper(
        arxiv_id=arxiv_id,
        version=newest.number,
        title=told.title,
        abstract=told.abstract,
        authors=told.authors,
        categories=told.categories,
        primary_category=told.categories[0],
        submitted_at=told.versions[0].submitted_at,
        updated_at=newest.submitted_at,
        comment=told.comment,
        journal_ref=told.journal_ref,
        doi=told.doi,
        source=SOURCE,
        withdrawn=_WITHDRAWN in newest.source_type or is_withdrawn(told.comment, told.abstract, told.title),
    )


def _version(element: Any, arxiv_id: str) -> Version:
    name = element.get("version", "")
    match = _VERSION.fullmatch(name)
    if match is None:
        raise _Flaw(f'{arxiv_id}: version "{name[:20]}"')
    text = _text(element, "date")
    try:
        moment = parsedate_to_datetime(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise _Flaw(f'{arxiv_id}{name}: "{text[:40]}" is no time') from error
    return Version(int(match[1]), moment, _text(element, "source_type"))


def _identifier(text: str) -> str:
    try:
        return ArxivId.parse(_line(text).removeprefix("oai:arXiv.org:")).base
    except InvalidInput as error:
        raise _Flaw(f'"{text[:60]}" is no arXiv identifier') from error


def _day(text: str, what: str) -> date:
    match = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError as error:
        raise _Flaw(f'{what} "{text[:40]}" is no day') from error


# --- elements by their local names: record fragments carry no namespace ----------------------------------------


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Any, name: str) -> Iterator[Any]:
    return (child for child in element if _name(child) == name)


def _child(element: Any, name: str) -> Any:
    return next(_children(element, name), None)


def _text(element: Any, name: str) -> str:
    """The text of the child as one line; empty where there is none."""
    child = _child(element, name)
    return _line(child.text) if child is not None else ""


def _line(text: str | None) -> str:
    return " ".join(text.split()) if text else ""
