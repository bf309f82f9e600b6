"""Formulas of titles and abstracts are set; what could do more than show a formula stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.dashboard import mathematics
from paperlab.dashboard.text import escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"an $O(n^2)$ bound", r"an $O(n^2)$ bound"),
        (r"$\mathcal{L}_{\theta}$ and $k$-NN", r"$\mathcal{L}_{\theta}$ and $k$\-NN"),
        (r"$\frac{1}{2}$", r"$\frac{1}{2}$"),
        (r"up to $2.5\times$ faster, $\sim$10% less", r"up to $2.5\times$ faster\, $\sim$10\% less"),
    ],
)
def test_formulas_are_set(text, shown):
    assert mathematics.markdown(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "it costs $5 and then $6",
        "$5-$6",
        r"\$x\$ was escaped",
        "$ x $",
        "a $ alone",
        r"$\href{javascript:alert(1)}{x}$",
        r"$\includegraphics{http://evil.example/a.png}$",
        r"$\def\x{\x\x}\x$",
        r"$\newcommand{\a}{\a\a}\a$",
        r"$\rule{10000em}{10000em}$",
        r"$\color{red}{x}$",
        r"$\htmlClass{x}{y}$",
        "$" + "{" * 50 + "x" + "}" * 50 + "$",
        "$x^{" * 60 + "}$",
        "$:red[hot]$",
        "$`code`$",
        '$<script>\nalert(1)</script>"$',
        "$x" + "y" * 400 + "$",
    ],
)
def test_what_is_no_harmless_formula_is_text(text):
    assert mathematics.markdown(text) == escape(text)
    assert not mathematics.has_formula(text)


@given(st.text(st.sampled_from("$\\{}^_ab1 :[]()<>`*#!\n-"), max_size=60))
def test_whatever_the_text_only_harmless_formulas_stand_between_dollars_that_act(text):
    pieces = re.split(r"(?<!\\)\$", mathematics.markdown(text))
    formulas = pieces[1::2]
    assert len(pieces) % 2 == 1
    assert all(mathematics.is_harmless(formula) for formula in formulas)
    assert bool(formulas) == mathematics.has_formula(text)
