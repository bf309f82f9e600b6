"""What the paper says about BERT that needs no training: parameter counts, shares, tokens of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reproductions.bert import PAPER, sizes
from reproductions.bert.model import BERT
from reproductions.bert.recipes import BASE_FULL, Data
from reproductions.bert.sizes import Model
from reproductions.data.masking import Masking
from reproductions.data.sentence_pairs import PairMaker, Pairs, PairStream
from reproductions.data.token_shards import TokenRow
from reproductions.tokenizers import wordpiece

_WORDS_OF_THE_CORPUS = 3.3e9  # section 3.1: 800 million of BooksCorpus, 2,500 million of Wikipedia
_DOCUMENTS, _LENGTH = 40, 2000
_DRAWN_PAIRS = 256


def structure() -> list[dict[str, Any]]:
    """One for each structural claim of claims.toml."""
    return [*_parameter_counts(), *_shares(), *_tokens()]


def _parameter_counts() -> list[dict[str, Any]]:
    named = {"base": sizes.BASE, "large": sizes.LARGE}
    return [_counted(f"{PAPER}:section-3:{name}:parameters", model) for name, model in named.items()]


def _counted(claim: str, model: Model) -> dict[str, Any]:
    """In millions, of a model without storage."""
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in BERT(model, sizes.VOCABULARY).parameters())
    protocol = {"vocabulary": sizes.VOCABULARY, "context": model.context, "heads": "both of pre-training", "tied": True}
    return _measured(
        claim, "parameters", count / 1e6, "million", n=1, protocol=protocol, task="masked language modelling"
    )


def _shares() -> list[dict[str, Any]]:
    """Counted in pairs of the full recipe's length, drawn from made-up documents with the size of its vocabulary."""
    data = BASE_FULL.data
    random = np.random.default_rng(0)
    names = [*wordpiece.SPECIAL, *(f"word{number}" for number in range(sizes.VOCABULARY - len(wordpiece.SPECIAL)))]
    tokenizer = wordpiece.from_ids({name: number for number, name in enumerate(names)})
    documents = random.integers(len(wordpiece.SPECIAL), tokenizer.size, (_DOCUMENTS, _LENGTH))
    tokens = np.pad(documents, ((0, 0), (0, 1)), constant_values=tokenizer.separator).flatten()
    row = TokenRow((tokens,), np.array([0, len(tokens)]), 0, "")
    maker = PairMaker(row, tokenizer, Masking(data.mask_rate, data.masked, data.replaced))
    long = next(PairStream(maker, context=data.context, batch_size=_DRAWN_PAIRS, seed=0))
    many = next(PairStream(maker, context=16, batch_size=10 * _DRAWN_PAIRS, seed=0))
    return _shares_of(long, many, tokenizer.mask, data)


def _shares_of(long: Pairs, many: Pairs, mask: int, data: Data) -> list[dict[str, Any]]:
    seen, targets = long.tokens.flatten()[long.places], long.targets
    masked, same = seen == mask, seen == targets
    shares = {
        "section-3.1:mask-rate": (len(targets) / int(long.real.sum()), len(targets)),
        "section-3.1:masked-share": (float(masked.double().mean()), len(targets)),
        "section-3.1:random-share": (float((~masked & ~same).double().mean()), len(targets)),
        "section-3.1:unchanged-share": (float(same.double().mean()), len(targets)),
        "section-3.1:next-sentence-share": (1 - float(many.is_random.double().mean()), len(many.is_random)),
    }
    protocol = {"context": data.context, "drawn": "anew for each pair"}
    return [
        _measured(f"{PAPER}:{name}", "share", 100 * share, "%", n=count, protocol=protocol, task="pre-training data")
        for name, (share, count) in shares.items()
    ]


def _tokens() -> list[dict[str, Any]]:
    """Of a batch of the longest pairs, and of the whole training over the words of the corpus."""
    data, train = BASE_FULL.data, BASE_FULL.train
    pairs = data.sequences_per_batch * train.accumulate
    steps = {data.first_context: data.first_share, data.context: 1 - data.first_share}
    read = sum(pairs * context * share * train.max_steps for context, share in steps.items())
    batch = {"sequences": pairs, "context": data.context}
    whole = {"sequences": pairs, "steps": train.max_steps, "words": _WORDS_OF_THE_CORPUS, "first_context": 128}
    return [
        _measured(
            f"{PAPER}:appendix-A.2:batch:tokens",
            "tokens-per-batch",
            pairs * data.context / 1e3,
            "thousand",
            n=1,
            protocol=batch,
            task="pre-training data",
        ),
        _measured(
            f"{PAPER}:appendix-A.2:epochs",
            "epochs",
            read / _WORDS_OF_THE_CORPUS,
            "epochs",
            n=1,
            protocol=whole,
            task="pre-training data",
        ),
    ]


def _measured(
    claim: str, metric: str, value: float, unit: str, *, n: int, protocol: dict[str, Any], task: str
) -> dict[str, Any]:
    return {
        "claim": claim,
        "task": task,
        "dataset": "-",
        "split": "-",
        "metric": metric,
        "value": value,
        "unit": unit,
        "n": n,
        "protocol": protocol,
    }
