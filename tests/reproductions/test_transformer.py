"""The model of 1706.03762: equal to PyTorch's, blind where it must be, smoothed and counted as the paper says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reproductions.attention.model import padding_mask
from reproductions.engine import optimizers
from reproductions.transformer import loss as loss_module
from reproductions.transformer import recipes
from reproductions.transformer.loss import loss_in_blocks, loss_over_all_logits
from reproductions.transformer.model import Transformer, sinusoids
from reproductions.transformer.recipes import TABLE_3_COUNTED, Model
from reproductions.transformer.task import structure

PAD, BOS, EOS, VOCABULARY = 0, 1, 2, 23
TINY = Model(num_layers=2, d_model=16, d_ff=24, num_heads=4, dropout=0.1, max_positions=64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Transformer(TINY, VOCABULARY).eval()


@pytest.fixture
def source():
    return torch.tensor([[5, 6, 7, 8, EOS], [9, 10, EOS, PAD, PAD]])


@pytest.fixture
def target():
    return torch.tensor([[BOS, 11, 12, 13], [BOS, 14, 15, PAD]])


def theirs_with_the_weights_of(model):
    """PyTorch's nn.Transformer, post-norm and with ReLU, holding our weights; what ours lacks is zero."""
    size = model.model
    # Without dropout and in training mode: eval mode takes a path with nested tensors, which warn.
    theirs = nn.Transformer(
        size.d_model, size.num_heads, size.num_layers, size.num_layers, size.d_ff, 0.0, batch_first=True
    )
    theirs.encoder.norm = theirs.decoder.norm = None  # the paper has no norm behind the last layer

    def attention(mine, other):
        other.in_proj_weight.copy_(mine.project_in.weight)
        other.out_proj.weight.copy_(mine.project_out.weight)
        other.in_proj_bias.zero_()
        other.out_proj.bias.zero_()

    def feed_forward(mine, other):
        other.linear1.load_state_dict(mine.feed_forward.expand.state_dict())
        other.linear2.load_state_dict(mine.feed_forward.contract.state_dict())

    with torch.no_grad():
        for mine, other in zip(model.encoder, theirs.encoder.layers, strict=True):
            attention(mine.attention, other.self_attn)
            feed_forward(mine, other)
            other.norm1.load_state_dict(mine.attention_norm.norm.state_dict())
            other.norm2.load_state_dict(mine.feed_forward_norm.norm.state_dict())
        for mine, other in zip(model.decoder, theirs.decoder.layers, strict=True):
            attention(mine.attention, other.self_attn)
            attention(mine.cross_attention, other.multihead_attn)
            feed_forward(mine, other)
            other.norm1.load_state_dict(mine.attention_norm.norm.state_dict())
            other.norm2.load_state_dict(mine.cross_attention_norm.norm.state_dict())
            other.norm3.load_state_dict(mine.feed_forward_norm.norm.state_dict())
    return theirs


def test_it_equals_pytorchs_transformer(model, source, target):
    for parameter in model.parameters():  # norms and biases too: ones and zeros would prove nothing
        nn.init.normal_(parameter, std=0.3)
    theirs = theirs_with_the_weights_of(model)
    padded = source == PAD
    causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
    with torch.no_grad():
        hidden = theirs(
            model.embed(source),
            model.embed(target),
            tgt_mask=causal,
            src_key_padding_mask=padded,
            memory_key_padding_mask=padded,
            tgt_is_causal=True,
        )
        torch.testing.assert_close(model(source, target, padding_mask(source, PAD)), model.logits(hidden))


def test_a_future_target_token_changes_nothing_before_it(model, source, target):
    mask = padding_mask(source, PAD)
    changed = target.clone()
    changed[:, 2] = 20
    with torch.no_grad():
        before, after = model(source, target, mask), model(source, changed, mask)
    torch.testing.assert_close(before[:, :2], after[:, :2], rtol=0, atol=0)
    assert (before[:, 2] != after[:, 2]).any()


def test_padding_changes_nothing(model, source, target):
    mask = padding_mask(source, PAD)
    other_padding = source.masked_fill(source == PAD, 20)
    with torch.no_grad():
        batched = model(source, target, mask)
        torch.testing.assert_close(batched, model(other_padding, target, mask), rtol=0, atol=0)
        alone = model(source[1:, :3], target[1:, :3])
    torch.testing.assert_close(batched[1:, :3], alone)


def test_steps_with_a_cache_equal_one_pass(model, source, target):
    mask = padding_mask(source, PAD)
    with torch.no_grad():
        whole = model(source, target, mask)
        state = model.start(model.encode(source, mask), mask)
        for position in range(target.shape[1]):
            stepped = model.step(target[:, position : position + 1], state)
            torch.testing.assert_close(stepped[:, 0], whole[:, position])


def test_beams_in_the_query_length_equal_beams_in_the_batch(model, source, target):
    beams = torch.stack([target, target.flip(1)], dim=1)  # (B, W, T)
    mask = padding_mask(source, PAD)
    with torch.no_grad():
        state = model.start(model.encode(source, mask), mask)
        stepped = [model.step(beams[:, :, position], state) for position in range(beams.shape[2])]
        for beam in range(2):
            torch.testing.assert_close(stepped[-1][:, beam], model(source, beams[:, beam], mask)[:, -1])


