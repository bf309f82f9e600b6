"""GGUF files for tests, written as the format's description says."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reproductions.llama import hf
from reproductions.llama.model import Llama
from reproductions.tokenizers.byte_level import ByteLevelEncoding

F32, Q8_0 = 0, 8
ALIGNMENT = 32


def write(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple[tuple[int, ...], int, bytes]]) -> None:
    """``tensors`` are numpy's shape, ggml's type and the content of each."""
    content = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for name, value in metadata.items():
        content += _string(name) + _typed(value)
    data = b""
    for name, (shape, kind, block) in tensors.items():
        content += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(data))
        data += block + b"\0" * (-len(block) % ALIGNMENT)
    path.write_bytes(content + b"\0" * (-len(content) % ALIGNMENT) + data)


def of_llama(path: Path, llama: Llama, tokenizer: ByteLevelEncoding, **more: Any) -> None:
    """The model in one file: its embedding in blocks of 8 bits, the rest as it is.  Rows are in the paper's order."""
    model = llama.model
    ids, merges = tokenizer.vocabulary()
    tokens = [token for token, _ in sorted(ids.items(), key=lambda item: item[1])]
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": model.num_layers,
        "llama.context_length": model.context,
        "llama.embedding_length": model.d_model,
        "llama.feed_forward_length": model.feed_forward_width,
        "llama.attention.head_count": model.num_heads,
        "llama.attention.head_count_kv": model.groups,
        "llama.attention.layer_norm_rms_epsilon": model.norm_eps,
        "llama.rope.freq_base": model.rotary_base,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token.startswith("<|") else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in merges],
        "tokenizer.ggml.eos_token_id": tokenizer.end_of_text,
        **more,
    }
    tensors = {}
    for name, tensor in hf.to_state_dict(llama).items():
        rows = tensor
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            rows = hf.pairs_of_halves(tensor, model.head_width)
        array = rows.numpy()
        kind = Q8_0 if "embed" in name else F32
        tensors[_their_name(name)] = (array.shape, kind, in_eights(array) if kind == Q8_0 else array.tobytes())
    write(path, {name: value for name, value in metadata.items() if value is not None}, tensors)


def in_eights(array: np.ndarray) -> bytes:
    """Blocks of 32 weights: a scale of 16 bits and a signed byte each."""
    blocks = array.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    numbers = np.round(blocks / scales.astype(np.float32)).clip(-127, 127).astype(np.int8)
    return np.concatenate([scales.view(np.uint8), numbers.view(np.uint8)], axis=1).tobytes()


def _their_name(name: str) -> str:
    for ours, theirs in (
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ):
        name = name.replace(ours, theirs)
    return name


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    inner = [_typed(one) for one in value]
    return struct.pack("<I", 9) + inner[0][:4] + struct.pack("<Q", len(inner)) + b"".join(one[4:] for one in inner)
