"""Reproductions: what can I run, what does it take, what has it shown?"""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard import claim_list, data, links, notices, queue_list, run_list
from paperlab.dashboard.text import count, escape, number, plain
from paperlab.store.runs import RunFilter
from reproductions import registry

TITLE = "Reproductions"

_RUNS_SHOWN = 8
_RECIPES_SHOWN = 2


def render() -> None:
    st.title("Reproductions")
    every = data.reproductions()
    asked = st.query_params.get("name", "")
    if asked:
        every = (registry.get(asked),)
        links.link("reproductions", "All reproductions")
    queue_list.show()
    for reproduction in every:
        _reproduction(reproduction, whole=bool(asked) or len(every) == 1)


def _reproduction(reproduction: registry.Reproduction, *, whole: bool) -> None:
    st.header(escape(reproduction.title))
    for source in reproduction.sources:
        if source.kind == "arxiv":
            links.paper(source.id, f"arXiv {source.id}: {source.title}")
        else:
            st.text(f"{source.kind} {source.id}: {source.title}")
        if source.summary:
            st.text(source.summary)
    judged = data.judged(lambda claim: claim.reproduction == reproduction.name)
    st.markdown(f"**Claims** {claim_list.tally(judged)}" if judged else "No claims are recorded.")
    _contract(reproduction)
    recipes = list(reproduction.recipes.items())
    for recipe, said in recipes if whole else recipes[:_RECIPES_SHOWN]:
        st.subheader(escape(recipe))
        st.text(plain(said))
        _tiers(recipe)
    if not whole and len(recipes) > _RECIPES_SHOWN:
        links.link("reproductions", f"all {len(recipes)} recipes of {reproduction.name}", name=reproduction.name)
    runs = data.runs(RunFilter(reproduction=reproduction.name), _RUNS_SHOWN)
    st.subheader("Runs")
    if runs:
        run_list.show(runs, data.now())
    else:
        notices.empty("No run of it is held: choose a tier above and start it in a terminal, or queue it.")


def _contract(reproduction: registry.Reproduction) -> None:
    """Whether the code as it is now was held against its structural claims on this machine; and how to try the rest."""
    check = data.structural_check(reproduction.name)
    if check is None:
        st.markdown("**Contract** :gray[○ this code was not checked on this machine]")
        command = "paperlab claims check --kind structural"
    else:
        measured = count(len(check.measurements), "quantity", "quantities")
        st.markdown(f"**Contract** :green[✔ checked here]: {measured} of this code measured without training")
        recipe = next(iter(reproduction.recipes), reproduction.name)
        command = f"paperlab reproduce {recipe} --tier smoke --self-test-resume"
        st.caption("Whether a killed run goes on exactly, on this machine:")
    st.code(command, language=None)


def _tiers(recipe: str) -> None:
    tiers = registry.tiers(recipe)
    needs = {tier: registry.recipe(recipe, tier).needs for tier in tiers}
    st.table(
        {
            "Tier": list(tiers),
            "Device": ["a CUDA GPU" if needs[t].device == "cuda" else "any" for t in tiers],
            "Time": [f"{_hours(needs[t].hours)} on {escape(needs[t].hardware)}" for t in tiers],
            "Memory": [_memory(needs[t].memory_gb, needs[t].gpu_memory_gb) for t in tiers],
            "Disk": [number(needs[t].disk_gb, "GB") for t in tiers],
            "Download": [number(needs[t].download_gb, "GB") if needs[t].download_gb else "none" for t in tiers],
            "Steps": [number(registry.recipe(recipe, t).train.max_steps) for t in tiers],
        },
        hide_index=True,
        border="horizontal",
    )
    st.code("\n".join(_command(recipe, tier) for tier in reversed(tiers)), language=None)
    with st.container(horizontal=True, gap="medium"):
        for tier in reversed(tiers):
            queue_list.button(recipe, tier)


def _command(recipe: str, tier: str) -> str:
    return f"paperlab reproduce {recipe}" + ("" if tier == "full" else f" --tier {tier}")


def _hours(hours: float) -> str:
    return f"{hours * 60:.2g} min" if hours < 1 else f"{hours:.3g} h"


def _memory(memory_gb: float, gpu_memory_gb: float) -> str:
    return number(memory_gb, "GB") + (f" and {number(gpu_memory_gb, 'GB')} on the GPU" if gpu_memory_gb else "")
