"""Tokenizers of running text lose nothing; GPT-2's is exactly the one that transformers has."""

from __future__ import annotations

import json
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Tokenizer

from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level, character
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

LINES = [
    "def tokens(text):\n    return text.split()\n",
    "It was a cold evening, and nobody's dog barked 1,234 times.  Not once!\n\n",
    "naïve café — 日本語 🙂\u200b\tтест",
    f"one{END_OF_TEXT}two {END_OF_TEXT}\n",
    "   ",
    "",
]


@pytest.fixture(scope="module")
def learned():
    return byte_level.train(LINES * 3, 300)


@pytest.fixture(scope="module")
def files(learned, tmp_path_factory):
    """The learned vocabulary in the two files of GPT-2's format."""
    folder = tmp_path_factory.mktemp("vocabulary")
    ids, merges = learned.vocabulary()
    (folder / "encoder.json").write_text(json.dumps(ids))
    (folder / "vocab.bpe").write_text("\n".join(["#version: 0.2", *map(" ".join, merges), ""]))
    return folder / "encoder.json", folder / "vocab.bpe"


@given(st.text(max_size=60))
def test_text_comes_back_as_it_was(learned, text):
    for tokenizer in (learned, ByteTokenizer()):
        (ids,) = tokenizer.encode([text])
        assert tokenizer.decode(ids) == text
        assert tokenizer.end_of_text not in ids
        assert all(0 <= token < tokenizer.size for token in ids)


@given(st.lists(st.sampled_from([*LINES, "a", " b"]), max_size=5).map("".join))
def test_a_vocabulary_in_gpt_2s_files_encodes_as_transformers_does(files, text):
    ours = byte_level.from_files(*files)
    theirs = GPT2Tokenizer(vocab=str(files[0]), merges=str(files[1]))
    assert ours.encode([text], special=True) == [theirs(text)["input_ids"]]


def test_the_end_of_a_document_is_special_only_where_asked_for(learned):
    for tokenizer in (learned, ByteTokenizer()):
        (as_text,), (as_token,) = tokenizer.encode([LINES[3]]), tokenizer.encode([LINES[3]], special=True)
        assert as_text.count(tokenizer.end_of_text) == 0
        assert as_token.count(tokenizer.end_of_text) == 2
        assert tokenizer.decode(as_text) == tokenizer.decode(as_token) == LINES[3]


def test_the_same_text_gives_the_same_vocabulary_and_it_can_be_kept(learned, tmp_path):
    again = byte_level.train(LINES * 3, 300)
    again.encode(LINES, special=True)  # how it was last used does not matter
    assert again.sha256 == learned.sha256
    again.save(tmp_path / "tokenizer.json")
    assert byte_level.load(tmp_path / "tokenizer.json").encode(LINES) == learned.encode(LINES)


def test_files_give_the_tokens_that_were_learned(learned, files):
    read = byte_level.from_files(*files)
    assert (read.size, read.end_of_text) == (learned.size, learned.end_of_text)
    assert read.encode(LINES) == learned.encode(LINES)


def test_a_vocabulary_without_room_for_all_bytes_is_refused():
    with pytest.raises(InvalidInput, match="no room"):
        byte_level.train(LINES, 200)


def test_characters_are_those_of_the_text_in_the_order_of_code_points(tmp_path):
    tokenizer = character.train(["hello\n", "world"])
    assert tokenizer.alphabet == "\ndehlorw"
    assert tokenizer.decode(tokenizer.encode(["hold\n"])[0]) == "hold\n"
    tokenizer.save(tmp_path / "tokenizer.json")
    assert character.load(tmp_path / "tokenizer.json").sha256 == tokenizer.sha256
    with pytest.raises(InvalidInput, match="has no 'x'"):
        tokenizer.encode(["x"])


def test_bytes_that_are_not_utf_8_are_shown_as_such():
    assert ByteTokenizer().decode([104, 195, 256, 105]) == f"h\ufffd{END_OF_TEXT}i"


def test_gpt_2s_own_vocabulary_encodes_ten_thousand_lines_as_transformers_does(test_data):
    paths = [test_data / "tokenizers" / "gpt2" / name for name in ("encoder.json", "vocab.bpe")]
    ours, theirs = byte_level.gpt2(*paths), GPT2Tokenizer(vocab=str(paths[0]), merges=str(paths[1]))
    with lzma.open(test_data / "text" / "english-novels" / "train.txt.xz", "rt", encoding="utf-8") as file:
        lines = [next(file)[:120] for _ in range(10_000)]
    lines += LINES
    assert (ours.size, ours.end_of_text) == (50_257, 50_256)
    assert ours.encode(lines, special=True) == theirs(lines)["input_ids"]
    assert [ours.decode(ids) for ids in ours.encode(lines[-500:])] == lines[-500:]
