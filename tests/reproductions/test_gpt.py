"""The model of GPT-1, 2 and 3: equal to transformers', blind where it must be, banded, tied and initialised as said."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from reproductions.engine import optimizers
from reproductions.engine.recipe import Optim
from reproductions.gpt import hf
from reproductions.gpt.loss import next_token_loss
from reproductions.gpt.model import GPT, banded_mask
from reproductions.gpt.pretraining import train_step
from reproductions.gpt.sizes import GPT_1, GPT_3_TABLE_2_1, Model
from reproductions.transformer import loss as transformer_loss

VOCABULARY = 53
TINY = Model(num_layers=3, d_model=24, num_heads=4, context=20)
POST = dataclasses.replace(GPT_1, num_layers=3, d_model=24, num_heads=4, context=20)
BANDED = dataclasses.replace(TINY, band=4)


def made(model, seed=0):
    torch.manual_seed(seed)
    gpt = GPT(model, VOCABULARY).eval()
    for parameter in gpt.parameters():  # biases and gains too: zeros and ones would prove nothing
        torch.nn.init.normal_(parameter, std=0.3)
    return gpt


@pytest.fixture
def text():
    return torch.randint(0, VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("gelu", ["tanh", "exact"])
def test_it_equals_gpt_2_of_transformers(text, gelu):
    ours = made(dataclasses.replace(TINY, gelu=gelu))
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=20,
        n_embd=24,
        n_layer=3,
        n_head=4,
        activation_function="gelu_new" if gelu == "tanh" else "gelu",
    )
    theirs = GPT2LMHeadModel(config).eval()
    theirs.load_state_dict(hf.to_state_dict(ours), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-4)


def test_gpt_1_equals_pytorchs_post_norm_encoder_with_a_causal_mask(text):
    ours = made(POST)
    layer = torch.nn.TransformerEncoderLayer(24, 4, 96, 0.0, activation=torch.nn.GELU("tanh"), batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    with torch.no_grad():
        for mine, other in zip(ours.blocks, theirs.layers, strict=True):
            other.self_attn.in_proj_weight.copy_(mine.attention.project_in.weight)
            other.self_attn.in_proj_bias.copy_(mine.attention.project_in.bias)
            other.self_attn.out_proj.load_state_dict(mine.attention.project_out.state_dict())
            other.linear1.load_state_dict(mine.feed_forward.expand.state_dict())
            other.linear2.load_state_dict(mine.feed_forward.contract.state_dict())
            other.norm1.load_state_dict(mine.attention_norm.state_dict())
            other.norm2.load_state_dict(mine.feed_forward_norm.state_dict())
        h_0 = ours.embed(text, torch.arange(17))
        hidden = theirs(h_0, mask=torch.nn.Transformer.generate_square_subsequent_mask(17))
        torch.testing.assert_close(ours.hidden(text), hidden, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", [TINY, POST, BANDED], ids=["gpt-2", "gpt-1", "gpt-3"])
def test_a_changed_future_token_changes_nothing_before_it(text, model):
    gpt = made(model)
    other = text.clone()
    other[:, 9] = (other[:, 9] + 1) % VOCABULARY
    with torch.no_grad():
        before, after = gpt(text), gpt(other)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9:], after[:, 9:])


def test_a_banded_layer_sees_the_band_and_the_dense_layers_see_all(text):
    one = made(dataclasses.replace(BANDED, num_layers=2))
    for block in one.blocks[:1]:  # with the dense layer silenced only the banded one looks back
        block.attention.project_out.weight.data.zero_()
    other = text.clone()
    other[:, 3] = (other[:, 3] + 1) % VOCABULARY
    with torch.no_grad():
        changed = (one(text) != one(other)).any(dim=-1).any(dim=0)
    assert changed.nonzero()[:, 0].tolist() == [3, 4, 5, 6]
    dense = made(TINY)
    with torch.no_grad():
        assert (dense(text) != dense(other)).any(dim=-1)[:, 3:].all()


def test_a_band_is_a_band():
    expected = [[0 <= row - column < 3 for column in range(6)] for row in range(6)]
    assert banded_mask(6, 3).tolist() == expected
    assert [BANDED.is_banded(layer) for layer in range(4)] == [False, True, False, True]


@pytest.mark.parametrize("vocabulary", [VOCABULARY, 4000])
def test_the_loss_is_the_cross_entropy_whatever_the_vocabulary(vocabulary, monkeypatch):
    monkeypatch.setattr(transformer_loss, "_BLOCK", 5)
    torch.manual_seed(0)
    hidden = torch.randn(12, 8, requires_grad=True)
    weight = torch.randn(vocabulary, 8, requires_grad=True)
    targets = torch.randint(0, vocabulary, (12,))
    ours = torch.autograd.grad(next_token_loss(hidden, weight, targets), (hidden, weight))
    plain = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(next_token_loss(hidden, weight, targets), plain)
    torch.testing.assert_close(ours, torch.autograd.grad(plain, (hidden, weight)))


def test_logits_are_computed_at_the_asked_places_only(text):
    gpt = made(TINY)
    places = torch.tensor([0, 5, 20])
    targets = torch.tensor([1, 2, 3])
    with torch.no_grad():
        expected = F.cross_entropy(gpt(text).flatten(0, 1)[places], targets, reduction="sum")
        torch.testing.assert_close(gpt(text, targets, places), expected)


def test_the_four_steps_are_what_the_engine_does(text):
    settings = Optim(lr=1e-2, weight_decay=0.1, decay="matrices")
    readable, fast = made(TINY).train(), made(TINY).train()
    ours = [optimizers.build(settings, model) for model in (readable, fast)]
    for _ in range(3):
        loss = train_step(readable, ours[0], text)
        nats = fast(text[:, :-1], text[:, 1:].flatten())
        torch.autograd.backward(nats)
        optimizers.scale_gradients(fast.parameters(), torch.tensor(1 / 32))
        ours[1].step()
        ours[1].zero_grad(set_to_none=True)
        assert loss == pytest.approx(float(nats.detach()) / 32, rel=1e-5)
    for mine, other in zip(readable.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)


def test_the_first_loss_is_that_of_a_uniform_guess(text):
    torch.manual_seed(0)
    gpt = GPT(Model(num_layers=2, d_model=64, num_heads=4, context=20), VOCABULARY)
    with torch.no_grad():
        loss = gpt(text[:, :-1], text[:, 1:].flatten()) / 32
    assert float(loss) == pytest.approx(math.log(VOCABULARY), abs=0.05)


@pytest.mark.parametrize(
    ("initialisation", "matrix", "residual"),
    [("gpt-1", 0.02, 0.02), ("gpt-2", 0.02, 0.02 / math.sqrt(8)), ("fan-in", 1 / 16, 1 / 16 / math.sqrt(8))],
)
def test_weights_begin_as_each_initialisation_says(initialisation, matrix, residual):
    torch.manual_seed(0)
    sizes = Model(num_layers=4, d_model=256, num_heads=4, context=64, initialisation=initialisation)
    gpt = GPT(sizes, 200).requires_grad_(False)
    block = gpt.blocks[1]
    assert float(block.attention.project_in.weight.std()) == pytest.approx(matrix, rel=0.03)
    assert float(block.attention.project_out.weight.std()) == pytest.approx(residual, rel=0.03)
    assert float(gpt.tokens.weight.std()) == pytest.approx(matrix, rel=0.03)
    assert float(block.attention.project_in.bias.abs().max()) == 0.0
    assert float(block.attention_norm.weight.min()) == 1.0


def test_tied_models_have_one_matrix_and_untied_ones_two():
    tied, untied = GPT(TINY, VOCABULARY), GPT(dataclasses.replace(TINY, tied=False), VOCABULARY)
    assert "output.weight" not in tied.state_dict()
    assert sum(map(torch.numel, untied.parameters())) - sum(map(torch.numel, tied.parameters())) == VOCABULARY * 24


def test_decay_goes_to_matrices_and_spares_biases_and_gains():
    gpt = GPT(TINY, VOCABULARY)
    decayed, spared = optimizers.build(Optim(lr=1.0, weight_decay=0.1, decay="matrices"), gpt).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.dim() == 2 for parameter in decayed["params"])
    assert all(parameter.dim() == 1 for parameter in spared["params"])
    assert decayed["fused"]


def test_dropout_acts_in_training_on_attention_too(text):
    gpt = made(dataclasses.replace(TINY, dropout=0.5)).train()
    for module in gpt.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert not torch.equal(gpt(text), gpt(text))
    gpt.eval()
    assert torch.equal(gpt(text), gpt(text))


@pytest.mark.parametrize("model", [TINY, POST, BANDED], ids=["gpt-2", "gpt-1", "gpt-3"])
@pytest.mark.parametrize("padding", [None, (0, 3)], ids=["plain", "padded"])
def test_what_is_remembered_equals_what_is_read_anew(text, model, padding):
    gpt = made(model)
    rows = text.clone()
    if padding:
        rows[1] = torch.cat((torch.full((3,), 7), text[1, :14]))
    with torch.no_grad():
        whole = gpt(text)
        cache = gpt.start(2, 17)
        cache.padding = None if padding is None else torch.tensor(padding)
        for begin, end in ((0, 6), (6, 9), *((place, place + 1) for place in range(9, 17))):
            logits = gpt.extend(rows[:, begin:end], cache)
            shift = padding[1] if padding else 0
            torch.testing.assert_close(logits[0], whole[0, end - 1], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(logits[1], whole[1, end - 1 - shift], atol=1e-4, rtol=1e-4)


def test_matrices_laid_out_for_decoding_give_what_they_gave_until_they_are_trained(text):
    gpt, plain = made(TINY), made(TINY)
    gpt.lay_out_for_decoding()
    with torch.no_grad():
        laid_out, other = gpt.start(2, 17), plain.start(2, 17)
        torch.testing.assert_close(gpt.extend(text, laid_out), plain.extend(text, other))
        torch.testing.assert_close(gpt(text), plain(text))
    for model in (gpt, plain):
        optimizer = torch.optim.SGD(model.train().parameters(), lr=0.1)
        train_step(model, optimizer, text)
        model.eval()
    with torch.no_grad():
        torch.testing.assert_close(gpt.extend(text, gpt.start(2, 17)), plain(text)[:, -1], atol=1e-4, rtol=1e-4)
        gpt.lay_out_for_decoding()
        gpt.load_state_dict(made(TINY, seed=1).state_dict())
        torch.testing.assert_close(gpt.extend(text, gpt.start(2, 17)), made(TINY, seed=1)(text)[:, -1])
    assert all(tensor.is_contiguous() for tensor in hf.to_state_dict(gpt).values())


def test_more_tokens_than_the_context_are_refused():
    gpt = made(TINY)
    with pytest.raises(ValueError, match="21 tokens are more than the context of 20"):
        gpt(torch.zeros(1, 21, dtype=torch.long))
    with pytest.raises(ValueError, match="21 tokens"):
        gpt.start(1, 21)


def test_gpt_3s_table_has_its_learning_rates_and_batches():
    rates = {row: size.lr for row, size in GPT_3_TABLE_2_1.items()}
    assert (rates["125M"], rates["350M"], rates["760M"], rates["1.3B"]) == (6e-4, 3e-4, 2.5e-4, 2e-4)
    assert [size.batch_tokens for size in GPT_3_TABLE_2_1.values()] == [500_000] * 3 + [10**6] * 2 + [2 * 10**6] * 2 + [
        3_200_000
    ]


def test_it_compiles_without_a_break_in_the_graph(text):
    gpt = made(BANDED)
    explained = torch._dynamo.explain(gpt)(text)
    assert explained.graph_break_count == 0
