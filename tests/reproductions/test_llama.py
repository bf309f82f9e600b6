"""The model of LLaMA: equal to transformers', grouped or not, cached or not, and initialised as said."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from reproductions.attention.model import attend_readable
from reproductions.engine.recipe import override
from reproductions.llama import hf
from reproductions.llama.model import Llama, RMSNorm, angles, attend_in_groups, rotate
from reproductions.llama.recipes import SMOKE
from reproductions.llama.sizes import TABLE_2, Model
from reproductions.llama.task import Task
from reproductions.registry import InvalidInput

VOCABULARY = 53
TINY = Model(num_layers=3, d_model=24, num_heads=6, d_ff=40, context=20)
GROUPED = dataclasses.replace(TINY, num_groups=2)
MULTI_QUERY = dataclasses.replace(TINY, num_groups=1, d_head=6, tied=True, rotary_base=500.0, norm_eps=1e-3)


def made(model, seed=0):
    torch.manual_seed(seed)
    llama = Llama(model, VOCABULARY).eval()
    for parameter in llama.parameters():  # gains too: ones would prove nothing
        torch.nn.init.normal_(parameter, std=0.3)
    return llama


@pytest.fixture
def text():
    return torch.randint(0, VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", [TINY, GROUPED, MULTI_QUERY])
def test_it_equals_llama_of_transformers(text, model):
    ours = made(model)
    theirs = LlamaForCausalLM(LlamaConfig(**hf.config_of(model, VOCABULARY, None))).eval()
    theirs.load_state_dict(hf.to_state_dict(ours), strict=not model.tied)
    with torch.no_grad():
        torch.testing.assert_close(ours(text), theirs(text).logits, atol=1e-4, rtol=1e-4)


def test_the_norm_is_that_of_pytorch():
    norm = RMSNorm(24, 1e-3)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(3, 5, 24)
    torch.testing.assert_close(norm(x), F.rms_norm(x, (24,), norm.weight, 1e-3))
    assert norm(x.bfloat16()).isfinite().all()


def test_a_pair_is_turned_by_its_position_times_its_rate():
    x = torch.zeros(1, 1, 3, 8)
    x[..., 2] = 1.0  # the first of the second pair, whose rate is 10 ** -1
    turned = rotate(x, angles(torch.tensor([0, 5, 11]), 8, 10_000.0))[0, 0]
    for row, position in zip(turned, (0, 5, 11), strict=True):
        expected = [0, 0, math.cos(position * 0.1), math.sin(position * 0.1), 0, 0, 0, 0]
        torch.testing.assert_close(row, torch.tensor(expected))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_a_group_of_heads_shares_one_head_of_keys_and_values(count, masked):
    q, k, v = torch.randn(2, 6, count, 4), torch.randn(2, 2, 5, 4), torch.randn(2, 2, 5, 4)
    mask = (torch.rand(2, 1, count, 5) > 0.3) | (torch.arange(5) == 0) if masked else None
    found = attend_in_groups(q, k, v, mask)
    for head in range(6):
        group = head // 3
        expected, _ = attend_readable(q[:, head, None], k[:, group, None], v[:, group, None], mask)
        torch.testing.assert_close(found[:, head, None], expected)


@pytest.mark.parametrize("model", [TINY, GROUPED, MULTI_QUERY])
@pytest.mark.parametrize("padding", [None, [0, 3]])
def test_what_is_remembered_equals_what_is_read_anew(text, model, padding):
    llama = made(model)
    with torch.no_grad():
        cache = llama.start(2, 17)
        cache.padding = None if padding is None else torch.tensor(padding)
        for start, end in ((0, 9), (9, 10), (10, 13), (13, 14)):
            found = llama.extend(text[:, start:end], cache)
            for row, skipped in enumerate(padding or [0, 0]):
                expected = llama(text[row : row + 1, skipped:end])[0, -1]
                torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-4)
        cache.select(torch.tensor([1]))
        expected = llama(text[1:, (padding or [0, 0])[1] : 15])[:, -1]
        torch.testing.assert_close(llama.extend(text[1:, 14:15], cache), expected, atol=1e-5, rtol=1e-4)


def test_a_group_costs_one_head_of_memory():
    held = {model.groups: made(model).start(3, 20).layers[0].held.numel() for model in (TINY, GROUPED)}
    assert held[6] == 3 * held[2] == 2 * 3 * 6 * 20 * 4


def test_the_loss_is_the_cross_entropy_of_the_logits(text):
    llama = made(GROUPED)
    targets = text.flatten().roll(3)
    expected = F.cross_entropy(llama(text).flatten(0, 1), targets, reduction="sum")
    torch.testing.assert_close(llama(text, targets), expected)


@pytest.mark.parametrize(("initialisation", "matrix"), [("gpt-2", 0.02), ("fan-in", 128**-0.5)])
def test_weights_begin_as_each_initialisation_says(initialisation, matrix):
    torch.manual_seed(0)
    model = Model(num_layers=8, d_model=128, num_heads=4, d_ff=128, context=8, initialisation=initialisation)
    llama = Llama(model, 512)
    block = llama.blocks[0]
    for weight in (llama.tokens.weight, llama.output.weight, block.attention.project_in.weight):
        assert float(weight.detach().std()) == pytest.approx(matrix, rel=0.03)
    for weight in (block.attention.project_out.weight, block.feed_forward.contract.weight):
        assert float(weight.detach().std()) == pytest.approx(matrix / 4, rel=0.03)
    assert bool((block.attention_norm.weight == 1).all())


def test_the_widths_are_those_of_the_released_models():
    assert [model.feed_forward_width for model in TABLE_2.values()] == [11_008, 13_824, 17_920, 22_016]


def test_more_tokens_than_the_context_are_refused(tmp_path):
    llama = made(TINY)
    with pytest.raises(ValueError, match="21 tokens are more than the context of 20"):
        llama(torch.zeros(1, 21, dtype=torch.long))
    with pytest.raises(ValueError, match="30 tokens"):
        llama.start(1, 30)
    recipe = override(SMOKE, {"model.context": "16"})
    task = Task(recipe=recipe, data_home=tmp_path, device=torch.device("cpu"), seed=0)
    with pytest.raises(InvalidInput, match=r"data.context is 128 and the model has 16 positions"):
        task.build_model()


@pytest.mark.soak
def test_it_compiles_without_a_break_in_the_graph(text):
    llama = made(GROUPED)
    compiled = torch.compile(llama, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(text), llama(text), atol=1e-5, rtol=1e-4)
