"""`paperlab leaderboard`: our own numbers ranked within one protocol, and beside them what papers report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.cli.run_names import refreshed
from paperlab.entities import Claim
from paperlab.library import claims
from paperlab.library import leaderboard as library
from paperlab.library.leaderboard import Entry, Leaderboard, OurClaim
from paperlab.library.metrics import is_lower_better
from paperlab.runs import standings
from paperlab.runs.standings import Limits, Standing, Table
from paperlab.store import runs as store
from paperlab.store.database import read_only

_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def leaderboard(
    name: Annotated[
        str | None, typer.Argument(help='"TASK/DATASET"; without it, all there are.', metavar="NAME")
    ] = None,
    *,
    metric: Annotated[str | None, typer.Option(help="Rank by this metric (default: the board's main one).")] = None,
    max_memory: Annotated[
        str | None, typer.Option("--max-memory", help="Only own numbers whose runs took no more, such as 24GB.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", min=0.0, help="Only own numbers whose runs took no longer.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help=f"At most so many rows, and never more than {arguments.MOST_LISTED}.")
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Rank what our runs measured, a table a protocol, and show beside it what papers report.

    A rank is the range that the seeds allow.  Reported numbers have none: nobody here has measured them.

    Example: paperlab leaderboard "translation/number-words" --metric bleu --max-memory 24GB --max-hours 2
    """
    arguments.limit(limit, "the first ones are the best: leave the rest out")
    limits = Limits(None if max_memory is None else _bytes(max_memory), max_hours)
    config = settings.load()
    known: list[Claim] = claims.load() if name else []
    with read_only(refreshed(config)) as session:
        if name is None:
            _list(library.boards(session), as_json)
            return
        shown = library.show(session, name, known, metric)
        runs = store.get_many(session, [item.run_id for item in shown.measurements if item.run_id is not None])
    tables = standings.tables(shown.measurements, runs, is_lower_better)
    if as_json:
        output.write_json(_record(shown, tables, limits, limit))
    else:
        _show(shown, tables, limits, limit)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(f'"{text}" is no size: 24GB, 80GiB, 500MB', param_hint="--max-memory")
    factor = _SIZES[match[2].upper()]
    if match[3]:
        factor = 1024 ** list(_SIZES).index(match[2].upper())
    return round(float(match[1]) * factor)


def _list(boards: list[library.Board], as_json: bool) -> None:
    if as_json:
        fields = ("task", "dataset", "metrics", "results", "measured", "sources")
        output.write_json({"leaderboards": [{name: getattr(b, name) for name in fields} for b in boards]})
        return
    rows = [(b.name, b.measured or None, b.results or None, b.metrics[0], ", ".join(b.sources) or None) for b in boards]
    output.write_table(("leaderboard", "measured here", "reported", "metric", "sources"), rows)
    if not boards:
        output.talk("no results yet: paperlab import FILE brings reported ones, paperlab reproduce measures")


def _record(shown: Leaderboard, tables: Sequence[Table], limits: Limits, limit: int) -> dict[str, Any]:
    direction = {True: "lower is better", False: "higher is better", None: "unknown"}[shown.lower_is_better]
    return {
        "task": shown.board.task,
        "dataset": shown.board.dataset,
        "metric": shown.metric,
        "metrics": shown.board.metrics,
        "direction": direction,
        "sources": shown.board.sources,
        "measured": [
            {
                **output.plain(table),
                "standings": [{**output.plain(each), "fits": limits.fits(each)} for each in table.standings[:limit]],
            }
            for table in tables
        ],
        "reported": [{"kind": "reported, not measured", **output.plain(entry)} for entry in shown.entries[:limit]],
        "total": len(shown.entries),
        "ours": [{**output.plain(claim), "kind": _kind(claim)} for claim in shown.ours],
    }


