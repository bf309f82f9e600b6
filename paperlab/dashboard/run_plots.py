"""A run's curves and samples, as the pages Paper and Run show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from paperlab.dashboard import charts
from paperlab.dashboard.text import count, escape
from paperlab.entities import Sample

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
_SAMPLES_SHOWN = 12
_TEXT_SHOWN = 1500


def curves(found: Iterable[charts.Curve], *, key: str, against: str = "step", first: int | None = None) -> None:
    """One panel a metric, two beside each other; only the `first` panels where a number is given."""
    panels = charts.panels(found)[:first]
    for left in range(0, len(panels), 2):
        for column, (family, group) in zip(st.columns(2), panels[left : left + 2], strict=False):
            with column:
                figure = charts.lines(family, group, against=against)
                st.plotly_chart(figure, config=CONFIG, key=f"{key}-{family}")


def samples(found: Sequence[Sample]) -> None:
    """Source, output and reference side by side; exact answers are marked."""
    shown = found[:_SAMPLES_SHOWN]
    st.table(
        {
            "Source": [_cell(sample.source) for sample in shown],
            "Output": [_cell(sample.output) for sample in shown],
            "Reference": [_cell(sample.reference) for sample in shown],
            "Equal": ["–" if s.reference is None else "✔" if s.output == s.reference else "✘" for s in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(shown)} of {count(len(found), 'sample')} of this step")


def _cell(text: str | None) -> str:
    return "–" if text is None else escape(text, _TEXT_SHOWN)
