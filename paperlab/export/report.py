"""What a report says of one paper and of all: blocks in plain words, which Markdown and HTML render in their own way.

Everything from outside (titles, samples, reasons) is text, and every renderer escapes it.  The clock plays no part: the
same database gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from paperlab.dossier import Dossier, Repetitions
from paperlab.entities import Claim, ClaimKind, Measurement, MetricPoint, Verdict, VerdictKind
from paperlab.export import plots
from paperlab.export.markdown import escaped
from paperlab.export.visible import visible

LONGEST = 400
"""Characters of a cell or a sample; the rest is counted."""
SYMBOLS = {
    VerdictKind.REPRODUCED: "✔",
    VerdictKind.DIFFERS: "✘",
    VerdictKind.INCONCLUSIVE: "◐",
    VerdictKind.NOT_COMPARABLE: "≠",
    VerdictKind.NOT_ATTEMPTED: "○",
    VerdictKind.STALE: "↻",
}


@dataclass(frozen=True)
class Cell:
    text: str
    note: str = ""
    """A second, quieter line."""
    verdict: VerdictKind | None = None
    address: str = ""
    """Of a page of this report, or of one at arXiv or doi.org."""


@dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Text:
    text: str
    address: str = ""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Plot:
    name: str
    """Of its file, without the ending."""
    title: str
    svg: str


@dataclass(frozen=True)
class Commands:
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """What is shown on demand."""

    title: str
    blocks: tuple[Block, ...]


Block: TypeAlias = "Heading | Text | Table | Plot | Commands | Fold"


@dataclass(frozen=True)
class Page:
    name: str
    """Of its file, without the ending."""
    title: str
    blocks: tuple[Block, ...]


def index(dossiers: Sequence[Dossier]) -> Page:
    """The page that leads to the others: each source with its verdicts."""
    shown = [kind for kind in VerdictKind if any(v.kind is kind for each in dossiers for _, v in each.claims)]
    rows = []
    for each in dossiers:
        counts = Counter(verdict.kind for _, verdict in each.claims)
        note = each.paper.source if each.paper.source != each.paper.title else ""
        link = Cell(visible(each.paper.title, LONGEST), visible(note), address=page_name(each))
        numbers = [Cell(str(counts[kind] or "-")) for kind in shown]
        rows.append((link, *numbers, Cell(str(sum(len(r.runs) for r in each.repetitions)))))
    columns = ("paper", *(f"{SYMBOLS[kind]} {kind.value}" for kind in shown), "finished runs")
    lead = "What papers report, what our runs measured, and what holds."
    blocks = (Heading(1, "What holds"), Text(lead), Text(_state(dossiers)), Table(columns, tuple(rows)))
    return Page("index", "What holds", blocks)


def page(dossier: Dossier) -> Page:
    """The page of one source."""
    return Page(page_name(dossier), visible(dossier.paper.title, LONGEST), tuple(_blocks(dossier)))


def page_name(dossier: Dossier) -> str:
    """The name of a source's page, safe as a name of a file and its own: "1706.03762" stays as it is."""
    source = dossier.paper.source
    words = _slug(source)
    if words == source:
        return words
    return f"{words[:60]}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _blocks(dossier: Dossier) -> Iterator[Block]:
    paper = dossier.paper
    yield Heading(1, visible(paper.title, LONGEST))
    if paper.authors:
        yield Text(visible(", ".join(paper.authors), LONGEST))
    if paper.source != paper.title or paper.address:
        yield Text(visible(paper.source), paper.address)
    if paper.summary:
        yield Text(visible(paper.summary, LONGEST))
    yield Text(_state([dossier]))
    yield Heading(2, "Claims")
    yield from _claims(dossier)
    yield Heading(2, "Runs")
    yield from _runs(dossier)
    yield Heading(2, "How to repeat")
    yield Commands(dossier.commands)


# --- claims ---------------------------------------------------------------------------------------------------


