"""Masked tokens and pairs of spans: the paper's shares, no leaks, and a stream goes on where it stopped."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch

from reproductions.data.masking import Masking, Vocabulary, mask_tokens
from reproductions.data.sentence_pairs import PairMaker, PairStream, whole_row
from reproductions.data.token_shards import TokenRow
from reproductions.registry import InvalidInput
from reproductions.tokenizers import wordpiece

SIZE = 1000
MASK = 4
PAPERS = Masking()
VOCABULARY = Vocabulary.without(frozenset(range(5)), size=SIZE, mask=MASK)


def masked(tokens, seed=0, masking=PAPERS):
    return mask_tokens(tokens, masking, VOCABULARY, np.random.default_rng(seed))


def test_of_15_percent_80_are_masked_10_random_and_10_as_they_were():
    tokens = np.random.default_rng(1).integers(5, SIZE, 200_000)
    found = masked(tokens)
    seen = found.tokens[found.places]
    assert len(found.places) == 30_000
    assert np.mean(seen == MASK) == pytest.approx(0.8, abs=0.01)
    assert np.mean(seen == found.targets) == pytest.approx(0.1, abs=0.01)
    replaced = seen[(seen != MASK) & (seen != found.targets)]
    assert len(replaced) / 30_000 == pytest.approx(0.1, abs=0.01)
    assert replaced.min() >= 5
    assert len(np.unique(replaced)) > 0.9 * (SIZE - 5)


def test_targets_are_what_stood_there_and_nothing_else_changes():
    tokens = np.random.default_rng(1).integers(5, SIZE, 100)
    found = masked(tokens)
    assert (found.targets == tokens[found.places]).all()
    elsewhere = np.setdiff1d(np.arange(100), found.places)
    assert (found.tokens[elsewhere] == tokens[elsewhere]).all()
    assert (np.diff(found.places) > 0).all()


@pytest.mark.parametrize(("length", "count"), [(5, 1), (10, 2), (100, 15), (128, 19), (512, 77)])
def test_the_number_chosen_is_the_nearest_to_15_percent_and_at_least_1(length, count):
    assert len(masked(np.full(length, 9)).places) == count


def test_special_tokens_are_never_chosen_and_a_sequence_of_nothing_else_is_refused():
    tokens = np.array([2, 9, 3, 1, 3])
    for seed in range(30):
        assert masked(tokens, seed, Masking(rate=1.0)).places.tolist() == [1]
    with pytest.raises(InvalidInput, match="no token that could be masked"):
        masked(np.array([2, 3, 3]))


@pytest.mark.parametrize("shares", [{"rate": 0.0}, {"rate": 1.5}, {"masked": 0.9, "replaced": 0.2}, {"replaced": -0.1}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(InvalidInput):
        Masking(**shares)


# Pairs


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join([*wordpiece.SPECIAL, *(f"word{number}" for number in range(95))]))
    return wordpiece.load(path)


def row_of(documents, separator, shard=11):
    """Documents of consecutive numbers, in several shards."""
    tokens = np.concatenate([np.append(document, separator) for document in documents]).astype(np.uint16)
    shards = tuple(tokens[start : start + shard] for start in range(0, len(tokens), shard))
    return TokenRow(shards, np.cumsum([0, *map(len, shards)]), 0, "")


@pytest.fixture(scope="module")
def maker(tokenizer):
    """Document d holds d * 10 + 10 .. d * 10 + 19, one after the other; one is empty and one has a single token."""
    documents = [np.arange(10 + 10 * d, 20 + 10 * d) for d in range(8)]
    row = row_of([*documents[:3], [], [99], *documents[3:]], tokenizer.separator)
    return PairMaker(row, tokenizer, Masking(rate=0.15))


def originals(pairs):
    """The rows as they were before masking, without their padding."""
    tokens = pairs.tokens.flatten().clone()
    tokens[pairs.places] = pairs.targets
    rows = tokens.view(pairs.tokens.shape)
    return [row[real].tolist() for row, real in zip(rows, pairs.real, strict=True)]


def spans(row, tokenizer):
    first = row.index(tokenizer.separator)
    assert row[0] == tokenizer.classify
    assert row[-1] == tokenizer.separator
    return row[1:first], row[first + 1 : -1]


def test_the_second_span_follows_the_first_or_is_of_another_document(maker, tokenizer):
    pairs = next(PairStream(maker, context=11, batch_size=2000, seed=0))
    for row, is_random in zip(originals(pairs), pairs.is_random.tolist(), strict=True):
        a, b = spans(row, tokenizer)
        assert len(a) + len(b) == 8 or is_random
        assert a == list(range(a[0], a[0] + len(a)))
        assert b == list(range(b[0], b[0] + len(b)))
        if is_random:
            assert a[0] // 10 != b[0] // 10
        else:
            assert b[0] == a[-1] + 1
            assert a[0] // 10 == b[-1] // 10
    assert float(pairs.is_random.float().mean()) == pytest.approx(0.5, abs=0.04)
    assert {row[1] // 10 for row in originals(pairs)} == set(range(1, 9))


def test_segments_padding_and_masks_lie_where_they_should(maker, tokenizer):
    pairs = next(PairStream(maker, context=11, batch_size=300, seed=0, short_share=0.5))
    lengths = pairs.real.sum(dim=1)
    assert lengths.min() < 9
    for row, segments, real in zip(pairs.tokens, pairs.segments, pairs.real, strict=True):
        length = int(real.sum())
        first = row.tolist().index(tokenizer.separator)
        assert real[:length].all()
        assert (row[length:] == tokenizer.pad).all()
        assert segments.tolist() == [0] * (first + 1) + [1] * (length - first - 1) + [0] * (len(row) - length)
    assert pairs.real.flatten()[pairs.places].all()
    assert not set(pairs.targets.tolist()) & tokenizer.special


def test_a_batch_depends_on_the_seed_and_its_number_alone(maker):
    def stream(seed, position=None):
        return PairStream(maker, context=11, batch_size=4, seed=seed, short_share=0.3, position=position)

    whole, stopped = stream(1), stream(1)
    batches = [next(whole) for _ in range(5)]
    for _ in range(3):
        next(stopped)
    resumed = stream(1, stopped.position())
    for expected in batches[3:]:
        found = next(resumed)
        assert all(torch.equal(a, b) for a, b in zip(vars(found).values(), vars(expected).values(), strict=True))
    assert not torch.equal(next(stream(2)).tokens, batches[0].tokens)


def test_short_contexts_come_first(maker):
    stream = PairStream(maker, context=11, first_context=7, first_batches=2, batch_size=50, seed=0)
    assert [next(stream).tokens.shape[1] for _ in range(4)] == [7, 7, 11, 11]


def test_the_whole_row_has_every_token_once_where_spans_follow_and_is_the_same_each_time(maker, tokenizer):
    first, second = (list(whole_row(maker, 7, 5)) for _ in range(2))
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first, second, strict=True))
    rows = [row for pairs in first for row in originals(pairs)]
    is_random = [value for pairs in first for value in pairs.is_random.tolist()]
    assert len(rows) == 8 * 3
    begins = [spans(row, tokenizer)[0][0] for row in rows]
    assert begins == [10 * d + 10 + at for d in range(8) for at in (0, 4, 8)]
    follow = [[*chain(*spans(row, tokenizer))] for row, other in zip(rows, is_random, strict=True) if not other]
    assert all(text == list(range(text[0], text[0] + len(text))) for text in follow)
    assert 0 < sum(is_random) < len(rows)


def test_a_single_document_has_no_other_one_to_draw_from(tokenizer):
    with pytest.raises(InvalidInput, match="has 1 documents"):
        PairMaker(row_of([np.arange(10, 20)], tokenizer.separator), tokenizer, Masking())
