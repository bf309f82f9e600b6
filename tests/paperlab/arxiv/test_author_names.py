"""One line of authors becomes the names that the query API shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv import author_names


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("A. Author, B. Author and C. Author", ("A. Author", "B. Author", "C. Author")),
        ("A. Author, B. Author, and C. Author", ("A. Author", "B. Author", "C. Author")),
        ("A. Author and B. Author", ("A. Author", "B. Author")),
        ("A. Author", ("A. Author",)),
        ("Anderson Sandy, Alexandra Brand", ("Anderson Sandy", "Alexandra Brand")),
        ("A. One (MIT, Cambridge, USA), B. Two (1 and 2), C. Three (X (Y, Z))", ("A. One", "B. Two", "C. Three")),
        ("A. One (1), B. Two (2) ((1) Here, There, (2) Elsewhere and There)", ("A. One", "B. Two")),
        ("A. One (never closed, B. Two", ("A. One never closed", "B. Two")),
        ("J. Smith, Jr., H. Daume III and K. Lee, Sr", ("J. Smith Jr.", "H. Daume III", "K. Lee Sr")),
        ("The CMS Collaboration: A. One, B. Two", ("The CMS Collaboration", "A. One", "B. Two")),
        ("  A.\n  One,  B.~Two ", ("A. One", "B. Two")),
        ("", ()),
        (" , and ,", ()),
    ],
)
def test_names_are_told_apart(line, names):
    assert author_names.split(line) == names


@pytest.mark.parametrize(
    ("tex", "letters"),
    [
        (r"\'Edgar Rold\'an", "Édgar Roldán"),
        (r"Jos\'{e} G\"{o}del", "José Gödel"),
        (r"{\O}yvind {\AA}s \L{}ukasz", "Øyvind Ås Łukasz"),
        (r"Mar\'{\i}a Mar\'\i a", "María María"),
        (r"\c{C}elik Akta\c{s} Erd\H{o}s \v{S}koda \u{a} \k{a} \.{I}", "Çelik Aktaş Erdős Škoda ă ą İ"),
        (r"Th\d{i} \v Cerenkov \H os S\o ren Stra\ss er", "Thị Čerenkov ős Søren Straßer"),
        (r"Nguy\~\^en", "Nguyễn"),
        (r"\'{\AE}", "Ǽ"),
        ("José Gödel", "José Gödel"),
        (r"B\textquotesingle x", r"B\textquotesingle x"),
    ],
)
def test_accents_in_tex_become_letters(tex, letters):
    assert author_names.decoded(tex) == letters


def test_two_spellings_of_one_list_have_the_same_letters():
    told = author_names.split(r"Jos\'e~G\"odel, A.B. Cee (MIT) and The X Collaboration:, D. Jr.")
    assert author_names.letters(told) == author_names.letters(
        ("Jose Godel", "A. B. Cee", "The X Collaboration", ":", "D. Jr")
    )
    assert author_names.letters(("A. B.",)) != author_names.letters(("A. C.",))


@given(st.text(alphabet=r"Aé\'`\"^~={}(),: v.c", max_size=40))
def test_any_line_is_split_into_names_without_braces_or_parentheses(line):
    names = author_names.split(line)
    assert all(name == " ".join(name.split()) for name in names)
    assert not set("{}(),") & set("".join(names))


@given(st.lists(st.sampled_from(["A. One", "Bé Two", "Çelik", "D. Four III"]), min_size=1, max_size=6))
def test_names_that_are_joined_are_split_again(names):
    joined = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    assert author_names.split(joined) == tuple(names)