def _claims(dossier: Dossier) -> Iterator[Block]:
    judged = [(claim, held) for claim, held in dossier.claims if held.kind is not VerdictKind.NOT_ATTEMPTED]
    waiting = [(claim, held) for claim, held in dossier.claims if held.kind is VerdictKind.NOT_ATTEMPTED]
    counts = Counter(held.kind for _, held in dossier.claims)
    said = [f"{counts[kind]} {kind.value}" for kind in VerdictKind if counts[kind]]
    yield Text(f"{len(dossier.claims)} claims: {', '.join(said)}.")
    rows = [row for claim, held in judged if (row := _forest_row(claim, held)) is not None]
    if rows:
        title = "Claims with a tolerance: reported and measured"
        yield Plot(f"{page_name(dossier)}-claims", title, plots.forest(title, rows))
    if judged:
        yield Table(_COLUMNS, tuple(_claim_row(claim, held) for claim, held in judged))
    if waiting:
        table = Table(_COLUMNS, tuple(_claim_row(claim, held) for claim, held in waiting))
        yield Fold(f"Not attempted ({len(waiting)})", (table,))


_COLUMNS = ("claim", "verdict", "reported", "measured", "why", "protocol of the claim")


def _claim_row(claim: Claim, held: Verdict) -> tuple[Cell, ...]:
    differing = f"differs: {', '.join(held.differing_fields)}" if held.differing_fields else ""
    protocol = ", ".join(f"{name} {value}" for name, value in claim.protocol.items())
    seeds = f"{held.seeds} seed{'s' if held.seeds != 1 else ''}" if held.seeds else ""
    return (
        Cell(_cut(claim.statement), _cut(f"{claim.place_text} | {claim.id}")),
        Cell(f"{SYMBOLS[held.kind]} {held.kind.value}", verdict=held.kind),
        Cell(_cut(_reported(claim)), _cut(f"tolerance: {claim.tolerance.why}") if claim.tolerance else ""),
        Cell(_cut(_measured(held)), seeds),
        Cell(_cut(held.reason), _cut(differing)),
        Cell(_cut(protocol) or "none stated"),
    )


def _reported(claim: Claim) -> str:
    if claim.value is None:
        return "better > worse" if claim.kind is ClaimKind.ORDERING else str(claim.relation)
    slack = f" ± {claim.tolerance.value:.6g}" if claim.tolerance is not None else ""
    bound = f"{(claim.relation or '').replace('-', ' ')} " if claim.kind is ClaimKind.BOUND else ""
    return f"{bound}{claim.value:.6g}{slack} {claim.unit}".rstrip()


def _measured(held: Verdict) -> str:
    if held.measured is None:
        return "-"
    interval = "" if held.interval is None else f" [{held.interval[0]:.6g}, {held.interval[1]:.6g}]"
    return f"{held.measured:.6g}{interval}"


def _forest_row(claim: Claim, held: Verdict) -> plots.ForestRow | None:
    if claim.value is None or claim.tolerance is None or not claim.tolerance.value or held.measured is None:
        return None  # no axis in tolerances: it is in the table
    numbered = ("table", "figure", "section", "equation", "page")
    label = " ".join(f"{key} {value}" if key in numbered else value for key, value in claim.place.items())
    return plots.ForestRow(
        label, held.kind, claim.value, claim.tolerance.value, held.measured, held.interval, claim.unit
    )


# --- runs -----------------------------------------------------------------------------------------------------


def _runs(dossier: Dossier) -> Iterator[Block]:
    if not dossier.repetitions and not dossier.unfinished:
        yield Text("No run of its recipes yet.")
        return
    rows = [row for each in dossier.repetitions for row in _run_rows(each)]
    for run in dossier.unfinished:
        step = f"{run.step} of {run.max_steps}" if run.max_steps else str(run.step)
        rows.append(tuple(map(Cell, (run.id, run.status.value, str(run.seed), step, "-", run.device, "-"))))
    columns = ("run", "status", "seed", "steps", "seconds", "hardware", "measured")
    yield Table(columns, tuple(rows))
    if dossier.left_out:
        yield Text(f"{dossier.left_out} older repetitions are left out.")
    yield from _charts(dossier)
    for each in dossier.repetitions:
        if each.samples:
            yield Fold(f"Samples: {each.label}, step {each.samples[0].step}", (_samples(each),))
    for each in dossier.repetitions:
        rows_of = tuple((Cell(_cut(name)), Cell(_cut(value))) for name, value in each.provenance.items())
        yield Fold(f"Provenance: {each.label}", (Table(("key", "value"), rows_of),))


def _run_rows(each: Repetitions) -> Iterator[tuple[Cell, ...]]:
    for run in each.runs:
        values = [_value(item) for item in each.measurements if item.run_id == run.id]
        yield (
            Cell(_cut(run.id), _cut(each.label)),
            Cell(run.status.value),
            Cell(str(run.seed)),
            Cell(str(run.step)),
            Cell("-" if run.seconds is None else f"{run.seconds:.6g}"),
            Cell(_cut(each.hardware)),
            Cell(_cut("; ".join(values)) or "-"),
        )


