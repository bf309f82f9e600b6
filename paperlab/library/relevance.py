"""Of papers that came, how many match the profile, and why the others don't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paperlab.entities import Profile
from paperlab.store import matches
from paperlab.store.database import Session


def tally(session: Session, profile: Profile, arxiv_ids: Iterable[str]) -> dict[str, Any]:
    """Counts for a receipt.  A match without a term is one by category alone; what has neither does not match."""
    ids = list(dict.fromkeys(arxiv_ids))
    found = [
        match
        for of_one in matches.of_papers(session, ids).values()
        for match in of_one
        if match.profile == profile.name
    ]
    by_term = sum(bool(match.terms) for match in found)
    return {
        "profile": profile.name,
        "matching": len(found),
        "by term": by_term,
        "by category": len(found) - by_term,
        "no term of the profile": len(ids) - len(found),
    }
