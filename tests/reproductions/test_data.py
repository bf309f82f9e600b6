"""Data: number words, reading, encoding, and batches of like length."""

from __future__ import annotations

import gzip
import io
import itertools
import tarfile
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproductions.data import manifest, parallel, synthetic
from reproductions.data.parallel import BatchStream, Pairs, batch_of, cut_batches, in_order, read_pairs, write_pairs
from reproductions.data.text import read_lines
from reproductions.registry import InvalidInput, NotReady
from reproductions.tokenizers import bpe

PAD, BOS = 0, 1
MULTI30K_MEAN, WMT_MEAN = 15, 28  # tokens a sentence


def pairs_of(source_lengths, target_lengths):
    """Pairs in which every token is its pair's number plus 10, so that a batch shows which pairs it holds."""
    number = np.arange(len(source_lengths)) + 10
    starts = [np.concatenate([[0], np.cumsum(lengths)]) for lengths in (source_lengths, target_lengths)]
    return Pairs(np.repeat(number, source_lengths), starts[0], np.repeat(number, target_lengths), starts[1])


def sentences(count, mean, seed=0):
    """Pairs of lengths spread as captions and news are: the target follows the source, with noise."""
    random = np.random.default_rng(seed)
    source = np.maximum(1, random.gamma(6.0, mean / 6.0, count)).astype(int)
    target = np.maximum(1, source * random.normal(1.05, 0.2, count)).astype(int)
    return pairs_of(source, target)


def stream(pairs, position=None, seed=0, tokens=400):
    return BatchStream(pairs, tokens_per_batch=tokens, seed=seed, pad=PAD, bos=BOS, position=position)


def held(batch):
    return (batch.source[:, 0] - 10).tolist()


# Number words


def test_english_numbers_are_those_of_num2words():
    num2words = pytest.importorskip("num2words").num2words
    for number in (*range(1100), *range(1100, synthetic.LIMIT, 997)):
        assert synthetic.english(number) == num2words(number)


def test_german_numbers_are_those_of_num2words_but_for_one_thousand_and_one():
    """It writes "einhunderteinstausend"; what counts something is "ein"."""
    num2words = pytest.importorskip("num2words").num2words
    for number in (*range(1100), *range(1100, synthetic.LIMIT, 997)):
        theirs = num2words(number, lang="de").replace("einstausend", "eintausend")
        assert synthetic.german(number) == theirs


def test_numbers_are_written_differently_each():
    numbers = range(0, synthetic.LIMIT, 101)
    assert len({synthetic.german(number) for number in numbers}) == len(numbers)
    assert len({synthetic.english(number) for number in numbers}) == len(numbers)


def test_numbers_outside_the_range_are_refused():
    for number in (-1, synthetic.LIMIT):
        with pytest.raises(ValueError, match="between"):
            synthetic.german(number)


def test_no_number_of_the_test_split_is_trained_on():
    splits = synthetic.splits(seed=0, train=5000)
    assert [len(splits[name]) for name in ("test", "val", "train")] == [500, 500, 5000]
    assert len(set(np.concatenate(list(splits.values())).tolist())) == 6000
    assert (splits["test"] == synthetic.splits(seed=0, train=9000)["test"]).all()
    with pytest.raises(ValueError, match="there are"):
        synthetic.splits(seed=0, train=synthetic.LIMIT)


# Reading


