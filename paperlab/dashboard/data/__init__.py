"""What the pages read.  Every read goes through a read-only session and is kept until someone commits a write.

What only a run directory knows (a run that is training now) is read from there; nothing here writes, trains or fetches.
"""

from paperlab.dashboard.data.cache import now, open_database, settings
from paperlab.dashboard.data.claims import (
    JudgedClaim,
    claims_of_paper,
    judged,
    own_bars,
    reproductions,
    reproductions_of,
    verdict_changes,
)
from paperlab.dashboard.data.papers import PaperPage, categories, find_papers, paper
from paperlab.dashboard.data.runs import run, runs
from paperlab.dashboard.data.tracker import ask, latest_receipts, open_gaps, status

__all__ = [
    "JudgedClaim",
    "PaperPage",
    "ask",
    "categories",
    "claims_of_paper",
    "find_papers",
    "judged",
    "latest_receipts",
    "now",
    "open_database",
    "open_gaps",
    "own_bars",
    "paper",
    "reproductions",
    "reproductions_of",
    "run",
    "runs",
    "settings",
    "status",
    "verdict_changes",
]
