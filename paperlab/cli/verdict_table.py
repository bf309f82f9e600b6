"""How claims and what holds of them are written out: a table for people, objects for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paperlab.cli import output
from paperlab.entities import Claim, ClaimKind, Verdict


def write_verdicts(found: Sequence[tuple[Claim, Verdict]]) -> None:
    """The table of claims, their numbers and what holds."""
    columns = ("claim", "verdict", "reported", "measured", "seeds", "place", "statement", "reason")
    output.write_table(
        columns,
        [
            (
                claim.id,
                verdict.kind,
                reported(claim),
                measured(verdict),
                verdict.seeds or None,
                claim.place_text,
                claim.statement,
                verdict.reason,
            )
            for claim, verdict in found
        ],
    )


def as_json(claim: Claim, verdict: Verdict) -> dict[str, Any]:
    """A claim with its verdict as one object; `id` is the claim's."""
    held = output.plain(verdict)
    del held["claim_id"]
    return {**output.plain(claim), "verdict": held.pop("kind"), **held}


def reported(claim: Claim) -> str:
    """What the source says, in short: "27.3 BLEU", "at least 0.99", "better > worse"."""
    if claim.value is None:
        return "better > worse" if claim.kind is ClaimKind.ORDERING else str(claim.relation)
    number = f"{claim.value:.6g} {claim.unit}".rstrip()
    if claim.kind is ClaimKind.BOUND:
        return f"{(claim.relation or '').replace('-', ' ')} {number}"
    return number


def measured(verdict: Verdict) -> str | None:
    """What the runs say: the mean, with its confidence interval where there is one."""
    if verdict.measured is None:
        return None
    if verdict.interval is None:
        return f"{verdict.measured:.6g}"
    return f"{verdict.measured:.6g} [{verdict.interval[0]:.6g}, {verdict.interval[1]:.6g}]"


def show(found: Sequence[tuple[Claim, Verdict]], json_: bool, **more: Any) -> None:
    """The table, or one object with `more` beside the claims."""
    if json_:
        output.write_json(
            {"claims": [as_json(claim, verdict) for claim, verdict in found], "total": len(found), **more}
        )
        return
    write_verdicts(found)


def write_claim(claim: Claim, verdict: Verdict) -> None:
    """One claim in full: what its source says and where, how it was measured there, and what holds."""
    slack = claim.tolerance
    version = "" if claim.source_version is None else f"v{claim.source_version}"
    judged_by = f"{claim.recipe} --tier {claim.tier}" if claim.recipe else None
    relates = [f"{claim.better} above {claim.worse}"] if claim.better else list(claim.series)
    for name, value in (
        ("claim", claim.id),
        ("says", claim.statement),
        ("reported", reported(claim)),
        ("source", f"{claim.source}{version}, {claim.place_text}"),
        ("known", f"{claim.confidence}; {claim.evidence}".rstrip("; ")),
        ("data", f"{claim.task}, {claim.dataset}, {claim.split}"),
        ("metric", claim.metric),
        ("protocol", ", ".join(f"{key} {value}" for key, value in claim.protocol.items()) or None),
        ("tolerance", f"{slack.value:.6g}: {slack.why}" if slack else None),
        ("relates", ", ".join(relates) or None),
        ("judged by", judged_by),
        ("measured", measured(verdict)),
        ("verdict", verdict.kind.value),
        ("because", verdict.reason),
        ("runs", ", ".join(verdict.run_ids) or None),
    ):
        if value is not None:
            output.write_line(f"{name:<11}{output.cell(value)}")
