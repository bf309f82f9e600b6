"""LoRA: what is trained, that nothing changes before training, that merging changes nothing after it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from reproductions.bert.model import BERT
from reproductions.bert.sizes import Model as BERTModel
from reproductions.engine import optimizers
from reproductions.engine.recipe import Optim
from reproductions.finetuning.inputs import Inputs
from reproductions.finetuning.model import BERTClassifier, GPTClassifier, LowRank, adapt, merge
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model as GPTModel
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model as LlamaModel

VOCABULARY, LABELS = 40, 3


@pytest.fixture(params=["gpt", "bert"])
def classifier(request):
    torch.manual_seed(0)
    if request.param == "gpt":
        model = GPTModel(num_layers=2, d_model=16, num_heads=2, context=12)
        return GPTClassifier(GPT(model, VOCABULARY), LABELS, dropout=0.0, auxiliary=0.5)
    model = BERTModel(num_layers=2, d_model=16, num_heads=2, context=12, dropout=0.0)
    return BERTClassifier(BERT(model, VOCABULARY), LABELS, dropout=0.0)


def transformer(classifier):
    return classifier.gpt if isinstance(classifier, GPTClassifier) else classifier.encoder


def inputs():
    tokens = torch.randint(0, VOCABULARY, (4, 9), generator=torch.Generator().manual_seed(1))
    last = torch.full((4,), 8)
    return Inputs(tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool), last, 1)


@pytest.fixture
def trained():
    """A few steps of an adapted classifier, and its frozen weights before them."""

    def train(classifier):
        adapt(transformer(classifier), rank=2, alpha=8.0)
        frozen = {name: weight.clone() for name, weight in classifier.named_parameters() if not weight.requires_grad}
        optimizer = optimizers.build(Optim(lr=0.05), classifier)
        first = None
        for _ in range(30):
            loss = F.cross_entropy(classifier.train()(inputs()).outputs, torch.arange(4) % LABELS)
            first = first or float(loss.detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert float(loss.detach()) < first / 2
        return frozen

    return train


def test_only_the_head_and_the_thin_matrices_learn(classifier, trained):
    frozen = trained(classifier)
    now = dict(classifier.named_parameters())
    assert all(torch.equal(now[name], weight) for name, weight in frozen.items())
    learning = {name for name, weight in now.items() if weight.requires_grad}
    outside = {name for name in learning if not name.startswith(("gpt.", "encoder."))}
    assert all(".project_in.a." in name or ".project_in.b." in name for name in learning - outside)
    assert "output.weight" in outside


def test_merging_changes_no_output_and_leaves_the_model_as_it_was_built(classifier, trained):
    names = list(classifier.state_dict())
    before = classifier.eval()(inputs()).outputs
    trained(classifier)
    after = classifier.eval()(inputs()).outputs
    assert not torch.allclose(before, after, atol=1e-3)
    merge(transformer(classifier))
    assert torch.allclose(classifier(inputs()).outputs, after, atol=1e-5)
    assert list(classifier.state_dict()) == names
    assert all(weight.requires_grad for name, weight in classifier.named_parameters() if "project_in" in name)


def test_queries_and_values_are_adapted_and_keys_are_not():
    torch.manual_seed(0)
    layer = LowRank(torch.nn.Linear(6, 12), rank=2, alpha=3.0, parts=((0, 4), (8, 4)))
    for b in layer.b:
        torch.nn.init.normal_(b)
    x = torch.randn(5, 6)
    delta = (layer(x) - layer.base(x)).view(5, 3, 4)
    assert torch.equal(delta[:, 1], torch.zeros(5, 4))
    for part, a, b in zip((0, 2), layer.a, layer.b, strict=True):  # (alpha / r) B A x, written out
        assert torch.allclose(delta[:, part], 1.5 * x @ (b @ a).T, atol=1e-6)


def test_of_llamas_grouped_queries_the_rows_of_queries_and_values_are_adapted():
    torch.manual_seed(0)
    llama = Llama(LlamaModel(num_layers=1, d_model=16, num_heads=4, num_groups=2, d_ff=24, context=12), VOCABULARY)
    adapt(llama, rank=2, alpha=4.0)
    adapted = llama.blocks[0].attention.project_in
    assert adapted.parts == ((0, 16), (24, 8))  # 16 rows of queries, 8 of keys, 8 of values
    assert [tuple(b.shape) for b in adapted.b] == [(16, 2), (8, 2)]


def test_alpha_over_r_scales_what_is_added():
    one, two = (LowRank(torch.nn.Linear(4, 4), rank=2, alpha=alpha, parts=((0, 4),)) for alpha in (2.0, 6.0))
    two.load_state_dict(one.state_dict())
    for layer in (one, two):
        torch.nn.init.constant_(layer.b[0], 0.5)
    x = torch.randn(3, 4)
    assert torch.allclose(two(x) - two.base(x), 3 * (one(x) - one.base(x)), atol=1e-6)
