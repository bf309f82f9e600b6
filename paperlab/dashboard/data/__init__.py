"""What the pages read.  Every read goes through a read-only session and is kept until someone commits a write.

What only a run directory knows (a run that is training now) is read from there; nothing here writes, trains or fetches.
"""

from paperlab.dashboard.data.boards import board, boards
from paperlab.dashboard.data.cache import now, open_database, settings
from paperlab.dashboard.data.claims import (
    JudgedClaim,
    claims_of_paper,
    is_paper,
    judged,
    own_bars,
    reproductions,
    reproductions_of,
    verdict_changes,
)
from paperlab.dashboard.data.papers import PaperPage, categories, category_months, find_papers, paper, query_months
from paperlab.dashboard.data.runs import RunPage, comparison, metric_names, overlay, recipes_run, run, run_page, runs
from paperlab.dashboard.data.tracker import ask, latest_receipts, open_gaps, status

__all__ = [
    "JudgedClaim",
    "PaperPage",
    "RunPage",
    "ask",
    "board",
    "boards",
    "categories",
    "category_months",
    "claims_of_paper",
    "comparison",
    "find_papers",
    "is_paper",
    "judged",
    "latest_receipts",
    "metric_names",
    "now",
    "open_database",
    "open_gaps",
    "overlay",
    "own_bars",
    "paper",
    "query_months",
    "recipes_run",
    "reproductions",
    "reproductions_of",
    "run",
    "run_page",
    "runs",
    "settings",
    "status",
    "verdict_changes",
]
