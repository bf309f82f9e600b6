"""Figures of papers and of the syncs that bring them.  Pure: values in, plotly figure out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from paperlab.dashboard.charts import lay_out
from paperlab.entities import Receipt


def requests_by_day(receipts: Iterable[Receipt]) -> Any:
    """Requests to arXiv a day, and how many answers were refusals (429, 503 and the like)."""
    asked: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for receipt in receipts:
        day = f"{receipt.started_at:%Y-%m-%d}"
        asked[day] += receipt.requests
        refused[day] += sum(receipt.details.get("refusals", {}).values())
    days = sorted(asked)
    figure = go.Figure()
    answered = [max(asked[day] - refused[day], 0) for day in days]
    figure.add_trace(go.Bar(x=days, y=answered, name="answered", marker={"color": "#3576bd"}))
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
