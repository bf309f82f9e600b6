"""One claim in full: the protocol behind it, what somebody decided about it, and the commands that decide."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import streamlit as st

from paperlab.dashboard import address, claim_list, data
from paperlab.dashboard.data import JudgedClaim
from paperlab.dashboard.text import brief, escape, fields, minute, number
from paperlab.entities import Claim, Decision, DecisionKind

STATES = {DecisionKind.CONFIRMED: ":green[✔ confirmed]", DecisionKind.RETRACTED: ":red[✘ retracted]"}
"""A decision with a shape as well as a colour, as Markdown."""

_READ = {
    "verified-in-text": "read in a public text",
    "ours": "our own bar",
    "memory": "not found in a text yet: it can't be judged until somebody confirms it",
}


def choose(judged: Sequence[JudgedClaim]) -> None:
    """A claim to look at, kept in the address; nothing more until one is chosen."""
    by_id = {item.claim.id: item for item in judged}
    names = {item.claim.id: brief(f"{item.claim.place_text}: {item.claim.statement}", 160) for item in judged}
    chosen = st.selectbox(
        "protocol and decisions of the claim",
        list(by_id),
        index=None,
        placeholder="choose one",
        format_func=names.__getitem__,
        **address.choice("claim", list(by_id)),
    )
    if chosen:
        _show(by_id[chosen])


def _show(item: JudgedClaim) -> None:
    claim = item.claim
    with st.container(border=True):
        st.markdown(f"{claim_list.badge(item.verdict.kind)} {escape(claim.statement)}")
        st.caption(escape(f"{claim.id} · {item.verdict.reason}"))
        rows = _facts(claim) | {f"protocol: {key}": value for key, value in fields(claim.protocol).items()}
        st.table(
            {"Field": [escape(key, 80) for key in rows], "Value": [escape(value) for value in rows.values()]},
            hide_index=True,
            border="horizontal",
        )
        _decided([each for each in data.claim_decisions() if each.claim_id == claim.id])
        st.caption("Whoever has looked it up says so in a terminal; the reason is kept for good:")
        st.code("\n".join(_command(claim, kind) for kind in DecisionKind), language=None)


def _facts(claim: Claim) -> dict[str, str]:
    tolerance = claim.tolerance
    facts = {
        "place": claim.place_text,
        "reported": claim_list.reported(claim),
        "tolerance": f"± {number(tolerance.value, claim.unit)}: {tolerance.why}" if tolerance else "–",
        "data": f"{claim.task}, {claim.dataset}, {claim.split}",
        "metric": f"{claim.metric} {claim.unit}".strip(),
        "how it is known": _READ.get(claim.confidence, claim.confidence),
        "evidence": claim.evidence,
        "measured by": " ".join(part for part in (claim.recipe, claim.tier) if part),
    }
    return {key: value for key, value in facts.items() if value.strip(" ,")}


def _decided(found: Sequence[Decision]) -> None:
    for each in found:
        by = f" by {each.decided_by}" if each.decided_by else ""
        st.markdown(f"{STATES[each.kind]} {escape(f'{minute(each.decided_at)}{by}: {each.reason}')}")


def _command(claim: Claim, kind: DecisionKind) -> str:
    verb = {DecisionKind.CONFIRMED: "confirm", DecisionKind.RETRACTED: "retract"}[kind]
    return f'paperlab claims {verb} {shlex.quote(brief(claim.id))} --reason "..."'
