"""Plots as SVG text: loss curves with the spread over the seeds, claims as a forest plot.

Pure: numbers in, text out, the same text for the same numbers.  The colours are CSS variables with a light and a dark
value, so a plot inside a page follows the page, and one in a file of its own (`standalone`) the reader's system.
Nothing in them acts or loads; what the mouse shows is an SVG title.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from paperlab.entities import VerdictKind
from paperlab.export.visible import visible

STEPS_DRAWN = 240
MOST_SERIES = 6

STYLE = (
    ":root{--ink:#1f2328;--muted:#59636e;--line:#d1d9e0;--back:#fff;--band:#0969da1f;--s0:#2a78d6;--s1:#d95926;"
    "--s2:#11845b;--s3:#a87400;--s4:#a0439b;--s5:#5b6770;--good:#1a7f37;--bad:#cf222e;--open:#9a6700;--other:#6e40c9}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9198a1;--line:#3d444d;--back:#0d1117;"
    "--band:#388bfd33;--s0:#5b9df0;--s1:#f0804f;--s2:#3fb68b;--s3:#d9a21b;--s4:#d07fcb;--s5:#9aa6b0;--good:#3fb950;"
    "--bad:#f85149;--open:#d29922;--other:#a371f7}}"
    "svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .quiet{fill:var(--muted)}svg .head{font-weight:600}"
    "svg .grid{stroke:var(--line);stroke-width:1}svg .rule{stroke:var(--muted);stroke-width:1}"
    + "".join(f"svg .s{i}{{stroke:var(--s{i});fill:none}}svg .f{i}{{fill:var(--s{i})}}" for i in range(MOST_SERIES))
    + "svg .pale{opacity:.4}svg .spread{opacity:.18}svg .within{fill:var(--band)}"
    "svg .reproduced{fill:var(--good);stroke:var(--good)}svg .differs{fill:var(--bad);stroke:var(--bad)}"
    "svg .inconclusive{fill:var(--open);stroke:var(--open)}svg .not-comparable{fill:var(--other);stroke:var(--other)}"
    "svg .not-attempted,svg .stale{fill:var(--muted);stroke:var(--muted)}"
)
"""For the page that the plots stand in."""

_WIDTH = 760.0
_LEFT, _RIGHT, _PLOT_HEIGHT = 58.0, 26.0, 210.0


@dataclass(frozen=True)
class Series:
    """One quantity over the steps: lowest, mean and highest over the seeds.  A pale one stands in the background."""

    label: str
    steps: tuple[int, ...]
    low: tuple[float, ...]
    mean: tuple[float, ...]
    high: tuple[float, ...]
    colour: int = 0
    """Series of one colour belong together."""
    pale: bool = False


@dataclass(frozen=True)
class ForestRow:
    """A reported value, its tolerance (above 0), and what was measured: the mean and, with a spread, its interval."""

    label: str
    verdict: VerdictKind
    reported: float
    tolerance: float
    measured: float
    interval: tuple[float, float] | None
    unit: str


def series(label: str, runs: Iterable[Sequence[tuple[int, float]]], *, colour: int = 0, pale: bool = False) -> Series:
    """The series of several runs' (step, value) points; at each step over the runs that have it.

    Beyond STEPS_DRAWN steps neighbours are drawn as one: the lowest and highest of them stay.
    """
    at: dict[int, list[float]] = {}
    for points in runs:
        for step, value in points:
            at.setdefault(step, []).append(value)
    steps = sorted(at)
    size = max(1, math.ceil(len(steps) / STEPS_DRAWN))
    parts = [steps[start : start + size] for start in range(0, len(steps), size)]
    values = [[value for step in part for value in at[step]] for part in parts]
    return Series(
        label,
        tuple(part[-1] for part in parts),
        tuple(map(min, values)),
        tuple(math.fsum(each) / len(each) for each in values),
        tuple(map(max, values)),
        colour,
        pale,
    )


def curves(title: str, unit: str, drawn: Sequence[Series]) -> str:
    """Lines of the means, each with a band from the lowest to the highest seed."""
    shown = [each for each in drawn if each.steps]
    named = [each for each in shown if not each.pale] or shown
    top = 30.0 + 18.0 * len(named)
    bottom = top + _PLOT_HEIGHT
    xs = _Axis(min(each.steps[0] for each in shown), max(each.steps[-1] for each in shown), _LEFT, _WIDTH - _RIGHT)
    ys = _Axis(min(min(each.low) for each in shown), max(max(each.high) for each in shown), bottom, top, snap=True)
    body = [f'<text x="0" y="14" class="head">{_text(title)}</text>']
    for row, each in enumerate(named):
        y = 32.0 + 18.0 * row
        body.append(f'<rect class="f{each.colour % MOST_SERIES}" x="{_LEFT:g}" y="{y - 5:g}" width="18" height="3"/>')
        body.append(f'<text x="{_LEFT + 26:g}" y="{y:g}">{_text(each.label)}</text>')
    for tick in ys.ticks(5):
        y = ys.at(tick)
        body.append(f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_WIDTH - _RIGHT:g}"/>')
        body.append(f'<text class="quiet" x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    for tick in xs.ticks(7):
        x = xs.at(tick)
        body.append(f'<text class="quiet" x="{x:.1f}" y="{bottom + 18:g}" text-anchor="middle">{tick:,.6g}</text>')
    body.append(f'<path class="rule" d="M{_LEFT:g} {bottom:g}H{_WIDTH - _RIGHT:g}"/>')
    centre, middle = (_LEFT + _WIDTH - _RIGHT) / 2, (top + bottom) / 2
    upright = f'transform="translate(12 {middle:g}) rotate(-90)"'
    body.append(f'<text class="quiet" x="{centre:g}" y="{bottom + 36:g}" text-anchor="middle">step</text>')
    body.append(f'<text class="quiet" {upright} text-anchor="middle">{_text(unit)}</text>')
    for each in sorted(shown, key=lambda one: not one.pale):  # what is pale lies below
        body += _drawn(each, xs, ys)
    return _svg(_WIDTH, bottom + 42.0, title, body)


def forest(title: str, rows: Sequence[ForestRow]) -> str:
    """Each claim on a line: the reported tick and its tolerance as a band, our mean with its interval as a mark.

    All lie on one axis, in tolerances: 0 is the reported value, -1 and 1 the edges of its tolerance.
    """
    left, right, height, reach = 262.0, 530.0, 26.0, 3.0
    top = 44.0
    bottom = top + height * len(rows)
    axis = _Axis(-reach, reach, left, right)
    body = [f'<text x="0" y="14" class="head">{_text(title)}</text>']
    heads = ((0.0, "start", "claim"), (axis.at(0.0), "middle", "reported"), (548.0, "start", "reported | measured"))
    for x, anchor, words in heads:
        body.append(f'<text class="quiet" x="{x:g}" y="34" text-anchor="{anchor}">{words}</text>')
    edge = axis.at(1.0) - axis.at(-1.0)
    body.append(
        f'<rect class="within" x="{axis.at(-1.0):.1f}" y="{top:g}" width="{edge:.1f}" height="{bottom - top:g}"/>'
    )
    body.append(f'<path class="rule" d="M{axis.at(0.0):.1f} {top:g}V{bottom:g}M{left:g} {bottom:g}H{right:g}"/>')
    for row, each in enumerate(rows):
        body += _forest_row(each, axis, top + height * (row + 0.5), reach)
    for tick in (-3, -2, -1, 0, 1, 2, 3):
        body.append(
            f'<text class="quiet" x="{axis.at(tick):.1f}" y="{bottom + 17:g}" text-anchor="middle">{tick}</text>'
        )
    body.append(
        f'<text class="quiet" x="{axis.at(0.0):.1f}" y="{bottom + 34:g}" text-anchor="middle">'
        "measured - reported, in tolerances</text>"
    )
    return _svg(_WIDTH, bottom + 40.0, title, body)


def standalone(svg: str) -> str:
    """The plot as a file of its own, with its style in it."""
    head, mark, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head} xmlns="http://www.w3.org/2000/svg"{mark}<style>{STYLE}</style>{rest}\n'


# --- marks ----------------------------------------------------------------------------------------------------


def _drawn(each: Series, xs: _Axis, ys: _Axis) -> list[str]:
    colour = each.colour % MOST_SERIES
    along = [xs.at(step) for step in each.steps]
    body = []
    if not each.pale and each.low != each.high:
        there = [f"{x:.1f} {ys.at(y):.1f}" for x, y in zip(along, each.high, strict=True)]
        back = [f"{x:.1f} {ys.at(y):.1f}" for x, y in zip(reversed(along), reversed(each.low), strict=True)]
        body.append(f'<path class="f{colour} spread" d="M{"L".join([*there, *back])}Z"/>')
    line = "L".join(f"{x:.1f} {ys.at(y):.1f}" for x, y in zip(along, each.mean, strict=True))
    tip = f"<title>{_text(each.label)}: {each.mean[-1]:.6g} at step {each.steps[-1]:,}</title>"
    style = f'class="s{colour} pale" stroke-width="1.2"' if each.pale else f'class="s{colour}" stroke-width="2"'
    body.append(f'<path {style} stroke-linejoin="round" d="M{line}">{tip}</path>')
    if not each.pale and len(along) <= 40:
        body += [
            f'<circle class="f{colour}" cx="{x:.1f}" cy="{ys.at(y):.1f}" r="2.5"/>'
            for x, y in zip(along, each.mean, strict=True)
        ]
    return body


def _forest_row(each: ForestRow, axis: _Axis, y: float, reach: float) -> list[str]:
    def place(value: float) -> float:
        return axis.at(max(-reach, min(reach, (value - each.reported) / each.tolerance)))

    kind = each.verdict.value
    ends = each.interval or (each.measured, each.measured)
    interval = "" if each.interval is None else f" [{each.interval[0]:.5g}, {each.interval[1]:.5g}]"
    numbers = f"{each.reported:.6g} ± {each.tolerance:.3g} | {each.measured:.5g}{interval} {each.unit}"
    label = visible(each.label)
    short = label if len(label) <= 38 else f"{label[:37]}…"
    tip = f"<title>{_text(label)}: {kind}; {_text(numbers)}</title>"
    body = [f'<g class="{kind}">{tip}']
    if each.interval is not None:
        body.append(f'<path stroke-width="2" d="M{place(ends[0]):.1f} {y:.1f}H{place(ends[1]):.1f}"/>')
    centre = place(each.measured)
    if abs(each.measured - each.reported) > reach * each.tolerance:  # beyond the axis: an arrow at its end
        sign = math.copysign(7.0, each.measured - each.reported)
        body.append(f'<path d="M{centre:.1f} {y:.1f}l{-sign:g} -5v10z"/>')
    else:
        body.append(_MARKS[each.verdict].format(x=centre, y=y))
    body.append(f'</g><text x="0" y="{y + 4:.1f}">{_text(short)}</text>')
    body.append(f'<text x="548" y="{y + 4:.1f}">{_text(numbers)}</text>')
    return body


_MARKS = {
    VerdictKind.REPRODUCED: '<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
    VerdictKind.DIFFERS: '<path fill="none" stroke-width="3" d="M{x:.1f} {y:.1f}m-5 -5l10 10m0 -10l-10 10"/>',
    VerdictKind.INCONCLUSIVE: '<path d="M{x:.1f} {y:.1f}m0 -6l6 6l-6 6l-6 -6z"/>',
    VerdictKind.NOT_COMPARABLE: '<path fill="none" stroke-width="2" d="M{x:.1f} {y:.1f}m-5 -5h10v10h-10z"/>',
    VerdictKind.NOT_ATTEMPTED: '<circle fill="none" stroke-width="2" cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
    VerdictKind.STALE: '<path d="M{x:.1f} {y:.1f}m-5 -6h10l-10 12h10z"/>',
}
"""A verdict has a shape as well as a colour."""


class _Axis:
    """A linear axis from `start` to `end` in the plot's units; `snap` widens it to whole ticks."""

    def __init__(self, low: float, high: float, start: float, end: float, *, snap: bool = False) -> None:
        if high <= low:
            slack = 0.5 * abs(low) or 0.5
            low, high = low - slack, high + slack
        if snap:
            step = _step(high - low, 5)
            low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        self._low, self._high, self._start, self._end = low, high, start, end

    def at(self, value: float) -> float:
        return self._start + (value - self._low) / (self._high - self._low) * (self._end - self._start)

    def ticks(self, about: int) -> list[float]:
        step = _step(self._high - self._low, about)
        first, last = math.ceil(self._low / step - 1e-9), math.floor(self._high / step + 1e-9)
        return [round(at * step, 12) for at in range(first, last + 1)]


def _step(width: float, about: int) -> float:
    """1, 2 or 5 times a power of ten: about so many of it in `width`."""
    raw = width / about
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))


def _svg(width: float, height: float, title: str, body: Iterable[str]) -> str:
    inside = "".join(body)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{_text(title)}">{inside}</svg>'


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
