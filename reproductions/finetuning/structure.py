"""What the papers say about fine-tuning that needs no training: counts, on models without storage, and equations."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.bert.model import BERT
from reproductions.bert.sizes import BASE, LARGE, VOCABULARY
from reproductions.bert.sizes import Model as BERTModel
from reproductions.finetuning import BERT as BERT_PAPER
from reproductions.finetuning import GPT_1, LORA
from reproductions.finetuning.inputs import NEW_TOKENS, Inputs
from reproductions.finetuning.model import BERTClassifier, GPTClassifier, adapt, grow_embedding, merge, objective
from reproductions.gpt import sizes
from reproductions.gpt.model import GPT

# RoBERTa and DeBERTa differ from BERT in what LoRA leaves alone: their W_q and W_v have BERT's shapes.
_DEBERTA_XXL = BERTModel(num_layers=48, d_model=1536, num_heads=24)
_GPT_3 = sizes.GPT_3_TABLE_2_1["175B"].model
_ADAPTED: Mapping[str, tuple[sizes.Model | BERTModel, int]] = {
    "table-2:roberta-base:parameters": (BASE, 8),
    "table-2:roberta-large:parameters": (LARGE, 8),
    "table-2:deberta-xxl:parameters": (_DEBERTA_XXL, 8),
    "table-3:gpt-2-medium:parameters": (sizes.GPT_2["gpt-2-medium"], 4),
    "table-3:gpt-2-large:parameters": (sizes.GPT_2["gpt-2-large"], 4),
    "table-4:gpt-3:small:parameters": (_GPT_3, 1),
    "table-4:gpt-3:large:parameters": (_GPT_3, 8),
    "table-5:gpt-3:parameters": (_GPT_3, 4),
}
_LABELS, _TEXTS, _LENGTH = 2, 4, 9
_TINY = sizes.Model(num_layers=2, d_model=16, num_heads=2, context=16)
_TINY_VOCABULARY = 20


def structure() -> list[dict[str, Any]]:
    """One for each structural claim of claims.toml."""
    return [*_counts(), *_equations()]


def _counts() -> list[dict[str, Any]]:
    found = []
    for name, (model, rank) in _ADAPTED.items():
        protocol = {"rank": rank, "matrices": "W_q, W_v"}
        found.append(_measured(f"{LORA}:{name}", "parameters", _trained(model, rank) / 1e6, "million", protocol))
    fewer = sum(weight.numel() for weight in _without_storage(_GPT_3).parameters()) / _trained(_GPT_3, 4)
    shares = {"rank": 4, "matrices": "W_q, W_v", "of": "GPT-3 175B"}
    found.append(_measured(f"{LORA}:section-4.2:fewer", "fewer-trained-parameters", fewer, "times", shares))
    with torch.device("meta"):
        gpt = GPT(sizes.GPT_1, sizes.GPT_1_VOCABULARY)
        before = _count(gpt)
        grow_embedding(gpt, NEW_TOKENS, std=0.02)
        new = _count(GPTClassifier(gpt, _LABELS, 0.1, 0.5)) - before
        bert = BERT(BASE, VOCABULARY)
        head = _count(BERTClassifier(bert, _LABELS, 0.1)) - _count(bert.encoder) - _count(bert.pooler)
    labels = {"labels": _LABELS}
    found.append(_measured(f"{GPT_1}:section-3.2:new-parameters", "parameters", new / 1e3, "thousand", labels))
    found.append(_measured(f"{BERT_PAPER}:section-4.1:new-parameters", "parameters", head / 1e3, "thousand", labels))
    return found


def _trained(model: sizes.Model | BERTModel, rank: int) -> int:
    """Weights that LoRA trains in a Transformer of this shape."""
    transformer = _without_storage(model)
    with torch.device("meta"):
        adapt(transformer, rank, alpha=1.0)
    return sum(weight.numel() for weight in transformer.parameters() if weight.requires_grad)


def _without_storage(model: sizes.Model | BERTModel) -> GPT | BERT:
    with torch.device("meta"):
        return BERT(model, VOCABULARY) if isinstance(model, BERTModel) else GPT(model, sizes.GPT_2_VOCABULARY)


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _equations() -> list[dict[str, Any]]:
    """Largest differences between what an equation says and what our models compute, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gpt = GPT(_TINY, _TINY_VOCABULARY)
        grow_embedding(gpt, NEW_TOKENS, std=0.02)
        classifier = GPTClassifier(gpt, _LABELS, dropout=0.0, auxiliary=0.5)
        for weight in classifier.parameters():
            nn.init.normal_(weight, std=0.3)
        texts = torch.randint(0, _TINY_VOCABULARY, (_TEXTS, _LENGTH))
        found = {
            f"{GPT_1}:section-3.2:objective": _objective(classifier, texts),
            f"{GPT_1}:section-3.3:similarity": _similarity(classifier, texts),
            f"{LORA}:section-4.1:zero-at-the-beginning": _lora(classifier, texts, trained=False),
            f"{LORA}:section-4.1:merged": _lora(classifier, texts, trained=True),
        }
    protocol = {"weights": "random"}
    return [_measured(claim, "largest-difference", value, "logits", protocol) for claim, value in found.items()]


