"""Figures of papers and of the syncs that bring them.  Pure: values in, plotly figure out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go

from paperlab.dashboard.charts import lay_out, safe
from paperlab.dashboard.text import shortened
from paperlab.entities import Receipt

_DASHES = ("solid", "dash", "dot", "dashdot")
"""Lines are told apart by more than their colour."""


def requests_by_day(receipts: Iterable[Receipt]) -> Any:
    """Requests to arXiv a day, and how many answers were refusals (429, 503 and the like).

    What is not refused need not be answered: a machine without network sends, and hears nothing.
    """
    asked: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for receipt in receipts:
        day = f"{receipt.started_at:%Y-%m-%d}"
        asked[day] += receipt.requests
        refused[day] += sum(receipt.details.get("refusals", {}).values())
    days = sorted(asked)
    figure = go.Figure()
    others = [max(asked[day] - refused[day], 0) for day in days]
    figure.add_trace(go.Bar(x=days, y=others, name="not refused", marker={"color": "#3576bd"}))
    figure.add_trace(
        go.Bar(
            x=days,
            y=[refused[day] for day in days],
            name="refused",
            marker={"color": "#c62828", "pattern": {"shape": "/"}},
        )
    )
    lay_out(figure, "Requests to arXiv", height=260)
    figure.update_layout(barmode="stack", showlegend=True)
    figure.update_xaxes(title_text="day (UTC)", type="category" if len(days) < 15 else "date")
    figure.update_yaxes(title_text="requests", rangemode="tozero")
    return figure


def calendar(days: Mapping[str, int], last: date, weeks: int = 26) -> Any:
    """Papers a day as a calendar: a column a week, Monday on top, the last `weeks` weeks up to `last`."""
    start = last - timedelta(days=last.weekday(), weeks=weeks - 1)
    columns = [start + timedelta(weeks=at) for at in range(weeks)]
    cells = [[monday + timedelta(days=weekday) for monday in columns] for weekday in range(7)]
    figure = go.Figure(
        go.Heatmap(
            z=[[days.get(day.isoformat(), 0) if day <= last else None for day in row] for row in cells],
            x=[monday.isoformat() for monday in columns],
            y=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
            text=[[day.isoformat() for day in row] for row in cells],
            hovertemplate="%{text}: %{z:,} papers<extra></extra>",
            # One hue that covers more and more: more papers stand out more, on white and on black.
            colorscale=[
                [0, "rgba(128, 128, 128, 0.10)"],
                [0.001, "rgba(53, 118, 189, 0.30)"],
                [1, "rgba(53, 118, 189, 1)"],
            ],
            zmin=0,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "papers"}, "thickness": 10},
        )
    )
    lay_out(figure, "Arrivals by day of submission (UTC)", height=240)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, title_text="week that begins on")
    return figure


def months(
    series: Mapping[str, Mapping[str, int]], title: str, last: int = 0, whole: Mapping[str, int] | None = None
) -> Any:
    """Papers a month by topic, the `last` so many months (0: all); with `whole` in percent of it."""
    every = sorted({month for counts in series.values() for month in counts})
    axis = _between(every[0], every[-1])[-last:] if every else []
    figure = go.Figure()
    for at, (name, counts) in enumerate(series.items()):
        values = [float(counts.get(month, 0)) for month in axis]
        if whole is not None:
            values = [
                100 * n / whole[month] if whole.get(month) else 0.0 for n, month in zip(values, axis, strict=True)
            ]
        figure.add_trace(
            go.Scatter(
                x=axis,
                y=values,
                mode="lines+markers" if len(axis) < 40 else "lines",
                name=safe(shortened(name, 50)),
                line={"dash": _DASHES[at % len(_DASHES)], "width": 1.8},
                hovertemplate="%{x} · %{y:,.4~g}<extra>%{fullData.name}</extra>",
            )
        )
    lay_out(figure, title, height=360)
    figure.update_xaxes(title_text="month of the arXiv identifier")
    figure.update_yaxes(title_text="papers" if whole is None else "percent of papers held", rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure


def _between(first: str, last: str) -> list[str]:
    """Every month from "2026-01" to "2026-11"."""
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(start, end + 1)]
