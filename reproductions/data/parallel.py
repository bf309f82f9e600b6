"""Sentence pairs as token arrays on disk, and batches of pairs of like length.

Section 5.1 of arXiv 1706.03762: "Sentence pairs were batched together by approximate sequence length", with about so
many source and so many target tokens a batch.  Pairs of a batch have nearly equal lengths, so little of it is padding.

Shapes: B pairs, S source tokens, T target tokens, N real target tokens of the batch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproductions.data.transfer import to_device
from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole
from reproductions.tokenizers.bpe import BytePairEncoding

_LINES_AT_ONCE = 20_000


@dataclass(frozen=True)
class Pairs:
    """Token ids of all pairs, end token included; pair i of a side is ``tokens[starts[i]:starts[i + 1]]``."""

    source: np.ndarray
    source_starts: np.ndarray
    target: np.ndarray
    target_starts: np.ndarray

    def __len__(self) -> int:
        return len(self.source_starts) - 1

    def source_lengths(self) -> np.ndarray:
        return np.diff(self.source_starts)

    def target_lengths(self) -> np.ndarray:
        return np.diff(self.target_starts)


@dataclass(frozen=True)
class Batch:
    """``source_mask`` (B, 1, 1, S) is True at real tokens and None where nothing is padded.

    ``target_in`` is the target shifted right, ``target_out`` (N,) the tokens to predict, and ``real`` (N,) their places
    in the flattened (B * T) target, None where all are real.
    """

    source: Tensor
    source_mask: Tensor | None
    target_in: Tensor
    target_out: Tensor
    real: Tensor | None

    def to(self, device: torch.device) -> Batch:
        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else to_device(tensor, device)

        return Batch(*(moved(tensor) for tensor in vars(self).values()))  # type: ignore[arg-type]

    def real_share(self) -> float:
        """The share of the two rectangles that is not padding."""
        source = self.source.numel() if self.source_mask is None else int(self.source_mask.sum())
        return (source + len(self.target_out)) / (self.source.numel() + self.target_in.numel())


def write_pairs(
    lines: Iterable[tuple[str, str]], tokenizer: BytePairEncoding, folder: Path, max_length: int
) -> dict[str, int]:
    """Encode (source, target) lines into ``folder``, where that has not been done.  Returns the counts.

    A pair with an empty side is left out, and one with a side of more than ``max_length`` tokens.  Memory stays
    bounded: lines stream through, and ids go to the disk.
    """
    return _once(folder, lambda place: _encode(lines, tokenizer, place, max_length))


def read_pairs(folders: list[Path], tokenizer: BytePairEncoding) -> Pairs:
    """All pairs of these folders, in their order.  One folder is mapped from the disk; several are joined once."""
    kind = _dtype(tokenizer)
    if len(folders) > 1:
        joined = folders[0].parent / ("+".join(folder.name for folder in folders))
        _once(joined, lambda place: _join(folders, place))
        folders = [joined]
    folder = folders[0]
    starts = {side: np.load(folder / f"{side}_starts.npy", mmap_mode="r") for side in ("source", "target")}
    if len(starts["source"]) < 2:
        raise InvalidInput(f"no sentence pair is left in {folder.name}", "look at data.max_length")
    return Pairs(
        np.memmap(folder / "source.bin", dtype=kind, mode="r"),
        starts["source"],
        np.memmap(folder / "target.bin", dtype=kind, mode="r"),
        starts["target"],
    )


def batch_of(pairs: Pairs, index: np.ndarray, pad: int, bos: int) -> Batch:
    """The pairs at ``index`` as one padded batch."""
    source, source_real = _padded(pairs.source, pairs.source_starts, index, pad)
    target, target_real = _padded(pairs.target, pairs.target_starts, index, pad)
    target_in = np.concatenate([np.full((len(index), 1), bos), target[:, :-1]], axis=1)
    mask = None if source_real.all() else torch.from_numpy(source_real)[:, None, None, :]
    real = None if target_real.all() else torch.from_numpy(target_real.ravel().nonzero()[0])
    return Batch(
        torch.from_numpy(source), mask, torch.from_numpy(target_in), torch.from_numpy(target[target_real]), real
    )


def cut_batches(
    source_lengths: np.ndarray, target_lengths: np.ndarray, order: np.ndarray, tokens: int
) -> list[np.ndarray]:
    """Cuts ``order`` into batches whose padded source and padded target are each at most ``tokens``.

    A pair longer than that makes a batch of its own.
    """
    batches = []
    start = 0
    while start < len(order):
        # Every pair has a token, so no batch holds more than `tokens` pairs.
        ahead = order[start : start + max(1, tokens // max(1, int(target_lengths[order[start]])) + 1)]
        count = np.arange(1, len(ahead) + 1)
        padded = count * np.maximum.accumulate(np.maximum(source_lengths[ahead], target_lengths[ahead]))
        size = max(1, int(np.searchsorted(padded, tokens, side="right")))
        batches.append(order[start : start + size])
        start += size
    return batches


class BatchStream:
    """Batches without end, epoch after epoch; each pair once an epoch, in an order that seed and epoch determine.

    Pairs are sorted by length, ties in random order, cut into batches, and the batches shuffled.
    """

    def __init__(
        self,
        pairs: Pairs,
        *,
        tokens_per_batch: int,
        seed: int,
        pad: int,
        bos: int,
        position: dict[str, Any] | None = None,
    ) -> None:
        self._pairs, self._tokens, self._seed, self._pad, self._bos = pairs, tokens_per_batch, seed, pad, bos
        self._source_lengths, self._target_lengths = pairs.source_lengths(), pairs.target_lengths()
        self._epoch: int = position["epoch"] if position else 0
        self._next: int = position["next"] if position else 0
        self._batches = self.epoch(self._epoch)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._next >= len(self._batches):
            self._epoch, self._next = self._epoch + 1, 0
            self._batches = self.epoch(self._epoch)
        index = self._batches[self._next]
        self._next += 1
        return batch_of(self._pairs, index, self._pad, self._bos)

    def position(self) -> dict[str, Any]:
        """Where the next batch is: its epoch, and its place there."""
        return {"epoch": self._epoch, "next": self._next}

    def epoch(self, number: int) -> list[np.ndarray]:
        """The batches of an epoch as indices of pairs."""
        random = np.random.default_rng([self._seed, number])
        noise = random.random(len(self._pairs), dtype=np.float32)
        order = _by_length(self._source_lengths, self._target_lengths, noise)
        batches = cut_batches(self._source_lengths, self._target_lengths, order, self._tokens)
        return [batches[index] for index in random.permutation(len(batches))]


def in_order(pairs: Pairs, tokens_per_batch: int, pad: int, bos: int) -> Iterator[Batch]:
    """Every pair once, by length: for validation."""
    source_lengths, target_lengths = pairs.source_lengths(), pairs.target_lengths()
    order = _by_length(source_lengths, target_lengths, np.arange(len(pairs)))
    for index in cut_batches(source_lengths, target_lengths, order, tokens_per_batch):
        yield batch_of(pairs, index, pad, bos)


def _by_length(source_lengths: np.ndarray, target_lengths: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """By the longer side, which bounds a batch; then by which side that is and by how much, so that both sides of
    neighbours are alike.  Less padding than by target and source length: 1.7 instead of 2.2 % on Multi30k."""
    longer = np.maximum(source_lengths, target_lengths)
    return np.lexsort((ties, source_lengths - target_lengths, longer))


def _padded(tokens: np.ndarray, starts: np.ndarray, index: np.ndarray, pad: int) -> tuple[np.ndarray, np.ndarray]:
    begin, end = starts[index], starts[index + 1]
    offset = np.arange(int((end - begin).max()))
    real = offset[None] < (end - begin)[:, None]
    places = np.minimum(begin[:, None] + offset[None], len(tokens) - 1)
    return np.where(real, tokens[places], pad).astype(np.int64), real


def _once(folder: Path, build: Callable[[Path], dict[str, int]]) -> dict[str, int]:
    """Builds ``folder`` where it is not there.  Built beside and renamed, so that it is whole or absent, also where
    several processes want it at once: they build the same, and the first to finish is kept."""
    if not folder.exists():
        beside = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            write_whole(beside / "counts.json", json.dumps(build(beside)).encode())
            beside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    counts: dict[str, int] = json.loads((folder / "counts.json").read_text())
    return counts


def _encode(
    lines: Iterable[tuple[str, str]], tokenizer: BytePairEncoding, folder: Path, max_length: int
) -> dict[str, int]:
    counts = {"pairs": 0, "empty": 0, "too_long": 0, "source_tokens": 0, "target_tokens": 0}
    lengths: dict[str, list[np.ndarray]] = {"source": [], "target": []}
    stream = iter(lines)
    with (folder / "source.bin").open("wb") as source_file, (folder / "target.bin").open("wb") as target_file:
        while block := list(islice(stream, _LINES_AT_ONCE)):
            real = [pair for pair in block if pair[0].strip() and pair[1].strip()]
            counts["empty"] += len(block) - len(real)
            sources = tokenizer.encode([pair[0] for pair in real])
            targets = tokenizer.encode([pair[1] for pair in real])
            longest = [max(len(source), len(target)) + 1 for source, target in zip(sources, targets, strict=True)]
            kept = [index for index, length in enumerate(longest) if length <= max_length]
            counts["too_long"] += len(real) - len(kept)
            counts["pairs"] += len(kept)
            for side, file, encoded in (("source", source_file, sources), ("target", target_file, targets)):
                flat = [token for index in kept for token in (*encoded[index], tokenizer.eos)]
                np.array(flat, dtype=_dtype(tokenizer)).tofile(file)
                lengths[side].append(np.array([len(encoded[index]) + 1 for index in kept], dtype=np.int64))
                counts[f"{side}_tokens"] += len(flat)
    for side in ("source", "target"):
        np.save(folder / f"{side}_starts.npy", np.concatenate([np.zeros(1, np.int64), *lengths[side]]).cumsum())
    return counts


def _join(folders: list[Path], joined: Path) -> dict[str, int]:
    for side in ("source", "target"):
        with (joined / f"{side}.bin").open("wb") as out:
            for folder in folders:
                with (folder / f"{side}.bin").open("rb") as part:
                    shutil.copyfileobj(part, out)
        lengths = [np.diff(np.load(folder / f"{side}_starts.npy")) for folder in folders]
        np.save(joined / f"{side}_starts.npy", np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum())
    return {}


def _dtype(tokenizer: BytePairEncoding) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if tokenizer.size <= 1 << 16 else np.uint32
