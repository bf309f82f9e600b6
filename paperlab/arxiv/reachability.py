"""Whether arXiv's interfaces answer: one small, polite request to an interface, and never a second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import paperlab
from paperlab.arxiv.client import REFUSED_AWAY_S
from paperlab.arxiv.limiter import Limiter
from paperlab.settings import ArxivSettings

if TYPE_CHECKING:
    import requests

PATIENCE_S = 30.0
"""For one's turn.  Where arXiv asked for a longer break, nothing is asked at all."""
OVERLOADED_AWAY_S = 60.0
"""After a 429 or 503 that does not say how long."""
_HEAD_BYTES = 4096
_MAX_AGE_S = 3600.0


@dataclass(frozen=True)
class Interface:
    """One of arXiv's interfaces: a question that costs it little, and how the answer begins."""

    name: str
    url: str
    root: bytes


@dataclass(frozen=True)
class Reply:
    """What came back.  `problem` is empty where the interface is there and speaks its language."""

    problem: str
    seconds: float = 0.0
    skew_s: float | None = None
    """This machine's clock minus the server's, in seconds; None where the answer has no Date."""


def interfaces(arxiv: ArxivSettings) -> tuple[Interface, ...]:
    """The query API, the daily feed and OAI-PMH, as they are set."""
    return (
        Interface("query API", f"{arxiv.api_url}?id_list=1706.03762&max_results=1", b"<feed"),
        Interface("daily feed", f"{arxiv.rss_url.rstrip('/')}/cs.CL", b"<rss"),
        Interface("OAI-PMH", f"{arxiv.oai_url}?verb=Identify", b"<OAI-PMH"),
    )


def ask(limiter: Limiter, interface: Interface, *, timeout_s: float) -> Reply:
    """Ask once, in turn with every other process.  A refusal is remembered, so that nobody asks at once again.

    Raises TryAgain where it is nobody's turn within PATIENCE_S, and NotReady where the limiter's home can't be written.
    """
    import requests

    headers = {"User-Agent": f"paperlab/{paperlab.__version__}", "Connection": "close"}
    with limiter.turn(PATIENCE_S):
        began = time.monotonic()
        try:
            with requests.get(
                interface.url, headers=headers, timeout=timeout_s, stream=True, allow_redirects=False
            ) as response:
                received_at = limiter.clock.wall()
                head = next(response.iter_content(_HEAD_BYTES), b"")
        except requests.exceptions.RequestException as error:
            return Reply(_reason(error), time.monotonic() - began)
        seconds = time.monotonic() - began
        if response.status_code in {429, 503}:
            asked = response.headers.get("Retry-After", "")
            away = float(asked) if asked.isdigit() and len(asked) < 6 else OVERLOADED_AWAY_S
            limiter.stay_away(away, f"HTTP {response.status_code}")
        elif response.status_code == 403:
            limiter.stay_away(REFUSED_AWAY_S, "HTTP 403")
    return Reply(_problem(response, head, interface), seconds, _skew(response.headers, received_at))


def _problem(response: requests.Response, head: bytes, interface: Interface) -> str:
    if response.status_code != 200:
        moved = response.headers.get("Location")
        return f"HTTP {response.status_code}" + (f", which points to {moved}" if moved else "")
    if interface.root not in head:
        return f"HTTP 200, but the answer does not begin with {interface.root.decode()}>"
    return ""


def _skew(headers: Mapping[str, str], received_at: float) -> float | None:
    """From Date (RFC 9110, section 6.6.1), set forward by the Age of an answer that a cache gave."""
    try:
        dated = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    age = headers.get("Age", "0")
    seconds = float(age) if age.isdigit() and len(age) < 8 else 0.0
    return received_at - dated - seconds if seconds <= _MAX_AGE_S else None


def _reason(error: Exception) -> str:
    innermost: BaseException = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__ or innermost
    return (str(innermost).strip() or type(innermost).__name__)[:200]
