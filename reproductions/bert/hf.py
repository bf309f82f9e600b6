"""BERT in Hugging Face's format, both ways: names and shapes of its weights, and its config.json.

What belongs to the format of every model is in ``reproductions/engine/hf.py``.  Hugging Face keeps the projections to
queries, keys and values apart, and the tokens' embedding once more as the masked LM's matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproductions.bert.model import BERT
from reproductions.bert.sizes import SEGMENTS, Model
from reproductions.engine import hf
from reproductions.registry import InvalidInput
from reproductions.tokenizers.wordpiece import WordPiece

_NAMES = {
    "encoder.embeddings.tokens": "bert.embeddings.word_embeddings",
    "encoder.embeddings.segments": "bert.embeddings.token_type_embeddings",
    "encoder.embeddings.positions": "bert.embeddings.position_embeddings",
    "encoder.embeddings.norm": "bert.embeddings.LayerNorm",
    "pooler.dense": "bert.pooler.dense",
    "masked_lm.transform": "cls.predictions.transform.dense",
    "masked_lm.norm": "cls.predictions.transform.LayerNorm",
    "masked_lm": "cls.predictions",
    "next_sentence": "cls.seq_relationship",
}
_BLOCK_NAMES = {
    "attention.project_out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.expand": "intermediate.dense",
    "feed_forward.contract": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}
_PROJECTIONS = ("query", "key", "value")
_GELUS = {"gelu": "exact", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
_NEXT_SENTENCE = ("bert.pooler.", "cls.seq_relationship.")
_SAID_TWICE = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "bert.embeddings.position_ids")


def config_of(model: Model, vocabulary: int, pad: int) -> dict[str, Any]:
    """config.json of BertForPreTraining."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "max_position_embeddings": model.context,
        "type_vocab_size": SEGMENTS,
        "hidden_size": model.d_model,
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": model.num_heads,
        "intermediate_size": model.feed_forward_width,
        "hidden_act": "gelu" if model.gelu == "exact" else "gelu_new",
        "layer_norm_eps": model.norm_eps,
        "initializer_range": model.initial_std,
        "hidden_dropout_prob": model.dropout,
        "attention_probs_dropout_prob": model.dropout,
        "pad_token_id": pad,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }


def model_of(config: Mapping[str, Any]) -> Model:
    """The sizes that a config.json says.  Raises InvalidInput for one that is not BERT's."""
    if config.get("model_type") != "bert":
        raise InvalidInput(f'config.json is of model_type "{config.get("model_type")}"', "bert can be read here")
    gelu = config.get("hidden_act", "gelu")
    unlike = {
        f'the activation "{gelu}"': gelu not in _GELUS,
        f"{config.get('type_vocab_size')} segments": config.get("type_vocab_size", SEGMENTS) != SEGMENTS,
        f'positions that are "{config.get("position_embedding_type")}"': config.get(
            "position_embedding_type", "absolute"
        )
        != "absolute",
        "an output matrix of its own": not config.get("tie_word_embeddings", True),
        "a decoder": bool(config.get("is_decoder")),
    }
    if said := [what for what, differs in unlike.items() if differs]:
        raise InvalidInput(f"config.json has {', '.join(said)}", "take weights of BERT itself")
    width, wide = config["hidden_size"], config.get("intermediate_size", 3072)
    return Model(
        num_layers=config["num_hidden_layers"],
        d_model=width,
        num_heads=config["num_attention_heads"],
        d_ff=None if wide == 4 * width else wide,
        context=config.get("max_position_embeddings", 512),
        dropout=config.get("hidden_dropout_prob", 0.1),
        gelu="tanh" if _GELUS[gelu] == "tanh" else "exact",
        norm_eps=config.get("layer_norm_eps", 1e-12),
        initial_std=config.get("initializer_range", 0.02),
    )


def to_state_dict(bert: BERT) -> dict[str, Tensor]:
    """The weights under Hugging Face's names."""
    found: dict[str, Tensor] = {}
    for name, tensor in bert.state_dict().items():
        theirs = _their_names(name)
        found.update(zip(theirs, tensor.chunk(len(theirs)), strict=True))
    return found


def from_state_dict(bert: BERT, weights: Mapping[str, Tensor], *, only_words: bool = False) -> None:
    """Loads weights under Hugging Face's names.  Raises InvalidInput where they do not fit the model.

    The older names of norms, "gamma" and "beta", are known too.  With ``only_words`` the head for the next sentence,
    which a BertForMaskedLM does not have, may be missing: it is zero then.
    """
    given = {
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): tensor
        for name, tensor in weights.items()
        if name not in _SAID_TWICE
    }
    if only_words and not any(name.startswith(_NEXT_SENTENCE) for name in given):
        absent = [name for name in bert.state_dict() if _their_names(name)[0].startswith(_NEXT_SENTENCE)]
        given |= {_their_names(name)[0]: torch.zeros(bert.state_dict()[name].shape) for name in absent}
    expected = {theirs for name in bert.state_dict() for theirs in _their_names(name)}
    if unlike := sorted(expected ^ given.keys()):
        what = f"the weights are not those of BERT with both its heads: {', '.join(unlike[:4])}"
        raise InvalidInput(what, "take a BertForPreTraining")
    ours = {}
    for name, tensor in bert.state_dict().items():
        joined = torch.cat([given[theirs] for theirs in _their_names(name)])
        if joined.shape != tensor.shape:
            raise InvalidInput(f"{_their_names(name)[0]} has the shape {tuple(joined.shape)}", "look at config.json")
        ours[name] = joined.float()
    bert.load_state_dict(ours)


def save(bert: BERT, folder: Path, tokenizer: WordPiece) -> None:
    """Writes what AutoModelForPreTraining, AutoModelForMaskedLM and AutoTokenizer open."""
    config = config_of(bert.model, bert.encoder.embeddings.tokens.num_embeddings, tokenizer.pad)
    hf.write_model(folder, config, to_state_dict(bert))
    hf.write_wordpiece_tokenizer(folder, tokenizer.pieces(), longest=bert.model.context)


def load(folder: Path, device: torch.device | str = "cpu", *, only_words: bool = False) -> BERT:
    """The model that a folder of Hugging Face's format holds, in float32 and eval mode; see from_state_dict."""
    config = hf.read_config(folder)
    with torch.device("meta"):
        bert = BERT(model_of(config), config["vocab_size"])
    bert.to_empty(device=device)
    from_state_dict(bert, hf.read_weights(folder), only_words=only_words)
    return bert.eval()


def _their_names(name: str) -> list[str]:
    """One name, or the three of a projection that is one matrix here."""
    module, _, kind = name.rpartition(".")
    if module in _NAMES:
        return [f"{_NAMES[module]}.{kind}"]
    _, _, number, rest = module.split(".", 3)
    place = f"bert.encoder.layer.{number}"
    if rest == "attention.project_in":
        return [f"{place}.attention.self.{projection}.{kind}" for projection in _PROJECTIONS]
    return [f"{place}.{_BLOCK_NAMES[rest]}.{kind}"]
