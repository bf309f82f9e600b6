"""Byte-pair encoding loses nothing, repeats itself, and leaves room for its special tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reproductions.registry import InvalidInput
from reproductions.tokenizers import bpe

LINES = [
    "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
    "A man in an orange hat staring at something.",
    "Zwei junge Männer sind im Freien in der Nähe vieler Büsche.",
    "Two young men are outside near many bushes.",
] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.train(LINES, 320)


@given(st.text(max_size=80))
def test_text_comes_back_as_it_was(tokenizer, text):
    (ids,) = tokenizer.encode([text])
    assert tokenizer.decode(ids) == text.strip()


def test_real_lines_take_fewer_tokens_than_bytes(tokenizer):
    encoded = tokenizer.encode(LINES)
    assert [tokenizer.decode(ids) for ids in encoded] == LINES
    assert sum(map(len, encoded)) < 0.6 * sum(len(line.encode()) for line in LINES)


def test_text_never_becomes_a_special_token(tokenizer):
    (ids,) = tokenizer.encode(["<pad> <s> </s>"])
    assert min(ids) > max(tokenizer.pad, tokenizer.bos, tokenizer.eos)
    assert tokenizer.decode([tokenizer.bos, *ids, tokenizer.eos, tokenizer.pad]) == "<pad> <s> </s>"


def test_the_same_lines_give_the_same_vocabulary(tokenizer, tmp_path):
    again = bpe.train(LINES, 320)
    assert again.sha256 == tokenizer.sha256
    tokenizer.save(tmp_path / "bpe.json")
    loaded = bpe.load(tmp_path / "bpe.json")
    assert (loaded.sha256, loaded.size) == (tokenizer.sha256, 320)
    assert loaded.encode(LINES) == tokenizer.encode(LINES)


def test_a_closed_alphabet_makes_a_small_vocabulary():
    tokenizer = bpe.train(["eins zwei drei"], 20, all_bytes=False)
    assert tokenizer.size == 20
    assert tokenizer.decode(tokenizer.encode(["drei zwei"])[0]) == "drei zwei"


def test_a_vocabulary_without_room_for_the_alphabet_is_refused():
    with pytest.raises(InvalidInput, match="no room") as caught:
        bpe.train(LINES, 200)
    assert "259" in caught.value.hint
