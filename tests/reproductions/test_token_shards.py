"""Text becomes the same tokens everywhere, shard by shard, and an encoding that broke off goes on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reproductions.data import python_text, token_shards
from reproductions.data.token_shards import read_tokens, write_tokens
from reproductions.data.token_windows import WindowStream, whole_row
from reproductions.registry import InvalidInput
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

TOKENIZER = ByteTokenizer()
PIECES = [piece for n in range(40) for piece in (f"document {n}\n" * (n % 5), END_OF_TEXT)]


def encoded():
    ids = []
    for piece in PIECES:
        ids += [TOKENIZER.end_of_text] if piece == END_OF_TEXT else list(piece.encode())
    return ids


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def row(tmp_path):
    write_tokens(iter(PIECES), TOKENIZER, tmp_path / "tokens", shard_tokens=100)
    return read_tokens(tmp_path / "tokens", TOKENIZER)


def test_the_row_is_the_whole_text_and_knows_its_bytes(row):
    assert len(row.shards) > 3
    assert row.window(0, len(row)).tolist() == encoded()
    assert row.text_bytes == sum(len(piece) for piece in PIECES if piece != END_OF_TEXT)


@given(start=st.integers(0, 1200), length=st.integers(0, 400))
def test_a_window_crosses_shards_without_a_seam(tmp_path_factory, start, length):
    folder = tmp_path_factory.getbasetemp() / "windows"
    write_tokens(iter(PIECES), TOKENIZER, folder, shard_tokens=100)
    assert read_tokens(folder, TOKENIZER).window(start, length).tolist() == encoded()[start : start + length]


def test_an_encoding_that_broke_off_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(token_shards, "_PIECES_AT_ONCE", 8)

    def breaking():
        yield from PIECES[:50]
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        write_tokens(breaking(), TOKENIZER, tmp_path / "broken", shard_tokens=5)
    write_tokens(iter(PIECES), TOKENIZER, tmp_path / "whole", shard_tokens=5)

    assert len(content(tmp_path / "broken")) > 3
    encoded_again = []

    class Watching(ByteTokenizer):
        def encode(self, texts, *, special=False):
            encoded_again.extend(texts)
            return super().encode(texts, special=special)

    write_tokens(iter(PIECES), Watching(), tmp_path / "broken", shard_tokens=5)
    assert content(tmp_path / "broken") == content(tmp_path / "whole")
    assert len(encoded_again) < len(PIECES) - 30


def test_what_was_encoded_is_not_encoded_again(tmp_path):
    write_tokens(iter(PIECES), TOKENIZER, tmp_path, shard_tokens=100)

    def nothing():
        raise AssertionError("the text is read again")
        yield ""

    assert write_tokens(nothing(), TOKENIZER, tmp_path)["complete"]


def test_the_end_of_a_document_is_a_token_only_by_itself(tmp_path):
    write_tokens(iter([f"a {END_OF_TEXT} b", END_OF_TEXT]), TOKENIZER, tmp_path)
    ids = read_tokens(tmp_path, TOKENIZER).window(0, 100).tolist()
    assert ids.count(TOKENIZER.end_of_text) == 1
    assert TOKENIZER.decode(ids) == f"a {END_OF_TEXT} b{END_OF_TEXT}"


def test_no_text_is_refused(tmp_path):
    write_tokens(iter([]), TOKENIZER, tmp_path)
    with pytest.raises(InvalidInput, match="no token"):
        read_tokens(tmp_path, TOKENIZER)


def test_a_stream_goes_on_where_it_stood(row):
    options = {"context": 16, "batch_size": 3, "seed": 5}
    stream = WindowStream(row, **options)
    batches = [next(stream) for _ in range(5)]
    resumed = WindowStream(row, position={"next": 3}, **options)
    again = next(resumed)
    assert np.array_equal(again.tokens, batches[3].tokens)
    assert resumed.position() == {"next": 4}
    assert not np.array_equal(batches[0].tokens, batches[1].tokens)


def test_a_target_is_the_token_after(row):
    batch = next(WindowStream(row, context=16, batch_size=3, seed=0))
    assert batch.tokens.shape == (3, 16)
    assert np.array_equal(batch.tokens[:, 1:], batch.targets.view(3, 16)[:, :-1])


@pytest.mark.parametrize("context", [1, 7, 100, 5000])
def test_validation_asks_for_every_token_but_the_first_once(row, context):
    targets = np.concatenate([windows.targets.numpy() for windows in whole_row(row, context, 4)])
    assert targets.tolist() == encoded()[1:]


def test_a_text_shorter_than_a_window_is_refused(row):
    with pytest.raises(InvalidInput, match="a window 5,001"):
        WindowStream(row, context=5000, batch_size=1, seed=0)


@pytest.mark.parametrize("name", [python_text.STANDARD_LIBRARY, python_text.PYDOC_TOPICS])
def test_what_python_brings_along_is_held_out_by_name(name):
    train, valid = (set(python_text.documents(name, split)) for split in ("train", "val"))
    assert len(train) > 5 * len(valid) > 0
    assert not train & valid
    assert list(python_text.documents(name, "train")) == list(python_text.documents(name, "train"))
