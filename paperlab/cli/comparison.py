"""How a comparison of runs, or of two recipes, is written out."""

from __future__ import annotations

from typing import Any

from paperlab.cli import output
from paperlab.runs.compare import Comparison, PairedTest, Row
from paperlab.runs.interleaved import Outcome


def write(found: Comparison) -> None:
    """The differing keys, then the numbers; runs are named by letters."""
    letters = [chr(ord("A") + at) if at < 26 else f"run {at + 1}" for at in range(len(found.run_ids))]
    for letter, run_id, seeds in zip(letters, found.run_ids, found.seeds, strict=True):
        many = f"  repeated with the seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else ""
        output.write_line(f"{letter}  {run_id}{many}")
    output.write_line("")
    if found.differing:
        rows = [(each.key, *map(_short, each.values)) for each in found.differing]
        output.write_table(("differs", *letters), rows)
    output.talk(f"{found.agreeing} keys agree; {len(found.differing)} differ")
    if not found.rows:
        output.talk("nothing was measured yet by any of them")
        return
    output.write_line("")
    gaps = [f"{letter} - {letters[0]}" for letter in letters[1:]]
    columns = ("quantity", "unit", *letters, *gaps, *(f"paired test of {gap}" for gap in gaps))
    output.write_table(columns, [_cells(row) for row in found.rows])


def as_json(found: Outcome) -> dict[str, Any]:
    """An A/B as one object, without the whole records of its runs."""
    return {
        "a": found.arms[0],
        "b": found.arms[1],
        "metric": found.metric,
        "lower_is_better": found.lower_is_better,
        "pairs": [
            {"seed": pair.seed, "a": {"run": pair.runs[0].id, "value": a}, "b": {"run": pair.runs[1].id, "value": b}}
            for pair, (a, b) in zip(found.pairs, found.values, strict=True)
        ],
        "test": found.test,
        "protocol_differs": found.protocol_differs,
        "says": found.says,
        "seconds_per_step": [{"a": a, "b": b} for a, b in found.seconds_per_step],
        "speed_ratio": None if found.speed_ratio is None else found.speed_ratio[0],
        "speed_ratio_interval": None if found.speed_ratio is None else found.speed_ratio[1],
        "differing": found.differing,
    }


def write_outcome(found: Outcome) -> None:
    for letter, arm in zip("AB", found.arms, strict=True):
        output.write_line(f"{letter}  {arm}")
    output.write_line("")
    if found.differing:
        output.write_table(("differs", "A", "B"), [(each.key, *map(_short, each.values)) for each in found.differing])
        output.write_line("")
    paces = found.seconds_per_step or [(None, None)] * len(found.pairs)
    output.write_table(
        ("seed", f"{found.metric} A", "B", "B - A", "s/step A", "s/step B"),
        [(pair.seed, a, b, b - a, *pace) for pair, (a, b), pace in zip(found.pairs, found.values, paces, strict=False)],
    )
    output.write_line("")
    output.write_line(f"{found.metric}: B - A = {tested(found.test)}")
    if found.speed_ratio is not None:
        ratio, interval = found.speed_ratio
        between = "" if interval is None else f" [{interval[0]:.4g}, {interval[1]:.4g}]"
        output.write_line(f"seconds per step: B / A = {ratio:.4g}{between}")
    output.write_line(f"so: {found.says}")


def tested(test: PairedTest | None) -> str | None:
    """ "-0.12 [-0.2, -0.04], p = 0.01, 3 seeds"."""
    if test is None:
        return None
    seeds = f"{len(test.seeds)} seed{'s' if len(test.seeds) != 1 else ''}"
    if test.interval is None or test.p is None:
        return f"{test.mean:.4g}, {seeds}: no spread"
    return f"{test.mean:.4g} [{test.interval[0]:.4g}, {test.interval[1]:.4g}], p = {test.p:.2g}, {seeds}"


def _cells(row: Row) -> list[Any]:
    shown: list[Any] = []
    for value, step in zip(row.values, row.steps, strict=True):
        shown.append(value if step is None or value is None else f"{value:.6g} (step {step})")
    if row.protocol_differs:
        refused = f"not comparable: {', '.join(row.protocol_differs)}"
        return [row.name, row.unit, *shown, *[refused] * len(row.differences), *[None] * len(row.tests)]
    return [row.name, row.unit, *shown, *row.differences, *map(tested, row.tests)]


def _short(value: Any) -> str:
    text = output.cell(value)
    return text if len(text) <= 48 else f"{text[:47]}…"
