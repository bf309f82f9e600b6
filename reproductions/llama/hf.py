"""LLaMA in Hugging Face's format, both ways: names and shapes of its weights, and its config.json.

What belongs to the format of every model is in ``reproductions/engine/hf.py``.  Hugging Face keeps the projections
apart, and rotates coordinate i of a head with i + d / 2 where the paper rotates neighbours: the rows of queries and
keys stand in another order there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproductions.engine import hf
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers.byte_level import ByteLevelEncoding
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

TOKENIZER = "tokenizer.json"

_NAMES = {
    "tokens.weight": ("model.embed_tokens.weight",),
    "final_norm.weight": ("model.norm.weight",),
    "output.weight": ("lm_head.weight",),
}
_BLOCK_NAMES = {
    "attention_norm": ("input_layernorm",),
    "attention.project_in": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.project_out": ("self_attn.o_proj",),
    "feed_forward_norm": ("post_attention_layernorm",),
    "feed_forward.expand": ("mlp.gate_proj", "mlp.up_proj"),
    "feed_forward.contract": ("mlp.down_proj",),
}
_ROTATED = ("q_proj.weight", "k_proj.weight")


def config_of(model: Model, vocabulary: int, end_of_text: int | None) -> dict[str, Any]:
    """config.json of LlamaForCausalLM."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "max_position_embeddings": model.context,
        "hidden_size": model.d_model,
        "intermediate_size": model.feed_forward_width,
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": model.num_heads,
        "num_key_value_heads": model.groups,
        "head_dim": model.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": model.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.rotary_base},
        "rope_theta": model.rotary_base,  # where versions before 5 of transformers look
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": model.tied,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
    }


def model_of(config: Mapping[str, Any]) -> Model:
    """The sizes that a config.json says.  Raises InvalidInput for one that is not LLaMA's."""
    if config.get("model_type") != "llama":
        raise InvalidInput(f'config.json is of model_type "{config.get("model_type")}"', "llama can be read here")
    rotary = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rotary.get("rope_type", rotary.get("type", "default"))
    unlike = {
        f'the activation "{config.get("hidden_act")}"': config.get("hidden_act", "silu") != "silu",
        f'rotary positions that are scaled ("{kind}")': kind != "default",
        "heads that are rotated in part": rotary.get("partial_rotary_factor", 1) != 1,
        "biases": bool(config.get("attention_bias") or config.get("mlp_bias")),
    }
    if said := [what for what, differs in unlike.items() if differs]:
        raise InvalidInput(f"config.json has {', '.join(said)}", "take weights of LLaMA or LLaMA 2, or of its shape")
    heads = config["num_attention_heads"]
    return Model(
        num_layers=config["num_hidden_layers"],
        d_model=config["hidden_size"],
        num_heads=heads,
        num_groups=config.get("num_key_value_heads") or heads,
        d_head=config.get("head_dim") or config["hidden_size"] // heads,
        d_ff=config["intermediate_size"],
        context=config.get("max_position_embeddings", 2048),
        norm_eps=config.get("rms_norm_eps", 1e-6),
        rotary_base=float(rotary.get("rope_theta", config.get("rope_theta", 10_000.0))),
        tied=config.get("tie_word_embeddings", False),
    )


def to_state_dict(llama: Llama) -> dict[str, Tensor]:
    """The weights under Hugging Face's names."""
    found: dict[str, Tensor] = {}
    for name, tensor in llama.state_dict().items():
        theirs = _their_names(name)
        parts = tensor.split(_rows(llama.model, len(theirs), len(tensor)))
        for each, part in zip(theirs, parts, strict=True):
            found[each] = halves_of_pairs(part, llama.model.head_width) if each.endswith(_ROTATED) else part
    return found


def from_state_dict(llama: Llama, weights: Mapping[str, Tensor]) -> None:
    """Loads weights under Hugging Face's names.  Raises InvalidInput where they do not fit the model.

    Names with and without "model." are known; the frequencies that old files carry are left out.
    """
    given = {
        name if name.startswith(("model.", "lm_head.")) else f"model.{name}": tensor
        for name, tensor in weights.items()
        if not name.endswith("rotary_emb.inv_freq")
    }
    if llama.output is None:
        given.pop("lm_head.weight", None)  # the token embedding once more
    expected = {theirs for name in llama.state_dict() for theirs in _their_names(name)}
    if unlike := sorted(expected ^ given.keys()):
        raise InvalidInput(f"the weights are not those of this LLaMA: {', '.join(unlike[:4])}", "look at config.json")
    ours = {}
    for name, tensor in llama.state_dict().items():
        theirs = _their_names(name)
        for each, rows in zip(theirs, _rows(llama.model, len(theirs), len(tensor)), strict=True):
            if given[each].shape != (rows, *tensor.shape[1:]):
                raise InvalidInput(f"{each} has the shape {tuple(given[each].shape)}", "look at config.json")
        parts = [
            pairs_of_halves(given[each], llama.model.head_width) if each.endswith(_ROTATED) else given[each]
            for each in theirs
        ]
        ours[name] = torch.cat(parts).float()
    llama.load_state_dict(ours)


def save(llama: Llama, folder: Path, tokenizer: ByteLevelEncoding) -> None:
    """Writes what AutoModelForCausalLM and AutoTokenizer open: config.json, weights, the tokenizer's files."""
    config = config_of(llama.model, llama.tokens.num_embeddings, tokenizer.end_of_text)
    hf.write_model(folder, config, to_state_dict(llama))
    tokenizer.save(folder / TOKENIZER)
    hf.write_tokenizer_settings(folder, special={"eos_token": END_OF_TEXT}, longest=llama.model.context)


def load(folder: Path, device: torch.device | str = "cpu") -> Llama:
    """The model that a folder of Hugging Face's format holds, in float32 and eval mode."""
    config = hf.read_config(folder)
    with torch.device("meta"):
        llama = Llama(model_of(config), config["vocab_size"])
    llama.to_empty(device=device)
    from_state_dict(llama, hf.read_weights(folder))
    return llama.eval()


def halves_of_pairs(rows_xD: Tensor, width: int) -> Tensor:
    """The rows of each head with those of all first coordinates of a pair before those of all second ones."""
    return rows_xD.view(-1, width // 2, 2, rows_xD.shape[1]).transpose(1, 2).reshape(rows_xD.shape)


def pairs_of_halves(rows_xD: Tensor, width: int) -> Tensor:
    """The other way round."""
    return rows_xD.view(-1, 2, width // 2, rows_xD.shape[1]).transpose(1, 2).reshape(rows_xD.shape)


def _rows(model: Model, parts: int, rows: int) -> list[int]:
    """How many rows each of ``parts`` has that are one matrix here."""
    if parts == 3:
        return [heads * model.head_width for heads in (model.num_heads, model.groups, model.groups)]
    return [rows // parts] * parts


def _their_names(name: str) -> tuple[str, ...]:
    if name in _NAMES:
        return _NAMES[name]
    _, number, rest = name.split(".", 2)
    module, _, kind = rest.rpartition(".")
    return tuple(f"model.layers.{number}.{theirs}.{kind}" for theirs in _BLOCK_NAMES[module])
