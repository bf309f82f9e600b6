"""An arXiv of our own: the query API as the real servers answer it, with the faults that clients have met.

In tests: `with FakeArxiv(papers) as arxiv: ... arxiv.url`.  By hand, with real or made-up papers:
`python -m tests.fakes --papers FILE_OR_FOLDER [--port N]` or `--generate 8000`.

What it imitates: the Atom of the server since November 2025 (and of the one before), `cat:` queries joined by OR,
`submittedDate` windows in whole minutes, both sort orders, 2,000 entries a slice and 30,000 a query, identifier lists
that drop what is unknown and answer 400 with an error entry to what is malformed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from types import TracebackType
from typing import Any, Self, TextIO
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput

MAX_SLICE = 2_000
MAX_RESULTS = 30_000
_QUERY = re.compile(
    r"\(?(?P<cats>cat:[\w.-]+(?: OR cat:[\w.-]+)*)\)?(?: AND submittedDate:\[(?P<since>\d{12}) TO (?P<until>\d{12})\])?"
)
_WELL_FORMED = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})(v\d+)?")


# --- exchanges and faults -------------------------------------------------------------------------------------


@dataclass
class Exchange:
    """One answer in the making.  Faults change it before it is sent; `after` runs once it is."""

    entries: list[Paper]
    total: int | None
    start: int
    size: int
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_at: float | None = None
    """Send only this fraction of the body."""
    unpublished: int | None = None
    """Index of an entry that comes without <published>."""
    reset: bool = False
    stall: bool = False
    after: list[Callable[[], object]] = field(default_factory=list)


def _status(exchange: Exchange, status: int, **headers: str) -> None:
    exchange.status = status
    exchange.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    exchange.body = b"Rate exceeded." if status == 429 else b"temporarily unavailable"


def _drop(exchange: Exchange, rng: random.Random) -> None:
    for _ in range(rng.randint(1, max(1, len(exchange.entries) // 3))):
        if exchange.entries:
            exchange.entries.pop(rng.randrange(len(exchange.entries)))


def _duplicate(exchange: Exchange, rng: random.Random) -> None:
    if len(exchange.entries) > 1:
        one, other = rng.sample(range(len(exchange.entries)), 2)
        exchange.entries[one] = exchange.entries[other]


def _move_total(exchange: Exchange, rng: random.Random) -> None:
    if exchange.total is not None:
        exchange.total = max(0, exchange.total + rng.choice((-1, 1)) * rng.randint(1, 10))


Fault = Callable[["FakeArxiv", Exchange, random.Random], None]

FAULTS: dict[str, Fault] = {
    "429": lambda _, x, rng: _status(x, 429),
    "429-retry-after": lambda _, x, rng: _status(x, 429, Retry_After="0"),
    "503": lambda _, x, rng: _status(x, 503),
    "406": lambda _, x, rng: _status(x, 406),
    "reset": lambda _, x, rng: setattr(x, "reset", True),
    "stall": lambda _, x, rng: setattr(x, "stall", True),
    "truncated": lambda _, x, rng: setattr(x, "cut_at", rng.uniform(0.05, 0.95)),
    "html": lambda _, x, rng: setattr(x, "body", b"<!DOCTYPE html><html><body>We'll be back soon</body></html>"),
    "garbage": lambda _, x, rng: setattr(x, "body", rng.randbytes(500)),
    "empty": lambda _, x, rng: x.entries.clear(),
    "short": lambda _, x, rng: _drop(x, rng),
    "shuffled": lambda _, x, rng: rng.shuffle(x.entries),
    "duplicated": lambda _, x, rng: _duplicate(x, rng),
    "ties": lambda server, x, rng: setattr(server, "salt", str(rng.random())),
    "total-moves": lambda _, x, rng: _move_total(x, rng),
    "total-missing": lambda _, x, rng: setattr(x, "total", None),
    "unpublished": lambda _, x, rng: setattr(x, "unpublished", rng.randrange(len(x.entries)) if x.entries else None),
    "arrival": lambda server, x, rng: x.after.append(server.arrive),
    "revision": lambda server, x, rng: x.after.append(lambda: server.revise(rng.choice(sorted(server.papers)))),
}
Schedule = Callable[[int], Sequence[str]]


def never(_number: int) -> Sequence[str]:
    return ()


def at(faults: dict[int, Sequence[str]]) -> Schedule:
    """Faults by the number of the request, counted from 0 since the schedule was set."""
    return lambda number: faults.get(number, ())


def mix(seed: int, names: Sequence[str], rate: float) -> Schedule:
    """Each request meets each fault of `names` with probability `rate`."""

    def faults(number: int) -> Sequence[str]:
        rng = random.Random(f"{seed}:{number}")
        return [name for name in names if rng.random() < rate]

    return faults


# --- the server -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One request as it arrived: monotonic seconds."""

    time: float
    path: str
    faults: tuple[str, ...]
    status: int


