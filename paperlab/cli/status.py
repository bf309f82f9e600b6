"""`paperlab status`: whether the tracker is well, without asking the network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.library import status as library
from paperlab.library.status import Status

_DAYS = 5
"""Days without a feed that are named; the others are counted."""


def status(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """What each source brought last, what is missing, and when to ask again.

    Asks nothing of the network.

    Examples:

      paperlab status

      paperlab status --json
    """
    state = library.status(settings.load())
    if as_json:
        output.write_json({"status": state})
        return
    for line in lines(state):
        output.write_line(line)
    if state.sources:
        output.write_table(
            ("source", "last sync", "status", "announced", "held", "open", "last success", "said"),
            [
                (
                    each.source,
                    each.last.finished_at or each.last.started_at,
                    each.last.status,
                    each.last.announced,
                    each.last.held,
                    each.last.open,
                    each.last_success_at,
                    each.last.reason or None,
                )
                for each in state.sources
            ],
        )


def lines(state: Status) -> list[str]:
    """What is to be said beside the table of sources, the alarming first."""
    said = []
    if state.last_success_at is None:
        said.append("NO NIGHTLY SYNC HAS SUCCEEDED YET: run paperlab sync")
    elif state.silent:
        hours = (state.now - state.last_success_at) / timedelta(hours=1)
        since = output.format_time(state.last_success_at)
        said.append(f"SILENT FOR {hours:.0f} HOURS: no nightly sync has succeeded since {since}; run paperlab sync")
    matching = ", ".join(f"{count} match {name}" for name, count in state.matching.items())
    said.append(f"papers: {state.papers} held" + (f", {matching}" if matching else ""))
    said.append(_gaps(state))
    refused = ", ".join(f"{count} times HTTP {code}" for code, count in sorted(state.refusals_24h.items()))
    said.append(f"requests in the last 24 h: {state.requests_24h}" + (f", refused {refused}" if refused else ""))
    if state.away_s > 0:
        again = output.format_time(state.now + timedelta(seconds=state.away_s))
        said.append(f"arXiv is not to be asked before {again} ({state.away_reason})")
    if state.feed and state.feed.published_at:
        said.append(f"daily feed: that of {state.feed.published_at:%Y-%m-%d} was the last one read")
    said.extend(
        f"feed of {_listed(each.days)} not read: papers of {each.profile} that only it named may be missing; "
        f"run {each.command}"
        for each in state.unread_feeds
    )
    sensible = "now" if state.next_sync_at <= state.now else output.format_time(state.next_sync_at)
    said.append(f"next sensible sync: {sensible}  (paperlab sync)")
    return said


def _listed(days: Sequence[date]) -> str:
    rest = len(days) - _DAYS
    return ", ".join(map(str, days[:_DAYS])) + (f" and {rest} more days" if rest > 0 else "")


def _gaps(state: Status) -> str:
    given_up = f"; {state.given_up} given up" if state.given_up else ""
    if not state.open_gaps or state.oldest_gap is None:
        return f"open gaps: none{given_up}"
    rest = state.open_gaps - len(state.open_ids)
    names = ", ".join(state.open_ids) + (f" and {rest} more" if rest > 0 else "")
    return f"open gaps: {state.open_gaps}, the oldest since {state.oldest_gap.opened_at:%Y-%m-%d}: {names}{given_up}"
