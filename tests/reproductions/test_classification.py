"""Labelled texts and the metrics of GLUE."""

from __future__ import annotations

import pytest

from reproductions.data.classification import PYTHON_LINES, PYTHON_SENTENCES, SETS, SPLITS, Examples
from reproductions.finetuning.metrics import METRICS, OF_SET
from reproductions.finetuning.recipes import EXAMPLES
from reproductions.registry import InvalidInput

SHARED_UPSTREAM = {"sts-b": 6}  # pairs that its authors have in train and in dev
MEASURED = {"sst-2": 872, "cola": 1043, "mrpc": 1725, "rte": 277, "sts-b": 1379, "movie-reviews": 200}


@pytest.fixture(scope="module")
def texts(test_data):
    return test_data / "text"


@pytest.mark.parametrize("name", MEASURED)
def test_the_splits_of_a_set_are_of_its_size_and_share_no_example(texts, tmp_path, name):
    examples = Examples(name, tmp_path, str(texts), lambda _: None)
    assert len(examples.splits["train"]) == EXAMPLES[name]
    assert len(examples.splits["test"]) == MEASURED[name]
    pairs = {split: {(e.first, e.second) for e in examples.splits[split]} for split in SPLITS}
    assert len(pairs["train"] & pairs["val"]) <= SHARED_UPSTREAM.get(name, 0)
    classes = len(SETS[name].classes)
    labels = {example.label for split in SPLITS for example in examples.splits[split]}
    assert labels == set(range(classes)) if classes else all(0 <= label <= 5 for label in labels)
    assert all((e.second is None) == (SETS[name].relation == "single") for e in examples.splits["test"])
    assert all(len(found["sha256"]) == 64 for found in examples.provenance().values())


def test_the_labels_are_those_of_the_texts(texts, tmp_path):
    def first(name, text):
        splits = Examples(name, tmp_path, str(texts), lambda _: None).splits
        (found,) = {e.label for split in SPLITS for e in splits[split] if e.first.startswith(text)}
        return SETS[name].classes[int(found)] if SETS[name].classes else found

    assert first("sst-2", "a stirring , funny and finally") == "positive"
    assert first("cola", "Our friends won't buy this analysis") == "acceptable"
    assert first("mrpc", "Amrozi accused his brother") == "paraphrase"
    assert first("rte", "No Weapons of Mass Destruction Found in Iraq Yet") == "no entailment"
    assert first("sts-b", "A man is playing a large flute.") == 3.8
    assert first("movie-reviews", "plot : two teen couples go to a church party") == "negative"


def test_pythons_sentences_come_in_pairs_of_the_same_words_on_the_same_side(tmp_path):
    splits = Examples(PYTHON_SENTENCES, tmp_path, None, lambda _: None).splits
    for split in SPLITS:
        written, shuffled = splits[split][::2], splits[split][1::2]
        assert len(written) > 300
        for one, other in zip(written, shuffled, strict=True):
            assert (one.label, other.label) == (1, 0)
            assert one.first != other.first
            assert sorted(one.first.split()) == sorted(other.first.split())


def test_pythons_lines_are_words_of_prose_and_of_code_in_no_order(tmp_path):
    splits = Examples(PYTHON_LINES, tmp_path, None, lambda _: None).splits
    texts = {split: {example.first for example in splits[split]} for split in SPLITS}
    for split in SPLITS:
        labels = [example.label for example in splits[split]]
        assert 0.4 < sum(labels) / len(labels) < 0.6
        assert all(text.split(" ") == sorted(text.split(" ")) for text in texts[split])


def test_a_set_that_there_is_not_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(InvalidInput) as refused:
        Examples("sst-3", tmp_path, None, lambda _: None)
    assert "sst-2" in refused.value.hint


# Metrics, by hand


@pytest.mark.parametrize(
    ("metric", "predicted", "right", "value"),
    [
        ("accuracy", [1, 0, 1, 1], [1, 1, 1, 0], 50.0),
        ("f1", [1, 1, 0, 1], [1, 0, 0, 1], 80.0),  # precision 2/3, recall 1
        ("f1", [0, 0], [0, 0], 0.0),
        ("matthews-correlation", [1, 1, 0, 1], [1, 0, 0, 1], 100 * 2 / 12**0.5),  # TP 2, TN 1, FP 1, FN 0
        ("matthews-correlation", [0, 1], [1, 0], -100.0),
        ("matthews-correlation", [1, 1, 1], [1, 0, 1], 0.0),
        ("pearson-correlation", [1, 2, 3], [1, 2, 4], 100 * 3 / (2 * 42 / 9) ** 0.5),
        ("pearson-correlation", [2, 2], [1, 5], 0.0),
        ("spearman-correlation", [1, 2, 2, 3], [1, 2, 3, 4], 100 * 4.5 / (4.5 * 5) ** 0.5),  # ranks 1, 2.5, 2.5, 4
        ("spearman-correlation", [1, 10, 100], [0.1, 0.2, 0.3], 100.0),
    ],
)
def test_a_metric_has_the_value_that_was_worked_out_by_hand(metric, predicted, right, value):
    assert METRICS[metric](predicted, right) == pytest.approx(value)


def test_a_metric_wants_one_prediction_a_label():
    for metric in METRICS.values():
        with pytest.raises(ValueError, match="2 predictions for 3 labels"):
            metric([1, 0], [1, 0, 1])


def test_every_set_is_measured_by_known_metrics():
    assert OF_SET.keys() == SETS.keys()
    assert {name for names in OF_SET.values() for name in names} == METRICS.keys()
