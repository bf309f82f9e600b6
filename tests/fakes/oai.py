"""/oai: ListRecords in arXivRaw and GetRecord, as arXiv's server since March 2025 answers them.

Lists are in the order of last modification; a page holds `page_size` records; its token is the last day and how many of
that day's records to skip, on the list as it is by then, and is worth nothing once it has expired.  Errors come with
status 200.  Datestamps are those of the newest version until `server.edit` moves them; what `server.oai.delete` takes
away leaves its header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

from paperlab.arxiv.categories import CATEGORIES
from paperlab.entities import Paper
from tests.fakes.exchange import Exchange
from tests.fakes.papers import digest

if TYPE_CHECKING:
    from tests.fakes.server import FakeArxiv

EARLIEST = date(2005, 9, 16)
PHYSICS = {"astro-ph", "cond-mat", "gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "math-ph", "nlin", "nucl-ex"} | {
    "nucl-th",
    "physics",
    "quant-ph",
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Repository:
    """What OAI-PMH keeps beside the papers."""

    page_size: int = 25
    datestamps: dict[str, datetime] = field(default_factory=dict)
    """Of the papers whose records were edited after their newest version."""
    deleted: set[str] = field(default_factory=set)
    generation: int = 0
    """Tokens of an earlier one have expired."""
    wall: Any = None
    """The server's clock, in Unix seconds; the machine's where there is none."""

    def edit(self, arxiv_ids: list[str], moment: datetime) -> None:
        """arXiv touches these records without a new version: their datestamps move."""
        self.datestamps |= dict.fromkeys(arxiv_ids, moment)

    def delete(self, arxiv_id: str, moment: datetime) -> None:
        self.deleted.add(arxiv_id)
        self.datestamps[arxiv_id] = moment

    def expire(self) -> None:
        """Midnight: no token that was given out is known any more."""
        self.generation += 1

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC) if self.wall else datetime.now(UTC)


@dataclass(frozen=True)
class Listed:
    """A record on a page: the versions of a paper."""

    versions: tuple[Paper, ...]
    changed_at: datetime
    deleted: bool


class _Refused(Exception):
    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def answer(server: FakeArxiv, path: str) -> Exchange:
    """One page, one record, or an error element."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query, keep_blank_values=True).items()}
    try:
        verb = asked.pop("verb", "")
        if verb == "ListRecords":
            exchange = _list(server, asked)
        elif verb == "GetRecord":
            exchange = _get(server, asked)
        else:
            raise _Refused("badVerb", "Invalid verb provided")
    except _Refused as refused:
        words = f"<error code='{refused.code}'>{escape(str(refused))}</error>"
        exchange = Exchange([], body=_envelope(server, words).encode())
    exchange.headers["Content-Type"] = "text/xml"
    return exchange


def _list(server: FakeArxiv, asked: dict[str, str]) -> Exchange:
    skip, resumed = 0, "resumptionToken" in asked
    if resumed:
        if set(asked) != {"resumptionToken"}:
            raise _Refused("badArgument", "No other paramters allowed with resumptionToken")
        asked = {name: values[0] for name, values in parse_qs(unquote(asked["resumptionToken"])).items()}
        if asked.pop("generation", "") != str(server.oai.generation) or "skip" not in asked:
            raise _Refused("badResumptionToken", "Token decoding failed or format is invalid.")
        skip = int(asked.pop("skip"))
    if asked.get("metadataPrefix") != "arXivRaw":
        raise _Refused("cannotDisseminateFormat", "Did not recognize requested format")
    found = _found(server, asked)[skip:]
    if not found:
        raise _Refused("noRecordsMatch", "The combination of the values results in an empty list.")
    size = server.oai.page_size
    page, token = found[:size], None
    if len(found) > size:
        last = page[-1].changed_at.date()
        if last == page[0].changed_at.date():
            token = _token(server, asked, skip + size if resumed and asked.get("from") == str(last) else size, last)
        else:
            token = _token(server, asked, sum(each.changed_at.date() == last for each in page), last)
    return Exchange(
        list(page),
        size=size,
        render=lambda exchange: _render(server, exchange, token, resumed=resumed),
    )


def _token(server: FakeArxiv, asked: dict[str, str], skip: int, last: date) -> str:
    return quote(urlencode(asked | {"from": str(last), "skip": skip, "generation": server.oai.generation}))


def _found(server: FakeArxiv, asked: dict[str, str]) -> list[Listed]:
    since, until = _day(asked.get("from"), EARLIEST), _day(asked.get("until"), server.oai.now().date())
    if since > until:
        raise _Refused("badArgument", "until date must be greater than or equal to from date")
    if since < EARLIEST:
        raise _Refused("badArgument", "start date too early")
    found = [each for each in _records(server, asked.get("set")) if since <= each.changed_at.date() <= until]
    # `salt` moves ties: records of one second.
    return sorted(found, key=lambda each: (each.changed_at, digest(server.salt + each.versions[-1].arxiv_id)))


