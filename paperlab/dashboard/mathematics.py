"""Mathematics in titles and abstracts: $...$ is set as a formula where it is one and harmless, else shown as text.

Texts come from outside, so a formula may only use characters and commands of the lists below: none that loads, links,
defines, sets colours or moves things about, and none that nests without end.
"""

from __future__ import annotations

import re

from paperlab.dashboard.text import brief, escape

_FORMULA = re.compile(r"(?<![\\$])\$(?![\s$])([^$]{1,300}?)(?<![\s\\])\$(?!\$)(?=(?P<digit>\d)?)")
_CHARACTERS = re.compile(r"[A-Za-z0-9 \\{}_^+\-*/=<>()\[\],.|!'&~%;?]*")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_LETTERS = (
    "mathcal mathbb mathbf mathrm mathit mathsf mathfrak mathscr boldsymbol bm text textbf textit textrm texttt rm bf"
)
_SIGNS = (
    "times cdot ast star pm mp div circ bullet oplus otimes odot le leq ge geq ll gg ne neq approx sim simeq cong "
    "equiv propto in notin ni subset subseteq supset supseteq cup cap setminus emptyset forall exists "
    "neg land lor wedge vee to rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto "
    "longrightarrow uparrow downarrow infty partial nabla ell hbar Re Im aleph dots ldots cdots vdots prime dagger "
    "langle rangle lfloor rfloor lceil rceil lVert rVert lvert rvert Vert vert mid parallel perp angle top bot triangle"
)
_SHAPES = (
    "frac tfrac dfrac binom sqrt hat widehat bar overline underline tilde widetilde vec dot ddot sum prod int oint"
)
_WORDS = (
    "log ln lg exp sin cos tan max min sup inf lim arg argmax argmin det dim ker deg gcd Pr mod bmod pmod left right "
    "operatorname"
)
_KNOWN = frozenset(f"{_GREEK} {_LETTERS} {_SIGNS} {_SHAPES} {_WORDS}".split()) | set("{}%&_#,;!: |")
_DEEPEST = 6

LONGEST = 10_000
"""Characters of a text with formulas that a page shows: arXiv takes abstracts of up to 1,920."""


def markdown(text: str, most: int = LONGEST) -> str:
    """`text` on one line for a widget that reads Markdown: formulas are set, all else is shown as it stands."""
    shown = brief(text, most)
    parts: list[str] = []
    end = 0
    for found in _FORMULA.finditer(shown):
        if _is_set(found):
            parts += [_between(shown[end : found.start()]), f"${found[1]}$"]
            end = found.end()
    return "".join([*parts, _between(shown[end:])])


def has_formula(text: str) -> bool:
    return any(_is_set(found) for found in _FORMULA.finditer(brief(text, LONGEST)))


def _is_set(found: re.Match[str]) -> bool:
    """$5-$6 are two prices; $\\sim$10 is a formula before a number."""
    return ("\\" in found[1] or not found["digit"]) and is_harmless(found[1])


def is_harmless(formula: str) -> bool:
    """Whether a formula holds only what is listed above, in braces that match and nest little."""
    if not _CHARACTERS.fullmatch(formula) or not all(name in _KNOWN for name in _COMMAND.findall(formula)):
        return False
    if not re.search(r"[A-Za-z0-9]", formula):
        return False
    depth = 0
    for character in re.sub(r"\\.", "", formula):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0 and len(re.findall(r"[_^]", formula)) <= 40


def _between(text: str) -> str:
    """Text beside a formula, with the blanks at its ends, which `escape` takes away."""
    before, after = text[:1].isspace(), text[-1:].isspace()
    return f"{' ' if before else ''}{escape(text, LONGEST)}{' ' if after and text.strip() else ''}"
