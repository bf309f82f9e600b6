"""Maps of where a decoder looks: the weights are those that translating used, and the drawing says what they are."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import torch

from reproductions import registry
from reproductions.engine.recipe import override
from reproductions.transformer import attention_maps
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import Model
from reproductions.transformer.task import Task

SIZES = {"model.d_model": "16", "model.d_ff": "16", "model.num_layers": "2", "data.numbers": "200"}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    changes = {**SIZES, "evaluation.samples": "3", "evaluation.extra_length": "2"}
    recipe = override(registry.recipe("transformer-base", "smoke"), changes)
    task = Task(recipe=recipe, data_home=tmp_path_factory.mktemp("data"), device=torch.device("cpu"), seed=0)
    task.prepare(lambda _: None)
    return task


@pytest.fixture
def model(task):
    torch.manual_seed(0)
    return task.build_model().eval()


def test_the_weights_are_those_of_the_decoder(monkeypatch):
    """What each layer's cross-attention puts out in a plain pass is its weights times its values."""
    torch.manual_seed(0)
    model = Transformer(Model(num_layers=2, d_model=16, d_ff=24, num_heads=4, max_positions=16), 11).eval()
    source, target = torch.randint(3, 11, (1, 6)), torch.randint(3, 11, (1, 4))
    weights = attention_maps.cross_attention_weights(model, source, target)
    assert weights.shape == (2, 4, 4, 6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 4))
    memory = model.encode(source)
    for number, layer in enumerate(model.decoder):
        crossed = {}
        cross = layer.cross_attention.cross
        monkeypatch.setattr(
            layer.cross_attention,
            "cross",
            lambda *given, cross=cross, kept=crossed: kept.setdefault("out", cross(*given)),
        )
        model.decode(target, memory)
        _, values = layer.cross_attention.keys_values(memory)
        mixed = (weights[number][None] @ values).transpose(1, 2).flatten(-2)
        torch.testing.assert_close(crossed["out"], layer.cross_attention.project_out(mixed))


def test_the_weights_of_a_position_do_not_depend_on_later_ones():
    torch.manual_seed(0)
    model = Transformer(Model(num_layers=1, d_model=16, d_ff=24, num_heads=2, max_positions=16), 11).eval()
    source, target = torch.randint(3, 11, (1, 6)), torch.tensor([[1, 5, 6, 7]])
    whole = attention_maps.cross_attention_weights(model, source, target)
    torch.testing.assert_close(whole[:, :, :2], attention_maps.cross_attention_weights(model, source, target[:, :2]))


def test_the_first_samples_come_with_a_map_that_names_their_tokens(task, model):
    samples = task.samples(model, 1)
    assert ["artifacts" in sample for sample in samples] == [True, True, False]
    root = ET.fromstring(samples[0]["artifacts"]["attention.svg"])
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"layer 1", "layer 2", "(end)"} <= set(texts)
    ids = task.tokenizer.encode([samples[0]["source"]])[0]
    columns = texts[texts.index("layer 1") + 1 :][: len(ids)]
    assert "".join(text or " " for text in columns).replace(" ", "") == samples[0]["source"].replace(" ", "")


def test_what_is_too_long_to_be_read_is_not_drawn(task, model):
    ids = [5] * 61
    assert attention_maps.draw(model, task.tokenizer, ids, ids[:3]) is None
    assert attention_maps.draw(model, task.tokenizer, ids[:3], ids) is None
    assert attention_maps.draw(model, task.tokenizer, ids[:3], ids[:3]) is not None
