"""An arXiv of our own: its interfaces as the real servers answer them, with the faults that clients have met.

In tests: `with FakeArxiv(papers) as arxiv: ... arxiv.url, arxiv.rss_url, arxiv.oai_url`.  By hand, with real or made-up
papers: `python -m tests.fakes --papers FILE_OR_FOLDER [--port N]` or `--generate 8000`.

What it imitates: the Atom of the server since November 2025 (and of the one before), `cat:` queries joined by OR,
`submittedDate` windows in whole minutes, both sort orders, 2,000 entries a slice and 30,000 a query, identifier lists
that drop what is unknown and answer 400 with an error entry to what is malformed; the daily feed with its ETag; OAI-PMH
with tokens that expire and datestamps that move.
"""

from tests.fakes.exchange import Exchange
from tests.fakes.faults import FAULTS, Fault, Schedule, at, mix, never, set_status
from tests.fakes.papers import load_papers, make_paper, make_papers
from tests.fakes.server import ROUTES, FakeArxiv, Request, Route

__all__ = [
    "FAULTS",
    "ROUTES",
    "Exchange",
    "FakeArxiv",
    "Fault",
    "Request",
    "Route",
    "Schedule",
    "at",
    "load_papers",
    "make_paper",
    "make_papers",
    "mix",
    "never",
    "set_status",
]
