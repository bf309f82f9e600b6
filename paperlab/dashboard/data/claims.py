"""Claims with what holds of them, as the pages read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard.data import cache
from paperlab.dashboard.data.cache import cached
from paperlab.entities import Claim, Decision, Verdict, VerdictKind
from paperlab.errors import InvalidInput
from paperlab.library import claims as claims_library
from paperlab.runs import judging, proposal, structure
from paperlab.store import database, decisions, verdicts
from paperlab.store.verdicts import LoggedVerdict
from reproductions import registry

_CHECKS_KEPT_S = 30.0


@dataclass(frozen=True)
class JudgedClaim:
    claim: Claim
    verdict: Verdict


@cached
def verdict_changes(session: database.Session, limit: int) -> list[LoggedVerdict]:
    """The newest entries of the log, newest first."""
    return verdicts.newest(session, limit)


def is_paper(source: str) -> bool:
    """Whether a claim's source is an arXiv identifier, rather than a repository or ourselves."""
    try:
        ArxivId.parse(source)
    except InvalidInput:
        return False
    return True


def reproductions() -> tuple[registry.Reproduction, ...]:
    return registry.all()


def judged(wanted: Callable[[Claim], bool] = lambda _: True) -> list[JudgedClaim]:
    """Claims with what holds of them now, in the order of the claims' files.  Checks and trains nothing for it."""
    engine, state = cache.open_database()
    checks = _checks(str(cache.settings().home))
    known = tuple((name, check.fingerprint, len(check.measurements), check.failure) for name, check in checks.items())
    return [item for item in _judged((*state, *_claim_files()), known, checks, engine) if wanted(item.claim)]


@st.cache_data(show_spinner=False, max_entries=4)
def _judged(
    state: tuple[str | int, ...],
    known: tuple[tuple[str, str, int, str], ...],
    _checks: dict[str, structure.Check],
    _engine: database.Engine,
) -> list[JudgedClaim]:
    del state, known  # they are the cache's key
    claims = claims_library.load()
    with database.read_only(_engine) as session:
        verdict_of = {verdict.claim_id: verdict for verdict in judging.verdicts(session, claims, _checks)}
    return [JudgedClaim(claim, verdict_of[claim.id]) for claim in claims]


def _claim_files() -> list[int]:
    """When each claims.toml was last written: an edit is seen at the next look."""
    files = [registry.folder(name) / "claims.toml" for name in registry.names()]
    return [file.stat().st_mtime_ns if file.is_file() else 0 for file in files]


@st.cache_data(show_spinner=False, ttl=_CHECKS_KEPT_S)
def _checks(home: str) -> dict[str, structure.Check]:
    """Structural checks that `paperlab claims check` left on this machine, for the code of now."""
    return structure.known(registry.names(), Path(home))


def structural_check(name: str) -> structure.Check | None:
    """What was measured of the code as it is now, without training; None where nobody has asked for it here."""
    check = _checks(str(cache.settings().home)).get(name)
    return check if check is not None and check.measurements else None


@cached
def claim_decisions(session: database.Session) -> list[Decision]:
    """What was confirmed and retracted, newest first."""
    return decisions.history(session)[::-1]


@dataclass(frozen=True)
class Doubt:
    """An open claim: how much is in doubt (1: all), and what the seeds that should settle it take."""

    claim_id: str
    verdict: VerdictKind
    doubt: float
    hours: float
    unit: str
    why: str


@cached
def doubts(session: database.Session) -> list[Doubt]:
    """The open claims whose cost is known, the dearest doubt for the least time first.  Takes some seconds."""
    found = proposal.survey(session, claims_library.load(), home=cache.settings().home)
    known = [(need, found.hours(need)) for need in found.needs]
    listed = [
        Doubt(need.claim_id, need.verdict, need.doubt, cost[0], cost[1], need.why)
        for need, cost in known
        if cost is not None and cost[0] > 0
    ]
    return sorted(listed, key=lambda each: each.doubt / each.hours, reverse=True)


def sources_of_claims() -> dict[str, str]:
    """Which paper, or repository, reports each claim, by its id; judges nothing for it."""
    return _sources(_claim_files())


@st.cache_data(show_spinner=False, max_entries=4)
def _sources(files: list[int]) -> dict[str, str]:
    del files  # they are the cache's key
    return {claim.id: claim.source for claim in claims_library.load()}


def claims_of_paper(arxiv_id: str) -> list[JudgedClaim]:
    """What this paper reports."""
    return judged(lambda claim: claim.source == arxiv_id)


def reproductions_of(arxiv_id: str) -> list[registry.Reproduction]:
    return [each for each in reproductions() if any(source.id == arxiv_id for source in each.sources)]


def own_bars(names: set[str]) -> list[JudgedClaim]:
    """What paperlab itself asks of these reproductions: smaller tiers have references of their own."""
    return judged(lambda claim: claim.reproduction in names and claim.source == "paperlab")
