"""Table 3 of 1706.03762 as recipes: each row is the base model with its change, and answers its claims."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from reproductions import registry
from reproductions.engine.recipe import override
from reproductions.transformer import scores
from reproductions.transformer.recipes import FULL, MINI
from reproductions.transformer.table_3 import ROWS
from reproductions.transformer.task import Task

CLAIMS = {claim["id"]: claim for claim in registry.claims("transformer")}
KEYS = [row.key for row in ROWS]


class Corpus:
    """Three sentences in each split."""

    def __init__(self):
        self.asked = []

    def name(self, split):
        return {"val": "newstest2013", "test": "newstest2014"}[split]

    def lines(self, split):
        self.asked.append(split)
        return iter([("a well-known house", "ein bekanntes Haus")] * 3)


def measured(recipe):
    texts = ["ein bekanntes Haus"] * 3
    return scores.measurements(recipe, Corpus(), texts, texts, {"val/ppl": 4.9})


@pytest.mark.parametrize("row", ROWS, ids=KEYS)
@pytest.mark.parametrize(("tier", "base"), [("full", FULL), ("mini", MINI)])
def test_a_row_changes_what_it_says_and_nothing_else(row, tier, base):
    recipe = registry.recipe(row.recipe, tier)
    changed = {name: value for name, value in asdict(recipe.model).items() if value != asdict(base.model)[name]}
    assert changed == (row.paper if tier == "full" else row.mini)
    assert (recipe.data, recipe.optim) == (base.data, base.optim)
    assert recipe.schedule.d_model == recipe.model.d_model
    assert recipe.train.max_steps == base.train.max_steps * (3 if row.key == "big" else 1)
    assert (recipe.train.average_last, recipe.evaluation.beam, recipe.evaluation.split) == (0, 4, "val")


def test_the_mini_rows_are_the_same_change_of_their_own_base():
    """Ratios to the base model, as in the paper; key sizes are the same numbers, because the head sizes are."""
    for row in ROWS:
        for name in set(row.mini) - {"d_key", "d_value", "dropout", "label_smoothing", "positions"}:
            paper = row.paper[name] / getattr(FULL.model, name)
            mini = row.mini[name] / getattr(MINI.model, name)
            assert mini == pytest.approx(max(paper, 1 / getattr(MINI.model, name))), (row.key, name)


@pytest.mark.parametrize("key", KEYS)
def test_a_row_answers_both_of_its_claims(key):
    recipe = registry.recipe(f"transformer-table3-{key}", "full")
    answers = {item["claim"]: item for item in measured(recipe) if item["claim"]}
    assert set(answers) == {f"1706.03762:table-3:{key}:bleu", f"1706.03762:table-3:{key}:perplexity"}
    for identity, item in answers.items():
        claim = CLAIMS[identity]
        assert (claim["recipe"], claim["tier"]) == (recipe.name, "full")
        assert {name: item[name] for name in ("task", "dataset", "split", "metric", "unit")} == {
            name: claim[name] for name in ("task", "dataset", "split", "metric", "unit")
        }
        assert {name: item["protocol"][name] for name in claim["protocol"]} == claim["protocol"]


def test_the_mini_rows_answer_no_claim_of_the_paper():
    assert {item["claim"] for item in measured(registry.recipe("transformer-table3-a-h1", "mini"))} == {None}


def test_the_big_model_answers_table_2():
    recipe = registry.recipe("transformer-big", "full")
    (answer,) = (item for item in measured(recipe) if item["claim"])
    claim = CLAIMS[answer["claim"]]
    assert (claim["recipe"], claim["split"]) == ("transformer-big", answer["split"])
    assert {name: answer["protocol"][name] for name in claim["protocol"]} == claim["protocol"]
    assert asdict(recipe.model) == asdict(registry.recipe("transformer-table3-big", "full").model)


def test_what_is_judged_on_the_validation_split_never_reads_the_test_split(tmp_path):
    sizes = {"model.d_model": "16", "model.d_ff": "16", "model.num_layers": "1", "data.numbers": "40"}
    changes = {**sizes, "evaluation.split": "val", "evaluation.extra_length": "2"}
    recipe = override(registry.recipe("transformer-base", "smoke"), changes)
    task = Task(recipe=recipe, data_home=tmp_path, device=torch.device("cpu"), seed=0)
    task.prepare(lambda _: None)
    asked = []
    lines = task.corpus.lines
    task.corpus.lines = lambda split, *rest: asked.append(split) or lines(split, *rest)
    measurements = task.evaluate(task.build_model())
    assert "test" not in asked
    assert {item["split"] for item in measurements} == {"val"}


def test_learned_positions_train_and_reach_only_as_far_as_they_were_made(tmp_path):
    sizes = {"model.d_model": "16", "model.d_ff": "16", "model.num_layers": "1", "data.numbers": "40"}
    recipe = override(registry.recipe("transformer-base", "smoke"), {**sizes, "model.positions": "learned"})
    task = Task(recipe=recipe, data_home=tmp_path, device=torch.device("cpu"), seed=0)
    task.prepare(lambda _: None)
    model = task.build_model()
    loss, _, _ = task.loss(model, next(task.batches(None)))
    loss.backward()
    assert model.positions.grad is not None
    assert model.positions.grad[:3].abs().sum() > 0
    with pytest.raises(ValueError, match="beyond max_positions 256"):
        model.embed(torch.zeros(1, 257, dtype=torch.long))
