"""The server: a route for each of arXiv's interfaces, faults over all of them, and a record of what was asked."""

from __future__ import annotations

import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from paperlab.entities import Paper
from tests.fakes import oai, queries, rss
from tests.fakes.exchange import Exchange
from tests.fakes.faults import FAULTS, Schedule, never
from tests.fakes.papers import make_paper

Route = Callable[["FakeArxiv", str], Exchange]
"""(server, path with its query) -> the answer as it would be without faults.  Called with the server locked."""

ROUTES: dict[str, Route] = {"/api/query": queries.answer, "/rss": rss.answer, "/oai": oai.answer}
"""By the beginning of the path.  Any other path is a 404."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived: monotonic seconds."""

    time: float
    path: str
    faults: tuple[str, ...]
    status: int
    headers: dict[str, str] = field(default_factory=dict)


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
        self.announced: list[rss.Announced] = []
        self.announced_at = datetime.now(rss.EASTERN).replace(hour=0, minute=0, second=0, microsecond=0)
        self.oai = oai.Repository()
        self.old_format = old_format
        self.stall_s = stall_s
        self.salt = ""
        self.orders: dict[tuple[str, ...], list[Paper]] = {}
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._rng = random.Random(seed)
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._number = 0
        self.set_schedule(schedule)
        self._http = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.address}/api/query"

    @property
    def rss_url(self) -> str:
        return f"{self.address}/rss"

    @property
    def oai_url(self) -> str:
        return f"{self.address}/oai"

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

    # --- what happens at arXiv

    def add(self, paper: Paper) -> None:
        with self._lock:
            self.papers.setdefault(paper.arxiv_id, []).append(paper)
            self.orders.clear()

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

    def edit(self, arxiv_id: str) -> None:
        """arXiv touches a record without a new version: only OAI-PMH's datestamp moves, to a second after the last."""
        with self._lock:
            stamps = [versions[-1].updated_at for versions in self.papers.values()]
            self.oai.edit([arxiv_id], max((*stamps, *self.oai.datestamps.values())) + timedelta(seconds=1))

    def announce(self, papers: Iterable[Paper], *, kind: str | None = None, at: datetime | None = None) -> None:
        """The feed of a new day, these papers in it: "new" and "replace" by their versions where no kind is named."""
        with self._lock:
            self.announced = [
                rss.Announced(paper, kind or ("new" if paper.version == 1 else "replace")) for paper in papers
            ]
            self.announced_at = at or self.announced_at + timedelta(days=1)

    def night(self, new: int, replaced: int) -> None:
        """So many papers arrive, so many that are there get a new version, and the feed announces them all."""
        with self._lock:
            revised = sorted(self.papers, reverse=True)[:replaced]
            self.announce([*(self.revise(i) for i in revised), *(self.arrive() for _ in range(new))])

    # --- answering

    def answer(self, path: str, headers: dict[str, str] | None = None) -> tuple[Exchange, bytes]:
        """The answer to one request, faults included, and its bytes."""
        arrived = time.monotonic()
        asked = headers or {}
        with self._lock:
            faults = tuple(self._schedule(self._number))
            self._number += 1
            if "ties" in faults:
                FAULTS["ties"](self, Exchange([]), self._rng)
            exchange = _route(path)(self, path)
            if exchange.status == 200 and asked.get("If-None-Match", "-") == exchange.headers.get("ETag"):
                exchange.status, exchange.body = 304, b""
            for name in faults:
                FAULTS[name](self, exchange, self._rng)
            body = exchange.body if exchange.body is not None else exchange.render(exchange)
            if exchange.cut_at is not None:
                body = body[: int(len(body) * exchange.cut_at)]
            self.requests.append(Request(arrived, path, faults, exchange.status, asked))
            return exchange, body

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


def _route(path: str) -> Route:
    for beginning, route in ROUTES.items():
        if urlsplit(path).path.startswith(beginning):
            return route
    return lambda _server, path: Exchange([], status=404, body=f"nothing at {path}".encode())


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Without the look-up of our own name, which takes seconds where there is no name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


def _handler(server: FakeArxiv) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with server.counting():
                exchange, body = server.answer(self.path, dict(self.headers))
            if exchange.stall:
                server.wait_out_stall()
            if exchange.stall or exchange.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(exchange.status)
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

        def do_POST(self) -> None:
            """/night?new=1000&replaced=1000, for a server in another process.  Not a request to arXiv: not counted."""
            asked = parse_qs(urlsplit(self.path).query)
            server.night(int(asked["new"][0]), int(asked["replaced"][0]))
            self.send_response(204)
            self.end_headers()

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
