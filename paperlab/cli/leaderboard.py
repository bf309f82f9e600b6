"""`paperlab leaderboard`: what papers are said to report on a task and dataset."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.entities import Claim
from paperlab.library import claims, database
from paperlab.library import leaderboard as library
from paperlab.library.leaderboard import Entry, Leaderboard, OurClaim
from paperlab.store.database import read_only


def leaderboard(
    name: Annotated[
        str | None, typer.Argument(help='"TASK/DATASET"; without it, all there are.', metavar="NAME")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Rank by this metric (default: the board's main one).")] = None,
    limit: Annotated[
        int, typer.Option(min=1, help=f"At most so many rows, and never more than {arguments.MOST_LISTED}.")
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the results that papers are said to report, and beside them what our claims and runs say.

    Reported numbers are shown as they were reported; nobody here has measured them.

    Example: paperlab leaderboard "machine translation/WMT2014 English-German" --metric BLEU
    """
    arguments.limit(limit, "the first ones are the best: leave the rest out")
    config = settings.load()
    known: list[Claim] = claims.load() if name else []
    with read_only(database.open_or_create(config)) as session:
        if name is None:
            _list(library.boards(session), as_json)
            return
        shown = library.show(session, name, known, metric)
    if as_json:
        output.write_json(_record(shown, limit))
    else:
        _show(shown, limit)


def _list(boards: list[library.Board], as_json: bool) -> None:
    if as_json:
        fields = ("task", "dataset", "metrics", "results", "sources")
        output.write_json({"leaderboards": [{name: getattr(b, name) for name in fields} for b in boards]})
        return
    rows = [(board.name, board.results, board.metrics[0], ", ".join(board.sources)) for board in boards]
    output.write_table(("leaderboard", "results", "metric", "sources"), rows)
    if not boards:
        output.talk("no reported results yet: paperlab import FILE")


def _record(shown: Leaderboard, limit: int) -> dict[str, Any]:
    direction = {True: "lower is better", False: "higher is better", None: "unknown"}[shown.lower_is_better]
    return {
        "task": shown.board.task,
        "dataset": shown.board.dataset,
        "metric": shown.metric,
        "metrics": shown.board.metrics,
        "direction": direction,
        "sources": shown.board.sources,
        "reported": [{"kind": "reported, not measured", **output.plain(entry)} for entry in shown.entries[:limit]],
        "total": len(shown.entries),
        "ours": [{**output.plain(claim), "kind": _kind(claim)} for claim in shown.ours],
    }


def _show(shown: Leaderboard, limit: int) -> None:
    columns = ("rank", shown.metric, "model", "paper", "held", "date", "code", "said by", "note")
    output.write_table(columns, [_row(entry, shown.metric) for entry in shown.entries[:limit]])
    if shown.ours:
        output.write_line("")
        table = [(claim.reported, claim.measured, _kind(claim), claim.split, claim.id) for claim in shown.ours]
        output.write_table(("claimed", "measured", "ours", "split", "claim"), table)
    others = [metric for metric in shown.board.metrics if metric != shown.metric]
    if shown.lower_is_better is None:
        output.talk(f'which way "{shown.metric}" gets better is not known, so nothing is ranked')
    if others:
        output.talk(f"other metrics (--metric): {', '.join(others)}")
    if len(shown.entries) > limit:
        output.talk(f"shown: {limit} of {len(shown.entries)}; --limit shows more")
    output.talk(f'"{shown.board.name}": numbers as reported by {", ".join(shown.board.sources)}, not measured here')


def _row(entry: Entry, metric: str) -> tuple[object, ...]:
    values = entry.values[metric]
    text = " | ".join(f"{v.value_text} ({', '.join(v.sources)})" if len(values) > 1 else v.value_text for v in values)
    sources = dict.fromkeys(source for value in values for source in value.sources)
    notes = ["sources disagree"] * (len(values) > 1) + ["additional data"] * entry.additional_data
    return (
        entry.rank,
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
