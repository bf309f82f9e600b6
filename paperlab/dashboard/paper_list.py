"""Papers in a list: title, what one needs to decide whether to open it, and why it is relevant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from paperlab.dashboard import data, links, paper_marks
from paperlab.dashboard.text import brief, day, escape, people
from paperlab.entities import Paper, ProfileMatch
from paperlab.library.ranking import RankedPaper

_TERMS_SHOWN = 6
_WORDS_SHOWN = 6


def show(
    papers: Sequence[Paper],
    matches: Mapping[str, list[ProfileMatch]],
    *,
    place: str = "list",
    said: Mapping[str, str] | None = None,
) -> None:
    """`place` keeps two lists on one page apart; `said` is a line of Markdown for some papers, by identifier."""
    readings = data.readings(tuple(paper.arxiv_id for paper in papers))
    for paper in papers:
        with st.container(gap=None):
            links.paper(paper.arxiv_id, paper.title)
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(_line(paper, matches.get(paper.arxiv_id, [])), width="content")
                paper_marks.buttons(paper.arxiv_id, readings.get(paper.arxiv_id), place=place)
            if said and paper.arxiv_id in said:
                st.caption(said[paper.arxiv_id])


def lifted(ranked: RankedPaper) -> str:
    """Markdown: the words that brought a paper up."""
    words = ", ".join(escape(word.text, 60) for word in ranked.lifted[:_WORDS_SHOWN])
    return f":blue[↑] {words}" if words else escape(ranked.why)


def _line(paper: Paper, matches: list[ProfileMatch]) -> str:
    facts = [
        f"{paper.arxiv_id}v{paper.version}",
        day(paper.submitted_at) + (f", revised {day(paper.updated_at)}" if paper.version > 1 else ""),
        brief(" ".join(paper.categories[:5]), 60),
        people(paper.authors),
    ]
    line = escape(" · ".join(fact for fact in facts if fact))
    return f"{line}   {why(matches)}" if matches else line


def why(matches: Iterable[ProfileMatch]) -> str:
    """Markdown: each profile with the terms that were found; "category" where the category alone decided."""
    parts = []
    for match in matches:
        terms = [escape(term, 60) for term in match.terms[:_TERMS_SHOWN]]
        rest = len(match.terms) - len(terms)
        said = ", ".join(terms) + (f" and {rest} more" if rest else "") if terms else "by category"
        parts.append(f"**{escape(match.profile)}** {said}")
    return " · ".join(parts)
