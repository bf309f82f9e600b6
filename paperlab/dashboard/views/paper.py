"""Paper: do I believe it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard import (
    address,
    claim_details,
    claim_list,
    data,
    links,
    mathematics,
    notices,
    paper_history,
    paper_list,
    paper_marks,
    run_list,
    run_plots,
)
from paperlab.dashboard.follow import RunView
from paperlab.dashboard.text import count, day, escape, people, readable, shortened
from paperlab.entities import ClaimKind, Run, RunStatus, VerdictKind
from paperlab.errors import PaperlabError
from paperlab.library.papers import PaperDetails
from paperlab.store.runs import RunFilter

TITLE = "Paper"

_RUNS_SHOWN = 12
_CURVES_SHOWN = 4
_TITLE_SHOWN = 400
_ABSTRACT_SHOWN = 10_000
_REMARK_SHOWN = 300
_SIMILAR_SHOWN = 8
_UNCHECKED = (ClaimKind.STRUCTURAL, VerdictKind.NOT_ATTEMPTED)


def render() -> None:
    asked = st.query_params.get("id", "")
    if not asked:
        st.title("Paper")
        notices.empty("The address names no paper: choose one.")
        links.link("papers", "All papers")
        return
    try:
        details = data.paper(ArxivId.parse(asked))
    except PaperlabError:
        st.title("Paper")
        links.link("papers", "All papers")
        raise
    _head(details)
    _claims(details.paper.arxiv_id)
    _runs(details.paper.arxiv_id)
    paper_history.code(details.code)
    paper_history.reported(data.reported(details.paper.arxiv_id))
    _mine(details)
    _similar(details.paper.arxiv_id)


def _head(details: PaperDetails) -> None:
    paper = details.paper
    st.title(mathematics.markdown(paper.title, _TITLE_SHOWN), anchor=False)
    st.text(people(paper.authors, 20))
    facts = [
        links.outside(paper.abstract_url, f"arxiv.org/abs/{paper.arxiv_id}"),
        escape(" ".join(paper.categories), 120),
        escape(f"submitted {day(paper.submitted_at)}"),
        escape(f"version {paper.version} of {day(paper.updated_at)}"),
        *(escape(extra, _REMARK_SHOWN) for extra in (paper.comment, paper.journal_ref, paper.doi) if extra),
    ]
    st.markdown(" · ".join(facts))
    if details.matches:
        st.markdown(f"Relevant to {paper_list.why(details.matches)}")
    if paper.withdrawn:
        st.error("Withdrawn: the authors or arXiv took this paper back.")
    paper_marks.buttons(paper.arxiv_id, details.reading, place=paper_marks.ON_ITS_PAGE)
    if mathematics.has_formula(paper.abstract):
        st.markdown(mathematics.markdown(paper.abstract, _ABSTRACT_SHOWN), width="stretch")
    else:
        st.text(readable(shortened(paper.abstract, _ABSTRACT_SHOWN)), width="stretch")
    if paper.source == "seed":
        st.caption("This record ships with paperlab, with one line in our own words; arXiv's own replaces it:")
        st.code(f"paperlab papers add {paper.arxiv_id}", language=None)
    if len(details.versions) > 1:
        paper_history.versions(paper.arxiv_id, details.versions)


def _mine(details: PaperDetails) -> None:
    st.header("Tags and notes")
    paper_marks.tags(details.paper.arxiv_id, details.reading)
    paper_marks.notes(details.paper.arxiv_id, details.reading)
    if details.watchlists:
        st.caption(escape(f"watchlists that it matches: {', '.join(details.watchlists)}"))


def _similar(arxiv_id: str) -> None:
    """Asked for on demand: it takes the vectors of every paper held."""
    st.header("Similar papers")
    if not data.is_ranking_ready():
        notices.empty("The words of the papers are not counted yet: this takes a minute, once.", "paperlab recommend")
        return
    if not st.toggle("by the words that they share", **address.flag("similar")):
        return
    found = data.similar(ArxivId.parse(arxiv_id), _SIMILAR_SHOWN)
    said = {each.paper.arxiv_id: paper_list.lifted(each) for each in found.papers}
    paper_list.show([each.paper for each in found.papers], {}, place="similar", said=said)
    st.caption(f"the {len(found.papers)} most alike of {count(found.candidates, 'paper')}, with the words they share")


def _claims(arxiv_id: str) -> None:
    st.header("Claims")
    judged = data.claims_of_paper(arxiv_id)
    if not judged:
        notices.empty("No claims of this paper are recorded: no reproduction has it as a source.")
        links.link("reproductions", "What can be reproduced")
        return
    st.markdown(claim_list.tally(judged))
    claim_list.forest(judged)
    claim_list.tables(judged)
    claim_details.choose(judged)
    if any((item.claim.kind, item.verdict.kind) == _UNCHECKED for item in judged):
        st.caption("Structural claims are checked on any machine, without training:")
        st.code(f"paperlab claims check --source {arxiv_id}", language=None)


def _runs(arxiv_id: str) -> None:
    reproductions = data.reproductions_of(arxiv_id)
    if not reproductions:
        return
    bars = data.own_bars({each.name for each in reproductions})
    if bars:
        st.header("Our own bars")
        st.caption("What paperlab asks of this reproduction's smaller tiers; no claims of the paper.")
        claim_list.tables(bars)
    st.header("Runs")
    now = data.now()
    for reproduction in reproductions:
        runs = data.runs(RunFilter(reproduction=reproduction.name), _RUNS_SHOWN)
        links.link("reproductions", f"Reproduction: {reproduction.name}", name=reproduction.name)
        if not runs:
            recipe = next(iter(reproduction.recipes), reproduction.name)
            notices.empty("No run of it is held.", f"paperlab reproduce {recipe} --tier smoke")
            continue
        run_list.show(runs, now)
        _evidence(runs)


def _readable(runs: Iterable[Run]) -> RunView | None:
    """The first of them whose directory is whole."""
    for run in runs:
        try:
            return data.run(run.id)
        except PaperlabError:
            continue
    return None


def _evidence(runs: Sequence[Run]) -> None:
    """Curves and samples of the run that says most: the newest finished one, else the newest."""
    st.header("Curves")
    view = _readable(sorted(runs, key=lambda run: run.status is not RunStatus.FINISHED))
    if view is None:
        st.caption("None of these runs can be read; each one's own page says why.")
        return
    run = view.run
    links.run(run.id, f"of {run.id}")
    if view.curves:
        run_plots.curves(view.curves, key="paper", first=_CURVES_SHOWN)
    else:
        st.caption("It has not recorded a number yet.")
    if view.samples:
        step = max(sample.step for sample in view.samples)
        st.header("Samples")
        st.caption(f"of {escape(run.id)}, at step {step:,}")
        run_plots.samples([sample for sample in view.samples if sample.step == step])
