"""WordPiece encodes exactly as transformers' BertTokenizer does, and the same text gives the same pieces everywhere."""

from __future__ import annotations

import lzma
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from reproductions.data import manifest
from reproductions.registry import InvalidInput
from reproductions.tokenizers import wordpiece
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

LINES = [
    "The unaffable café was unaffordable; nobody's naïve dog barked 1,234 times.",
    "Playing players played [MASK] plays, e.g. 'Hamlet' (1603) -- twice!",
    "東京 is Tokyo, and Ελλάδα is Greece\u200b\tтест\x00 \ufffd 🙂",
    "[CLS] first [SEP] second[SEP]\n\n[PAD]##ing #hash ##",
    "x" * 120,
    "   ",
    "",
]


@pytest.fixture(scope="module")
def learned():
    return wordpiece.train(lambda: LINES * 3, 200)


@pytest.fixture(scope="module")
def theirs(learned, tmp_path_factory):
    """transformers' tokenizer on the same vocab.txt, and its older one that is written in Python."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    learned.save(path)
    return BertTokenizer.from_pretrained(path.parent), BertTokenizerLegacy(str(path))


def without_ends(tokenizer, lines):
    return [tokenizer(line, add_special_tokens=False)["input_ids"] for line in lines]


def test_made_up_lines_are_encoded_as_transformers_does(learned, theirs):
    for other in theirs:
        assert learned.encode(LINES, special=True) == without_ends(other, LINES)


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*LINES, "a", " b", "\u0301"]), max_size=4).map("".join) | st.text(max_size=40))
def test_any_text_is_encoded_as_transformers_does(learned, theirs, text):
    assert learned.encode([text], special=True) == without_ends(theirs[0], [text])


def test_a_words_pieces_are_the_longest_from_its_left(tmp_path):
    pieces = [*wordpiece.SPECIAL, "un", "una", "##aff", "##ff", "##able", "##a", "##ble", "the"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    tokenizer = wordpiece.load(tmp_path / "vocab.txt")
    (ids,) = tokenizer.encode(["The UNAFFABLE thesaurus"])
    assert [pieces[number] for number in ids] == ["the", "una", "##ff", "##able", "[UNK]"]
    assert tokenizer.decode(ids[:4]) == "the unaffable"


def test_names_of_special_tokens_in_a_text_are_text_unless_asked_otherwise(learned):
    (as_text,), (as_tokens,) = learned.encode([LINES[3]]), learned.encode([LINES[3]], special=True)
    assert not {learned.classify, learned.separator, learned.mask} & set(as_text)
    assert as_tokens.count(learned.separator) == 2
    assert learned.decode([learned.separator]) == END_OF_TEXT
    assert learned.end_of_text == learned.separator


def test_every_process_learns_the_same_pieces_with_the_same_ids(learned):
    program = (
        f"from reproductions.tokenizers import wordpiece\nprint(wordpiece.train(lambda: {LINES * 3!r}, 200).sha256)"
    )
    root = Path(__file__).parents[2]
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == learned.sha256
    assert learned.size == 200


def test_what_is_saved_is_read_again(learned, tmp_path):
    learned.save(tmp_path / "vocab.txt")
    again = wordpiece.load(tmp_path / "vocab.txt")
    assert again.sha256 == learned.sha256
    assert again.encode(LINES) == learned.encode(LINES)


def test_vocabularies_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no room for its alphabet"):
        wordpiece.train(lambda: LINES, 50)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\nthe\n")
    with pytest.raises(InvalidInput, match=r"has no \[CLS\]"):
        wordpiece.load(tmp_path / "vocab.txt")


def test_berts_own_vocabulary_encodes_ten_thousand_lines_as_transformers_does(test_data, tmp_path):
    file = manifest.load()["bert-vocabulary"].files["vocabulary"]
    ours = wordpiece.load(manifest.fetch(file, tmp_path, mirror=str(test_data)).path)
    assert ours.size == 30_522
    theirs = BertTokenizer.from_pretrained(test_data / "tokenizers" / "bert-base-uncased")
    with lzma.open(test_data / "text" / "english-novels" / "train.txt.xz", "rt", encoding="utf-8") as file:
        lines = [line[:120] for line in islice(file, 10_000)]
    lines += LINES
    assert ours.encode(lines, special=True) == theirs(lines, add_special_tokens=False)["input_ids"]
