"""Alerts: a paper that the reader starred, tagged or annotated, or that we reproduce, was replaced or withdrawn.

One alert for a paper and version.  A new version is worth one even where its record says the same: its files are
others.  A record that changed under the same version number (a journal reference, wrapping) is worth none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Alert, AlertKind, Paper, Reading
from paperlab.errors import InvalidInput
from paperlab.library import claims, versions
from paperlab.store import alerts, papers, reading
from paperlab.store.alerts import News
from paperlab.store.database import Session
from reproductions import registry


def record(session: Session, before: Mapping[str, Paper], now: datetime) -> int:
    """Raise what follows from the records that were just replaced; `before` is what they were.  Does not commit.

    Returns how many alerts were raised; the same again raises none.
    """
    if not before:
        return 0
    readings = reading.get_many(session, before)
    reproduced = _reproduced()
    concerned = [arxiv_id for arxiv_id in before if _reasons(readings.get(arxiv_id)) or arxiv_id in reproduced]
    news = []
    for now_held in papers.get_many(session, concerned):
        arxiv_id = now_held.arxiv_id
        why = _reasons(readings.get(arxiv_id))
        outdated: list[dict[str, Any]] = []
        details: dict[str, Any] = {}
        if arxiv_id in reproduced:
            why.append("reproduced")
            outdated, trouble = _outdated_claims(reproduced[arxiv_id], now_held)
            details = {"claims": outdated, **trouble}
        if (kind := _kind(before[arxiv_id], now_held, outdated)) is not None:
            news.append(News(arxiv_id, kind, now_held.version, {**_change(before[arxiv_id], now_held, why), **details}))
    return alerts.raise_new(session, news, now)


def find(session: Session, *, seen: bool = False) -> list[Alert]:
    """The alerts that were not seen yet, or with `seen` all of them; the newest first."""
    return alerts.find(session, seen=seen)


def mark_seen(session: Session, names: Iterable[str], now: datetime) -> int:
    """Mark alerts as seen, by number or by paper.  Raises InvalidInput for what names none.

    Returns how many were unseen.
    """
    every = alerts.find(session, seen=True)
    numbers: list[int] = []
    for name in names:
        meant = [alert.id for alert in every if name in (str(alert.id), alert.arxiv_id)]
        if not meant:
            raise InvalidInput(f'"{name}" is no alert\'s number, and no paper with an alert', "paperlab alerts --all")
        numbers += meant
    return alerts.mark_seen(session, numbers, now)


def mark_all_seen(session: Session, now: datetime) -> int:
    return alerts.mark_seen(session, [alert.id for alert in alerts.find(session)], now)


def in_words(alert: Alert) -> str:
    """An alert as one sentence: what happened, why it is told, and which claims it touches."""
    details = alert.details
    version = details["version"]
    fields = ", ".join(details.get("fields", ()))
    happened = (
        f"withdrawn in v{version}"
        if alert.kind is AlertKind.WITHDRAWN
        else f"replaced by v{version} ({f'changed: {fields}' if fields else 'its record is the same'})"
    )
    touched = details.get("claims", ())
    if touched:
        read_in = ", ".join(f"v{number}" for number in sorted({claim["read_in"] for claim in touched}))
        noun = "claim was" if len(touched) == 1 else "claims were"
        happened += f"; {len(touched)} {noun} read in {read_in}, now v{version}"
    if "claims_unread" in details:
        happened += f"; its claims can't be read: {details['claims_unread']}"
    return f"{happened}; {', '.join(details.get('why', ()))}"


def _kind(before: Paper, after: Paper, outdated: list[dict[str, Any]]) -> AlertKind | None:
    """What happened; a landmark paper's place-holder gives way without an alert, unless claims were read in an older
    version than arXiv's newest."""
    if after.withdrawn and not before.withdrawn:
        return AlertKind.WITHDRAWN
    is_newer = bool(outdated) if before.source == papers.SEED else after.version > before.version
    return AlertKind.REPLACED if is_newer else None


def _change(before: Paper, after: Paper, why: list[str]) -> dict[str, Any]:
    is_known = before.source != papers.SEED
    return {
        "from": before.version if is_known else None,
        "fields": list(versions.changed_fields(before, after)) if is_known else [],
        "title": after.title,
        "why": why,
    }


def _reasons(held: Reading | None) -> list[str]:
    if held is None:
        return []
    tags = [f"tagged {', '.join(held.tags)}"] if held.tags else []
    return [*(["starred"] if held.starred_at else []), *tags, *(["noted"] if held.notes else [])]


def _reproduced() -> dict[str, str]:
    """The reproduction of each paper that has one, by arXiv id."""
    try:
        every = registry.all()
    except registry.ReproductionError as error:
        raise InvalidInput(error.message, error.hint) from error
    return {
        ArxivId.parse(source.id).base: each.name for each in every for source in each.sources if source.kind == "arxiv"
    }


def _outdated_claims(reproduction: str, paper: Paper) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The claims that were read in an older version of this paper.

    Claims that can't be read must not stop papers from coming in: then the alert says so.
    """
    try:
        every = claims.load([reproduction])
    except InvalidInput as error:
        return [], {"claims_unread": error.message}
    return [
        {"id": claim.id, "read_in": claim.source_version}
        for claim in every
        if claim.source_version is not None and claim.source_version < paper.version and claim.source == paper.arxiv_id
    ], {}