def _show(shown: Leaderboard, tables: Sequence[Table], limits: Limits, limit: int) -> None:
    for table in tables:
        _show_own(table, limits, limit)
    if not tables:
        output.talk("nothing of it is measured here yet")
    if limits != Limits():
        return  # of a reported number nobody knows what it takes
    if shown.entries:
        columns = (shown.metric, "model", "paper", "held", "date", "code", "said by", "note")
        output.write_line("reported, not measured here: in the order of the numbers, without ranks")
        output.write_table(columns, [_row(entry, shown.metric) for entry in shown.entries[:limit]], pale=True)
    if shown.ours:
        output.write_line("")
        rows = [(claim.reported, claim.measured, _kind(claim), claim.split, claim.id) for claim in shown.ours]
        output.write_table(("claimed", "measured", "ours", "split", "claim"), rows)
    others = [metric for metric in shown.board.metrics if metric != shown.metric]
    if shown.lower_is_better is None:
        output.talk(f'which way "{shown.metric}" gets better is not known, so nothing is ranked')
    if others:
        output.talk(f"other metrics (--metric): {', '.join(others)}")
    if len(shown.entries) > limit:
        output.talk(f"shown: {limit} of {len(shown.entries)}; --limit shows more")
    if shown.entries:
        output.talk(f'"{shown.board.name}": numbers as reported by {", ".join(shown.board.sources)}, not measured here')


def _show_own(table: Table, limits: Limits, limit: int) -> None:
    """One table; where there are limits, only what is known to fit, and how many are not shown for which reason."""
    conditions = ", ".join(f"{name} {value}" for name, value in table.conditions.items()) or "no protocol recorded"
    unit = f" in {table.unit}" if table.unit else ""
    output.write_line(f"measured here: {table.metric} on {table.split or 'no split'}{unit}; {conditions}")
    fitting = [each for each in table.standings if limits.fits(each)]
    output.write_table(
        ("rank", table.metric, "interval", "seeds", "recipe", "hardware", "hours", "device hours", "memory", "note"),
        [_standing(each) for each in fitting[:limit]],
    )
    output.write_line("")
    too_large = sum(limits.fits(each) is False for each in table.standings)
    unknown = len(table.standings) - len(fitting) - too_large
    if too_large:
        output.talk(f"{too_large} take more than there is")
    if unknown:
        output.talk(f"{unknown} did not record what they take (runs of older code): not shown")
    if table.older:
        output.talk(f"{table.older} of older code left out")
    if len(fitting) > limit:
        output.talk(f"shown: {limit} of {len(fitting)}; --limit shows more")


def _standing(each: Standing) -> tuple[object, ...]:
    ranks = None
    if each.ranks is not None:
        low, high = each.ranks
        ranks = str(low) if low == high else f"{low}-{high}"
    return (
        ranks,
        each.mean,
        None if each.interval is None else f"[{each.interval[0]:.4g}, {each.interval[1]:.4g}]",
        each.seeds,
        each.label,
        each.hardware,
        None if each.hours is None else f"{each.hours:.3g}",
        None if each.device_hours is None else f"{each.device_hours:.3g} {each.cost_unit}",
        None if each.peak_memory is None else f"{each.peak_memory / 1e9:.3g} GB",
        each.unranked or ("nothing as good for less" if each.best_for_cost else None),
    )


def _row(entry: Entry, metric: str) -> tuple[object, ...]:
    values = entry.values[metric]
    text = " | ".join(f"{v.value_text} ({', '.join(v.sources)})" if len(values) > 1 else v.value_text for v in values)
    sources = dict.fromkeys(source for value in values for source in value.sources)
    notes = ["sources disagree"] * (len(values) > 1) + ["additional data"] * entry.additional_data
    return (
        text,
        entry.model or entry.paper_title,
        entry.arxiv_id or entry.paper_url or None,
        "yes" if entry.held else "no",
        entry.date or None,
        entry.code_links[0] if entry.code_links else None,
        ", ".join(sources),
        "; ".join(notes) or None,
    )


def _kind(claim: OurClaim) -> str:
    """Only what a run has measured is called measured."""
    return f"ours: measured, {claim.verdict.value}" if claim.measured is not None else claim.verdict.value
