"""What a text gives as an address of code, and in which form it is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import CodeLink, LinkKind, LinkRole
from paperlab.library import arrivals, code_hosts, code_links
from paperlab.store import code_links as store
from paperlab.store import database
from tests.fakes import make_paper

NOW = datetime(2026, 11, 24, tzinfo=UTC)
REPOSITORY = "https://github.com/owner/repo"


def urls(text: str) -> list[str]:
    return [url for url, _, _ in code_links.extract(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Code: https://github.com/owner/repo.",
        "(code: https://github.com/owner/repo).",
        r"see \url{https://github.com/owner/repo}.",
        r"code is \href{https://github.com/owner/repo}{\textcolor{blue}{\texttt{here}}}.",
        r"code is \href{https://github.com/owner/repo.git}{github.com/somebody/else}.",
        "[code](https://github.com/owner/repo).",
        "'https://github.com/owner/repo'.",
        "“https://github.com/owner/repo”",
        "available at https://github.com/owner/repo ;.",
        "at HTTP://www.GitHub.com/owner/repo/",
        "at github.com/owner/repo, and more",
        "at https://github.com/owner/repo.git.",
        "at https://github.com/owner/repo/tree/main/src?tab=1#readme",
        "at https://github.com/owner/repo/blob/main/README.md.",
        "at https://github.com/owner/repo/wiki",
        "at https: //github.com/owner/repo",
        "at https:\n//github.com/owner/repo.",
        "at https://github.com/\n  owner/repo.",
        "at https://github.com/owner/\n  repo.",
        "at https://github.com/owner/repo.Our method is new",
        "at https://github.com/owner/repo and again https://github.com/owner/repo/issues",
        "at https://raw.githubusercontent.com/owner/repo/main/data.csv",
    ],
)
def test_a_repository_is_found_in_every_dress(text):
    assert urls(text) == [REPOSITORY]


@pytest.mark.parametrize(
    ("text", "url", "kind"),
    [
        ("https://github.com/owner.", "https://github.com/owner", LinkKind.OWNER),
        (r"https://github.com/o/a\_b", "https://github.com/o/a_b", LinkKind.REPOSITORY),
        ("https://github.com/o/long- name", "https://github.com/o/long-name", LinkKind.REPOSITORY),
        ("https://gitlab.com/g/sub/r/-/tree/main", "https://gitlab.com/g/sub/r", LinkKind.REPOSITORY),
        ("https://gitlab.kit.edu/g/r.git", "https://gitlab.kit.edu/g/r", LinkKind.REPOSITORY),
        ("https://bitbucket.org/o/r/src", "https://bitbucket.org/o/r", LinkKind.REPOSITORY),
        ("https://gitee.com/o/r", "https://gitee.com/o/r", LinkKind.REPOSITORY),
        ("https://sourceforge.net/projects/p/files", "https://sourceforge.net/projects/p", LinkKind.REPOSITORY),
        ("huggingface.co/o/model", "https://huggingface.co/o/model", LinkKind.REPOSITORY),
        ("https://huggingface.co/o", "https://huggingface.co/o", LinkKind.OWNER),
        ("https://hf.co/datasets/o/d/viewer", "https://hf.co/datasets/o/d", LinkKind.REPOSITORY),
        ("https://huggingface.co/spaces/o/s", "https://huggingface.co/spaces/o/s", LinkKind.REPOSITORY),
        ("https://huggingface.co/collections/o/c-1", "https://huggingface.co/collections/o/c-1", LinkKind.OWNER),
        ("https://modelscope.cn/models/o/m/summary", "https://modelscope.cn/models/o/m", LinkKind.REPOSITORY),
        (
            "https://anonymous.4open.science/r/X-1/README.md",
            "https://anonymous.4open.science/r/X-1",
            LinkKind.REPOSITORY,
        ),
        ("data: https://zenodo.org/record/12", "https://zenodo.org/records/12", LinkKind.ARCHIVE),
        ("data: https://doi.org/10.5281/zenodo.12.", "https://zenodo.org/records/12", LinkKind.ARCHIVE),
        ("data: DOI 10.5281/zenodo.12", "https://zenodo.org/records/12", LinkKind.ARCHIVE),
        ("data: https://osf.io/ab1cd/?view_only=9", "https://osf.io/ab1cd", LinkKind.ARCHIVE),
        (
            "https://figshare.com/articles/dataset/x/1",
            "https://figshare.com/articles/dataset/x/1",
            LinkKind.ARCHIVE,
        ),
        (
            "data: http://dx.doi.org/10.6084/m9.figshare.1",
            "https://dx.doi.org/10.6084/m9.figshare.1",
            LinkKind.ARCHIVE,
        ),
        ("https://Owner.github.io/Page/", "https://owner.github.io/Page", LinkKind.PAGE),
        ("owner.github.io/x", "https://owner.github.io/x", LinkKind.PAGE),
        ("Our demo runs at https://demo.example.org/try.", "https://demo.example.org/try", LinkKind.PAGE),
    ],
)
def test_every_host_has_its_form_and_kind(text, url, kind):
    found = code_links.extract(text)
    assert [(u, k) for u, k, _ in found] == [(url, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "The code will be released soon.",
        "Code will be on GitHub.com.",
        "Code will be available at https://github.com/.",
        "Code at https://github.com/XXX.",
        "see https://arxiv.org/abs/1706.03762",
        "video: https://www.youtube.com/watch?v=1",
        "published at https://doi.org/10.1145/1234.5678",
        "under https://creativecommons.org/licenses/by/4.0/",
        "the workshop, https://workshop.github.io/2020",
        "supplement: https://owner.github.io/supplement.pdf",
        "This paper is also available on Zenodo: https://doi.org/10.5281/zenodo.12",
        "mail me at someone@github.com",
        "",
    ],
)
def test_promises_papers_licences_and_videos_are_no_links(text):
    assert urls(text) == []


def test_two_repositories_stand_in_the_order_of_the_text():
    text = "Code: https://github.com/a/b; data: https://huggingface.co/datasets/c/d"
    assert urls(text) == ["https://github.com/a/b", "https://huggingface.co/datasets/c/d"]


def test_somebody_elses_code_is_told_from_our_own():
    found = code_links.extract("We use the implementation of X (https://github.com/a/b). Our code is at github.com/c/d")
    assert [(url, role) for url, _, role in found] == [
        ("https://github.com/a/b", LinkRole.OTHER),
        ("https://github.com/c/d", LinkRole.OWN),
    ]


def test_what_can_be_downloaded_is_our_own():
    [(_, _, role)] = code_links.extract("The tool can be downloaded from https://github.com/a/b")
    assert role is LinkRole.OWN


PIECES = st.sampled_from(
    [
        "https://",
        "github.com/",
        "a/b",
        " ",
        "\n",
        "(",
        ")",
        "{",
        "}",
        r"\href{",
        r"\_",
        "10.5281/zenodo.",
        "1",
        ".",
        "](",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=80))
def test_any_text_gives_links_that_are_their_own_canonical_form(text):
    for url, kind, _ in code_links.extract(text):
        assert code_hosts.canonical(url) == (url, kind)
        assert code_links.extract(url)[:1] in ([], [(url, kind, LinkRole.OWN)])


@pytest.mark.parametrize(
    "piece", ["(", "https://", r"\href{https://x}{", "github.com/a/ ", "a.", "https: //", r"\_", "a-"]
)
def test_a_hostile_megabyte_takes_time_in_proportion_to_its_length(piece):
    def seconds(size: int) -> float:
        text = "http " + piece * (size // len(piece))
        started = time.process_time()
        code_links.extract(text)
        return time.process_time() - started

    small = min(seconds(20_000) for _ in range(3))
    assert seconds(200_000) < 40 * small + 0.1


def paper_with(abstract: str, comment: str | None = None, **changes):
    return replace(make_paper(1, NOW), abstract=abstract, comment=comment, **changes)


@pytest.fixture
def session(settings_for, engine_for):
    engine = engine_for(settings_for())
    with database.session(engine) as opened:
        yield opened


def test_links_of_an_arriving_paper_are_held_by_field(session, settings_for):
    paper = paper_with("Code: https://github.com/a/b", "site: https://a.github.io")
    arrivals.take(session, settings_for(), [paper], NOW)
    assert {(link.url, link.source) for link in store.of_paper(session, paper.arxiv_id)} == {
        ("https://github.com/a/b", "abstract"),
        ("https://a.github.io", "comment"),
    }
    assert store.papers_of_url(session, "https://github.com/a/b") == [paper.arxiv_id]


def test_a_revision_takes_vanished_links_away_and_leaves_papers_with_code(session, settings_for):
    first = paper_with("Code: https://github.com/a/b and https://github.com/c/d")
    arrivals.take(session, settings_for(), [first], NOW)
    told = CodeLink(first.arxiv_id, "https://github.com/e/f", "papers-with-code", LinkKind.REPOSITORY, LinkRole.OTHER)
    store.add(session, [told], NOW)
    second = replace(first, version=2, abstract="Code: https://github.com/c/d")
    arrivals.take(session, settings_for(), [second], NOW)
    assert {link.url for link in store.of_paper(session, first.arxiv_id)} == {
        "https://github.com/c/d",
        "https://github.com/e/f",
    }


def test_recording_twice_changes_nothing(session):
    paper = paper_with("Code: https://github.com/a/b")
    for _ in range(2):
        code_links.record(session, [paper], NOW)
    assert len(store.of_paper(session, paper.arxiv_id)) == 1
    assert store.add(session, code_links.links_of(paper), NOW) == 0


def test_only_own_links_and_papers_with_code_count_as_code(session):
    own, other = (
        paper_with("Code: https://github.com/a/b"),
        paper_with("We use https://github.com/c/d", arxiv_id="2401.00009"),
    )
    code_links.record(session, [own, other], NOW)
    assert store.has_code(session, [own.arxiv_id, other.arxiv_id, "2401.00010"]) == {own.arxiv_id}
