"""Figures.  Pure: values in, plotly figure out; no page, no database.

One colour means one run everywhere (it is computed from the run's id), verdicts have a shape as well as a colour, every
figure has a title and units, and where points are thinned their extremes stay and the figure says how many it shows.
"""

from __future__ import annotations

import colorsys
import hashlib
import html
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from paperlab.dashboard.text import brief, count

POINTS_SHOWN = 1000

METRICS: dict[str, tuple[str, str]] = {
    "loss": ("Loss", "nats per token"),
    "nll": ("Negative log-likelihood", "nats per token"),
    "exact_match": ("Exact match", "share of examples"),
    "bleu": ("BLEU", "BLEU, 0 to 100"),
    "accuracy": ("Accuracy", "share of examples"),
    "ppl": ("Perplexity", "per token"),
    "bpb": ("Bits per byte", "bits"),
    "lr": ("Learning rate", "per update"),
    "grad_norm": ("Gradient norm", "L2, before clipping"),
    "tokens_per_second": ("Throughput", "tokens per second"),
}
"""Title and unit by the last part of a metric's name; their order is the order of the panels."""

_GRID = "rgba(128, 128, 128, 0.18)"
_DASHES = ("solid", "dash", "dot", "dashdot")
"""Of curves that are laid over each other: two runs' colours can be near, and not everybody tells colours apart."""


@dataclass(frozen=True)
class Curve:
    """One metric of one run.  `times` are POSIX seconds."""

    run_id: str
    name: str
    steps: Sequence[int]
    times: Sequence[float]
    values: Sequence[float]
    recorded: int | None = None
    """So many points there are, where not all of them are given."""

    @property
    def family(self) -> str:
        """What is measured, without where: "loss" for train/loss and for val/loss."""
        return self.name.rpartition("/")[2]

    @property
    def place(self) -> str:
        """Where it is measured: "train", "val"."""
        return self.name.rpartition("/")[0]


def colour(run_id: str) -> str:
    """The run's colour, the same on every page and every machine."""
    digest = hashlib.sha256(run_id.encode()).digest()
    hue = int.from_bytes(digest[:2], "big") / 65536
    lightness = (0.40, 0.48, 0.56)[digest[2] % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def thin(values: Sequence[float], limit: int = POINTS_SHOWN) -> list[int]:
    """Which of `values` to draw: at most `limit` positions, ascending, with the first, the last and the extremes.

    The positions are cut into equal stretches; the lowest and the highest value of each stretch stay, so that no spike
    is lost, whatever the limit.
    """
    n = len(values)
    if n <= limit:
        return list(range(n))
    stretches = max((limit - 2) // 2, 1)
    kept = {0, n - 1}
    for start, end in pairwise(round(i * n / stretches) for i in range(stretches + 1)):
        kept.add(min(range(start, end), key=values.__getitem__))
        kept.add(max(range(start, end), key=values.__getitem__))
    return sorted(kept)


def panels(curves: Iterable[Curve]) -> list[tuple[str, list[Curve]]]:
    """The curves grouped by what they measure, in the order in which they are looked at."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(curve.family, []).append(curve)
    order = list(METRICS)
    return sorted(groups.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 6.5, item[0]))


def lines(family: str, curves: Sequence[Curve], *, against: str = "step", limit: int = POINTS_SHOWN) -> Any:
    """One panel: the metric against the step, or against the hours since the run's first point."""
    title, unit = METRICS.get(family, (family, ""))
    figure = go.Figure()
    shown = total = 0
    several_runs = len({curve.run_id for curve in curves}) > 1
    for curve in curves:
        kept = thin(curve.values, limit)
        shown, total = shown + len(kept), total + (curve.recorded or len(curve.values))
        start = curve.times[0] if curve.times else 0.0
        x = [curve.steps[i] if against == "step" else (curve.times[i] - start) / 3600 for i in kept]
        sparse = len(kept) <= 60
        is_train = curve.place == "train"
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[curve.values[i] for i in kept],
                mode="lines+markers" if sparse else "lines",
                name=safe(f"{_token(curve.run_id)} {curve.place}" if several_runs else curve.place or curve.name),
                line={"color": colour(curve.run_id), "width": 1.3 if is_train else 2.2},
                opacity=0.6 if is_train and len(curves) > 1 else 1.0,
                marker={"size": 4 if is_train else 6, "symbol": "circle" if is_train else "diamond"},
                hovertemplate="%{x:,} · %{y:.5g}<extra>%{fullData.name}</extra>",
            )
        )
    note = f"shown {shown:,} of {count(total, 'point')}"
    lay_out(figure, f"{safe(title)}<br><sup>{note}</sup>", height=290)
    figure.update_xaxes(title_text="step" if against == "step" else "hours since the first point", rangemode="tozero")
    figure.update_yaxes(title_text=safe(unit))
    figure.update_layout(showlegend=len(curves) > 1)
    return figure


