"""An encoder-decoder of one shape, ours and two peers': a training step of each, and beam search of ours and one.

The peers are used as their documentation shows it: logits of every target position, padding left out by the loss.
Shape, dropout, loss and optimiser are the same.  Marian can also be given our weights, and then has our logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.data.parallel import Batch
from reproductions.engine import optimizers
from reproductions.engine.recipe import Optim
from reproductions.transformer.model import Transformer, sinusoids
from reproductions.transformer.recipes import Model

PAD, BOS, EOS = 0, 1, 2
SMOOTHING = 0.1
_OPTIM = Optim(name="adam", lr=1e-4, betas=(0.9, 0.98), eps=1e-9)

Step = Callable[[Batch], None]


def ours(size: Model, vocabulary: int) -> Step:
    """As transformer/task.py and engine/trainer.py take it."""
    model = Transformer(size, vocabulary).train()
    optimizer = optimizers.build(_OPTIM, model)

    def step(batch: Batch) -> None:
        nats, _ = model(batch.source, batch.target_in, batch.source_mask, batch.target_out, batch.real)
        torch.autograd.backward(nats)
        optimizers.scale_gradients(model.parameters(), torch.tensor(1 / len(batch.target_out)))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


class TorchTransformer(nn.Module):
    """torch.nn.Transformer between one shared embedding and its transpose."""

    def __init__(self, size: Model, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size.d_model)
        nn.init.normal_(self.embedding.weight, std=size.d_model**-0.5)
        self.register_buffer("positions", sinusoids(size.max_positions, size.d_model), persistent=False)
        self.scale, self.dropout = size.d_model**0.5, nn.Dropout(size.dropout)
        layers = size.num_layers
        self.body = nn.Transformer(
            size.d_model, size.num_heads, layers, layers, size.d_ff, size.dropout, batch_first=True
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padded = source == PAD
        causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1]).isinf()
        hidden = self.body(
            self._embed(source),
            self._embed(target),
            tgt_mask=causal,
            src_key_padding_mask=padded,
            memory_key_padding_mask=padded,
            tgt_is_causal=True,
        )
        return F.linear(hidden, self.embedding.weight)

    def _embed(self, tokens: Tensor) -> Tensor:
        positions: Tensor = self.positions  # type: ignore[assignment]
        embedded: Tensor = self.dropout(self.embedding(tokens) * self.scale + positions[: tokens.shape[1]])
        return embedded


def torch_transformer(size: Model, vocabulary: int) -> Step:
    model = TorchTransformer(size, vocabulary).train()
    return _plain_step(model, lambda batch: model(batch.source, batch.target_in))


def marian(size: Model, vocabulary: int) -> Step:
    model = marian_model(size, vocabulary).train()

    def logits(batch: Batch) -> Tensor:
        mask = (batch.source != PAD).long()
        found: Tensor = model(input_ids=batch.source, attention_mask=mask, decoder_input_ids=batch.target_in).logits
        return found

    return _plain_step(model, logits)


def marian_model(size: Model, vocabulary: int) -> Any:
    """transformers' MarianMT of our shape: post-norm, ReLU, sinusoids, one embedding for all."""
    import transformers

    transformers.logging.set_verbosity_error()
    config = transformers.MarianConfig(
        vocab_size=vocabulary,
        d_model=size.d_model,
        encoder_layers=size.num_layers,
        decoder_layers=size.num_layers,
        encoder_attention_heads=size.num_heads,
        decoder_attention_heads=size.num_heads,
        encoder_ffn_dim=size.d_ff,
        decoder_ffn_dim=size.d_ff,
        activation_function="relu",
        dropout=size.dropout,
        attention_dropout=0.0,
        activation_dropout=0.0,
        max_position_embeddings=size.max_positions,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        forced_eos_token_id=None,
        decoder_start_token_id=BOS,
        attn_implementation="sdpa",
    )
    return transformers.MarianMTModel(config)


