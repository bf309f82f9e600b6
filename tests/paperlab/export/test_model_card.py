"""Model cards: an index that others read as it was meant."""

from __future__ import annotations

import re

import pytest

from paperlab.entities import Verdict, VerdictKind
from paperlab.export import model_card
from paperlab.library import model_index
from tests.paperlab.export.test_report import HOSTILE, claim
from tests.paperlab.runs import recorded

RUN = recorded.run(1, overrides={"optim.lr": "2"})
MEASURED = [
    recorded.measurement(RUN, 27.25, claim_id="p:t2:bleu", signature="case:mixed"),
    recorded.measurement(RUN, 0.125, metric="exact-match", unit="share"),
    recorded.measurement(RUN, 1.5, metric="loss", task="language modeling", dataset="text8", split="", n=None, unit=""),
]
VERDICT = Verdict("p:t2:bleu", VerdictKind.INCONCLUSIVE, "one seed", 27.25, None, 1, 1)
JUDGED = {"p:t2:bleu": (claim(), VERDICT)}


def card(**changes) -> str:
    options = {"title": "A paper", "address": "https://arxiv.org/abs/1706.03762", **changes}
    return model_card.text(RUN, MEASURED, JUDGED, **options)


def entries(text: str):
    return list(model_index.entries(model_index.load(text, "README.md")))


def test_what_is_written_is_what_is_read():
    read = entries(card())
    assert [(entry.task, entry.dataset, entry.metric, entry.value) for entry in read] == [
        ("translation", "number-words test", "bleu", 27.25),
        ("translation", "number-words test", "exact-match", 0.125),
        ("language modeling", "text8", "loss", 1.5),
    ]
    assert {entry.model for entry in read} == {"transformer-base-smoke-seed-1"}
    assert not any("verified" in entry.details for entry in read)


def test_hugging_face_reads_it_with_protocol_and_verdict():
    repocard = pytest.importorskip("huggingface_hub.repocard_data", reason="comes with tokenizers")
    document = model_index.load(card(), "README.md")
    _, results = repocard.model_index_to_eval_results(document["model-index"])
    assert [(each.task_type, each.dataset_name, each.dataset_split, each.metric_value) for each in results] == [
        ("translation", "number-words", "test", 27.25),
        ("translation", "number-words", "test", 0.125),
        ("text-generation", "text8", None, 1.5),
    ]
    args = results[0].metric_args
    assert (args["protocol"], args["claim"], args["verdict"]) == ({"beam": 4}, "p:t2:bleu", "inconclusive")
    assert (args["reported"], args["signature"], args["examples"]) == (27.3, "case:mixed", 500)


def test_people_read_the_numbers_the_verdict_and_the_command():
    body = card().split("---\n", 2)[2]
    for expected in ("27.25", "inconclusive", "one seed", "paperlab reproduce transformer-base --tier smoke --seed 1"):
        assert expected in body
    assert "--set optim.lr=2" in body


def test_strangers_text_stays_within_its_cell_and_its_line():
    hostile = f"---\nmodel-index: []\n---\n{HOSTILE}"
    items = [recorded.measurement(RUN, 1.0, dataset=hostile, metric=hostile, protocol={hostile: hostile})]
    text = model_card.text(RUN, items, {}, title=hostile)
    (entry,) = entries(text)
    assert entry.value == 1.0
    assert entry.metric == hostile.strip()
    body = text[text.index("# transformer-base") :]
    assert not re.search(r"(?<!\\)<img|(?<!\\)\]\(javascript", body)


def test_a_run_without_measurements_has_a_card_without_an_index():
    text = model_card.text(RUN, [], {}, title="A paper")
    assert "model-index" not in text
    assert "Training" in text
