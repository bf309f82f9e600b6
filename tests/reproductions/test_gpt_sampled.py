"""Evaluation over random batches is nanoGPT's, survives a crash, and answers the claims that were made with it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reproductions import registry
from reproductions.data.token_shards import TokenRow
from reproductions.data.token_windows import WindowStream
from reproductions.engine import session
from reproductions.engine.recipe import override
from reproductions.gpt import sampled, scores
from reproductions.gpt.model import GPT
from reproductions.gpt.sampled import Watched
from reproductions.gpt.sizes import Model

from .trained_runs import TINY

NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
SAMPLED = {
    **TINY["gpt-2"],
    "data.tokenizer": "bytes",
    "evaluation.sampled_batches": "3",
    "train.max_steps": "6",
    "train.eval_every": "2",
    "train.checkpoint_every": "3",
}


def row_of(length=400, vocabulary=17):
    tokens = np.random.default_rng(0).integers(0, vocabulary, length)
    return TokenRow((tokens,), np.array([0, length]), length, "")


class Noting(torch.nn.Module):
    """A model that remembers which windows it was asked about."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, tokens, targets):
        self.seen.append((tokens, targets))
        return self.model(tokens, targets)


def estimated(taken, batches=5, seed=1):
    torch.manual_seed(0)
    model = Noting(GPT(Model(num_layers=1, d_model=16, num_heads=2, context=8), 17).eval())
    with torch.no_grad():
        loss = sampled.estimate(
            model,
            row_of(),
            context=8,
            batch_size=4,
            batches=batches,
            seed=seed,
            taken=taken,
            device=torch.device("cpu"),
        )
    return loss, model


def test_it_is_the_mean_of_the_means_of_batches_that_stand_in_the_text():
    loss, model = estimated(taken=7)
    assert [tuple(tokens.shape) for tokens, _ in model.seen] == [(4, 8)] * 5
    text = row_of().shards[0].tolist()
    places = {tuple(text[start : start + 9]) for start in range(len(text) - 8)}
    means = []
    for tokens, targets in model.seen:
        following = targets.view(4, 8)
        assert all((*row, after[-1]) in places for row, after in zip(tokens.tolist(), following.tolist(), strict=True))
        means.append(float(F.cross_entropy(model.model(tokens).flatten(0, 1), targets).detach()))
    assert loss == pytest.approx(sum(means) / len(means), rel=1e-5)


def test_each_evaluation_draws_anew_and_none_draws_what_the_training_does():
    again = [estimated(taken=taken)[1].seen for taken in (7, 7, 8)]
    rows = [[tuple(row) for tokens, _ in seen for row in tokens.tolist()] for seen in again]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]
    training = WindowStream(row_of(), context=8, batch_size=4, seed=1, position={"next": 35})
    assert [tuple(row) for row in next(training).tokens.tolist()] != rows[0][:4]


def test_what_was_found_is_part_of_the_position():
    stream = WindowStream(row_of(), context=8, batch_size=4, seed=1)
    watched = Watched(stream, None)
    next(watched)
    watched.found[watched.taken] = 2.5
    back = Watched(stream, watched.position())
    assert back.found == {1: 2.5}
    assert watched.position()["next"] == 1


def test_a_training_that_crashed_finds_the_same_losses_and_the_smallest_of_all_of_them(tmp_path):
    recipe = override(registry.recipe("gpt-2", "smoke"), SAMPLED)
    crash = {"at": None}

    class Crashing(registry.task("gpt")):
        taken = 0

        def loss(self, model, batch):
            self.taken += 1
            if self.taken == crash["at"]:
                raise RuntimeError("the machine went away")
            return super().loss(model, batch)

    def train(folder):
        options = {"make_task": Crashing, "fingerprint": "0" * 64, "data_home": tmp_path / "data", "now": NOW}
        return session.train(recipe, 3, tmp_path / folder, overrides=SAMPLED, device="cpu", **options)

    def losses(run):
        return {point["step"]: point["value"] for point in run.metrics() if point["name"] == "val/sampled_loss"}

    whole = train("whole")
    crash["at"] = 5  # after the evaluation of step 4, which the checkpoint of step 3 knows nothing of
    with pytest.raises(RuntimeError):
        train("broken")
    crash["at"] = None
    resumed = train("broken")
    assert losses(resumed) == losses(whole)
    assert list(losses(whole)) == [2, 4, 6]
    assert resumed.result["measurements"] == whole.result["measurements"]
    last, smallest = (item for item in whole.result["measurements"] if "random" in str(item["protocol"]["coverage"]))
    assert last["value"] == losses(whole)[6]
    assert smallest["value"] == min(losses(whole).values())
    assert smallest["protocol"]["evaluations"] == 3
    assert (last["n"], last["claim"], smallest["claim"]) == (3 * 6 * 16, None, None)


@pytest.mark.parametrize("tier", ["full", "mini"])
def test_nanogpts_own_recipe_samples_as_its_claim_says(tier):
    recipe = registry.recipe("nanogpt-char", tier)
    windows = recipe.data.tokens_per_batch // recipe.data.context
    measured = [item for item in scores.on_random_batches(recipe, [1.9, 1.88], windows) if item["claim"]]
    (item,) = measured
    (claim,) = (claim for claim in registry.claims("gpt") if claim["id"] == item["claim"])
    assert claim["protocol"] == {name: item["protocol"].get(name) for name in claim["protocol"]}
    for field in ("task", "dataset", "split", "metric", "unit"):
        assert item[field] == claim[field]
    assert (claim["recipe"], claim["tier"]) == ("nanogpt-char", tier)
