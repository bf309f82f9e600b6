"""Query: what does the database say to this question in SQL?"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pandas as pd
import streamlit as st

from paperlab.dashboard import address, data, notices
from paperlab.dashboard.text import count, escape
from paperlab.errors import InvalidInput
from paperlab.store import queries
from paperlab.store.queries import Answer

TITLE = "Query"

_EXAMPLES = {
    "Papers a month": (
        "SELECT substr(submitted_at, 1, 7) AS month, count(*) AS papers\nFROM papers GROUP BY month ORDER BY month DESC"
    ),
    "What was measured": (
        "SELECT runs.recipe, runs.tier, runs.seed, measurements.metric, measurements.dataset, measurements.value\n"
        "FROM measurements JOIN runs ON runs.id = measurements.run_id ORDER BY runs.created_at DESC"
    ),
    "Links to code": (
        "SELECT papers.title, code_links.url FROM code_links JOIN papers USING (arxiv_id)\n"
        "WHERE code_links.role = 'own' ORDER BY papers.submitted_at DESC"
    ),
    "Verdicts as they came": "SELECT judged_at, claim_id, kind, reason FROM verdicts ORDER BY id DESC",
}
_CELL_SHOWN = 2000


def render() -> None:
    st.title("Query")
    engine, _ = data.open_database()
    st.caption(
        f"SQL that only reads; at most {queries.MOST_ROWS:,} rows and {queries.SECONDS:g} s. "
        "The address keeps the question: a pasted one asks it again."
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("examples", width="content")
        for name, example in _EXAMPLES.items():
            st.button(name, key=f"example-{name}", type="tertiary", on_click=address.write, args=({"sql": example},))
    statement = st.text_area("SQL", height=140, placeholder=_EXAMPLES["Papers a month"], **address.text("sql"))
    if statement and statement.strip():
        try:
            answer = data.ask(statement)
        except InvalidInput as error:
            notices.problem(error)
        else:
            _show(answer)
    with st.expander("Tables and their columns", expanded=not statement):
        known = queries.tables(engine)
        st.table(
            {"Table": [escape(name) for name in known], "Columns": [escape(", ".join(c)) for c in known.values()]},
            hide_index=True,
            border="horizontal",
        )


def _show(answer: Answer) -> None:
    more = f"; there are more, the first {len(answer.rows):,} are shown" if answer.is_cut else ""
    st.caption(f"{count(len(answer.rows), 'row')} in {answer.seconds:.2f} s{more}")
    frame = pd.DataFrame([[_cell(value) for value in row] for row in answer.rows], columns=_distinct(answer.columns))
    st.dataframe(frame, hide_index=True)
    with st.container(horizontal=True):
        st.download_button("Download CSV", _csv(answer), "answer.csv", "text/csv", on_click="ignore")
        st.download_button("Download JSON lines", _jsonl(answer), "answer.jsonl", "text/plain", on_click="ignore")


def _cell(value: Any) -> Any:
    """A number as it is, all else as text; a column of both is text to the browser anyway."""
    if value is None or isinstance(value, bool | int | float):
        return None if value is None else value if isinstance(value, float) or abs(value) < 2**53 else str(value)
    text = f"{len(value):,} bytes" if isinstance(value, bytes | memoryview) else str(value)
    return text[:_CELL_SHOWN]


def _distinct(columns: tuple[str, ...]) -> list[str]:
    """Names that two columns share are numbered."""
    seen: dict[str, int] = {}
    found = []
    for name in columns:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _csv(answer: Answer) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(answer.columns)
    writer.writerows([_formula_free(value) for value in row] for row in answer.rows)
    return written.getvalue()


def _formula_free(value: Any) -> Any:
    """What a spreadsheet would take for a formula gets a quote before it: titles are other people's text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _jsonl(answer: Answer) -> str:
    names = _distinct(answer.columns)
    lines = [json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False) for row in answer.rows]
    return "".join(f"{line}\n" for line in lines)
