"""The contestants of benchmarks/translation.py do the same work: equal weights give equal logits, and steps learn."""

from __future__ import annotations

import pytest
import torch

from benchmarks import translation, translation_sides
from reproductions.attention.model import padding_mask
from reproductions.data.parallel import batch_of
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import Model

SIZE = Model(num_layers=2, d_model=32, d_ff=48, num_heads=4, dropout=0.0, max_positions=64)
VOCABULARY = 50


@pytest.fixture
def batch():
    pairs = translation.pairs_of("wmt", 40, None, VOCABULARY)
    return batch_of(pairs, pairs.source_lengths().argsort()[:6], 0, 1)


@pytest.mark.soak  # importing transformers takes seconds
def test_marian_with_our_weights_has_our_logits(batch):
    torch.manual_seed(0)
    mine = Transformer(SIZE, VOCABULARY).eval()
    for parameter in mine.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    theirs = translation_sides.marian_model(SIZE, VOCABULARY).eval()
    translation_sides.give_weights(mine, theirs)
    mask = (batch.source != 0).long()
    with torch.inference_mode():
        ours = mine(batch.source, batch.target_in, padding_mask(batch.source, 0))
        other = theirs(input_ids=batch.source, attention_mask=mask, decoder_input_ids=batch.target_in).logits
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", ["ours", "torch_transformer", pytest.param("marian", marks=pytest.mark.soak)])
def test_every_side_learns_the_batch_that_it_is_timed_on(side, batch, monkeypatch):
    """A step that forgot its gradients or its update would be fast."""
    torch.manual_seed(0)
    kept = []
    build = translation_sides.optimizers.build
    monkeypatch.setattr(
        translation_sides.optimizers, "build", lambda optim, model: kept.append(model) or build(optim, model)
    )
    step = getattr(translation_sides, side)(SIZE, VOCABULARY)
    before = [parameter.detach().clone() for parameter in kept[0].parameters()]
    step(batch)
    moved = [not torch.equal(a, b) for a, b in zip(before, kept[0].parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def test_made_lengths_are_those_that_are_said():
    pairs = translation.pairs_of("wmt", 20_000, None)
    for lengths in (pairs.source_lengths(), pairs.target_lengths()):
        assert lengths.mean() == pytest.approx(28, abs=0.5)
        assert lengths.std() == pytest.approx(17, abs=1)