class FakeArxiv:
    """The server, on a free port of the loopback interface, in threads of this process."""

    def __init__(
        self,
        papers: Iterable[Paper] = (),
        *,
        schedule: Schedule = never,
        seed: int = 0,
        old_format: bool = False,
        port: int = 0,
        stall_s: float = 30.0,
    ) -> None:
        self.papers: dict[str, list[Paper]] = {}
        for paper in papers:
            self.papers.setdefault(paper.arxiv_id, []).append(paper)
        self.old_format = old_format
        self.stall_s = stall_s
        self.salt = ""
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._rng = random.Random(seed)
        self._orders: dict[tuple[str, ...], list[Paper]] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._number = 0
        self.set_schedule(schedule)
        self._http = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/api/query"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def set_schedule(self, schedule: Schedule) -> None:
        """Faults from the next request on; `schedule` counts from 0 again."""
        with self._lock:
            self._schedule = schedule
            self._number = 0
            self.salt = ""

    def truth(self) -> dict[str, Paper]:
        """The newest version of every paper."""
        return {arxiv_id: versions[-1] for arxiv_id, versions in self.papers.items()}

    def shortest_gap(self) -> float:
        """Seconds between the two requests that came closest."""
        times = sorted(request.time for request in self.requests)
        return min((later - earlier for earlier, later in pairwise(times)), default=float("inf"))

    def add(self, paper: Paper) -> None:
        with self._lock:
            self.papers.setdefault(paper.arxiv_id, []).append(paper)
            self._orders.clear()

    def arrive(self) -> Paper:
        """A new paper, submitted a second after the newest there is."""
        with self._lock:
            newest = max(versions[-1].updated_at for versions in self.papers.values()) + timedelta(seconds=1)
            number = 1 + max((int(i[5:]) for i in self.papers if i.startswith("2611.9")), default=90_000)
            paper = replace(make_paper(number), arxiv_id=f"2611.{number:05d}", submitted_at=newest, updated_at=newest)
            self.add(paper)
            return paper

    def revise(self, arxiv_id: str, **changes: Any) -> Paper:
        """The next version of a paper, a second after the newest paper there is."""
        with self._lock:
            newest = max(versions[-1].updated_at for versions in self.papers.values()) + timedelta(seconds=1)
            last = self.papers[arxiv_id][-1]
            changes = {"abstract": f"{last.abstract} Revised.", "updated_at": newest, **changes}
            paper = replace(last, version=last.version + 1, **changes)
            self.add(paper)
            return paper

    # --- answering

    def answer(self, path: str) -> tuple[Exchange, bytes]:
        """The answer to one request, faults included, and its bytes."""
        arrived = time.monotonic()
        with self._lock:
            faults = tuple(self._schedule(self._number))
            self._number += 1
            asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
            if "ties" in faults:
                FAULTS["ties"](self, Exchange([], 0, 0, 0), self._rng)
            exchange = self._look_up(asked)
            for name in faults:
                FAULTS[name](self, exchange, self._rng)
            body = exchange.body if exchange.body is not None else self._render(path, exchange)
            if exchange.cut_at is not None:
                body = body[: int(len(body) * exchange.cut_at)]
            self.requests.append(Request(arrived, path, faults, exchange.status))
            return exchange, body

    def _look_up(self, asked: dict[str, str]) -> Exchange:
        start, size = int(asked.get("start", 0)), int(asked.get("max_results", 10))
        if size > MAX_SLICE or start + size > MAX_RESULTS:
            return _refuse("max_results must be less than the limit", "max_results_too_large")
        if asked.get("id_list"):
            ids = asked["id_list"].split(",")
            for text in ids:
                if not _WELL_FORMED.fullmatch(text):
                    return _refuse(f"incorrect id format for {text}", f"incorrect_id_format_for_{text}")
            found = [paper for text in ids if (paper := self._by_id(text))]
        else:
            match = _QUERY.fullmatch(asked.get("search_query", ""))
            if match is None:
                return _refuse(f"incorrect query: {asked.get('search_query', '')}", "incorrect_query")
            found = self._ordered(match, asked.get("sortBy", "relevance"), asked.get("sortOrder", "descending"))
        return Exchange(found[start : start + size], len(found), start, size)

    def _by_id(self, text: str) -> Paper | None:
        try:
            asked = ArxivId.parse(text)
        except InvalidInput:
            return None  # well-formed, but never given out
        held = self.papers.get(asked.base, [])
        if asked.version is None:
            return held[-1] if held else None
        return next((paper for paper in held if paper.version == asked.version), None)

    def _ordered(self, match: re.Match[str], sort_by: str, sort_order: str) -> list[Paper]:
        key = (match[0], sort_by, sort_order, self.salt)
        if key not in self._orders:
            wanted = {part.removeprefix("cat:") for part in match["cats"].split(" OR ")}
            found = [
                versions[-1] for versions in self.papers.values() if not wanted.isdisjoint(versions[-1].categories)
            ]
            if match["since"]:
                window = match["since"], match["until"]
                found = [paper for paper in found if window[0] <= f"{paper.submitted_at:%Y%m%d%H%M}" <= window[1]]
            by = "updated_at" if sort_by == "lastUpdatedDate" else "submitted_at"
            found.sort(
                key=lambda paper: (getattr(paper, by), _digest(self.salt + paper.arxiv_id)),
                reverse=sort_order != "ascending",
            )
            if len(self._orders) > 8:
                self._orders.clear()
            self._orders[key] = found
        return self._orders[key]

    # --- Atom

    def _render(self, path: str, exchange: Exchange) -> bytes:
        entry = _old_entry if self.old_format else _entry
        entries = "".join(
            entry(paper, published=index != exchange.unpublished) for index, paper in enumerate(exchange.entries)
        )
        now = datetime.now(UTC)
        counts = f"""  <opensearch:itemsPerPage>{exchange.size}</opensearch:itemsPerPage>
  <opensearch:startIndex>{exchange.start}</opensearch:startIndex>
"""
        if exchange.total is not None:
            counts += f"  <opensearch:totalResults>{exchange.total}</opensearch:totalResults>\n"
        title = "ArXiv Query" if self.old_format else "arXiv Query"
        updated = f"{now:%Y-%m-%d}T00:00:00-04:00" if self.old_format else f"{now:%Y-%m-%dT%H:%M:%SZ}"
        return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom" \
xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/api/{_digest(path)[:27]}</id>
  <title>{title}: {escape(urlsplit(path).query)}</title>
  <updated>{updated}</updated>
{counts}{entries}</feed>
""".encode()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """How many requests wait for an answer at once; one that stalls is given up before the next is made."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def wait_out_stall(self) -> None:
        self._stopping.wait(self.stall_s)


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Without the look-up of our own name, which takes seconds where there is no name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


