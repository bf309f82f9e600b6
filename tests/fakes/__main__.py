"""`python -m tests.fakes`: the server in a process of its own."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from tests.fakes import FakeArxiv, load_papers, make_papers


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes",
        description="A local server that behaves like arXiv.",
        epilog="A night passes with: curl -X POST 'http://127.0.0.1:PORT/night?new=100&replaced=100'",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--papers", type=Path, help="JSON lines with real papers, or a folder of them")
    source.add_argument("--generate", type=int, metavar="N", help="make up N papers")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--old-format", action="store_true", help="answer as before November 2025")
    arguments = parser.parse_args()
    papers = make_papers(arguments.generate) if arguments.generate else list(load_papers(arguments.papers))
    with FakeArxiv(papers, port=arguments.port, old_format=arguments.old_format) as arxiv:
        sys.stdout.write(f"{len(papers)} papers; export PAPERLAB_ARXIV_API_URL={arxiv.url}\n")
        sys.stdout.write(f"export PAPERLAB_ARXIV_RSS_URL={arxiv.rss_url}\n")
        sys.stdout.write(f"export PAPERLAB_ARXIV_OAI_URL={arxiv.oai_url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
