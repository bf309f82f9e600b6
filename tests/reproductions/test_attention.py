"""Section 3.2 of 1706.03762 against its own readable form, and against PyTorch's MultiheadAttention."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reproductions.attention.model import (
    AdditiveAttention,
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


# Masks and gradients, in float64: random shapes, random masks, queries that may attend to nothing


def of_size(*size):
    return torch.randn(*size, dtype=torch.float64, requires_grad=True)


def any_mask(rng, shape):
    """Each pair with a probability of its own; some queries see nothing, in some masks all do."""
    return torch.rand(shape, generator=rng) < torch.rand((), generator=rng)


@pytest.mark.parametrize("seed", range(12))
def test_readable_and_fused_agree_in_values_and_gradients_under_any_mask(seed):
    rng = torch.Generator().manual_seed(seed)
    batch, heads_, queries, keys, width, value = (int(torch.randint(1, 7, (), generator=rng)) for _ in range(6))
    tensors = (
        of_size(batch, heads_, queries, width),
        of_size(batch, heads_, keys, width),
        of_size(batch, heads_, keys, value),
    )
    shapes = [(batch, 1, queries, keys), (queries, keys), (batch, 1, 1, keys), (batch, heads_, queries, keys)]
    mask = None if seed == 0 else any_mask(rng, shapes[seed % 4])
    direction = torch.randn(batch, heads_, queries, value, dtype=torch.float64, generator=rng)
    readable, weights = attend_readable(*tensors, mask)
    fused = attend(*tensors, mask)
    torch.testing.assert_close(fused, readable, rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(output, tensors, direction) for output in (readable, fused)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    allowed = torch.ones((), dtype=torch.bool) if mask is None else mask
    sees_something = allowed.expand(batch, heads_, queries, keys).any(dim=-1)
    torch.testing.assert_close(weights.sum(dim=-1), sees_something.double())
    assert (readable[~sees_something] == 0).all()


def test_a_query_that_sees_nothing_leaves_no_trace_in_the_gradients():
    q, k, v = of_size(1, 2, 3, 4), of_size(1, 2, 5, 4), of_size(1, 2, 5, 4)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    for attention in (lambda: attend_readable(q, k, v, mask)[0], lambda: attend(q, k, v, mask)):
        gradients = torch.autograd.grad(attention().sum(), (q, k, v))
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert (gradients[0][:, :, 1] == 0).all()


def test_the_gradients_of_both_forms_are_right():
    """Against finite differences, with a mask under which one query sees nothing."""
    q, k, v = of_size(1, 1, 3, 2), of_size(1, 1, 4, 2), of_size(1, 1, 4, 3)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda *t: attend_readable(*t, mask)[0], (q, k, v))
    assert torch.autograd.gradcheck(lambda *t: attend(*t, mask), (q, k, v))


def test_padding_changes_nothing_that_real_positions_see():
    torch.manual_seed(0)
    attention = MultiHeadAttention(D, H)
    x, memory = torch.randn(2, T, D), torch.randn(2, S, D)
    mask = padding_mask(torch.tensor([[1] * S, [1] * 4 + [0] * (S - 4)]), pad=0)
    changed = memory.clone()
    changed[1, 4:] = 1e3
    torch.testing.assert_close(
        attention.cross(x, attention.keys_values(memory), mask),
        attention.cross(x, attention.keys_values(changed), mask),
    )


def test_the_readable_form_has_biases_too():
    attention = MultiHeadAttention(D, H, bias=True)
    nn.init.normal_(attention.project_in.bias)
    nn.init.normal_(attention.project_out.bias)
    x = torch.randn(B, T, D)
    torch.testing.assert_close(attention(x), attention.forward_readable(x, x)[0])


# Additive attention


def additive_of(d_query, d_annotation, d_hidden):
    model = AdditiveAttention(d_query, d_annotation, d_hidden).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


def test_additive_attention_is_the_papers_equations_pair_by_pair():
    model = additive_of(4, 6, 5)
    states, annotations = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 7, 6, dtype=torch.float64)
    contexts, weights = model(states, annotations)
    for b in range(2):
        for i in range(3):
            e = [model.v_a @ torch.tanh(model.w_a @ states[b, i] + model.u_a @ annotations[b, j]) for j in range(7)]
            alpha = torch.stack(e).exp() / torch.stack(e).exp().sum()  # equation (6)
            torch.testing.assert_close(weights[b, i], alpha)
            torch.testing.assert_close(contexts[b, i], sum(alpha[j] * annotations[b, j] for j in range(7)))  # (5)


def test_additive_attention_step_by_step_with_keys_computed_once_is_the_same():
    model = additive_of(4, 6, 5)
    states, annotations = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 7, 6, dtype=torch.float64)
    mask = torch.rand(2, 1, 7) < 0.6
    keys = model.keys(annotations)
    stepwise = [model(states[:, i : i + 1], annotations, mask, keys)[0] for i in range(3)]
    torch.testing.assert_close(torch.cat(stepwise, dim=1), model(states, annotations, mask)[0])


def test_additive_attention_ignores_what_is_masked_and_a_wholly_masked_source_gives_nothing():
    model = additive_of(4, 6, 5)
    states, annotations = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 7, 6, dtype=torch.float64)
    mask = torch.ones(2, 1, 7, dtype=torch.bool)
    mask[0, :, 5:], mask[1] = False, False
    contexts, weights = model(states, annotations, mask)
    changed = annotations.clone()
    changed[0, 5:] = 9.0
    torch.testing.assert_close(model(states, changed, mask)[0][0], contexts[0])
    assert (weights[0, :, 5:] == 0).all()
    assert (contexts[1] == 0).all()
    gradients = torch.autograd.grad(contexts.sum(), list(model.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_additive_attention_begins_by_looking_everywhere_alike():
    """Section B.1: v_a is zero, W_a and U_a nearly so."""
    model = AdditiveAttention(100, 200, 100)
    _, weights = model(torch.randn(1, 2, 100), torch.randn(1, 5, 200))
    torch.testing.assert_close(weights, torch.full((1, 2, 5), 0.2))
    assert model.w_a.std().item() == pytest.approx(0.001, rel=0.05)
    assert model.u_a.std().item() == pytest.approx(0.001, rel=0.05)