def _inputs(texts: Tensor, orders: int = 1) -> Inputs:
    real = torch.ones_like(texts, dtype=torch.bool)
    last = torch.full((len(texts),), texts.shape[1] - 1)
    return Inputs(texts, torch.zeros_like(texts), real, last, orders)


def _objective(classifier: GPTClassifier, texts: Tensor) -> float:
    """L3 = L2 + lambda L1, against log-probabilities taken one by one."""
    labels = torch.arange(len(texts)) % _LABELS
    loss, _ = objective(classifier.train()(_inputs(texts)), labels, classifier.auxiliary)
    hidden = classifier.gpt.hidden(texts)
    label_p = (hidden[:, -1] @ classifier.output.weight.T).log_softmax(-1)
    next_p = classifier.gpt.logits(hidden[:, :-1]).log_softmax(-1)
    l2 = sum(label_p[row, labels[row]] for row in range(len(texts)))
    tokens = [next_p[row, t, texts[row, t + 1]] for row in range(len(texts)) for t in range(_LENGTH - 1)]
    l1 = torch.stack(tokens).mean() * len(texts)
    return float((loss + l2 + classifier.auxiliary * l1).detach().abs())


def _similarity(classifier: GPTClassifier, texts: Tensor) -> float:
    """The order of the two texts of a pair: there is none."""
    one, other = texts[0], texts[1]
    with torch.no_grad():
        first, second = (
            classifier.eval()(_inputs(torch.stack([torch.cat(pair) for pair in orders]), orders=2)).outputs
            for orders in _both_ways(one[:4], other[:4])
        )
    return float((first - second).abs().max())


def _both_ways(one: Tensor, other: Tensor) -> Sequence[Sequence[tuple[Tensor, Tensor]]]:
    there, back = (one, other), (other, one)
    return (there, back), (back, there)


def _lora(classifier: GPTClassifier, texts: Tensor, *, trained: bool) -> float:
    """Adapted against frozen before any training; after it, adapted against merged."""
    adapted = copy.deepcopy(classifier).eval()
    adapt(adapted.gpt, rank=2, alpha=4.0)
    with torch.no_grad():
        before = classifier.eval()(_inputs(texts)).outputs
        if not trained:
            return float((adapted(_inputs(texts)).outputs - before).abs().max())
        for name, weight in adapted.named_parameters():
            if ".project_in.b." in name:
                nn.init.normal_(weight, std=0.3)
        separate = adapted(_inputs(texts)).outputs
        merge(adapted.gpt)
        moved = float(F.l1_loss(separate, before))
        return float((adapted(_inputs(texts)).outputs - separate).abs().max()) if moved > 0 else float("inf")


def _measured(claim: str, metric: str, value: float, unit: str, protocol: dict[str, Any]) -> dict[str, Any]:
    common = {"task": "fine-tuning", "dataset": "-", "split": "-", "n": 1}
    return {"claim": claim, **common, "metric": metric, "value": value, "unit": unit, "protocol": protocol}
