"""Figures of claims and of what was measured of them.  Pure: values in, plotly figure out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from paperlab.dashboard.charts import lay_out, safe
from paperlab.dashboard.text import number, shortened
from paperlab.entities import VerdictKind

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
