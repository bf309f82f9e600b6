"""Where the decoder looks in the source: the weights of its attention over the encoder's output, and their drawing.

Section 3.2.3, first point, of arXiv 1706.03762.  Shapes: L layers, H heads, T target, S source.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reproductions.engine import drawing
from reproductions.tokenizers.bpe import BytePairEncoding
from reproductions.transformer.model import DecoderLayer, Transformer

_LONGEST = 60
"""Tokens on a side beyond which a drawing can no longer be read."""


@torch.no_grad()
def cross_attention_weights(model: Transformer, source_1S: Tensor, target_1T: Tensor) -> Tensor:
    """(L, H, T, S): row t has the weights with which the token after target position t was chosen."""
    memory_1SD = model.encode(source_1S)
    x_1TD = model.embed(target_1T)
    weights = []
    for layer in model.decoder:
        assert isinstance(layer, DecoderLayer)
        asking_1TD = layer.attention_norm(x_1TD, layer.attention(x_1TD, causal=True))
        weights.append(layer.cross_attention.forward_readable(asking_1TD, memory_1SD)[1][0])
        x_1TD = layer(x_1TD, memory_1SD, None)
    return torch.stack(weights)


def draw(model: Transformer, tokenizer: BytePairEncoding, source: Sequence[int], output: Sequence[int]) -> bytes | None:
    """One map a layer, the mean over its heads, as SVG.  ``source`` ends with the end token, ``output`` does not.

    None where either is too long to be read.  The model should be in eval mode.
    """
    if max(len(source), len(output) + 1) > _LONGEST:
        return None
    device = model.embedding.weight.device
    weights_LHTS = cross_attention_weights(
        model,
        torch.tensor([list(source)], device=device),
        torch.tensor([[tokenizer.bos, *output]], device=device),
    )
    layers = weights_LHTS.float().mean(dim=1).cpu().tolist()
    return drawing.heat_maps(
        {f"layer {number}": matrix for number, matrix in enumerate(layers, start=1)},
        rows=_labels(tokenizer, (*output, tokenizer.eos)),
        columns=_labels(tokenizer, source),
        title="attention over the source, mean of the heads",
    )


def _labels(tokenizer: BytePairEncoding, tokens: Sequence[int]) -> list[str]:
    return ["(end)" if token == tokenizer.eos else tokenizer.decode([token]) for token in tokens]
