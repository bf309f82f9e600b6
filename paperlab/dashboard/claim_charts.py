"""Figures of claims and of what was measured of them.  Pure: values in, plotly figure out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from paperlab.dashboard.charts import lay_out, safe
from paperlab.dashboard.text import number, shortened
from paperlab.entities import VerdictKind
from paperlab.runs.standings import Standing

SYMBOLS: dict[VerdictKind, tuple[str, str, str]] = {
    VerdictKind.REPRODUCED: ("✔", "circle", "#2e7d32"),
    VerdictKind.DIFFERS: ("✘", "x", "#c62828"),
    VerdictKind.INCONCLUSIVE: ("◐", "diamond", "#b26a00"),
    VerdictKind.NOT_COMPARABLE: ("≠", "square-open", "#6a4c93"),
    VerdictKind.NOT_ATTEMPTED: ("○", "circle-open", "#757575"),
    VerdictKind.STALE: ("↻", "hourglass", "#546e7a"),
}
"""A verdict as a character, as plotly's marker, and as a colour."""


@dataclass(frozen=True)
class ForestRow:
    """A claim and what was measured of it.  `low` and `high` bound the interval where there is one."""

    label: str
    verdict: VerdictKind
    reported: float
    tolerance: float
    measured: float
    low: float | None
    high: float | None
    unit: str


def forest(rows: Sequence[ForestRow], title: str = "Measured against reported") -> Any:
    """One row a claim: its measured value and interval, as distance from the reported value in tolerances.

    The tick at 0 is what was reported, the band from -1 to 1 the tolerance, so claims of any unit share one axis.
    Every tolerance must be positive.
    """
    figure = go.Figure()
    labels = [safe(shortened(row.label, 64)) for row in rows]
    figure.add_vrect(x0=-1, x1=1, fillcolor="rgba(128, 128, 128, 0.16)", line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": "rgba(128, 128, 128, 0.9)", "width": 1})
    for kind, (symbol, marker, shade) in SYMBOLS.items():
        chosen = [i for i, row in enumerate(rows) if row.verdict is kind]
        if not chosen:
            continue
        centres = [_in_tolerances(rows[i], rows[i].measured) for i in chosen]
        highs = [_in_tolerances(rows[i], rows[i].high) for i in chosen]
        lows = [_in_tolerances(rows[i], rows[i].low) for i in chosen]
        figure.add_trace(
            go.Scatter(
                x=centres,
                y=chosen,
                mode="markers",
                name=f"{symbol} {kind.value}",
                marker={"symbol": marker, "size": 11, "color": shade, "line": {"color": shade, "width": 2}},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [high - centre for high, centre in zip(highs, centres, strict=True)],
                    "arrayminus": [centre - low for low, centre in zip(lows, centres, strict=True)],
                    "color": shade,
                    "thickness": 2,
                },
                customdata=[_spoken(rows[i]) for i in chosen],
                text=[labels[i] for i in chosen],
                hovertemplate="%{text}<br>%{customdata}<extra></extra>",
            )
        )
    lay_out(figure, safe(title), height=130 + 30 * max(len(rows), 1))
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title_text="measured − reported, in tolerances (grey: within tolerance)", zeroline=False)
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(rows))),
        ticktext=labels,
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    return figure


def _in_tolerances(row: ForestRow, value: float | None) -> float:
    return ((row.measured if value is None else value) - row.reported) / row.tolerance


def _spoken(row: ForestRow) -> str:
    interval = "" if row.low is None or row.high is None else f" [{number(row.low)}, {number(row.high)}]"
    return safe(
        f"{row.verdict.value}: measured {number(row.measured, row.unit)}{interval}, "
        f"reported {number(row.reported, row.unit)} ± {number(row.tolerance)}"
    )


@dataclass(frozen=True)
class Cell:
    """One claim in the matrix of sources by claims."""

    source: str
    place: str
    verdict: VerdictKind
    statement: str


def matrix(cells: Sequence[Cell]) -> Any:
    """A row a source, a mark a claim in the order of its file, with the verdict as shape and colour."""
    sources = list(dict.fromkeys(cell.source for cell in cells))
    at: dict[str, int] = {}
    places: list[tuple[int, int, Cell]] = []
    for cell in cells:
        at[cell.source] = at.get(cell.source, 0) + 1
        places.append((at[cell.source], sources.index(cell.source), cell))
    figure = go.Figure()
    for kind, (symbol, marker, shade) in SYMBOLS.items():
        chosen = [place for place in places if place[2].verdict is kind]
        if not chosen:
            continue
        figure.add_trace(
            go.Scatter(
                x=[x for x, _, _ in chosen],
                y=[y for _, y, _ in chosen],
                mode="markers",
                name=f"{symbol} {kind.value}",
                marker={"symbol": marker, "size": 9, "color": shade, "line": {"color": shade, "width": 1.5}},
                text=[safe(f"{cell.place}: {cell.statement}") for _, _, cell in chosen],
                hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            )
        )
    lay_out(figure, f"{len(cells)} claims of {len(sources)} sources", height=130 + 26 * max(len(sources), 1))
    figure.update_xaxes(title_text="claims of the source, in order", showgrid=False, zeroline=False)
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(sources))),
        ticktext=[safe(shortened(source, 48)) for source in sources],
        range=[len(sources) - 0.4, -0.6],
        zeroline=False,
        automargin=True,
    )
    figure.update_layout(showlegend=True)
    return figure


def pareto(standings: Sequence[Standing], quality: str, lower_is_better: bool | None) -> Any:
    """Quality against device hours, intervals over the seeds, and the line of what nothing beats for less."""
    figure = go.Figure()
    drawn = [each for each in standings if each.device_hours]
    few = len(drawn) <= _ALL_NAMED
    for unit in dict.fromkeys(each.cost_unit for each in drawn):
        group = [each for each in drawn if each.cost_unit == unit]
        figure.add_trace(
            go.Scatter(
                x=[each.device_hours for each in group],
                y=[each.mean for each in group],
                mode="markers+text",
                name=unit,
                text=[safe(shortened(each.label, 40)) if each.best_for_cost or few else "" for each in group],
                customdata=[safe(each.label) for each in group],
                textposition="top center",
                marker={"size": 11, "symbol": "circle" if unit == "GPU-hours" else "diamond"},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [each.interval[1] - each.mean if each.interval else 0.0 for each in group],
                    "arrayminus": [each.mean - each.interval[0] if each.interval else 0.0 for each in group],
                },
                hovertemplate="%{customdata}<br>%{y:.5g} for %{x:.3g} " + unit + "<extra></extra>",
            )
        )
        best = sorted((each for each in group if each.best_for_cost), key=lambda each: each.device_hours or 0.0)
        if len(best) > 1:
            figure.add_trace(
                go.Scatter(
                    x=[each.device_hours for each in best],
                    y=[each.mean for each in best],
                    mode="lines",
                    line={"dash": "dot", "width": 1, "shape": "hv"},
                    name=f"nothing as good for less, {unit}",
                    hoverinfo="skip",
                )
            )
    lay_out(figure, "Quality against cost", height=380)
    figure.update_xaxes(title_text="device hours", type="log")
    figure.update_yaxes(title_text=safe(quality), autorange="reversed" if lower_is_better else True)
    figure.update_layout(showlegend=True)
    return figure


_ALL_NAMED = 6  # of more, only those on the line have their names beside them: the others' would lie over each other


@dataclass(frozen=True)
class DoubtPoint:
    """An open claim in the figure of doubt against cost."""

    label: str
    verdict: VerdictKind
    doubt: float
    hours: float
    unit: str


def doubt(points: Sequence[DoubtPoint]) -> Any:
    """How much is in doubt against what the seeds that should settle it take: top left is where to begin."""
    figure = go.Figure()
    for kind, (symbol, marker, shade) in SYMBOLS.items():
        for unit in dict.fromkeys(point.unit for point in points):
            chosen = [point for point in points if point.verdict is kind and point.unit == unit]
            if not chosen:
                continue
            figure.add_trace(
                go.Scatter(
                    x=[point.hours for point in chosen],
                    y=[point.doubt for point in chosen],
                    mode="markers",
                    name=f"{symbol} {kind.value}, {unit}",
                    marker={"symbol": marker, "size": 11 if unit == "GPU-hours" else 7, "color": shade},
                    text=[safe(shortened(point.label, 90)) for point in chosen],
                    hovertemplate="%{text}<br>doubt %{y:.2f}, %{x:.3g} " + unit + "<extra></extra>",
                )
            )
    lay_out(figure, "Doubt against what would settle it", height=380)
    figure.update_xaxes(title_text="device hours of the seeds that should decide (large marks: GPU)", type="log")
    figure.update_yaxes(title_text="doubt (1: nothing is known)", range=[-0.05, 1.08])
    figure.update_layout(showlegend=True)
    return figure
