"""Single steps of decoding as one CUDA graph: a GPU that writes one row waits for its launches, not for its memory.

A graph is replayed with the shapes and addresses it was recorded with.  So the room of the cache is all attended to,
whatever of it is filled, and what is not there yet is masked; the newest position is a tensor that the graph itself
moves on.  The numbers are those of ``GPT.extend`` up to rounding.

Shapes: B rows, S places of the cache, V vocabulary.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reproductions.gpt.cache import Cache
from reproductions.gpt.model import GPT

Step = Callable[[], Tensor]

_ROOM = 64
"""Rooms are whole multiples of it where the context allows, so that calls of nearly the same length share a graph."""


@dataclass
class _Place:
    """Keys and values of one layer, (2, B, H, S, K), and the place (1,) that the next ones go to."""

    held: Tensor
    newest: Tensor
    band: int = 0

    def append(self, projected_BTx: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of ``LayerCache``, for one new position; all places are handed out."""
        _, rows, heads, _, width = self.held.shape
        parts_3BH1K = projected_BTx.view(rows, 1, 3, heads, width).permute(2, 0, 3, 1, 4)
        self.held.index_copy_(3, self.newest, parts_3BH1K[1:])
        k_BHSK, v_BHSK = self.held.unbind()
        return parts_3BH1K[0], k_BHSK, v_BHSK


class _Recorded:
    """One new position of a cache whose tensors stay where they are."""

    def __init__(self, gpt: GPT, cache: Cache, record: Callable[[Step], Step]) -> None:
        device = cache.layers[0].held.device
        self.held, self.padding = [layer.held for layer in cache.layers], cache.padding
        self.tokens_B1 = torch.zeros(self.held[0].shape[1], 1, dtype=torch.long, device=device)
        self.newest = torch.tensor([cache.length], device=device)
        self._gpt = gpt
        self._reach_S = torch.arange(self.held[0].shape[3], device=device)
        self._bands = [layer.band for layer in cache.layers]
        self._step = record(self._next)

    def __call__(self, tokens_B1: Tensor, length: int) -> Tensor:
        self.tokens_B1.copy_(tokens_B1)
        self.newest.fill_(length)
        return self._step()

    def fits(self, cache: Cache) -> bool:
        """Whether the cache's tensors are those that were recorded."""
        same = all(layer.held is held for layer, held in zip(cache.layers, self.held, strict=True))
        return same and cache.padding is self.padding

    def _next(self) -> Tensor:
        padding = self.padding
        positions = self.newest if padding is None else (self.newest - padding[:, None]).clamp(min=0)
        h_B1D = self._gpt.embed(self.tokens_B1, positions)
        masks = {band: self._mask(band, h_B1D.dtype) for band in set(self._bands)}
        for block, held, band in zip(self._gpt.blocks, self.held, self._bands, strict=True):
            h_B1D = block(h_B1D, masks[band], _Place(held, self.newest))
        return self._gpt.logits(self._gpt.final_norm(h_B1D[:, -1]))

    def _mask(self, band: int, dtype: torch.dtype) -> Tensor:
        """(1 or B, 1, 1, S): 0 where the new position may look, minus infinity elsewhere."""
        visible = self._reach_S <= self.newest
        if band:
            visible = visible & (self._reach_S > self.newest - band)
        if self.padding is not None:
            visible = visible & (self._reach_S >= self.padding[:, None])
        nothing = torch.zeros((), dtype=dtype, device=visible.device)
        return torch.where(visible, nothing, float("-inf")).view(-1, 1, 1, len(self._reach_S))


class GraphedGPT:
    """A language model for ``engine/generation.py``: prompts go through the model, single steps through the graph.

    The graph and its cache are kept for the next text of the same shape, so that it is recorded once.  ``record``
    makes a replay of a step; on a machine without CUDA the step itself does.
    """

    def __init__(self, gpt: GPT, record: Callable[[Step], Step] | None = None) -> None:
        self._gpt = gpt
        self._record = record or record_cuda_graph
        self._kept: _Recorded | None = None
        self._user: weakref.ref[Cache] | None = None  # whose cache the kept one is, while somebody writes with it

    def start(self, rows: int, room: int) -> Cache:
        room = min(self._gpt.model.context, -(-room // _ROOM) * _ROOM)
        cache = self._gpt.start(rows, room)
        kept = self._kept
        is_free = kept is not None and (self._user is None or self._user() is None)
        if kept is not None and is_free and kept.held[0].shape == cache.layers[0].held.shape and kept.padding is None:
            for layer, held in zip(cache.layers, kept.held, strict=True):
                layer.held = held
            self._user = weakref.ref(cache)
        else:
            # a masked place is multiplied by 0, and 0 times what memory happens to hold may be no number
            for layer in cache.layers:
                layer.held.zero_()
        return cache

    def extend(self, tokens_BT: Tensor, cache: Cache) -> Tensor:
        if tokens_BT.shape[1] != 1 or cache.length == 0:
            return self._gpt.extend(tokens_BT, cache)
        if self._kept is None or not self._kept.fits(cache):
            self._kept, self._user = _Recorded(self._gpt, cache, self._record), weakref.ref(cache)
        logits_BV = self._kept(tokens_BT, cache.length)
        cache.length += 1
        for layer in cache.layers:
            layer.length = cache.length
        return logits_BV


def record_cuda_graph(step: Step) -> Step:
    """Records what ``step`` launches; the replay overwrites the tensor that it returned last."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):  # libraries set themselves up in their first calls, which can't be recorded
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay
