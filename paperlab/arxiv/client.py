"""The polite transport to arXiv, for all its interfaces.

What heals is asked again, later and later: 429, 503, other 5xx, 406, resets, stalls, and answers that are cut or are
not what they should be.  What does not heal is said: 403 (going on would be treated as an attack), 400 (arXiv's words),
any other status.  Nothing here knows Atom or OAI: the caller hands in a check of the body.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import paperlab
from paperlab.arxiv.limiter import Clock, Limiter
from paperlab.errors import NotReady, PaperlabError, TryAgain
from paperlab.settings import Settings

if TYPE_CHECKING:
    import requests

MAX_TRIES = 6
MAX_TRIES_UNREACHED = 2
"""Where no connection came about at all: no network, or nobody listens."""
PATIENCE_S = 120.0
"""A longer wait that arXiv asks for ends the command, and is remembered."""
REFUSED_AWAY_S = 12 * 3600.0
"""After a 403: long enough not to look like an attack, short enough for the next night."""
MOST_AWAY_S = 7 * 24 * 3600.0
"""However long a Retry-After asks for: a broken proxy's thirty years must not end the tracker without a word."""
MAX_BODY_BYTES = 64 * 2**20
"""A full slice of 2,000 entries is about 5 MB."""
_OVERLOADED = {406, 429}


class BadAnswer(Exception):
    """The body is not what was asked for; asking again may heal it."""


@dataclass
class Budget:
    """What one command may use.  None is no limit."""

    max_requests: int | None = None
    max_seconds: float | None = None


@dataclass
class Spent:
    """What one command has used so far."""

    requests: int = 0
    waited_s: float = 0.0
    began: float = field(default=0.0)
    refusals: Counter[str] = field(default_factory=Counter)
    """How often arXiv answered 429, 503, ... by status."""

    def copy(self) -> Spent:
        """As it is now, to compare with later."""
        return replace(self, refusals=Counter(self.refusals))


