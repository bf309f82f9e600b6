"""A GGUF file of LLaMA's architecture as a folder in Hugging Face's format: weights in float32, and its tokenizer.

The file has queries and keys in the paper's order of rows; Hugging Face's is another one (hf.py).  Tokenizers are read
where they are byte-level BPE and their way of cutting text is one of ``_CUTS``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from reproductions.engine import hf
from reproductions.engine.gguf import File
from reproductions.llama.hf import TOKENIZER, config_of, halves_of_pairs
from reproductions.llama.sizes import Model
from reproductions.registry import InvalidInput

_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ROTATED = ("attn_q", "attn_k")
_CONTROL, _USER_DEFINED = 3, 4  # types of tokens


def _digits_apart() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _as_gpt_2()])


def _as_gpt_2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


# By llama.cpp's name of how text is cut before pairs are merged.
_CUTS = {"gpt-2": _as_gpt_2, "smollm": _digits_apart, "starcoder": _digits_apart, "refact": _digits_apart}


def write_folder(file: File, folder: Path) -> None:
    """Writes config.json, model.safetensors and the tokenizer.  Raises InvalidInput for what is not LLaMA's."""
    try:
        tokenizer, model = _tokenizer(file), _model(file)
    except InvalidInput:
        raise
    except Exception as error:  # a field of another type; the tokenizers package raises nothing narrower
        what = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"{file.path} can't be understood: {what}", "take another file of the model") from error
    ends = file.metadata.get("tokenizer.ggml.eos_token_id")
    weights = {}
    for name in file.tensors:
        tensor = torch.from_numpy(file.tensor(name))
        if name.split(".")[2:3] and name.split(".")[2] in _ROTATED:
            tensor = halves_of_pairs(tensor, model.head_width)
        weights[_their_name(name, file.path)] = tensor
    config = config_of(model, len(file.metadata["tokenizer.ggml.tokens"]), ends)
    hf.write_model(folder, {**config, "bos_token_id": file.metadata.get("tokenizer.ggml.bos_token_id")}, weights)
    tokenizer.save(str(folder / TOKENIZER))
    end = None if ends is None else tokenizer.id_to_token(ends)
    hf.write_tokenizer_settings(folder, special={"eos_token": end}, longest=model.context)


def _model(file: File) -> Model:
    def said(name: str, default: Any = None) -> Any:
        found = file.metadata.get(f"llama.{name}", default)
        if found is None:
            raise InvalidInput(f"{file.path} does not say llama.{name}", "take another file of the model")
        return found

    if (
        scaling := file.metadata.get("llama.rope.scaling.type", "none")
    ) != "none" or "rope_freqs.weight" in file.tensors:
        raise InvalidInput(
            f'{file.path} has rotary positions that are scaled ("{scaling}")', "take LLaMA 2 or its like"
        )
    heads, width = said("attention.head_count"), said("embedding_length")
    d_head = file.metadata.get("llama.attention.key_length", width // heads)
    if file.metadata.get("llama.rope.dimension_count", d_head) != d_head:
        raise InvalidInput(f"{file.path} rotates its heads in part", "take LLaMA or its like")
    return Model(
        num_layers=said("block_count"),
        d_model=width,
        num_heads=heads,
        num_groups=said("attention.head_count_kv", heads),
        d_head=d_head,
        d_ff=said("feed_forward_length"),
        context=said("context_length"),
        norm_eps=said("attention.layer_norm_rms_epsilon"),
        rotary_base=said("rope.freq_base", 10_000.0),
        tied="output.weight" not in file.tensors,
    )


def _their_name(name: str, path: Path) -> str:
    if name in _NAMES:
        return _NAMES[name]
    parts = name.split(".")
    if len(parts) != 4 or parts[0] != "blk" or parts[2] not in _BLOCK_NAMES or parts[3] != "weight":
        raise InvalidInput(f"{path} has a tensor {name}, which LLaMA has no place for", "take LLaMA or its like")
    return f"model.layers.{parts[1]}.{_BLOCK_NAMES[parts[2]]}.weight"


def _tokenizer(file: File) -> Tokenizer:
    said = file.metadata
    kind, cut = said.get("tokenizer.ggml.model"), said.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or cut not in _CUTS:
        what = f'{file.path} has a tokenizer "{kind}" that cuts text as "{cut}"'
        hint = f'"gpt2" with one of {", ".join(_CUTS)} can be read; a folder of the same model has its tokenizer.json'
        raise InvalidInput(what, hint)
    tokens = said["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in said["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = _CUTS[cut]()
    tokenizer.decoder = decoders.ByteLevel()
    types = said.get("tokenizer.ggml.token_type", [])
    of_type = {
        wanted: [token for token, kind in zip(tokens, types, strict=False) if kind == wanted]
        for wanted in (_CONTROL, _USER_DEFINED)
    }
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in of_type[_CONTROL]])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in of_type[_USER_DEFINED]])
    if said.get("tokenizer.ggml.add_bos_token"):
        first = said["tokenizer.ggml.bos_token_id"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[first]} $A",
            pair=f"{tokens[first]} $A {tokens[first]} $B",
            special_tokens=[(tokens[first], first)],
        )
    return tokenizer
