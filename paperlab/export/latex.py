r"""Text from arXiv as LaTeX that compiles, keeps its braces balanced, and does nothing but typeset.

Titles on arXiv are a mixture: plain Unicode, maths between dollars, accents (\'e), now and then a command.  What is
LaTeX already is left alone; what would end a compilation is escaped.  Only commands that typeset are left standing
(`_COMMANDS`), because a title is a stranger's text and \input would read a file: any other shows as its own name.
Maths is left alone unless it holds a command that reads, writes or defines (`_UNSAFE_IN_MATHS`).

Unicode is kept: biber and today's LaTeX read UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_TYPESETTING = (
    "textit textbf textsc texttt textrm textsf textsl emph em it bf sc tt rm sl textsuperscript textsubscript mbox "
    "LaTeX TeX dots ldots textdots textasciitilde textasciicircum textbackslash textbraceleft textbraceright "
    "textless textgreater textbar textregistered texttrademark copyright textdegree textemdash textendash "
    "ss SS ae AE oe OE aa AA o O l L i j dh DH th TH dj DJ ng NG u v H c d b t r k S P pounds"
)
_COMMANDS = frozenset(_TYPESETTING.split())
_ACCENTS = "'`\"^~=."
_SYMBOLS = "&%$#_ ,;!/-@"
_NOT_TYPESETTING = (
    "input include includeonly InputIfFileExists IfFileExists openin openout read readline write immediate special "
    "directlua latelua luaexec catcode def edef gdef xdef let futurelet csname endcsname newcommand renewcommand "
    "providecommand DeclareRobustCommand newenvironment renewenvironment usepackage RequirePackage loop repeat "
    "verbatiminput lstinputlisting includegraphics href url hyperref bye end endinput document scantokens expandafter "
    "begin jobname everymath everypar output shipout pdfximage tag cite ref label footnote thanks par"
)
_UNSAFE_IN_MATHS = frozenset(_NOT_TYPESETTING.split())
_SPECIALS = {
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_DASHES = "-/–"
_PARTS = re.compile(f"[{_DASHES}]")
_PLAIN = re.compile(r"[^\\$\s{}&%#_^<>|~]+(?: [^\\$\s{}&%#_^<>|~]+)*")
_LEFT, _RIGHT = r"\textbraceleft{}", r"\textbraceright{}"
_TOKEN = re.compile(
    r"""(?P<maths>\$\$(?=[^\s$])(?:[^$\\]|\\.){1,500}?(?<!\s)\$\$
                | \$(?=[^\s$])(?:[^$\\]|\\.){1,500}?(?<=[^\s\\])\$(?!\d))
      | (?P<inline>\\\((?:(?!\\\)).){1,500}\\\))
      | (?P<word>\\[A-Za-z]+)
      | (?P<symbol>\\.)
      | (?P<space>\s+)
      | (?P<plain>[^\\$\s{}&%#_^<>|~]+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of LaTeX: `kind` is "maths", "command", "open", "close", "space" or "text"."""

    kind: str
    latex: str
    plain: str = ""
    """For text, the characters that are meant."""


def escaped(text: str) -> str:
    """`text` as LaTeX for a field of a bibliography: one line, balanced braces."""
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text  # most names
    return "".join(token.latex for token in tokens(text))


def title(text: str) -> str:
    """As `escaped`, with the capitals in braces that a style for sentence case must not lower.

    Those are the words with a capital after their first character (BERT, LaMDA, but not Pre-Training), single capitals
    but A and I, commands and
    maths with capitals; and, where the title itself is in sentence case, every capitalised word after the first.
    """
    words = _words(tokens(text))
    keeps_names = _in_sentence_case(words)
    pieces: list[str] = []
    starts_sentence = True
    for word in words:
        latex = "".join(token.latex for token in word)
        if word[0].kind != "space":
            starts_sentence, name_here = latex.endswith((":", ".", "?", "!")), keeps_names and not starts_sentence
            if _needs_protection(word, capitalised_is_name=name_here):
                end = len(latex) - len(_closing(word))
                # {\x...} is a special character to BibTeX, whose letters it does lower: one brace more.
                inside = f"{{{latex[:end]}}}" if latex.startswith("\\") else latex[:end]
                latex = f"{{{inside}}}{latex[end:]}"
        pieces.append(latex)
    return "".join(pieces)


def tokens(text: str) -> list[Token]:
    """The text as tokens whose joined `latex` has balanced braces."""
    printable = text if text.isprintable() else "".join(c if _is_printable(c) else " " for c in text)
    clean = " ".join(printable.split())
    found = [_token(match, clean) for match in _TOKEN.finditer(clean)]
    depth_stack: list[int] = []
    for position, token in enumerate(found):
        if token.kind == "open":
            depth_stack.append(position)
        elif token.kind == "close":
            if depth_stack:
                depth_stack.pop()
            else:
                found[position] = Token("text", _RIGHT, "}")
    for position in depth_stack:
        found[position] = Token("text", _LEFT, "{")
    return found


def _token(hit: re.Match[str], text: str) -> Token:
    piece = hit[0]
    match hit.lastgroup:
        case "maths" | "inline":
            token = _formula(piece, piece[2:-2] if piece.startswith("\\") else piece.strip("$"))
        case "word":
            known = piece[1:] in _COMMANDS
            token = Token("command", piece) if known else Token("text", r"\textbackslash{}" + piece[1:], piece)
        case "symbol":
            token = _symbol(piece)
        case "space":
            token = Token("space", " ", " ")
        case "plain":
            token = Token("text", piece, piece)
        case _ if piece in "{}":
            token = Token("open" if piece == "{" else "close", piece)
        case _ if piece == "~":
            # Between two words it ties them, as in LaTeX; elsewhere it is meant as it looks: ~10%.
            ties = bool(text[max(0, hit.start() - 1) : hit.start()].strip() and text[hit.end() : hit.end() + 1].strip())
            token = Token("text", "~" if ties else r"\textasciitilde{}", "~")
        case _:
            token = Token("text", _escape(piece), piece)
    return token


def _formula(piece: str, inside: str) -> Token:
    maths = _maths(inside)
    if maths is None:
        return Token("text", "".join(map(_escape, piece)), piece)
    # \( ... \) as dollars: within braces, BibTeX would take \( for the beginning of a special character.
    return Token("maths", f"${maths}$")


def _symbol(piece: str) -> Token:
    character = piece[1]
    if character in _ACCENTS or character in _SYMBOLS:
        return Token("command", piece)
    if character in "{}":
        return Token("text", _LEFT if character == "{" else _RIGHT, character)
    return Token("text", r"\textbackslash{}" + _escape(character), piece)


def _escape(character: str) -> str:
    if character in "{}":
        return _LEFT if character == "{" else _RIGHT
    return r"\textbackslash{}" if character == "\\" else _SPECIALS.get(character, character)


def _maths(inside: str) -> str | None:
    """The inside of a formula, fit for a bibliography; None where it can't be trusted to be one."""
    names = set(re.findall(r"\\([A-Za-z@]+)", inside))
    if "^^" in inside or names & _UNSAFE_IN_MATHS or inside.endswith("\\"):
        return None
    inside = re.sub(r"(?<!\\)([%#&])", r"\\\1", inside)
    if not _balanced(inside):
        # BibTeX counts escaped braces too.
        inside = re.sub(r"(?<!\\)\\([{}])", lambda brace: rf"\{'l' if brace[1] == '{' else 'r'}brace ", inside)
    return inside if _balanced(inside) else None


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def _words(found: list[Token]) -> list[list[Token]]:
    """Tokens in runs: a space outside braces is a run of its own, everything between two such spaces another."""
    words: list[list[Token]] = []
    depth = 0
    for token in found:
        depth += (token.kind == "open") - (token.kind == "close")
        if token.kind == "space" and depth == 0:
            words.append([token])
        elif words and words[-1][0].kind != "space":
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _letters(word: list[Token]) -> str:
    """Letters, digits and the dashes that join the parts of a word."""
    plain = "".join(token.plain for token in word if token.kind == "text")
    return "".join(c for c in plain if c.isalnum() or c in _DASHES).strip(_DASHES)


def _closing(word: list[Token]) -> str:
    """The punctuation in which a word ends, which needs no braces."""
    last = word[-1]
    return last.plain[len(last.plain.rstrip(".,:;?!")) :] if last.kind == "text" and last.latex == last.plain else ""


def _in_sentence_case(words: list[list[Token]]) -> bool:
    longer = [letters for word in words if len(letters := _letters(word)) >= 4][1:]
    return bool(longer) and sum(letters[0].islower() for letters in longer) * 2 > len(longer)


def _needs_protection(word: list[Token], *, capitalised_is_name: bool) -> bool:
    if any(token.kind in {"open", "close"} for token in word):
        return False  # the authors have set braces themselves
    if any(token.kind in {"maths", "command"} and _has_capital(token.latex) for token in word):
        return True
    letters = _letters(word)
    if not letters:
        return False
    if any(_has_capital(part[1:]) or (part.isupper() and part not in {"A", "I"}) for part in _PARTS.split(letters)):
        return True
    return capitalised_is_name and letters[0].isupper()


def _has_capital(text: str) -> bool:
    return any(character.isupper() for character in text)


def _is_printable(character: str) -> bool:
    """No control characters, no marks that turn the direction of writing, nothing that can't be encoded."""
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
