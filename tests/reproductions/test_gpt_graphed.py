"""Decoding through a recorded step.  On a CPU the step itself stands for its replay."""

from __future__ import annotations

import gc

import pytest
import torch

from reproductions.engine.generation import Decoding, stream
from reproductions.gpt.graphed import GraphedGPT
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model

DENSE = Model(num_layers=2, d_model=16, num_heads=2, context=80)
BANDED = Model(num_layers=4, d_model=16, num_heads=2, context=80, band=5)
PROMPTS = [[5, 6, 7, 8, 9], [1, 2], [30, 31, 32, 33], [4]]


@pytest.fixture(params=[DENSE, BANDED], ids=["dense", "banded"])
def gpt(request) -> GPT:
    torch.manual_seed(3)
    model = GPT(request.param, 40)
    with torch.no_grad():  # spread the logits: argmax of nearly equal ones would show rounding, not mistakes
        for parameter in model.parameters():
            parameter.mul_(8)
    return model.eval()


def written(model, prompts, end=None, new=40):
    steps = list(stream(model, prompts, Decoding(max_new_tokens=new), context=80, end=end))
    return {row: [token for step in steps for at, token in step if at == row] for row in range(len(prompts))}


@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS, [PROMPTS[0], PROMPTS[0][::-1]]])
def test_a_recorded_step_writes_what_the_model_writes(gpt, prompts):
    recorded = []
    graphed = GraphedGPT(gpt, lambda step: recorded.append(step) or step)
    assert written(graphed, prompts) == written(gpt, prompts)
    assert len(recorded) == 1


def test_rows_that_end_are_dropped_and_the_rest_goes_on(gpt):
    plain = written(gpt, PROMPTS)
    end = plain[0][3]
    recorded = []
    graphed = GraphedGPT(gpt, lambda step: recorded.append(step) or step)
    assert written(graphed, PROMPTS, end=end) == written(gpt, PROMPTS, end=end)
    assert len(recorded) > 1


def test_the_next_text_of_the_same_shape_uses_the_same_recording(gpt):
    recorded = []
    graphed = GraphedGPT(gpt, lambda step: recorded.append(step) or step)
    for prompt in ([3, 4, 5], [9, 8, 7, 6]):
        gc.collect()
        assert written(graphed, [prompt]) == written(gpt, [prompt])
    assert len(recorded) == 1


def test_two_texts_that_are_written_at_once_do_not_meet(gpt):
    graphed = GraphedGPT(gpt, lambda step: step)
    how = Decoding(max_new_tokens=20)
    both = [stream(graphed, [prompt], how, context=80) for prompt in ([3, 4, 5], [9, 8, 7])]
    found: list[list[int]] = [[], []]
    for pair in zip(*both, strict=True):
        for place, step in enumerate(pair):
            found[place].append(step[0][1])
    assert found == [written(gpt, [prompt], new=20)[0] for prompt in ([3, 4, 5], [9, 8, 7])]
