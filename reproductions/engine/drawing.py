"""Drawings as SVG, with the standard library alone: heat maps of matrices, and curves over two logarithmic axes.

What comes out has text and shapes and no scripts; a matrix is an embedded PNG, one pixel a cell.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

_CELL = 16
_FONT = 11
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")  # told apart by the colour-blind too
_MARKS = ("circle", "square", "diamond")


def heat_maps(
    panels: Mapping[str, Sequence[Sequence[float]]], rows: Sequence[str], columns: Sequence[str], title: str
) -> bytes:
    """Matrices of values in 0..1 side by side, darker where larger; all share ``rows`` and ``columns`` as labels."""
    left = 12 + 7 * max(map(len, rows))
    top = 48 + 7 * max(map(len, columns))
    wide, high = _CELL * len(columns), _CELL * len(rows)
    parts = [_text(12, 18, title, size=13)]
    for number, (name, matrix) in enumerate(panels.items()):
        x = left + number * (wide + 24)
        parts.append(_text(x, 34, name))
        image = base64.b64encode(png([[round(255 * (1 - min(1.0, max(0.0, v)))) for v in row] for row in matrix]))
        parts.append(
            f'<image x="{x}" y="{top}" width="{wide}" height="{high}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{image.decode()}"/>'
            f'<rect x="{x}" y="{top}" width="{wide}" height="{high}" fill="none" stroke="#888"/>'
        )
        for index, label in enumerate(columns):
            centre = x + _CELL * index + _CELL / 2 + 4
            parts.append(_text(centre, top - 4, label, turn=-90))
    parts += [_text(left - 6, top + _CELL * i + 12, label, anchor="end") for i, label in enumerate(rows)]
    return _svg(left + len(panels) * (wide + 24), top + high + 12, parts)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], title: str, x_label: str, y_label: str) -> bytes:
    """Curves through positive points (x, y), both axes logarithmic, so that a power is a straight line."""
    points = [point for line in series.values() for point in line]
    if not points or min(min(point) for point in points) <= 0:
        raise ValueError("a logarithmic axis needs points, all above 0")
    width, height, left, bottom = 560, 320, 84, 350
    across = _Axis([x for x, _ in points], left, left + width - 150)
    up = _Axis([y for _, y in points], bottom, bottom - height + 30)
    parts = [_text(12, 18, title, size=13), _text(left, bottom + 36, x_label), _text(12, 36, y_label)]
    for x in sorted({x for x, _ in points}):
        parts.append(f'<path d="M{across(x):.1f} {bottom}V{up.end}" stroke="#e5e5e5"/>')
        parts.append(_text(across(x), bottom + 16, f"{x:g}", anchor="middle"))
    for y in up.powers_of_ten():
        parts.append(f'<path d="M{left} {up(y):.1f}H{across.end}" stroke="#e5e5e5"/>')
        parts.append(_text(left - 6, up(y) + 4, f"{y:g}", anchor="end"))
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(across(x), up(y)) for x, y in sorted(line)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_mark(number, x, y, colour) for x, y in places]
        key = across.end + 18, up.end + 12 + 20 * number
        parts += [_mark(number, *key, colour), _text(key[0] + 10, key[1] + 4, name)]
    return _svg(left + width, bottom + 48, parts)


def png(pixels: Sequence[Sequence[int]]) -> bytes:
    """A grey image of 8 bits: rows of values in 0..255, 0 black."""
    raw = b"".join(b"\0" + bytes(row) for row in pixels)
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


class _Axis:
    """Places of values between two ends, by their logarithm."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        logs = [math.log10(value) for value in values]
        self.low, self.high = min(logs), max(logs)
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + share * (self.end - self.begin)

    def powers_of_ten(self) -> list[float]:
        """Those within; the ends themselves where there are fewer than two."""
        within = [10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]
        return within if len(within) > 1 else [float(f"{10**end:.2g}") for end in (self.low, self.high)]


def _mark(number: int, x: float, y: float, colour: str) -> str:
    """A shape as well as a colour for each series."""
    shape = _MARKS[number % len(_MARKS)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if shape == "diamond" else ""
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"{turn}/>'


def _text(x: float, y: float, text: str, *, size: int = _FONT, anchor: str = "start", turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{turned}>{escape(printable)}</text>'


def _svg(width: float, height: float, parts: Iterable[str]) -> bytes:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" fill="#222">'
    return "".join((head, box, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n")).encode()