def _value(item: Measurement) -> str:
    where = "/".join(part for part in (item.dataset, item.split) if part)
    return f"{item.metric} {item.value:.6g} {item.unit} {f'on {where}' if where else ''}".strip()


def _charts(dossier: Dossier) -> Iterator[Block]:
    """A plot for each recipe, tier and metric; every set of overrides has a colour."""
    places = dict.fromkeys((each.runs[0].recipe, each.runs[0].tier) for each in dossier.repetitions)
    for recipe, tier in places:
        here = [each for each in dossier.repetitions if (each.runs[0].recipe, each.runs[0].tier) == (recipe, tier)]
        drawn, more = here[: plots.MOST_SERIES], len(here) - plots.MOST_SERIES
        for metric in dossier.charted:
            found = [line for colour, each in enumerate(drawn) for line in _lines(each, metric, colour)]
            if not found:
                continue
            title = f"{recipe}, tier {tier}: {metric}"
            unit = "nats per token" if metric.rpartition("/")[2] in ("loss", "nll") else metric.rpartition("/")[2]
            name = f"{page_name(dossier)}-{_slug(f'{recipe}-{tier}-{metric}')}"
            yield Plot(name, title, plots.curves(visible(title), visible(unit), found))
        if more > 0:
            yield Text(f"{more} older sets of overrides are not drawn.")


def _lines(each: Repetitions, metric: str, colour: int) -> Iterator[plots.Series]:
    runs = each.curves.get(metric, ())
    if not runs:
        return
    beside = each.curves.get("train/loss", ()) if metric == "val/loss" else ()
    seeds = f"{len(runs)} seed{'s' if len(runs) != 1 else ''}"
    overrides = " ".join(each.label.split(" ")[2:]) or "as the recipe has it"
    pale = "; train/loss pale" if beside else ""
    yield plots.series(f"{overrides} ({seeds}{pale})", _pairs(runs), colour=colour)
    if beside:
        yield plots.series("train/loss", _pairs(beside), colour=colour, pale=True)


def _pairs(runs: Iterable[Sequence[MetricPoint]]) -> list[list[tuple[int, float]]]:
    return [[(point.step, point.value) for point in points] for points in runs]


def _samples(each: Repetitions) -> Table:
    rows = tuple(
        (Cell(_cut(sample.source)), Cell(_cut(sample.output)), Cell(_cut(sample.reference or "-")))
        for sample in each.samples
    )
    return Table(("source", "output", "reference"), rows)


def _state(dossiers: Sequence[Dossier]) -> str:
    newest = max((each.state_at for each in dossiers if each.state_at is not None), default=None)
    return "No run yet." if newest is None else f"As of {_minute(newest)}, when the newest run was last written."


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _cut(text: str) -> str:
    return visible(text, LONGEST)


# --- Markdown -------------------------------------------------------------------------------------------------


def markdown(page: Page) -> str:
    """CommonMark with GitHub's tables; plots are the files NAME.svg in the folder `plots` beside it."""
    return "\n\n".join(_markdown(page.blocks)) + "\n"


def _markdown(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Heading(level, text):
                yield f"{'#' * level} {_inline(text)}"
            case Text(text, address):
                yield f"[{_inline(text)}](<{link(address)}>)" if link(address) else escaped(text)
            case Table(columns, rows):
                head = f"| {' | '.join(map(_inline, columns))} |\n|{' --- |' * len(columns)}"
                yield "\n".join([head, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])
            case Plot(name, title, _):
                yield f"![{_inline(title)}](plots/{name}.svg)"
            case Commands(lines):
                yield "\n".join(f"    {visible(line)}" for line in lines)
            case Fold(title, inside):
                yield f"### {_inline(visible(title))}"
                yield from _markdown(inside)


def _cell(cell: Cell) -> str:
    text = _inline(cell.text)
    text = f"[{text}]({cell.address}.md)" if cell.address else text
    return f"{text}<br>{_inline(cell.note)}" if cell.note else text


def _inline(text: str) -> str:
    return escaped(text, within=True)


def link(address: str) -> str:
    """An address that a page may lead to; empty for anything but https and http, or with what breaks out of quotes."""
    return address if re.fullmatch(r"https?://[^\s<>\"'()\\]+", address) else ""
