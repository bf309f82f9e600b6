"""Drawings: what a browser is given is well formed, carries the text it was given, and runs nothing."""

from __future__ import annotations

import base64
import struct
import xml.etree.ElementTree as ET
import zlib
from itertools import pairwise

import pytest

from reproductions.engine import drawing

SVG = "{http://www.w3.org/2000/svg}"


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def pixels(image):
    """The grey values of a PNG as `drawing` writes it: filter 0 in each row."""
    chunks, at = {}, 8
    while at < len(image):
        (size,) = struct.unpack(">I", image[at : at + 4])
        kind, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        assert struct.unpack(">I", image[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + size
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 0, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[row * (width + 1) : (row + 1) * (width + 1)] for row in range(height)]
    assert all(row[0] == 0 for row in rows)
    return [list(row[1:]) for row in rows]


def test_a_png_holds_the_pixels_it_was_given():
    grid = [[0, 128, 255], [7, 8, 9]]
    image = drawing.png(grid)
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert pixels(image) == grid


def test_a_heat_map_is_darker_where_the_weight_is_larger_and_names_its_rows_and_columns():
    matrix = [[0.0, 1.0, 0.5], [2.0, -1.0, 0.25]]  # beyond 0..1 is cut off
    root = ET.fromstring(drawing.heat_maps({"layer 1": matrix}, ["ein", "Haus"], ["a", "house", "<end>"], "weights"))
    assert texts(root) == ["weights", "layer 1", "a", "house", "<end>", "ein", "Haus"]
    (image,) = root.iter(f"{SVG}image")
    head, _, encoded = image.get("href").partition(",")
    assert head == "data:image/png;base64"
    assert pixels(base64.b64decode(encoded)) == [[255, 0, 128], [0, 255, 191]]


def test_what_looks_like_markup_stays_text():
    hostile = "<script>alert(1)</script>"
    document = drawing.heat_maps({hostile: [[0.5]]}, [hostile], ["\x00&"], hostile)
    root = ET.fromstring(document)
    assert b"<script" not in document
    assert texts(root).count(hostile) == 3
    assert "\N{REPLACEMENT CHARACTER}&" in texts(root)


def test_a_power_is_a_straight_line_and_every_series_has_its_shape():
    square, line = ([(float(n), float(n**p)) for n in (1, 2, 4, 8)] for p in (2, 1))
    root = ET.fromstring(drawing.curves({"square": square, "line": line}, "growth", "n", "cost"))
    assert {"growth", "n", "cost", "square", "line", "1", "2", "4", "8", "10"} <= set(texts(root))
    places = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")][:4]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(places)]
    assert all(step == pytest.approx(steps[0], abs=0.21) for step in steps)
    assert steps[0][0] > 0 > steps[0][1]  # rises: y counts downwards
    squares = [r for r in root.iter(f"{SVG}rect") if r.get("width") == "8"]
    assert len(squares) == 4 + 1  # the second series, and its key


def test_one_point_is_drawn_and_nothing_or_a_zero_is_refused():
    ET.fromstring(drawing.curves({"one": [(8.0, 3.0)]}, "t", "x", "y"))
    for series in ({}, {"a": [(1.0, 0.0)]}):
        with pytest.raises(ValueError, match="above 0"):
            drawing.curves(series, "t", "x", "y")