def test_lines_are_read_from_gzip_tar_and_sgml(tmp_path):
    lines = ["eins\u2028zwei", "drei\x85vier", ""]
    sgml = '<refset>\n<doc>\n<p>\n<seg id="1"> A &amp; B </seg>\n</p>\n<seg id="2">C</seg>\n</doc>\n</refset>\n'
    plain = "".join(line + "\n" for line in lines)
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(plain.encode())
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as archive:
        for name, content in (("other", "x\n"), ("./dir/train.de", plain), ("dir/test.sgm", sgml)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    assert list(read_lines(tmp_path / "a.gz", "a.gz")) == lines  # only \n ends a line
    assert list(read_lines(tmp_path / "b.tgz", "b.tgz", "dir/train.de")) == lines
    assert list(read_lines(tmp_path / "b.tgz", "b.tgz", "dir/test.sgm")) == ["A & B", "C"]
    with pytest.raises(NotReady, match=r"b.tgz has no member dir/other"):
        list(read_lines(tmp_path / "b.tgz", "b.tgz", "dir/other"))


# Encoding


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.train(["ein Mann mit einem Hut", "a man in a hat", "zwei Hunde"], 280)


def test_pairs_come_back_from_the_disk_as_they_were_encoded(tmp_path, tokenizer):
    first = [("a man", "ein Mann"), ("", "leer"), ("a hat", "ein Hut"), ("a " * 50, "lang")]
    second = [("a man in a hat", "ein Mann mit einem Hut")]
    counts = write_pairs(first, tokenizer, tmp_path / "one", max_length=20)
    assert (counts["pairs"], counts["empty"], counts["too_long"]) == (2, 1, 1)
    write_pairs(second, tokenizer, tmp_path / "two", max_length=20)
    pairs = read_pairs([tmp_path / "one", tmp_path / "two"], tokenizer)
    kept = [first[0], first[2], second[0]]
    assert len(pairs) == len(kept)
    for index, (source, target) in enumerate(kept):
        batch = batch_of(pairs, np.array([index]), PAD, BOS)
        assert batch.source[0].tolist() == [*tokenizer.encode([source])[0], tokenizer.eos]
        assert batch.target_out.tolist() == [*tokenizer.encode([target])[0], tokenizer.eos]
        assert batch.target_in[0].tolist() == [BOS, *tokenizer.encode([target])[0]]


def test_an_interrupted_encoding_is_done_anew_and_a_finished_one_is_not(tmp_path, tokenizer):
    def breaks_off():
        yield "a man", "ein Mann"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pairs(breaks_off(), tokenizer, tmp_path / "x", max_length=20)
    assert write_pairs([("a hat", "ein Hut")], tokenizer, tmp_path / "x", max_length=20)["pairs"] == 1
    assert write_pairs([("never", "read")] * 9, tokenizer, tmp_path / "x", max_length=20)["pairs"] == 1
    assert len(read_pairs([tmp_path / "x"], tokenizer)) == 1


def test_nothing_left_is_an_error(tmp_path, tokenizer):
    write_pairs([("", "")], tokenizer, tmp_path / "x", max_length=20)
    with pytest.raises(InvalidInput, match="no sentence pair is left"):
        read_pairs([tmp_path / "x"], tokenizer)


def test_encoding_holds_no_more_than_a_block_of_lines_in_memory(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(parallel, "_LINES_AT_ONCE", 200)

    def lines(count):
        return (("a man in a hat", "ein Mann mit einem Hut") for _ in range(count))

    peaks = []
    for count in (400, 3200):
        tracemalloc.start()
        write_pairs(lines(count), tokenizer, tmp_path / str(count), max_length=20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]  # eight times the lines


# Batches


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=120),
    st.integers(20, 200),
    st.integers(0, 5),
)
def test_an_epoch_has_every_pair_once_and_no_batch_is_too_large(lengths, tokens, seed):
    source, target = (np.array(side) for side in zip(*lengths, strict=True))
    batches = stream(pairs_of(source, target), seed=seed, tokens=tokens).epoch(0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(source[batch].max(), target[batch].max()) <= tokens


def test_cutting_keeps_the_order():
    order = np.array([3, 1, 2, 0])
    lengths = np.array([4, 2, 2, 1])
    assert [batch.tolist() for batch in cut_batches(lengths, lengths, order, tokens=6)] == [[3, 1, 2], [0]]


@pytest.mark.parametrize(
    ("pairs", "mean", "tokens", "least"), [(29_000, MULTI30K_MEAN, 1000, 0.95), (100_000, WMT_MEAN, 25_000, 0.90)]
)
def test_little_of_a_batch_is_padding(pairs, mean, tokens, least):
    """0.95 at Multi30k's lengths and number of pairs, 0.90 at WMT's."""
    source = stream(sentences(pairs, mean), tokens=tokens)
    first = list(itertools.islice(source, 150))
    real = sum(batch.real_share() * (batch.source.numel() + batch.target_in.numel()) for batch in first)
    assert real / sum(batch.source.numel() + batch.target_in.numel() for batch in first) > least


def test_epochs_differ_and_a_seed_repeats_them():
    pairs = sentences(500, MULTI30K_MEAN)
    first, again, other = stream(pairs), stream(pairs), stream(pairs, seed=1)
    assert [held(next(first)) for _ in range(60)] == [held(next(again)) for _ in range(60)]
    assert [batch.tolist() for batch in first.epoch(0)] != [batch.tolist() for batch in first.epoch(1)]
    assert [batch.tolist() for batch in first.epoch(0)] != [batch.tolist() for batch in other.epoch(0)]


@pytest.mark.parametrize("before", [0, 1, 7, 40])
def test_a_stream_goes_on_exactly_where_its_position_says(before):
    pairs = sentences(120, MULTI30K_MEAN)  # about 6 batches an epoch: 40 are several epochs
    whole = stream(pairs)
    for _ in range(before):
        next(whole)
    resumed = stream(pairs, position=whole.position())
    for _ in range(20):
        expected, found = next(whole), next(resumed)
        assert torch.equal(expected.source, found.source)
        assert torch.equal(expected.target_out, found.target_out)
        assert whole.position() == resumed.position()


def test_a_batch_says_what_is_real():
    batch = batch_of(pairs_of([2, 3], [1, 3]), np.array([0, 1]), PAD, BOS)
    assert batch.source.tolist() == [[10, 10, PAD], [11, 11, 11]]
    assert batch.source_mask[:, 0, 0].tolist() == [[True, True, False], [True, True, True]]
    assert batch.target_in.tolist() == [[BOS, 10, PAD], [BOS, 11, 11]]
    assert batch.target_out.tolist() == [10, 11, 11, 11]
    assert batch.real.tolist() == [0, 3, 4, 5]
    assert batch.real_share() == pytest.approx(9 / 12)
    whole = batch_of(pairs_of([2, 2], [3, 3]), np.array([0, 1]), PAD, BOS)
    assert whole.source_mask is None
    assert whole.real is None


def test_validation_sees_every_pair_once():
    pairs = sentences(300, MULTI30K_MEAN)
    assert sorted(number for batch in in_order(pairs, 400, PAD, BOS) for number in held(batch)) == list(range(300))


# The manifest itself


def test_every_file_of_the_manifest_has_a_url_or_says_what_it_is_made_from_and_is_used():
    for dataset in manifest.load().values():
        used = {key for text in dataset.texts for key, _ in text.sides.values()}
        assert used == set(dataset.files) or not dataset.texts  # a tokenizer's files hold no text
        assert {text.split for text in dataset.texts} <= {"train", "val", "test"}
        for file in dataset.files.values():
            assert file.url.startswith("https://") or file.made_from.startswith("made from ")
            assert file.sha256 is None or len(file.sha256) == 64
