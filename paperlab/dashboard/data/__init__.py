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
from paperlab.dashboard.data.papers import (
    FoundPapers,
    PaperPage,
    categories,
    category_months,
    find_papers,
    paper,
    query_months,
    reported,
    search_papers,
    version_diff,
)
from paperlab.dashboard.data.pile import (
    add_note,
    arrivals,
    delete_note,
    is_ranking_ready,
    mark_alerts_seen,
    readings,
    recommended,
    save_search,
    saved_searches,
    set_read,
    set_skipped,
    set_star,
    set_tags,
    tags_in_use,
    unseen_alerts,
)
from paperlab.dashboard.data.queue import cancel as cancel_queued
from paperlab.dashboard.data.queue import is_served, queued
from paperlab.dashboard.data.queue import put as put_queued
from paperlab.dashboard.data.runs import RunPage, comparison, metric_names, overlay, recipes_run, run, run_page, runs
from paperlab.dashboard.data.tracker import ask, latest_receipts, open_gaps, status

__all__ = [
    "FoundPapers",
    "JudgedClaim",
    "PaperPage",
    "RunPage",
    "add_note",
    "arrivals",
    "ask",
    "board",
    "boards",
    "cancel_queued",
    "categories",
    "category_months",
    "claims_of_paper",
    "comparison",
    "delete_note",
    "find_papers",
    "is_paper",
    "is_ranking_ready",
    "is_served",
    "judged",
    "latest_receipts",
    "mark_alerts_seen",
    "metric_names",
    "now",
    "open_database",
    "open_gaps",
    "overlay",
    "own_bars",
    "paper",
    "put_queued",
    "query_months",
    "queued",
    "readings",
    "recipes_run",
    "recommended",
    "reported",
    "reproductions",
    "reproductions_of",
    "run",
    "run_page",
    "runs",
    "save_search",
    "saved_searches",
    "search_papers",
    "set_read",
    "set_skipped",
    "set_star",
    "set_tags",
    "settings",
    "status",
    "tags_in_use",
    "unseen_alerts",
    "verdict_changes",
    "version_diff",
]
