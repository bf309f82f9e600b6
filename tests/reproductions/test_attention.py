"""Section 3.2 of 1706.03762 against its own readable form, and against PyTorch's MultiheadAttention."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reproductions.attention.model import (
    KeyValueCache,
    MultiHeadAttention,
    attend,
    attend_readable,
    causal_mask,
    padding_mask,
)

B, T, S, D, H = 3, 5, 7, 16, 4


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def heads(length, width):
    return torch.randn(B, H, length, width)


@pytest.mark.parametrize("d_value", [8, 6])
def test_the_fused_kernel_computes_equation_1(d_value):
    q, k, v = heads(T, 8), heads(S, 8), heads(S, d_value)
    mask = torch.rand(B, 1, T, S) < 0.7
    mask[..., 0] = True
    readable, weights = attend_readable(q, k, v, mask)
    torch.testing.assert_close(attend(q, k, v, mask), readable)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    assert (weights.masked_select(~mask.expand_as(weights)) == 0).all()


def test_causal_is_the_same_as_the_causal_mask():
    q, k, v = heads(T, 8), heads(T, 8), heads(T, 8)
    torch.testing.assert_close(attend(q, k, v, causal=True), attend_readable(q, k, v, causal_mask(T))[0])


def test_scores_are_divided_by_the_root_of_the_key_size():
    """Equation (1) by hand: one query, two keys, d_k = 4."""
    q, k = torch.tensor([[[[2.0, 0, 0, 0]]]]), torch.tensor([[[[1.0, 0, 0, 0], [0, 1.0, 0, 0]]]])
    _, weights = attend_readable(q, k, torch.zeros(1, 1, 2, 1))
    torch.testing.assert_close(weights.flatten(), torch.tensor([1.0, 0.0]).softmax(0))


@pytest.mark.parametrize(("d_key", "d_value"), [(None, None), (2, None), (2, 6)])
def test_the_fast_form_equals_the_four_steps(d_key, d_value):
    attention = MultiHeadAttention(D, H, d_key, d_value)
    x, memory = torch.randn(B, T, D), torch.randn(B, S, D)
    mask = padding_mask(torch.tensor([[1] * S, [1] * 4 + [0] * 3, [1] + [0] * 6]), pad=0)
    torch.testing.assert_close(attention(x, causal=True), attention.forward_readable(x, x, causal_mask(T))[0])
    crossed = attention.cross(x, attention.keys_values(memory), mask)
    torch.testing.assert_close(crossed, attention.forward_readable(x, memory, mask)[0])


@pytest.mark.parametrize("bias", [False, True])
def test_it_equals_pytorchs_multihead_attention(bias):
    ours, theirs = MultiHeadAttention(D, H, bias=bias), nn.MultiheadAttention(D, H, bias=bias, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project_in.weight)
        theirs.out_proj.weight.copy_(ours.project_out.weight)
        if bias:
            for mine, other in (
                (ours.project_in.bias, theirs.in_proj_bias),
                (ours.project_out.bias, theirs.out_proj.bias),
            ):
                mine.normal_()
                other.copy_(mine)
    x, memory = torch.randn(B, T, D), torch.randn(B, S, D)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])
    torch.testing.assert_close(ours.cross(x, ours.keys_values(memory)), theirs(x, memory, memory)[0])


def test_rows_b_of_table_3_shrink_keys_and_leave_values():
    attention = MultiHeadAttention(512, 8, d_key=16)
    assert sum(weight.numel() for weight in attention.parameters()) == 2 * 512 * 128 + 2 * 512 * 512


def test_head_sizes_that_do_not_divide_have_to_be_said():
    with pytest.raises(ValueError, match="not a multiple"):
        MultiHeadAttention(10, 3)


def test_steps_over_the_cache_equal_one_causal_pass():
    attention, cache = MultiHeadAttention(D, H), KeyValueCache()
    x = torch.randn(B, 40, D)  # longer than the first room, so the cache has to grow
    stepped = torch.cat([attention.step(x[:, t : t + 1], cache) for t in range(40)], dim=1)
    torch.testing.assert_close(stepped, attention(x, causal=True))
    assert cache.length == 40


@pytest.mark.parametrize("rows", [[2, 0, 0], [1]])
def test_a_cache_whose_rows_were_selected_goes_on_as_if_they_had_been_there(rows):
    attention, cache = MultiHeadAttention(D, H), KeyValueCache()
    x, newest = torch.randn(B, T, D), torch.randn(len(rows), 1, D)
    for t in range(T):
        attention.step(x[:, t : t + 1], cache)
    cache.select(torch.tensor(rows))
    whole = attention(torch.cat([x[rows], newest], dim=1), causal=True)
    torch.testing.assert_close(attention.step(newest, cache), whole[:, -1:])
