"""Leaderboards as the pages read them."""

from __future__ import annotations

from paperlab.dashboard.data.cache import cached
from paperlab.library import claims, leaderboard
from paperlab.library.leaderboard import Board, Leaderboard
from paperlab.library.metrics import is_lower_better
from paperlab.runs import standings
from paperlab.runs.standings import Table
from paperlab.store import database
from paperlab.store import runs as stored_runs


@cached
def boards(session: database.Session) -> list[Board]:
    """Every task and dataset with results; those with numbers of our own first."""
    found = leaderboard.boards(session)
    return sorted(found, key=lambda board: not board.measured)


@cached
def board(session: database.Session, name: str, metric: str | None) -> tuple[Leaderboard, list[Table]]:
    """One leaderboard: what is reported, and our own numbers in tables of one protocol.  Raises InvalidInput."""
    shown = leaderboard.show(session, name, claims.load(), metric)
    runs = stored_runs.get_many(session, [item.run_id for item in shown.measurements if item.run_id is not None])
    return shown, standings.tables(shown.measurements, runs, is_lower_better)