def test_one_matrix_is_source_embedding_target_embedding_and_output_layer(model, source, target):
    """Section 3.4."""
    names = [name for name, parameter in model.named_parameters() if VOCABULARY in parameter.shape]
    assert names == ["embedding.weight"]
    embedded = model.embed(source) - model.positions[: source.shape[1]]
    torch.testing.assert_close(embedded, model.embedding.weight[source] * math.sqrt(TINY.d_model))


def test_positions_are_the_sinusoids_of_section_3_5():
    table = sinusoids(50, 12)
    for position, i in ((0, 0), (7, 0), (49, 3), (30, 5)):
        angle = position / 10_000 ** (2 * i / 12)
        assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_learned_positions_of_row_e_are_parameters(source):
    learned = Transformer(dataclasses.replace(TINY, positions="learned"), VOCABULARY)
    assert dict(learned.named_parameters())["positions"].shape == (64, 16)


def test_a_sentence_beyond_the_positions_is_refused(model):
    with pytest.raises(ValueError, match="max_positions"):
        model.encode(torch.full((1, 65), 5))


def test_dropout_is_where_section_5_4_has_it():
    """On the output of every sub-layer, and on the sums of embeddings and positions: nowhere else."""
    counted = [name for name, module in Transformer(TINY, VOCABULARY).named_modules() if isinstance(module, nn.Dropout)]
    assert len(counted) == 1 + TINY.num_layers * (2 + 3)
    assert all(name == "dropout" or name.endswith("_norm.dropout") for name in counted)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("loss", [loss_in_blocks, loss_over_all_logits])
def test_the_smoothed_loss_equals_dense_smoothed_targets(loss, epsilon, monkeypatch):
    monkeypatch.setattr(loss_module, "_BLOCK", 4)  # several blocks, the last one smaller
    torch.manual_seed(0)
    hidden = torch.randn(11, 8, dtype=torch.float64, requires_grad=True)
    embedding = torch.randn(VOCABULARY, 8, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(VOCABULARY, (11,))
    smoothed, plain = loss(hidden, embedding, targets, epsilon)

    log_probabilities = (hidden @ embedding.T).log_softmax(-1)
    dense = (1 - epsilon) * F.one_hot(targets, VOCABULARY) + epsilon / VOCABULARY
    expected = -(dense * log_probabilities).sum()
    torch.testing.assert_close(smoothed, expected)
    torch.testing.assert_close(plain, -log_probabilities.gather(1, targets[:, None]).sum().detach())
    for ours, reference in zip(
        torch.autograd.grad(smoothed * 0.5, [hidden, embedding]),
        torch.autograd.grad(expected * 0.5, [hidden, embedding]),
        strict=True,
    ):
        torch.testing.assert_close(ours, reference)


def test_the_loss_sees_real_target_tokens_only(model, source, target):
    mask, following = padding_mask(source, PAD), torch.tensor([[11, 12, 13, EOS], [14, 15, EOS, PAD]])
    real = (following != PAD).flatten().nonzero()[:, 0]
    with torch.no_grad():
        _, plain = model(source, target, mask, following[following != PAD], real)
        logits = model(source, target, mask)
    expected = F.cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=PAD, reduction="sum")
    torch.testing.assert_close(plain, expected)


def test_one_batch_can_be_overfitted(source, target):
    torch.manual_seed(0)
    model = Transformer(dataclasses.replace(TINY, dropout=0.0, label_smoothing=0.0), VOCABULARY)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    mask, following = padding_mask(source, PAD), torch.tensor([11, 12, 13, EOS, 14, 15, EOS])
    real = torch.tensor([0, 1, 2, 3, 4, 5, 6])
    for _ in range(80):
        loss, _ = model(source, target, mask, following, real)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() / len(following) < 0.02


def test_the_learning_rate_peaks_at_the_end_of_the_warmup():
    """Equation (3): for the base model 7e-4 at step 4,000, and half of it four times later."""
    schedule = recipes.FULL.schedule
    rates = {step: optimizers.factor(schedule, step, 100_000) for step in (1, 2000, 3999, 4000, 4001, 16_000)}
    assert max(rates, key=rates.__getitem__) == 4000
    assert rates[4000] == pytest.approx(512**-0.5 * 4000**-0.5)
    assert rates[2000] == pytest.approx(rates[4000] / 2)
    assert rates[16_000] == pytest.approx(rates[4000] / 2)


PRINTED = {
    "base": 65, "b-dk16": 58, "b-dk32": 60, "c-n2": 36, "c-n4": 50, "c-n8": 80,
    "c-d256": 28, "c-d1024": 168, "c-ff1024": 53, "c-ff4096": 90,
}  # fmt: skip


def test_ten_counts_of_table_3_come_out_for_one_vocabulary():
    """Base, (B) and (C) as printed, for 41,004 to 41,208 shared tokens and no others; the big row needs fewer."""
    least, most = 0.0, math.inf
    for row, millions in PRINTED.items():
        model = TABLE_3_COUNTED[row]
        with torch.device("meta"):
            without = sum(parameter.numel() for parameter in Transformer(model, 0).parameters())
        least = max(least, ((millions - 0.5) * 1e6 - without) / model.d_model)
        most = min(most, ((millions + 0.5) * 1e6 - without) / model.d_model)
    assert (math.ceil(least), math.floor(most)) == (41_004, 41_208)
    assert least < recipes.TABLE_3_VOCABULARY < most
    measured = {item["claim"].split(":")[2]: item["value"] for item in structure()}
    assert {row: round(measured[row]) for row in PRINTED} == PRINTED
    assert round(measured["big"]) == 218  # printed: 213, the row that no vocabulary reconciles with the ten
