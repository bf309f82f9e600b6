"""What decoding remembers: keys and values of every layer, in room that is set aside once.

Rows of different length stand flush right: their padding is on the left, so that the newest token of every row is in
the same place.  Shapes: B rows, H heads, T new positions, S positions held, K d_head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class LayerCache:
    """Keys and values of one layer, (B, H, room, K), filled up to ``length``.  ``band`` 0 attends to all of them."""

    k: Tensor
    v: Tensor
    band: int
    length: int = 0

    def append(self, k_BHTK: Tensor, v_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the newest positions.  Returns all, or what one new position sees of them in a band."""
        begin, end = self.length, self.length + k_BHTK.shape[2]
        self.k[:, :, begin:end] = k_BHTK
        self.v[:, :, begin:end] = v_BHTK
        self.length = end
        first = max(0, end - self.band) if self.band and end - begin == 1 else 0
        return self.k[:, :, first:end], self.v[:, :, first:end]


@dataclass
class Cache:
    """The layers, and (B,) how many of each row's places are padding (None: no row has any)."""

    layers: list[LayerCache]
    padding: Tensor | None = None
    length: int = 0

    def place(self, count: int, device: torch.device) -> tuple[Tensor, Mapping[int, Tensor | None]]:
        """The positions of ``count`` new tokens, (T,) or (B, T), and for each band the mask that its layers need."""
        end = self.length + count
        place_T = torch.arange(self.length, end, device=device)
        bands = {layer.band for layer in self.layers}
        if self.padding is None:
            if count == 1 or (self.length == 0 and not any(0 < band < end for band in bands)):
                return place_T, dict.fromkeys(bands)
            return place_T, {band: self._visible(place_T, band, count)[0] for band in bands}
        positions_BT = (place_T - self.padding[:, None]).clamp(min=0)
        real_BS = torch.arange(end, device=device) >= self.padding[:, None]
        masks: dict[int, Tensor | None] = {}
        for band in bands:
            visible_TS, first = self._visible(place_T, band, count)
            mask_BTS = visible_TS & real_BS[:, None, first:]
            # A padded query sees nothing at all, and a softmax over nothing is no number: it sees itself.
            itself_TS = place_T[:, None] == torch.arange(first, end, device=device)
            masks[band] = (mask_BTS | itself_TS)[:, None]
        return positions_BT, masks

    def _visible(self, place_T: Tensor, band: int, count: int) -> tuple[Tensor, int]:
        """(T, S): what new positions may see of those held, from the first that ``append`` hands out."""
        end = self.length + count
        first = max(0, end - band) if band and count == 1 else 0
        distance_TS = place_T[:, None] - torch.arange(first, end, device=place_T.device)
        visible_TS = distance_TS >= 0
        return (visible_TS & (distance_TS < band) if band else visible_TS), first

    def select(self, rows: Tensor) -> None:
        """Keeps these rows, in this order."""
        for layer in self.layers:
            layer.k, layer.v = layer.k[rows], layer.v[rows]
        if self.padding is not None:
            self.padding = self.padding[rows]
