"""The Transformer in Hugging Face's format, both ways, as a model of the Marian family (MarianMTModel).

It is the one family there with this architecture: norms behind the residual connections, fixed sinusoids, embeddings
times sqrt(d_model), one matrix for both embeddings and the output, and no norm over the embeddings.  Three things
differ.  Its sinusoids have all sines before all cosines, where section 3.5 has them in turn: the coordinates of what
flows along the residual connections are renumbered alike in all weights that touch it, which changes no logit.  Its
attention has biases and its logits too: they are zero, and models in which they are not can't be read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, normalizers, processors
from torch import Tensor

from reproductions.engine import hf
from reproductions.registry import InvalidInput
from reproductions.tokenizers import bpe
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import Model

TOKENIZER = "tokenizer.json"
_EMBEDDING = "model.shared.weight"
_LOGITS_BIAS = "final_logits_bias"
_PARTS = {
    "attention": "self_attn",
    "attention_norm.norm": "self_attn_layer_norm",
    "cross_attention": "encoder_attn",
    "cross_attention_norm.norm": "encoder_attn_layer_norm",
    "feed_forward.expand": "fc1",
    "feed_forward.contract": "fc2",
    "feed_forward_norm.norm": "final_layer_norm",
}
_PROJECTIONS = ("q_proj", "k_proj", "v_proj")
# Said once more in some files, or not learned.
_LEFT_OUT = ("lm_head.weight", "embed_tokens.weight", "embed_positions.weight")


def config_of(model: Model, vocabulary: int) -> dict[str, Any]:
    """config.json of MarianMTModel.  Raises InvalidInput for a model that this class cannot be."""
    width = model.d_model // model.num_heads
    unlike = [
        what
        for what, differs in {
            "learned positions": model.positions != "sinusoids",
            "keys or values that are not d_model / num_heads wide": (model.d_key or width, model.d_value or width)
            != (width, width),
        }.items()
        if differs
    ]
    if unlike:
        what = f"Hugging Face's MarianMTModel has no place for {', '.join(unlike)}"
        raise InvalidInput(what, "export a model of the base model's kind")
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "is_encoder_decoder": True,
        "vocab_size": vocabulary,
        "decoder_vocab_size": vocabulary,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "scale_embedding": True,
        "static_position_embeddings": True,
        "normalize_before": False,
        "normalize_embedding": False,
        "max_position_embeddings": model.max_positions,
        "d_model": model.d_model,
        "encoder_layers": model.num_layers,
        "decoder_layers": model.num_layers,
        "encoder_attention_heads": model.num_heads,
        "decoder_attention_heads": model.num_heads,
        "encoder_ffn_dim": model.d_ff,
        "decoder_ffn_dim": model.d_ff,
        "activation_function": "relu",
        "dropout": model.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "pad_token_id": bpe.PAD,
        "bos_token_id": bpe.BOS,
        "eos_token_id": bpe.EOS,
        "decoder_start_token_id": bpe.BOS,
        "forced_eos_token_id": None,
        "torch_dtype": "float32",
    }


def model_of(config: Mapping[str, Any]) -> Model:
    """The sizes that a config.json says.  Raises InvalidInput for one that is not the paper's architecture."""
    if config.get("model_type") != "marian":
        raise InvalidInput(f'config.json is of model_type "{config.get("model_type")}"', "marian can be read here")
    layers, heads, wide = (
        {config[f"{side}_{field}"] for side in ("encoder", "decoder")}
        for field in ("layers", "attention_heads", "ffn_dim")
    )
    special = [config.get(f"{name}_token_id") for name in ("pad", "decoder_start", "eos")]
    unlike = {
        f'the activation "{config.get("activation_function")}"': config.get("activation_function", "gelu") != "relu",
        "embeddings that are not times sqrt(d_model)": not config.get("scale_embedding", False),
        "several embeddings": not (
            config.get("share_encoder_decoder_embeddings", True) and config.get("tie_word_embeddings", True)
        ),
        "norms before the sub-layers": bool(config.get("normalize_before")),
        "a norm over the embeddings": bool(config.get("normalize_embedding")),
        "an encoder and a decoder of different sizes": max(map(len, (layers, heads, wide))) > 1,
        f"padding, first and last token {special}": special != [bpe.PAD, bpe.BOS, bpe.EOS],
    }
    if said := [what for what, differs in unlike.items() if differs]:
        hint = "only what the paper's Transformer can be is read here: for example what paperlab export wrote"
        raise InvalidInput(f"config.json has {', '.join(said)}", hint)
    return Model(
        num_layers=layers.pop(),
        d_model=config["d_model"],
        d_ff=wide.pop(),
        num_heads=heads.pop(),
        dropout=config.get("dropout", 0.1),
        max_positions=config.get("max_position_embeddings", 1024),
    )


