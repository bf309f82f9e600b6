"""Running text out of a Wikipedia dump: passages stay, mark-up and what is no running text goes."""

from __future__ import annotations

import bz2
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest

from reproductions.data import wikipedia
from reproductions.data.corpus import Corpus
from reproductions.data.manifest import File, load
from reproductions.gpt.recipes import Data
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

ARTICLE = """{{Infobox fox|name={{nowrap|Red fox}}
|range = Europe}}
[[File:Fox.jpg|thumb|A [[fox]] in snow]]
The '''red fox''' (''Vulpes vulpes''; {{lang|la|vulpes}}) is the largest of the [[true fox|true foxes]].<ref name="a">A
book</ref> It lives in [[Europe]]<ref name="b"/> &amp; Asia, on 70&nbsp;million&nbsp;km<sup>2</sup>.<!-- check
this -->

== Diet ==
* mice
# rabbits
{| class="wikitable"
! Prey !! Share
|-
| Voles || 50 %
|}
Foxes eat what [https://example.org/voles voles] they find; <math>x^2</math> of them.

[[Category:Foxes]]
"""
TEXT = (
    "The red fox (Vulpes vulpes; ) is the largest of the true foxes. It lives in Europe & Asia, on 70 million km2.\n"
    "Foxes eat what voles they find; of them."
)


def page(title, text, space=0, extra=""):
    return (
        f"<page><title>{title}</title><ns>{space}</ns><id>1</id>{extra}"
        f'<revision><id>2</id><text xml:space="preserve">{escape(text)}</text></revision></page>'
    )


@pytest.fixture
def dump(tmp_path):
    pages = [
        page("Fox", ARTICLE * 2),
        page("Foxes", "#REDIRECT [[Fox]]" + ARTICLE, extra='<redirect title="Fox" />'),
        page("Talk:Fox", ARTICLE, space=1),
        page("Stub", "Too short."),
        page("Dog", "The '''dog''' barks at the [[moon]] in the night. " * 9),
    ]
    path = tmp_path / "dump.xml.bz2"
    xml = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo/>' + "".join(pages) + "</mediawiki>"
    path.write_bytes(bz2.compress(xml.encode()))
    return path


def test_passages_stay_and_lists_tables_headers_and_mark_up_go():
    assert wikipedia.running_text(ARTICLE) == TEXT


def test_only_articles_are_read_redirects_talk_and_stubs_are_not(dump):
    first, second = wikipedia.read_articles(dump)
    assert first == f"{TEXT}\n{TEXT}"
    assert second.startswith("The dog barks at the moon")


def test_the_corpus_holds_out_one_article_in_so_many(dump, tmp_path, monkeypatch):
    held = load()["wikipedia-en"]
    path = held.files["all"].path
    unknown = replace(held, files={"all": File(path, "http://127.0.0.1:9/")})
    monkeypatch.setattr("reproductions.data.manifest.load", lambda: {"wikipedia-en": unknown})
    monkeypatch.setattr("reproductions.data.corpus._ONE_IN", 2)
    (tmp_path / "mirror" / path).parent.mkdir(parents=True)
    (tmp_path / "mirror" / path).write_bytes(dump.read_bytes())
    corpus = Corpus(Data("wikipedia-en", 96, 24, tokenizer="bytes"), tmp_path / "data", str(tmp_path / "mirror"), print)
    (dog, end), (fox, _) = list(corpus.pieces("train")), list(corpus.pieces("val"))
    assert (dog[:7], fox[:7], end) == ("The dog", "The red", END_OF_TEXT)