def _handler(server: FakeArxiv) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with server.counting():
                exchange, body = server.answer(self.path)
            if exchange.stall:
                server.wait_out_stall()
            if exchange.stall or exchange.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(exchange.status)
            self.send_header("Content-Type", "application/atom+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in exchange.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                return  # the client was killed
            for change in exchange.after:
                change()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def finish(self) -> None:
            if self.close_connection and not self.wfile.closed:
                try:
                    super().finish()
                except OSError:
                    return

    return Handler


def _refuse(words: str, name: str) -> Exchange:
    address = f"https://arxiv.org/api/errors#{escape(name)}"
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    body = f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/</id>
  <title>arXiv Search Results</title>
  <updated>{now}</updated>
  <opensearch:itemsPerPage>1</opensearch:itemsPerPage>
  <opensearch:totalResults>1</opensearch:totalResults>
  <opensearch:startIndex>0</opensearch:startIndex>
  <entry>
    <id>{address}</id>
    <title>Error</title>
    <updated>{now}</updated>
    <link href={quoteattr(address)} rel="alternate" type="text/html"/>
    <summary>{escape(words)}</summary>
    <author>
      <name>arXiv api core</name>
    </author>
  </entry>
</feed>
"""
    return Exchange([], 1, 0, 1, status=400, body=body.encode())


def _entry(paper: Paper, *, published: bool) -> str:
    name = f"{paper.arxiv_id}v{paper.version}"
    optional = (("comment", paper.comment), ("journal_ref", paper.journal_ref), ("doi", paper.doi))
    extra = "".join(f"    <arxiv:{tag}>{escape(text)}</arxiv:{tag}>\n" for tag, text in optional if text)
    categories = "".join(
        f'    <category term={quoteattr(term)} scheme="http://arxiv.org/schemas/atom"/>\n' for term in paper.categories
    )
    authors = "".join(f"    <author>\n      <name>{escape(author)}</name>\n    </author>\n" for author in paper.authors)
    first = f"    <published>{_stamp(paper.submitted_at)}</published>\n" if published else ""
    return f"""  <entry>
    <id>http://arxiv.org/abs/{name}</id>
    <title>{escape(paper.title)}</title>
    <updated>{_stamp(paper.updated_at)}</updated>
    <link href="https://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>
    <link href="https://arxiv.org/pdf/{name}" rel="related" type="application/pdf" title="pdf"/>
    <summary>{escape(" ".join(paper.abstract.split()))}</summary>
{categories}{first}{extra}    <arxiv:primary_category term={quoteattr(paper.primary_category)}/>
{authors}  </entry>
"""


def _old_entry(paper: Paper, *, published: bool) -> str:
    """As before November 2025: hard-wrapped texts, another order of elements, http links."""
    name = f"{paper.arxiv_id}v{paper.version}"
    first = f"    <published>{_stamp(paper.submitted_at)}</published>\n" if published else ""
    authors = "".join(f"    <author>\n      <name>{escape(author)}</name>\n    </author>\n" for author in paper.authors)
    optional = (("comment", paper.comment), ("journal_ref", paper.journal_ref), ("doi", paper.doi))
    extra = "".join(f"    <arxiv:{tag}>{escape(_wrapped(text))}</arxiv:{tag}>\n" for tag, text in optional if text)
    categories = "".join(
        f'    <category term={quoteattr(term)} scheme="http://arxiv.org/schemas/atom"/>\n' for term in paper.categories
    )
    return f"""  <entry>
    <id>http://arxiv.org/abs/{name}</id>
    <updated>{_stamp(paper.updated_at)}</updated>
{first}    <title>{escape(_wrapped(paper.title))}</title>
    <summary>  {escape(_wrapped(paper.abstract))}
</summary>
{authors}{extra}    <link href="http://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>
    <arxiv:primary_category term={quoteattr(paper.primary_category)} scheme="http://arxiv.org/schemas/atom"/>
{categories}  </entry>
"""


def _wrapped(text: str) -> str:
    return "\n".join(wrap(" ".join(text.split()), 78, break_long_words=False, break_on_hyphens=False))


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- papers ---------------------------------------------------------------------------------------------------

_SENTENCE = (
    "we present a language model that learns to translate sentences with attention over tokens and memory of past "
    "states; results on three benchmarks improve while training takes less time, and an ablation shows why"
)
_WORDS = _SENTENCE.split()


def make_paper(number: int, newest: datetime | None = None) -> Paper:
    """Paper `number` of a made-up archive, each submitted 75 seconds before the one of the next lower number."""
    rng = random.Random(number)
    newest = newest or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    submitted = newest - timedelta(seconds=75 * number)
    categories = rng.choice((("cs.CL",), ("cs.CL", "cs.LG"), ("cs.LG", "stat.ML"), ("cs.AI", "cs.CL", "cs.LG")))
    return Paper(
        arxiv_id=f"2611.{number + 1:05d}",
        version=1,
        title=f"Study {number} of {' '.join(rng.sample(_WORDS, 4))} & more",
        abstract=" ".join(rng.choices(_WORDS, k=150)) + f" <{number}>.",
        authors=tuple(f"Áda N. Author{rng.randint(1, 999)}" for _ in range(rng.randint(1, 6))),
        categories=categories,
        primary_category=categories[0],
        submitted_at=submitted,
        updated_at=submitted,
        comment=f"{number} pages" if number % 3 else None,
    )


def make_papers(count: int, newest: datetime | None = None) -> list[Paper]:
    newest = newest or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    return [make_paper(number, newest) for number in range(count)]


def load_papers(source: Path) -> Iterator[Paper]:
    """Real papers from JSON lines (a file, or a folder with *.jsonl and *.jsonl.gz), each once.

    Where a source has a day only, the time of day is made up from the identifier, always the same; where it has no day,
    the one before the crawl that first saw the paper stands in.
    """
    files = sorted(source.glob("*.jsonl*")) if source.is_dir() else [source]
    records: dict[str, dict[str, Any]] = {}
    for file in sorted(files, key=lambda path: (path.name.startswith("cscl"), path.name)):
        with _open_text(file) as lines:
            for line in lines:
                record = json.loads(line)
                if record.get("abstract") and record.get("categories"):
                    records.setdefault(record["id"], record)
    for record in records.values():
        yield _as_paper(record)


def _open_text(file: Path) -> TextIO:
    return gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")


def _as_paper(record: dict[str, Any]) -> Paper:
    arxiv_id = record["id"]
    known = record.get("versions") or []
    seen = record.get("first_seen")
    if known and known[0].get("created"):
        submitted = _moment(known[0]["created"], arxiv_id)
    elif seen:
        submitted = _moment(seen, arxiv_id) - timedelta(days=1)
    else:
        submitted = _moment(f"20{arxiv_id[:2]}-{arxiv_id[2:4]}-01", arxiv_id)
    updated = max(submitted, _moment(record["update_date"], arxiv_id)) if record.get("update_date") else submitted
    return Paper(
        arxiv_id=arxiv_id,
        version=max(len(known), 1 + (updated > submitted)),
        title=record["title"],
        abstract=record["abstract"],
        authors=tuple(author["name"] for author in record["authors"]),
        categories=tuple(record["categories"]),
        primary_category=record.get("primary_category") or record["categories"][0],
        submitted_at=submitted,
        updated_at=updated,
        comment=record.get("comments"),
        journal_ref=record.get("journal_ref"),
        doi=record.get("doi"),
    )


def _moment(text: str, arxiv_id: str) -> datetime:
    if len(text) > len("2026-11-01"):
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    second_of_day = int(_digest(arxiv_id)[:8], 16) % 86_400
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(seconds=second_of_day)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes", description="A local server that behaves like arXiv."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--papers", type=Path, help="JSON lines with real papers, or a folder of them")
    source.add_argument("--generate", type=int, metavar="N", help="make up N papers")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--old-format", action="store_true", help="answer as before November 2025")
    arguments = parser.parse_args()
    papers = make_papers(arguments.generate) if arguments.generate else list(load_papers(arguments.papers))
    with FakeArxiv(papers, port=arguments.port, old_format=arguments.old_format) as arxiv:
        sys.stdout.write(f"{len(papers)} papers; export PAPERLAB_ARXIV_API_URL={arxiv.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
