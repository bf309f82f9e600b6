"""A report's page as one file of HTML: no script, no request, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from paperlab.export import plots
from paperlab.export.report import Block, Cell, Commands, Fold, Heading, Page, Plot, Table, Text, link
from paperlab.export.visible import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;"
    "color:var(--ink);background:var(--back)}"
    "h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .6rem;"
    "padding-top:.6rem;border-top:1px solid var(--line)}p{margin:.3rem 0;color:var(--muted);overflow-wrap:anywhere}"
    "a{color:var(--s0)}.wide{overflow-x:auto;margin:.8rem 0}"
    "table{border-collapse:collapse;font-size:.86rem;width:100%}"
    "th{text-align:left;font-weight:600;color:var(--muted);white-space:nowrap}"
    "th,td{padding:.4rem .7rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
    "td{min-width:5rem;overflow-wrap:anywhere}td:first-child{min-width:12rem}"
    "td .note{display:block;color:var(--muted);font-size:.92em}"
    ".v{font-weight:600;white-space:nowrap}.v.reproduced{color:var(--good)}.v.differs{color:var(--bad)}"
    ".v.inconclusive{color:var(--open)}.v.not-comparable{color:var(--other)}.v.not-attempted,.v.stale{color:var(--muted)}"
    "figure{margin:1.2rem 0;overflow-x:auto}"
    "svg{width:100%;min-width:34rem;max-width:56rem;height:auto;overflow:visible}"
    "details{margin:.8rem 0}summary{cursor:pointer;font-weight:600}"
    "pre{background:var(--band);padding:.8rem;border-radius:6px;overflow-x:auto;font-size:.86rem}"
)


def html(page: Page, *, home: str = "") -> str:
    """The page; `home` is the name of the page that leads to it."""
    title = _text(page.title)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{plots.STYLE}{_STYLE}</style>"
    )
    back = f'<p><a href="{_text(home)}.html">all papers</a></p>\n' if home else ""
    body = back + "\n".join(_rendered(page.blocks))
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _rendered(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Heading(level, text):
                yield f'<h{level} dir="auto">{_text(text)}</h{level}>'
            case Text(text, address):
                inside = _text(text)
                if link(address):
                    inside = f'<a href="{escape(link(address), quote=True)}" rel="noopener noreferrer">{inside}</a>'
                yield f'<p dir="auto">{inside}</p>'
            case Table(columns, rows):
                heads = "".join(f"<th>{_text(name)}</th>" for name in columns)
                lines = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
                yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table></div>'
            case Plot(_, _, svg):
                yield f"<figure>{svg}</figure>"
            case Commands(lines):
                yield "<pre>" + "\n".join(map(_text, lines)) + "</pre>"
            case Fold(title, inside):
                content = "\n".join(_rendered(inside))
                yield f"<details><summary>{_text(title)}</summary>\n{content}\n</details>"


def _cell(cell: Cell) -> str:
    inside = f"<bdi>{_text(cell.text)}</bdi>"
    if cell.address:
        inside = f'<a href="{_text(cell.address)}.html">{inside}</a>'
    if cell.verdict is not None:
        inside = f'<span class="v {cell.verdict.value}">{inside}</span>'
    note = f'<bdi class="note">{_text(cell.note)}</bdi>' if cell.note else ""
    return f"<td>{inside}{note}</td>"


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
