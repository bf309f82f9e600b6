"""`paperlab runs list --group`: the runs that differ in their seed alone, a line together."""

from __future__ import annotations

from collections.abc import Sequence

from paperlab.cli import output
from paperlab.runs import seed_groups
from paperlab.runs.findings import Overview


def show(found: Sequence[Overview], total: int, *, json_: bool) -> None:
    """Groups with newest run first, their finished seeds, and the validation loss over these."""
    if json_:
        groups = [
            {
                "recipe": each.newest.recipe,
                "tier": each.newest.tier,
                "overrides": seed_groups.computing(each.newest.overrides),
                "fingerprint": each.newest.fingerprint,
                "seeds": each.seeds,
                "unfinished": each.unfinished,
                "newest": each.newest.id,
                "validation": each.validation,
            }
            for each in found
        ]
        output.write_json({"groups": groups, "total": total})
        return
    output.write_table(
        ("group", "code", "seeds", "unfinished", "val/loss, mean", "sd", "newest run"),
        [
            (
                each.label,
                each.newest.fingerprint[:8],
                ", ".join(map(str, each.seeds)) or None,
                each.unfinished or None,
                each.validation.mean if each.validation else None,
                each.validation.sd if each.validation else None,
                each.newest.id,
            )
            for each in found
        ],
    )
