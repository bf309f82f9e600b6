"""GPT-2 in Hugging Face's format, both ways: names and shapes of its weights, and its config.json.

What belongs to the format of every model (files, safetensors, tokenizers) is in ``reproductions/engine/hf.py``.
Hugging Face keeps the matrices of a block as the released TensorFlow code does, inputs by outputs: they are transposed
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproductions.engine import hf
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model
from reproductions.registry import InvalidInput

_NAMES = {
    "tokens.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    "final_norm.weight": "transformer.ln_f.weight",
    "final_norm.bias": "transformer.ln_f.bias",
    "output.weight": "lm_head.weight",
}
_BLOCK_NAMES = {
    "attention_norm": "ln_1",
    "attention.project_in": "attn.c_attn",
    "attention.project_out": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.expand": "mlp.c_fc",
    "feed_forward.contract": "mlp.c_proj",
}
_TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
_GELUS = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "exact"}


def config_of(model: Model, vocabulary: int, end_of_text: int | None) -> dict[str, Any]:
    """config.json of GPT2LMHeadModel.  Raises InvalidInput for a model that this class cannot be."""
    unlike = [
        what
        for what, differs in {
            "post-norm": model.norm == "post",
            "no biases": not model.bias,
            "banded layers": model.band > 0,
            "heads that are not d_model / num_heads wide": model.head_width * model.num_heads != model.d_model,
        }.items()
        if differs
    ]
    if unlike:
        hint = "export a model of GPT-2's architecture"
        raise InvalidInput(f"Hugging Face's GPT2LMHeadModel has no place for {', '.join(unlike)}", hint)
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": vocabulary,
        "n_positions": model.context,
        "n_ctx": model.context,
        "n_embd": model.d_model,
        "n_layer": model.num_layers,
        "n_head": model.num_heads,
        "n_inner": model.d_ff,
        "activation_function": "gelu_new" if model.gelu == "tanh" else "gelu",
        "layer_norm_epsilon": model.norm_eps,
        "attn_pdrop": model.dropout,
        "embd_pdrop": model.dropout,
        "resid_pdrop": model.dropout,
        "tie_word_embeddings": model.tied,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
    }


def model_of(config: Mapping[str, Any]) -> Model:
    """The sizes that a config.json says.  Raises InvalidInput for one that is not GPT-2's."""
    if config.get("model_type") != "gpt2":
        raise InvalidInput(f'config.json is of model_type "{config.get("model_type")}"', "gpt2 can be read here")
    if config.get("scale_attn_by_inverse_layer_idx") or not config.get("scale_attn_weights", True):
        raise InvalidInput("config.json scales attention in a way that GPT-2 does not", "take weights of GPT-2 itself")
    gelu = config.get("activation_function", "gelu_new")
    if gelu not in _GELUS:
        raise InvalidInput(f'config.json has the activation "{gelu}"', f"known are {', '.join(_GELUS)}")
    return Model(
        num_layers=config["n_layer"],
        d_model=config["n_embd"],
        num_heads=config["n_head"],
        d_ff=config.get("n_inner"),
        context=config.get("n_positions", 1024),
        norm_eps=config.get("layer_norm_epsilon", 1e-5),
        gelu="tanh" if _GELUS[gelu] == "tanh" else "exact",
        dropout=config.get("resid_pdrop", 0.1),
        tied=config.get("tie_word_embeddings", True),
    )


def to_state_dict(gpt: GPT) -> dict[str, Tensor]:
    """The weights under Hugging Face's names."""
    found = {}
    for name, tensor in gpt.state_dict().items():
        theirs = _their_name(name)
        found[theirs] = tensor.T.contiguous() if theirs.endswith(_TRANSPOSED) else tensor
    return found


def from_state_dict(gpt: GPT, weights: Mapping[str, Tensor]) -> None:
    """Loads weights under Hugging Face's names.  Raises InvalidInput where they do not fit the model.

    Names with and without "transformer." are known; the causal mask that old files carry is left out.
    """
    given = {
        name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}": tensor
        for name, tensor in weights.items()
        if not name.endswith((".attn.bias", ".attn.masked_bias"))
    }
    if gpt.output is None:
        given.pop("lm_head.weight", None)  # the token embedding once more
    expected = {_their_name(name): name for name in gpt.state_dict()}
    if unlike := sorted(expected.keys() ^ given.keys()):
        raise InvalidInput(f"the weights are not those of this GPT-2: {', '.join(unlike[:4])}", "look at config.json")
    ours = {}
    for theirs, name in expected.items():
        tensor = given[theirs].T if theirs.endswith(_TRANSPOSED) else given[theirs]
        if tensor.shape != gpt.state_dict()[name].shape:
            raise InvalidInput(f"{theirs} has the shape {tuple(given[theirs].shape)}", "look at config.json")
        ours[name] = tensor.float()
    gpt.load_state_dict(ours)


def save(gpt: GPT, folder: Path, tokenizer: Any) -> None:
    """Writes what AutoModelForCausalLM and AutoTokenizer open: config.json, weights, the tokenizer's files."""
    config = config_of(gpt.model, gpt.tokens.num_embeddings, tokenizer.end_of_text)
    hf.write_model(folder, config, to_state_dict(gpt))
    if hasattr(tokenizer, "vocabulary"):
        hf.write_byte_level_tokenizer(folder, *tokenizer.vocabulary(), longest=gpt.model.context)


def load(folder: Path, device: torch.device | str = "cpu") -> GPT:
    """The model that a folder of Hugging Face's format holds, in float32 and eval mode."""
    config = hf.read_config(folder)
    with torch.device("meta"):
        gpt = GPT(model_of(config), config["vocab_size"])
    gpt.to_empty(device=device)
    from_state_dict(gpt, hf.read_weights(folder))
    return gpt.eval()


def _their_name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    _, number, rest = name.split(".", 2)
    module, _, kind = rest.rpartition(".")
    return f"transformer.h.{number}.{_BLOCK_NAMES[module]}.{kind}"
