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
    """Keys and values of one layer, (2, B, H, room, K), filled up to ``length``.  ``band`` 0 attends to all of them."""

    held: Tensor
    band: int
    length: int = 0

    def append(self, projected_BTx: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Adds the newest positions, of which it gets queries, keys and values side by side, (B, T, 3 * H * K).

        Returns the queries of the new positions, and the keys and values of all, or of those that one new position
        sees in a band.
        """
        rows, count, _ = projected_BTx.shape
        _, _, heads, _, width = self.held.shape
        parts_3BHTK = projected_BTx.view(rows, count, 3, heads, width).permute(2, 0, 3, 1, 4)
        self.room_for(count).copy_(parts_3BHTK.narrow(0, 1, 2))
        end = self.length
        first = max(0, end - self.band) if self.band and count == 1 else 0
        k_BHSK, v_BHSK = self.held.narrow(3, first, end - first).unbind()
        return parts_3BHTK[0], k_BHSK, v_BHSK

    def room_for(self, count: int) -> Tensor:
        """The places of the newest ``count`` positions, (2, B, H, T, K): keys and values are to be written there."""
        self.length += count
        return self.held.narrow(3, self.length - count, count)


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
            layer.held = layer.held[:, rows]
        if self.padding is not None:
            self.padding = self.padding[rows]
