"""The public metadata dump as arXiv's data set on Kaggle writes it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from paperlab.entities import Paper


def as_record(paper: Paper) -> dict[str, Any]:
    """A paper as one object of the dump: hard-wrapped abstract, authors as text and in parts, every version."""
    last = paper.version - 1
    moments = [paper.submitted_at + (paper.updated_at - paper.submitted_at) * n / max(last, 1) for n in range(last)]
    versions = [
        {"version": f"v{number}", "created": format_datetime(moment.replace(microsecond=0), usegmt=True)}
        for number, moment in enumerate([*moments, paper.updated_at], start=1)
    ]
    return {
        "id": paper.arxiv_id,
        "submitter": paper.authors[0] if paper.authors else None,
        "authors": ", ".join(paper.authors),
        "title": "\n  ".join(wrap(paper.title, 70)),
        "comments": paper.comment,
        "journal-ref": paper.journal_ref,
        "doi": paper.doi,
        "report-no": None,
        "categories": " ".join(paper.categories),
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "abstract": "  " + "\n".join(wrap(paper.abstract, 79)) + "\n",
        "versions": versions,
        "update_date": (paper.updated_at + timedelta(days=1)).date().isoformat(),
        "authors_parsed": [[*reversed(name.rpartition(" ")[::2]), ""] for name in paper.authors],
    }


def write(path: Path, papers: Iterable[Paper | bytes]) -> Path:
    """A dump of these papers at `path`, packed if it ends in .gz; bytes stand for a line of any kind."""
    lines = [each if isinstance(each, bytes) else json.dumps(as_record(each)).encode() for each in papers]
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content, compresslevel=1) if path.suffix == ".gz" else content)
    return path