def _records(server: FakeArxiv, oai_set: str | None) -> list[Listed]:
    wanted = _categories(oai_set)
    return [
        Listed(
            tuple(versions),
            max(server.oai.datestamps.get(arxiv_id, versions[-1].updated_at), versions[-1].updated_at),
            arxiv_id in server.oai.deleted,
        )
        for arxiv_id, versions in server.papers.items()
        if not wanted.isdisjoint(versions[-1].categories)
    ]


def _get(server: FakeArxiv, asked: dict[str, str]) -> Exchange:
    name = asked.get("identifier", "").removeprefix("oai:arXiv.org:")
    found = [each for each in _records(server, None) if each.versions[-1].arxiv_id == name]
    if not found:
        raise _Refused("idDoesNotExist", "The value of the identifier argument is unknown.")
    return Exchange(list(found), render=lambda exchange: _render(server, exchange, None, verb="GetRecord"))


def _categories(oai_set: str | None) -> set[str]:
    if oai_set is None:
        return set(CATEGORIES)
    group, *rest = oai_set.split(":")
    named = ".".join(rest)
    found = {
        each
        for each in CATEGORIES
        if (not rest or each == named or each.startswith(f"{named}."))
        and (each.partition(".")[0] in PHYSICS if group == "physics" else each.partition(".")[0] == group)
    }
    if not found:
        raise _Refused("badArgument", "Set does not exist")
    return found


def _day(text: str | None, default: date) -> date:
    if text is None:
        return default
    if not _DAY.fullmatch(text):
        raise _Refused("badArgument", "date format must be YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _Refused("badArgument", "date format must be YYYY-MM-DD") from error


# --- XML ------------------------------------------------------------------------------------------------------


def _render(
    server: FakeArxiv, exchange: Exchange, token: str | None, *, resumed: bool = False, verb: str = "ListRecords"
) -> bytes:
    records = "".join(
        record(each, readable=index != exchange.unpublished) for index, each in enumerate(exchange.entries)
    )
    expires = datetime.combine(server.oai.now().date() + timedelta(days=1), time(), UTC)
    last = (
        f"<resumptionToken expirationDate='{expires:%Y-%m-%dT%H:%M:%SZ}'>{escape(token or '')}</resumptionToken>\n"
        if token or resumed
        else ""
    )
    return _envelope(server, f"    <{verb}>\n{records}{last}    </{verb}>").encode()


def _envelope(server: FakeArxiv, inside: str) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">
    <responseDate>{server.oai.now():%Y-%m-%dT%H:%M:%SZ}</responseDate>
    <request verb="ListRecords">http://oaipmh.arxiv.org/oai</request>
{inside}
</OAI-PMH>
"""


def record(listed: Listed, *, readable: bool = True) -> str:
    """One `<record>`.  One that is not readable lacks the dates of its versions."""
    newest, first = listed.versions[-1], listed.versions[0]
    sets = "".join(f"<setSpec>{set_of(category)}</setSpec>" for category in newest.categories)
    status = ' status="deleted"' if listed.deleted else ""
    header = f"""<header{status}>
        <identifier>oai:arXiv.org:{newest.arxiv_id}</identifier>
        <datestamp>{listed.changed_at:%Y-%m-%d}</datestamp>
        {sets}
    </header>"""
    if listed.deleted:
        return f"<record>{header}</record>\n"
    dates = {version.version: version.updated_at for version in listed.versions} | {1: first.submitted_at}
    for missing in range(2, newest.version):
        dates.setdefault(missing, first.submitted_at + timedelta(seconds=missing))
    versions = "".join(
        f"""<version version="v{number}">
                <date>{f"{moment:%a, %d %b %Y %H:%M:%S} GMT" if readable else "no day"}</date>
                <size>{number}kb</size>
            </version>
        """
        for number, moment in sorted(dates.items())
    )
    optional = (("comments", newest.comment), ("journal-ref", newest.journal_ref), ("doi", newest.doi))
    extra = "".join(f"<{name}>{escape(text)}</{name}>\n        " for name, text in optional if text)
    return f"""<record>{header}
    <metadata>
        <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">
        <id>{newest.arxiv_id}</id>
        <submitter>{escape(newest.authors[0])}</submitter>
        {versions}<title>{escape(newest.title)}</title>
        <authors>{escape(author_line(newest.authors))}</authors>
        <categories>{escape(" ".join(newest.categories))}</categories>
        {extra}<license>http://arxiv.org/licenses/nonexclusive-distrib/1.0/</license>
        <abstract>{escape(newest.abstract)}</abstract>
        </arXivRaw>
    </metadata>
</record>
"""


def author_line(authors: tuple[str, ...]) -> str:
    r"""As arXivRaw has it: TeX for accents, the last one after "and", an affiliation here and there."""
    names = [name.replace("Á", r"\'A").replace("é", r"\'{e}") for name in authors]
    if len(names) > 2:
        names[0] += " (University of A, B and C (D))"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def set_of(category: str) -> str:
    archive, _, subject = category.partition(".")
    group = "physics" if archive in PHYSICS else archive
    return quoteattr(f"{group}:{archive}" + (f":{subject}" if subject else "")).strip('"')
