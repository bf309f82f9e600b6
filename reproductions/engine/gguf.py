"""GGUF, the one-file format of ggml and llama.cpp: metadata, and tensors that may be quantised in blocks.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md describes the file; the blocks are those of ggml-quants.  A
file is read, never executed, and every length in it is held against its size.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reproductions.registry import InvalidInput

Array = npt.NDArray[Any]

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = 32
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_BLOCK, _SUPER = 32, 256  # weights of a block, and of a block of the K family


@dataclass(frozen=True)
class Tensor:
    """``shape`` is numpy's: the fastest dimension last.  ``kind`` is ggml's number of the type."""

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class File:
    """What a file says of itself.  ``tensor`` reads one tensor of it."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def tensor(self, name: str) -> Array:
        """The numbers in float32, in their shape.  Raises InvalidInput for a type that is not read here."""
        found = self.tensors[name]
        kind = _KINDS[found.kind]
        content = np.memmap(self.path, np.uint8, "r", found.offset, (_bytes(found),))
        return kind.decode(np.asarray(content).reshape(-1, kind.size)).reshape(found.shape)


def read(path: Path) -> File:
    """Raises InvalidInput for what is no such file, for a damaged one and for tensors of a type that is not read."""
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} can't be read: {error}", "name a GGUF file") from error
    at = _Position(path, content)
    if at.take(4) != MAGIC:
        raise InvalidInput(f"{path} is no GGUF file", "it begins with other bytes")
    version = at.number("I")
    if version not in _VERSIONS:
        raise InvalidInput(f"{path} is GGUF of version {version}", "versions 2 and 3, little-endian, can be read")
    tensor_count, metadata_count = at.number("Q"), at.number("Q")
    metadata = {}
    for _ in range(metadata_count):
        name = at.string()
        metadata[name] = at.value(at.number("I"))
    described = [(at.string(), _described(at)) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if type(alignment) is not int or alignment < 1:
        raise InvalidInput(f"{path} is damaged: an alignment of {alignment!r}", "bring it here again")
    start = -(-at.place // alignment) * alignment
    tensors = {name: Tensor(shape, kind, start + offset) for name, (shape, kind, offset) in described}
    for name, tensor in tensors.items():
        if tensor.kind not in _KINDS:
            known = ", ".join(kind.name for kind in _KINDS.values())
            raise InvalidInput(f"{name} in {path} is of ggml's type {tensor.kind}", f"those that are read: {known}")
        if math.prod(tensor.shape) % _KINDS[tensor.kind].weights or tensor.offset + _bytes(tensor) > len(content):
            raise InvalidInput(f"{path} is damaged: {name} does not lie in it", "bring it here again")
    return File(path, metadata, tensors)


def _described(at: _Position) -> tuple[tuple[int, ...], int, int]:
    dimensions = at.number("I")
    if dimensions > _MOST_DIMENSIONS:
        raise at.damaged()
    shape = tuple(at.number("Q") for _ in range(dimensions))
    return shape[::-1], at.number("I"), at.number("Q")


def _bytes(tensor: Tensor) -> int:
    kind = _KINDS[tensor.kind]
    return math.prod(tensor.shape) // kind.weights * kind.size


class _Position:
    """Reads on from the beginning of a file, and never beyond its end."""

    def __init__(self, path: Path, content: Array) -> None:
        self.path, self._content, self.place = path, content, 0

    def take(self, count: int) -> bytes:
        if count > len(self._content) - self.place:
            raise self.damaged()
        self.place += count
        return self._content[self.place - count : self.place].tobytes()

    def number(self, code: str) -> Any:
        (found,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return found

    def string(self) -> str:
        return self.take(self.number("Q")).decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY and depth < 3:
            of, count = self.number("I"), self.number("Q")
            if of in _NUMBERS:
                size = struct.calcsize(f"<{_NUMBERS[of]}")
                return list(struct.unpack(f"<{count}{_NUMBERS[of]}", self.take(count * size)))
            return [self.value(of, depth + 1) for _ in range(count)]
        if kind not in _NUMBERS:
            raise self.damaged()
        return self.number(_NUMBERS[kind])

    def damaged(self) -> InvalidInput:
        return InvalidInput(f"{self.path} is damaged or cut off at byte {self.place:,}", "bring it here again")


# Types.  Each decodes blocks, (n, size) of bytes, to (n, weights) of float32.


@dataclass(frozen=True)
class _Kind:
    name: str
    weights: int
    size: int
    decode: Callable[[Array], Array]


def _halves(blocks: Array, first: int, count: int = 1) -> Array:
    """``count`` numbers of 16 bits from byte ``first`` on, as float32: (n, count)."""
    return np.ascontiguousarray(blocks[:, first : first + 2 * count]).view(np.float16).astype(np.float32)


def _nibbles(packed: Array) -> Array:
    """(n, k) bytes to (n, 2 k) numbers below 16: all lower halves, then all upper ones."""
    return np.concatenate([packed & 15, packed >> 4], axis=1)


def _bits(packed: Array) -> Array:
    """(n, 4) bytes to (n, 32) numbers of 0 or 16: the fifth bit of each weight."""
    return np.unpackbits(np.ascontiguousarray(packed), axis=1, bitorder="little") << 4


def _q4_0(blocks: Array) -> Array:
    return _halves(blocks, 0) * (_nibbles(blocks[:, 2:]).astype(np.int8) - 8).astype(np.float32)


def _q4_1(blocks: Array) -> Array:
    return _halves(blocks, 0) * _nibbles(blocks[:, 4:]).astype(np.float32) + _halves(blocks, 2)


def _q5_0(blocks: Array) -> Array:
    numbers = (_nibbles(blocks[:, 6:]) | _bits(blocks[:, 2:6])).astype(np.int8) - 16
    return _halves(blocks, 0) * numbers.astype(np.float32)


def _q5_1(blocks: Array) -> Array:
    numbers = _nibbles(blocks[:, 8:]) | _bits(blocks[:, 4:8])
    return _halves(blocks, 0) * numbers.astype(np.float32) + _halves(blocks, 2)


def _q8_0(blocks: Array) -> Array:
    return _halves(blocks, 0) * np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)


def _scales_and_least(blocks: Array) -> tuple[Array, Array]:
    """The scale and the least value of the 8 parts of a Q4_K or Q5_K block, (n, 8, 1) each: 6 bits a number."""
    low, mid, high = (blocks[:, first : first + 4] for first in (4, 8, 12))
    scales = np.concatenate([low & 63, (high & 15) | ((low >> 6) << 4)], axis=1)
    least = np.concatenate([mid & 63, (high >> 4) | ((mid >> 6) << 4)], axis=1)
    scaled = _halves(blocks, 0) * scales.astype(np.float32), _halves(blocks, 2) * least.astype(np.float32)
    return scaled[0][..., None], scaled[1][..., None]


def _parts_of_32(packed: Array) -> Array:
    """(n, 128) bytes to (n, 8, 32) numbers below 16: of each 32 bytes the lower halves, then the upper ones."""
    packed = packed.reshape(-1, 4, 1, 32)
    return np.concatenate([packed & 15, packed >> 4], axis=2).reshape(-1, 8, 32)


def _q4_k(blocks: Array) -> Array:
    scale, least = _scales_and_least(blocks)
    return (scale * _parts_of_32(blocks[:, 16:]).astype(np.float32) - least).reshape(-1, _SUPER)


def _q5_k(blocks: Array) -> Array:
    scale, least = _scales_and_least(blocks)
    fifth = (blocks[:, 16:48].reshape(-1, 1, 32) >> np.arange(8, dtype=np.uint8)[None, :, None]) & 1
    numbers = _parts_of_32(blocks[:, 48:]) | (fifth << 4)
    weights: Array = (scale * numbers.astype(np.float32) - least).reshape(-1, _SUPER)
    return weights


def _q6_k(blocks: Array) -> Array:
    low = blocks[:, :128].reshape(-1, 2, 1, 64)
    low = np.concatenate([low & 15, low >> 4], axis=2).reshape(-1, 2, 4, 32)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[None, None, :, None]
    numbers = (low | ((high & 3) << 4)).astype(np.int8) - 32
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.float32) * _halves(blocks, 208)
    weights: Array = (scales[..., None] * numbers.reshape(-1, 16, 16).astype(np.float32)).reshape(-1, _SUPER)
    return weights


def _bfloat16(blocks: Array) -> Array:
    return (np.ascontiguousarray(blocks).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


_KINDS = {
    0: _Kind("F32", 1, 4, lambda blocks: np.array(blocks, order="C").view(np.float32)),
    1: _Kind("F16", 1, 2, lambda blocks: _halves(blocks, 0)),
    2: _Kind("Q4_0", _BLOCK, 18, _q4_0),
    3: _Kind("Q4_1", _BLOCK, 20, _q4_1),
    6: _Kind("Q5_0", _BLOCK, 22, _q5_0),
    7: _Kind("Q5_1", _BLOCK, 24, _q5_1),
    8: _Kind("Q8_0", _BLOCK, 34, _q8_0),
    12: _Kind("Q4_K", _SUPER, 144, _q4_k),
    13: _Kind("Q5_K", _SUPER, 176, _q5_k),
    14: _Kind("Q6_K", _SUPER, 210, _q6_k),
    30: _Kind("BF16", 1, 2, _bfloat16),
}