def axis(curve: Curve, against: str, tokens: Curve | None = None, parameters: int | None = None) -> list[float] | None:
    """Where the curve's points lie on "step", "hours", "tokens" or "FLOPs"; None where the run did not record that.

    `tokens` is the run's train/tokens, real target tokens so far.  FLOPs are 6 a token and parameter: forward and
    backward pass without attention's own (Kaplan et al., arXiv 2001.08361, section 2.1).
    """
    if against == "step":
        return [float(step) for step in curve.steps]
    if against == "hours":
        start = curve.times[0] if curve.times else 0.0
        return [(moment - start) / 3600 for moment in curve.times]
    if tokens is None or not tokens.steps or (against == "FLOPs" and not parameters):
        return None
    steps, values = [0.0, *map(float, tokens.steps)], [0.0, *tokens.values]
    factor = 6.0 * (parameters or 0) if against == "FLOPs" else 1.0
    return [factor * _at(steps, values, min(float(step), steps[-1])) for step in curve.steps]


def overlay(
    curves: Sequence[Curve],
    places: Mapping[str, Sequence[float]],
    *,
    against: str,
    groups: Mapping[str, str] | None = None,
    logarithmic: bool = False,
) -> Any:
    """One metric of several runs; seeds of one group as a mean with a band.

    `places`: where each run's points lie on the axis (`axis`); a run without is left out.  `groups`: run to the name of
    its group.
    """
    drawn = [(curve, places[curve.run_id]) for curve in curves if curve.run_id in places]
    family = drawn[0][0].family if drawn else ""
    title, unit = METRICS.get(family, (family, ""))
    figure = go.Figure()
    members: dict[str, list[tuple[Curve, Sequence[float]]]] = {}
    for curve, x in drawn:
        members.setdefault(groups[curve.run_id] if groups else curve.run_id, []).append((curve, x))
    for at, (name, group) in enumerate(members.items()):
        dash = _DASHES[at % len(_DASHES)]
        if len(group) > 1:
            _band(figure, name, group, dash)
            continue
        curve, x = group[0]
        label = _token(curve.run_id) if groups is None else name
        figure.add_trace(_line(x, curve.values, label, colour(curve.run_id), dash))
    shown = sum(len(curve.values) for curve, _ in drawn)
    total = sum(curve.recorded or len(curve.values) for curve, _ in drawn)
    note = f"shown {shown:,} of {count(total, 'point')} of {count(len(drawn), 'run')}"
    lay_out(figure, f"{safe(title)}<br><sup>{note}</sup>", height=460)
    titles = {"tokens": "training tokens", "FLOPs": "training FLOPs, 6 × parameters × tokens", "hours": "hours"}
    figure.update_xaxes(
        title_text=titles.get(against, against), type="log" if logarithmic or against == "FLOPs" else "linear"
    )
    figure.update_yaxes(title_text=safe(unit), type="log" if logarithmic else "linear")
    figure.update_layout(showlegend=True)
    return figure


def _line(x: Sequence[float], y: Sequence[float], label: str, shade: str, dash: str) -> Any:
    return go.Scatter(
        x=list(x),
        y=list(y),
        mode="lines+markers" if len(x) <= 60 else "lines",
        name=safe(label),
        line={"color": shade, "width": 1.8, "dash": dash},
        marker={"size": 5},
        hovertemplate="%{x:,} · %{y:.5g}<extra>%{fullData.name}</extra>",
    )


def _band(figure: Any, name: str, group: Sequence[tuple[Curve, Sequence[float]]], dash: str) -> None:
    """The mean of the seeds, and from the least to the greatest of them, where all have been."""
    grid = list(group[0][1])
    end = min(x[-1] for _, x in group if x)
    grid = [x for x in grid if x <= end]
    values = [[_at(x, curve.values, place) for place in grid] for curve, x in group]
    columns = list(zip(*values, strict=True))
    shade = colour(group[0][0].run_id)
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    figure.add_trace(
        go.Scatter(
            x=[*grid, *reversed(grid)],
            y=[*map(max, columns), *(min(column) for column in reversed(columns))],
            fill="toself",
            fillcolor=f"rgba({red}, {green}, {blue}, 0.18)",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    means = [sum(column) / len(column) for column in columns]
    figure.add_trace(_line(grid, means, f"{name}, {count(len(group), 'seed')}", shade, dash))


def _at(x: Sequence[float], y: Sequence[float], place: float) -> float:
    """The curve's value at `place`, between its neighbours in a straight line."""
    at = bisect_left(x, place)
    if at == 0 or x[at] == place:
        return y[at]
    before, after = x[at - 1], x[at]
    share = (place - before) / (after - before) if after > before else 1.0
    return y[at - 1] + share * (y[at] - y[at - 1])


def lay_out(figure: Any, title: str, *, height: int) -> None:
    figure.update_layout(
        title={
            "text": title,
            "font": {"size": 15},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 10},
        },
        height=height,
        margin={"l": 8, "r": 8, "t": 60, "b": 8},
        hovermode="closest",
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "title": None,
        },
    )
    figure.update_xaxes(gridcolor=_GRID, automargin=True, title_font_size=12)
    figure.update_yaxes(gridcolor=_GRID, automargin=True, title_font_size=12)


def _token(run_id: str) -> str:
    """The end of a run's id, which tells it from its neighbours."""
    return run_id.rpartition("-")[2]


def safe(text: str) -> str:
    """Plotly reads a little HTML in its texts: here it shows it."""
    return html.escape(brief(text, 300), quote=False)
