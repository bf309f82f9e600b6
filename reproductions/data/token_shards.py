"""Text as one long row of tokens, in shards on the disk that are mapped into memory.

Encoding streams: memory stays bounded, and a corpus of any length goes through.  A shard is written whole or not at all
and entered into ``index.json`` when it is there, so that an interrupted encoding goes on behind the last shard; where
shards end depends on the text alone, so that all machines write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT, TextTokenizer

SHARD_TOKENS = 1 << 24
_PIECES_AT_ONCE = 2048
_CHARACTERS_AT_ONCE = 1 << 20
_FORMAT = 1


@dataclass(frozen=True)
class TokenRow:
    """The tokens of all shards as one row.  ``text_bytes`` is the length of its text in UTF-8."""

    shards: tuple[np.ndarray, ...]
    starts: np.ndarray
    text_bytes: int
    sha256: str

    def __len__(self) -> int:
        return int(self.starts[-1])

    def window(self, start: int, length: int) -> np.ndarray:
        """Tokens start .. start + length - 1 as int64; fewer at the end of the row."""
        end = min(start + length, len(self))
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        parts = []
        while start < end:
            upto = min(end, int(self.starts[first + 1]))
            offset = int(self.starts[first])
            parts.append(self.shards[first][start - offset : upto - offset])
            start, first = upto, first + 1
        return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)


def write_tokens(
    pieces: Iterable[str], tokenizer: TextTokenizer, folder: Path, *, shard_tokens: int = SHARD_TOKENS, name: str = ""
) -> dict[str, Any]:
    """Encodes ``pieces`` of text into ``folder``, from where an earlier call stopped.  Returns what index.json says.

    A piece that is END_OF_TEXT by itself ends a document; inside a piece those characters are text.  Pieces are encoded
    each by itself.  Shows a progress bar where stderr is a terminal.
    """
    index = _index(folder)
    if index["complete"]:
        return index
    folder.mkdir(parents=True, exist_ok=True)
    kind = dtype_for(tokenizer.size)
    with tqdm(
        desc=f"encoding {name}".strip(),
        initial=sum(shard["tokens"] for shard in index["shards"]),
        unit=" tokens",
        unit_scale=True,
        disable=not sys.stderr.isatty() or None,
        file=sys.stderr,
        leave=False,
    ) as bar:
        left = iter(pieces)
        for _ in islice(left, sum(shard["pieces"] for shard in index["shards"])):
            pass
        for shard in _shards(left, tokenizer, shard_tokens, kind, bar.update):
            content = np.concatenate(shard.tokens).tobytes()
            write_whole(folder / _shard_name(len(index["shards"])), content)
            entry = {"tokens": len(content) // np.dtype(kind).itemsize, "pieces": shard.pieces, "bytes": shard.bytes}
            index["shards"].append({**entry, "sha256": hashlib.sha256(content).hexdigest()})
            write_whole(folder / "index.json", json.dumps(index, indent=1).encode())
    index["complete"] = True
    write_whole(folder / "index.json", json.dumps(index, indent=1).encode())
    return index


def read_tokens(folder: Path, tokenizer: TextTokenizer) -> TokenRow:
    """What ``write_tokens`` left there, mapped from the disk.  Raises InvalidInput for a row without tokens."""
    index = _index(folder)
    counts = [shard["tokens"] for shard in index["shards"]]
    if not sum(counts):
        raise InvalidInput(f"no token is in {folder.name}", "look at the data's settings")
    kind = dtype_for(tokenizer.size)
    shards = tuple(np.memmap(folder / _shard_name(number), dtype=kind, mode="r") for number in range(len(counts)))
    digest = hashlib.sha256("".join(shard["sha256"] for shard in index["shards"]).encode()).hexdigest()
    starts = np.cumsum([0, *counts])
    return TokenRow(shards, starts, sum(shard["bytes"] for shard in index["shards"]), digest)


def dtype_for(vocabulary: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if vocabulary <= 1 << 16 else np.uint32


@dataclass
class _Shard:
    tokens: list[np.ndarray]
    count: int = 0
    pieces: int = 0
    bytes: int = 0


def _shards(
    pieces: Iterator[str], tokenizer: TextTokenizer, shard_tokens: int, kind: Any, advance: Any
) -> Iterator[_Shard]:
    """Shards of at least ``shard_tokens``, the last one aside; each ends where a piece does."""
    shard = _Shard([])
    for batch in _batches(pieces):
        encoded = tokenizer.encode(batch)
        for piece, ids in zip(batch, encoded, strict=True):
            is_end = piece == END_OF_TEXT and tokenizer.end_of_text is not None
            row = np.array([tokenizer.end_of_text] if is_end else ids, dtype=kind)
            shard.tokens.append(row)
            shard.count += len(row)
            shard.pieces += 1
            shard.bytes += 0 if is_end else len(piece.encode("utf-8"))
            if shard.count >= shard_tokens:
                yield shard
                shard = _Shard([])
        advance(sum(map(len, encoded)))
    if shard.pieces:
        yield shard


def _batches(pieces: Iterator[str]) -> Iterator[Sequence[str]]:
    """Pieces by the thousand, or fewer where they are long."""
    batch: list[str] = []
    characters = 0
    for piece in pieces:
        batch.append(piece)
        characters += len(piece)
        if len(batch) >= _PIECES_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    if not path.exists():
        return {"format": _FORMAT, "complete": False, "shards": []}
    index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return index


def _shard_name(number: int) -> str:
    return f"tokens-{number:05d}.bin"
