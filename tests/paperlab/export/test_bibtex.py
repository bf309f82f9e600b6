"""The bibliography is read back by a strict parser: what goes in comes out, and braces always balance."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab.entities import Paper
from paperlab.export import bibtex, latex
from tests.fakes import load_papers


def paper(**changes) -> Paper:
    values = {
        "arxiv_id": "1706.03762",
        "version": 7,
        "title": "Attention Is All You Need",
        "abstract": "We propose the Transformer.",
        "authors": ("Ashish Vaswani", "Noam Shazeer"),
        "categories": ("cs.CL", "cs.LG"),
        "primary_category": "cs.CL",
        "submitted_at": datetime(2017, 6, 12, tzinfo=UTC),
        "updated_at": datetime(2023, 8, 2, tzinfo=UTC),
        "comment": "15 pages, 5 figures",
        "doi": None,
    }
    return Paper(**(values | changes))


def parse(text: str) -> list[tuple[str, dict[str, str]]]:
    """Entries of @misc with braced values or bare words, and nothing else: raises where BibTeX would stumble."""
    entries = []
    position = 0
    while position < len(text):
        head = re.compile(r"@misc\{([a-z0-9]+),\n").match(text, position)
        assert head, text[position : position + 80]
        position = head.end()
        fields: dict[str, str] = {}
        while not text.startswith("}\n\n", position):
            name = re.compile(r"  (\w+) *= ").match(text, position)
            assert name, text[position : position + 80]
            position = name.end()
            if text[position] == "{":
                start, depth = position + 1, 0
                while True:
                    depth += (text[position] == "{") - (text[position] == "}")
                    position += 1
                    if depth == 0:
                        break
                value = text[start : position - 1]
            else:
                bare = re.compile(r"[a-z]+").match(text, position)
                assert bare
                value, position = bare[0], bare.end()
            assert name[1] not in fields
            assert text.startswith(",\n", position), text[position : position + 80]
            fields[name[1]] = value
            position += 2
        entries.append((head[1], fields))
        position += 3
    return entries


def test_an_entry_has_what_a_bibliography_needs():
    [(key, fields)] = parse("".join(bibtex.lines([paper()])))
    assert key == "vaswani2017attention"
    assert fields == {
        "title": "Attention Is All You Need",
        "author": "Ashish Vaswani and Noam Shazeer",
        "year": "2017",
        "month": "jun",
        "eprint": "1706.03762",
        "archivePrefix": "arXiv",
        "primaryClass": "cs.CL",
        "url": "https://arxiv.org/abs/1706.03762",
        "comment": "15 pages, 5 figures",
    }


def test_where_it_appeared_and_that_it_was_withdrawn_are_printed_notes():
    [(_, fields)] = parse(
        "".join(bibtex.lines([paper(journal_ref="NIPS 2017, 50% off", doi="10.1/a_{b} 10.2/c", withdrawn=True)]))
    )
    assert fields["note"] == r"NIPS 2017, 50\% off. Withdrawn"
    assert fields["doi"] == "10.1/a_%7Bb%7D"


def test_keys_are_unique_over_an_export_and_do_not_depend_on_later_papers():
    papers = [paper(arxiv_id=f"1706.{number:05d}") for number in range(29)]
    keys = [key for key, _ in parse("".join(bibtex.lines(papers)))]
    assert keys[:3] == ["vaswani2017attention", "vaswani2017attentiona", "vaswani2017attentionb"]
    assert keys[26:] == ["vaswani2017attentionz", "vaswani2017attentionaa", "vaswani2017attentionab"]
    assert [key for key, _ in parse("".join(bibtex.lines(papers[:5])))] == keys[:5]
    other = paper(title="Attentiona and more")
    assert len({key for key, _ in parse("".join(bibtex.lines([*papers, other, other])))}) == 31


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"authors": ("Łukasz Müller-Groß",)}, "mullergross2017attention"),
        ({"authors": ("Sammy Davis Jr.",)}, "davis2017attention"),
        ({"authors": ("The ATLAS Collaboration",)}, "atlas2017attention"),
        ({"authors": ("DeepSeek-AI", ":", "Aixin Liu")}, "deepseekai2017attention"),
        ({"authors": ("李明",)}, "anonymous2017attention"),
        ({"authors": ()}, "anonymous2017attention"),
        ({"title": "On the $O(n)$ \\emph{Way} of things"}, "vaswani2017way"),
        ({"title": "大模型"}, "vaswani2017170603762"),
        ({"title": "1 2 3"}, "vaswani2017170603762"),
    ],
)
def test_a_key_is_plain_ascii_whatever_the_names(changes, key):
    assert bibtex.key(paper(**changes)) == key


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Laurens van der Maaten", "Laurens van der Maaten"),
        ("Sammy Davis Jr.", "Davis, Jr., Sammy"),
        ("Martin van der Berg III", "van der Berg, III, Martin"),
        ("Gemini Team", "{Gemini Team}"),
        ("OpenAI", "{OpenAI}"),
        ("Meta AI", "{Meta AI}"),
        ("Wei Ai", "Wei Ai"),
        ("Salt and Pepper", "{Salt and Pepper}"),
        ("and Jane Doe", "Jane Doe"),
        ("others", "{others}"),
        ("Jane Doe, University of Somewhere", "{Jane Doe, University of Somewhere}"),
        (r"Andr\'e Müller", r"Andr\'e Müller"),
        ("A & B Smith", r"A \& B Smith"),
    ],
)
def test_a_name_is_split_by_bibtex_where_people_would(name, expected):
    assert bibtex.author(name) == expected


def test_the_colon_between_a_group_and_its_members_is_no_author():
    [(_, fields)] = parse("".join(bibtex.lines([paper(authors=("DeepSeek-AI", ":", "Aixin Liu"))])))
    assert fields["author"] == "{DeepSeek-AI} and Aixin Liu"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Attention Is All You Need", "Attention Is All You Need"),
        ("BERT: Pre-training of LaMDA in Vitamin C", "{BERT}: Pre-training of {LaMDA} in Vitamin {C}"),
        (
            "Learning bounds for the estimates of Bayesian models",
            "Learning bounds for the estimates of {Bayesian} models",
        ),
        ("An $O(N)$ Bound at 50% & More_of #1", r"An {$O(N)$} Bound at 50\% \& More\_of \#1"),
        (r"\'Etude of M\"obius", r"\'Etude of M\"obius"),
        (r"The \'EtatNet for \LaTeX users", r"The {{\'EtatNet}} for {{\LaTeX}} users"),
        ("Costs $5 and $10", r"Costs \$5 and \$10"),
        ("About ~10% of Section~2", r"About \textasciitilde{}10\% of Section~2"),
        (r"Already \& escaped \% here", r"Already \& escaped \% here"),
        (r"A set $\{0,1\}$ and $\{$", r"A set $\{0,1\}$ and $\lbrace $"),
        ("x^2 <b> |c|", r"x\textasciicircum{}2 \textless{}b\textgreater{} \textbar{}c\textbar{}"),
        ("Multi-Agent GPT-J and T-SNE, I/O", "Multi-Agent {GPT-J} and {T-SNE}, {I/O}"),
        ("Kept {as It Is}", "Kept {as It Is}"),
        ("broken } and {", r"broken \textbraceright{} and \textbraceleft{}"),
    ],
)
def test_what_is_latex_stays_and_what_would_break_it_is_escaped(title, expected):
    assert latex.title(title) == expected


@pytest.mark.parametrize(
    "title",
    [
        r"\input{/etc/passwd}",
        r"$\input{/etc/passwd}$",
        r"$\csname input\endcsname{/etc/passwd}$",
        r"\write18{rm}",
        r"$^^5cinput{x}$",
        r"\(\directlua{os.exit()}\)",
    ],
)
def test_a_title_can_only_be_typeset(title):
    written = latex.title(title)
    commands = set(re.findall(r"\\([A-Za-z]+)", written))
    assert commands <= {"textbackslash", "textasciicircum", "textbraceleft", "textbraceright"}
    assert "^^" not in written


def test_marks_that_turn_the_direction_of_writing_do_not_reach_latex():
    assert latex.escaped("safe\u202etxt\u0000\x1b[31m") == "safe txt [31m"


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.text(alphabet=st.one_of(st.sampled_from(list("\\${}^_~%&#()'\"ab A1\n")), st.characters())), max_size=3)
)
def test_no_text_breaks_the_file(texts):
    texts = [*texts, "", "", ""]
    papers = [paper(title=texts[0], authors=(texts[1], "A B"), comment=texts[2], journal_ref=texts[0])] * 2
    entries = parse("".join(bibtex.lines(papers)))
    assert len(entries) == 2
    assert entries[0][1] == entries[1][1]


def test_real_papers_come_back_each_under_its_own_key(test_data):
    source = test_data / "arxiv" / "papers"
    file = next(iter(sorted(source.glob("*.jsonl*"))), None)
    assert file is not None, f"{source} has no papers"
    papers = list(islice(load_papers(file), 2000))
    entries = parse("".join(bibtex.lines(papers)))
    assert [fields["eprint"] for _, fields in entries] == [each.arxiv_id for each in papers]
    assert len({key for key, _ in entries}) == len(papers)