@torch.no_grad()
def give_weights(mine: Transformer, theirs: Any) -> None:
    """Makes ``theirs`` compute what ``mine`` does; what ours lacks (biases) becomes zero."""

    def attention(mine: Any, other: Any) -> None:
        q, k, v = mine.project_in.weight.chunk(3)
        projections = (
            (other.q_proj, q),
            (other.k_proj, k),
            (other.v_proj, v),
            (other.out_proj, mine.project_out.weight),
        )
        for projection, weight in projections:
            projection.weight.copy_(weight)
            projection.bias.zero_()

    def rest(mine: Any, other: Any) -> None:
        other.fc1.load_state_dict(mine.feed_forward.expand.state_dict())
        other.fc2.load_state_dict(mine.feed_forward.contract.state_dict())
        other.self_attn_layer_norm.load_state_dict(mine.attention_norm.norm.state_dict())
        other.final_layer_norm.load_state_dict(mine.feed_forward_norm.norm.state_dict())

    body = theirs.model
    for embedding in (body.shared, body.encoder.embed_tokens, body.decoder.embed_tokens, theirs.lm_head):
        embedding.weight.copy_(mine.embedding.weight)
    theirs.final_logits_bias.zero_()
    for side in (body.encoder, body.decoder):
        side.embed_positions.weight.copy_(mine.positions)
    for layer, other in zip(mine.encoder, body.encoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        rest(layer, other)
    for layer, other in zip(mine.decoder, body.decoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        attention(layer.cross_attention, other.encoder_attn)
        other.encoder_attn_layer_norm.load_state_dict(layer.cross_attention_norm.norm.state_dict())
        rest(layer, other)


def fairseq_search(mine: Transformer, source: Tensor, room: int, written: dict[str, Any]) -> Callable[[], None]:
    """fairseq's generator over its transformer with our weights.  Raises ImportError where it is not installed.

    It counts start and pad the other way round, and is asked to begin as ours does, which it would not by itself.
    """
    from fairseq.sequence_generator import SequenceGenerator

    from benchmarks.gpu_translation import fairseq_parts

    model, words = fairseq_parts(mine.model, len(mine.embedding.weight))
    give_fairseq_weights(mine, model)
    model.eval()
    generator = SequenceGenerator([model], words, beam_size=4, max_len_a=0, max_len_b=room, len_penalty=0.0)
    sample = {
        "net_input": {
            "src_tokens": torch.where(source == PAD, words.pad(), source),
            "src_lengths": (source != PAD).sum(dim=1),
        }
    }

    def search() -> None:
        with torch.inference_mode():
            found = generator.generate([model], sample, bos_token=words.bos())
        written["fairseq"] = [[token for token in row[0]["tokens"].tolist() if token > EOS] for row in found]

    return search


@torch.no_grad()
def give_fairseq_weights(mine: Transformer, theirs: Any) -> None:
    """Makes fairseq's transformer compute what ``mine`` does; the embeddings of its own pad token stay zero."""

    def attention(mine: Any, other: Any) -> None:
        q, k, v = mine.project_in.weight.chunk(3)
        for projection, weight in ((other.q_proj, q), (other.k_proj, k), (other.v_proj, v)):
            projection.weight.copy_(weight)
            projection.bias.zero_()
        other.out_proj.weight.copy_(mine.project_out.weight)
        other.out_proj.bias.zero_()

    def rest(mine: Any, other: Any) -> None:
        other.fc1.load_state_dict(mine.feed_forward.expand.state_dict())
        other.fc2.load_state_dict(mine.feed_forward.contract.state_dict())
        other.self_attn_layer_norm.load_state_dict(mine.attention_norm.norm.state_dict())
        other.final_layer_norm.load_state_dict(mine.feed_forward_norm.norm.state_dict())

    rows = mine.embedding.weight.clone()
    rows[[BOS, PAD]] = rows[[PAD, BOS]]
    rows[BOS] = 0.0  # there it is the pad token
    theirs.encoder.embed_tokens.weight.copy_(rows)
    for side in (theirs.encoder, theirs.decoder):  # it counts positions from the one behind its pad token
        side.embed_positions.weights[2 : 2 + len(mine.positions)] = mine.positions[
            : len(side.embed_positions.weights) - 2
        ]
    for layer, other in zip(mine.encoder, theirs.encoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        rest(layer, other)
    for layer, other in zip(mine.decoder, theirs.decoder.layers, strict=True):
        attention(layer.attention, other.self_attn)
        attention(layer.cross_attention, other.encoder_attn)
        other.encoder_attn_layer_norm.load_state_dict(layer.cross_attention_norm.norm.state_dict())
        rest(layer, other)


def _plain_step(model: nn.Module, logits: Callable[[Batch], Tensor]) -> Step:
    optimizer = optimizers.build(_OPTIM, model)

    def step(batch: Batch) -> None:
        targets = torch.full(batch.target_in.shape, PAD)
        if batch.real is None:
            targets.view(-1).copy_(batch.target_out)
        else:
            targets.view(-1)[batch.real] = batch.target_out
        loss = F.cross_entropy(
            logits(batch).flatten(0, 1), targets.flatten(), ignore_index=PAD, label_smoothing=SMOOTHING
        )
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