@dataclass(frozen=True)
class Validators:
    """What arXiv said of an answer, so that it need not send the same again (RFC 9110, section 13)."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Answer:
    """A body that the check was content with; None where it is still the one that the validators belong to (304)."""

    body: bytes | None
    validators: Validators = Validators()


class Client:
    """One command's access to arXiv: shared limit, time-outs, back-off with jitter from `rng`, budget."""

    def __init__(
        self,
        limiter: Limiter,
        *,
        timeout_s: float,
        budget: Budget | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.limiter = limiter
        self.clock = limiter.clock
        self.timeout_s = timeout_s
        self.budget = budget or Budget()
        self.spent = Spent(began=self.clock.monotonic())
        self._rng = rng or random.Random()
        import requests  # takes as long to load as a whole `papers list`

        self._session = requests.Session()
        # Three seconds apart, a kept connection has often been dropped by the server: a fresh one can't be stale.
        self._session.headers.update({"User-Agent": f"paperlab/{paperlab.__version__}", "Connection": "close"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._session.close()

    @classmethod
    def of(cls, settings: Settings, *, clock: Clock | None = None, budget: Budget | None = None) -> Client:
        """The access that the settings describe; three seconds are kept wherever one of the addresses is arXiv's."""
        asked = settings.arxiv
        interval = max(asked.interval_for(url) for url in (asked.api_url, asked.rss_url, asked.oai_url))
        return cls(Limiter(settings.home, interval, clock), timeout_s=asked.timeout_s, budget=budget)

    def get(self, url: str, *, check: Callable[[bytes], None], refused: Callable[[bytes], PaperlabError]) -> bytes:
        """The body at `url`: see `fetch`."""
        return self.fetch(url, check=check, refused=refused).body or b""

    def fetch(
        self,
        url: str,
        *,
        check: Callable[[bytes], None],
        refused: Callable[[bytes], PaperlabError],
        held: Validators | None = None,
        max_tries: int = MAX_TRIES,
    ) -> Answer:
        """The answer at `url`, once `check` is content with its body (it raises BadAnswer where it is not).

        With `held`, arXiv may answer that nothing has changed since.  Raises TryAgain where arXiv stays away or the
        budget is spent, what `refused` makes of a 400, and NotReady where the address is wrong.
        """
        tries = 0
        while True:
            limit = self.budget.max_requests
            if limit is not None and self.spent.requests >= limit:
                raise _over_budget(f"--max-requests {limit}")
            tries += 1
            outcome: tuple[requests.Response, bytes] | Answer | _Setback
            with self.limiter.turn(self._patience()) as waited:
                self.spent.waited_s += waited
                self._seconds_left()
                self.spent.requests += 1
                outcome = self._ask(url, refused, held)
                if isinstance(outcome, _Setback):  # said before any other process gets its turn
                    outcome = self._back_off(outcome, tries)
            if isinstance(outcome, tuple):
                outcome = _checked(*outcome, check)  # takes a while: others may ask meanwhile
                if isinstance(outcome, _Setback):
                    outcome = self._back_off(outcome, tries)
            if isinstance(outcome, Answer):
                return outcome
            if tries >= min(outcome.max_tries, max_tries):
                raise outcome.final(tries)

    def _back_off(self, setback: _Setback, tries: int) -> _Setback:
        """Stay away for as long as arXiv asked, or twice as long as after the try before; the setback with its wait."""
        backoff = self.limiter.interval_s * 2.0**tries * self._rng.uniform(0.75, 1.25)
        wait = max(setback.retry_after_s, backoff)
        if wait > 0:
            self.limiter.stay_away(wait, setback.what)
        return replace(setback, retry_after_s=wait)

    def _ask(
        self, url: str, refused: Callable[[bytes], PaperlabError], held: Validators | None
    ) -> tuple[requests.Response, bytes] | Answer | _Setback:
        """One request: a response whose body is still to be checked, that nothing has changed, or a setback."""
        import requests

        try:
            response = self._session.get(
                url,
                headers=held.headers() if held else None,
                timeout=self._timeouts(),
                stream=True,
                allow_redirects=False,
            )
            with response:
                body = self._read(response)
        except requests.exceptions.ConnectionError as error:
            return _unreached(url, error) if _never_connected(error) else _Setback(_short(error), "unreachable")
        except requests.exceptions.RequestException as error:
            return _Setback(_short(error), "unreachable")
        except BadAnswer as error:
            return _Setback(str(error), "bad-answer")
        if response.status_code == 304 and held is not None and held.headers():
            return Answer(None, held)
        return self._judge_status(response, url, body, refused) or (response, body)

    def _judge_status(
        self, response: requests.Response, url: str, body: bytes, refused: Callable[[bytes], PaperlabError]
    ) -> _Setback | None:
        status = response.status_code
        if status == 200:
            return None
        self.spent.refusals[str(status)] += 1
        if status in _OVERLOADED or status >= 500:
            asked = _retry_after(response.headers.get("Retry-After"), self.clock.wall())
            kind = "rate-limit" if status == 429 else "unavailable"
            if asked > self._patience():
                self.limiter.stay_away(asked, f"HTTP {status}")
                raise TryAgain(
                    f"arXiv answers HTTP {status} and asks to come back in {asked:.0f} s",
                    "run the same command again then; nothing is lost",
                    reason=kind,
                    retry_after_s=round(asked, 1),
                )
            return _Setback(f"HTTP {status}", kind, retry_after_s=asked)
        if status == 403:
            self.limiter.stay_away(REFUSED_AWAY_S, "HTTP 403")
            raise TryAgain(
                "arXiv refuses this client (HTTP 403); going on would be treated as an attack",
                f"nothing is asked for the next {REFUSED_AWAY_S / 3600:.0f} hours; see https://info.arxiv.org/help/robots.html",
                reason="refused",
                retry_after_s=REFUSED_AWAY_S,
            )
        if status == 400:
            raise refused(body)
        moved = response.headers.get("Location")
        raise NotReady(
            f"{url.partition('?')[0]} answers HTTP {status}" + (f" and points to {moved}" if moved else ""),
            "check PAPERLAB_ARXIV_API_URL, PAPERLAB_ARXIV_RSS_URL and PAPERLAB_ARXIV_OAI_URL",
        )

    def _read(self, response: requests.Response) -> bytes:
        """The whole body.  A server that drips is cut off: the socket's own time-out starts anew with each byte."""
        deadline = self.clock.monotonic() + 4 * self.timeout_s
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(2**16):
            parts.append(part)
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise BadAnswer(f"an answer of more than {MAX_BODY_BYTES >> 20} MiB")
            if self.clock.monotonic() > deadline:
                raise BadAnswer(f"an answer that took more than {4 * self.timeout_s:.0f} s")
        return b"".join(parts)

    def _patience(self) -> float:
        return min(PATIENCE_S, self._seconds_left())

    def _seconds_left(self) -> float:
        """Raises TryAgain where there are none."""
        limit = self.budget.max_seconds
        if limit is None:
            return float("inf")
        left = limit - (self.clock.monotonic() - self.spent.began)
        if left <= 0:
            raise _over_budget(f"--max-seconds {limit:g}")
        return left

    def _timeouts(self) -> tuple[float, float]:
        return min(10.0, self.timeout_s), max(0.1, min(self.timeout_s, self._seconds_left()))


@dataclass(frozen=True)
class _Setback:
    """A failed try that may heal."""

    what: str
    reason: str
    retry_after_s: float = 0.0
    max_tries: int = MAX_TRIES

    def final(self, tries: int) -> TryAgain:
        times = "once" if tries == 1 else f"{tries} times"
        return TryAgain(
            f"arXiv could not be asked ({times}): {self.what}",
            "run the same command again later; nothing is lost",
            reason=self.reason,
            retry_after_s=round(self.retry_after_s, 1) or None,
        )


def _checked(response: requests.Response, body: bytes, check: Callable[[bytes], None]) -> Answer | _Setback:
    try:
        check(body)
    except BadAnswer as error:
        return _Setback(str(error), "bad-answer")
    return Answer(body, Validators(response.headers.get("ETag"), response.headers.get("Last-Modified")))


def _unreached(url: str, error: Exception) -> _Setback:
    host = url.partition("://")[2].partition("/")[0]
    return _Setback(f"{host} can't be reached ({_short(error)})", "unreachable", max_tries=MAX_TRIES_UNREACHED)


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    """No name, no route, nobody listening, or a proxy in between that refuses."""
    import requests

    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    return "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)


def _short(error: Exception) -> str:
    innermost: BaseException = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__ or innermost
    text = str(innermost).strip() or type(innermost).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def _retry_after(header: str | None, now: float) -> float:
    """Seconds that a Retry-After header asks for: a number of seconds or an HTTP date (RFC 9110, section 10.2.3).

    At most MOST_AWAY_S; 0 for what is neither.
    """
    if not header:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MOST_AWAY_S)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - now), MOST_AWAY_S)
    except (ValueError, OverflowError):
        return 0.0


def _over_budget(which: str) -> TryAgain:
    return TryAgain(f"the budget is spent ({which})", "run the same command again to go on", reason="budget")