def to_state_dict(transformer: Transformer) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, its biases of 0 among them."""
    order = _sines_first(transformer.model.d_model)
    found: dict[str, Tensor] = {}
    for name, tensor in transformer.state_dict().items():
        renumbered = _renumbered(name, tensor, order)
        theirs = _their_names(name)
        found.update(zip(theirs, renumbered.chunk(len(theirs)), strict=True))
    for name in _biases(found):
        found[name] = torch.zeros(len(found[name.replace(".bias", ".weight")]))
    found[_LOGITS_BIAS] = torch.zeros(1, len(found[_EMBEDDING]))
    return found


def from_state_dict(transformer: Transformer, weights: Mapping[str, Tensor]) -> None:
    """Loads weights under Hugging Face's names.  Raises InvalidInput where they do not fit the model."""
    given = {name: tensor for name, tensor in weights.items() if not name.endswith(_LEFT_OUT)}
    expected = {theirs for name in transformer.state_dict() for theirs in _their_names(name)}
    zeros = {*_biases(expected), _LOGITS_BIAS}
    if unlike := sorted((expected - given.keys()) | (given.keys() - expected - zeros)):
        what = f"the weights are not those of the paper's Transformer: {', '.join(unlike[:4])}"
        raise InvalidInput(what, "look at config.json")
    if biased := sorted(name for name in zeros & given.keys() if bool(given[name].any())):
        what = f"the weights have biases that the paper's Transformer has not: {', '.join(biased[:4])}"
        raise InvalidInput(what, "only models without them can be read here")
    order = _sines_first(transformer.model.d_model).argsort()
    ours = {}
    for name, tensor in transformer.state_dict().items():
        joined = torch.cat([given[theirs] for theirs in _their_names(name)])
        if joined.shape != tensor.shape:
            raise InvalidInput(f"{_their_names(name)[0]} has the shape {tuple(joined.shape)}", "look at config.json")
        ours[name] = _renumbered(name, joined.float(), order)
    transformer.load_state_dict(ours)


def save(transformer: Transformer, folder: Path, tokenizer: bpe.BytePairEncoding) -> None:
    """Writes what AutoModelForSeq2SeqLM and AutoTokenizer open."""
    config = config_of(transformer.model, transformer.embedding.num_embeddings)
    hf.write_model(folder, config, to_state_dict(transformer))
    tokenizer.save(folder / TOKENIZER)
    theirs = Tokenizer.from_file(str(folder / TOKENIZER))
    # What BytePairEncoding and those who call it do around the file: strip, end a sentence, drop the first space.
    theirs.normalizer = normalizers.Strip()
    end = bpe.SPECIAL[bpe.EOS]
    theirs.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, bpe.EOS)]
    )
    theirs.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    theirs.save(str(folder / TOKENIZER))
    special = dict(zip(("pad_token", "bos_token", "eos_token"), bpe.SPECIAL, strict=True))
    hf.write_tokenizer_settings(folder, special=special, longest=transformer.model.max_positions)


def load(folder: Path, device: torch.device | str = "cpu") -> Transformer:
    """The model that a folder of Hugging Face's format holds, in float32 and eval mode."""
    config = hf.read_config(folder)
    transformer = Transformer(model_of(config), config["vocab_size"])
    from_state_dict(transformer, hf.read_weights(folder))
    return transformer.to(device).eval()


def _sines_first(d_model: int) -> Tensor:
    """For each coordinate of theirs, the one of ours: 0, 2, 4 ... and then 1, 3, 5 ..."""
    return torch.cat([torch.arange(0, d_model, 2), torch.arange(1, d_model, 2)])


def _renumbered(name: str, tensor: Tensor, order: Tensor) -> Tensor:
    """The weight with its coordinates on the residual connections in the other order."""
    if name.endswith(("project_in.weight", "expand.weight", "embedding.weight")):
        return tensor[:, order]
    if name.endswith("expand.bias"):
        return tensor
    return tensor[order]


def _their_names(name: str) -> list[str]:
    """One name, or the three of a projection that is one matrix here."""
    if name == "embedding.weight":
        return [_EMBEDDING]
    side, number, rest = name.split(".", 2)
    module, _, kind = rest.rpartition(".")
    place = f"model.{side}.layers.{number}"
    part, _, projection = module.rpartition(".")
    if projection == "project_in":
        return [f"{place}.{_PARTS[part]}.{each}.{kind}" for each in _PROJECTIONS]
    if projection == "project_out":
        return [f"{place}.{_PARTS[part]}.out_proj.{kind}"]
    return [f"{place}.{_PARTS[module]}.{kind}"]


def _biases(names: Any) -> list[str]:
    """Of the attention's projections, which have none in the paper."""
    return [name.replace(".weight", ".bias") for name in names if name.endswith("_proj.weight")]
