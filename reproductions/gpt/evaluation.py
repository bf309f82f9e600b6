"""What a language model is measured by: loss over a whole text, and three benchmarks that ask it for probabilities.

lambada     the share of passages whose last word it would write (Paperno 2016, 1606.06031); GPT-2, section 3.3
blimp       the share of sentence pairs of which the grammatical one is more probable (Warstadt 2020, 1912.00582)
wikitext-2  bits per byte of the validation split

Shapes: B rows, T tokens, N places that are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.data import blimp as blimp_pairs
from reproductions.data import manifest
from reproductions.data.text import read_lines, read_text
from reproductions.data.token_shards import TokenRow
from reproductions.data.token_windows import Windows, whole_row
from reproductions.engine import metrics
from reproductions.tokenizers.text_tokenizer import TextTokenizer


class Reader(Protocol):
    """A decoder-only language model as it is measured: a GPT, or what cites it."""

    def __call__(self, tokens_BT: Tensor, targets_N: Tensor) -> Tensor:
        """Nats, summed over the next tokens."""
        ...

    def hidden(self, tokens_BT: Tensor) -> Tensor: ...

    def logits(self, hidden: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Bench:
    """What the benchmarks are run with.  The model reads ``context`` tokens; ``batch_tokens`` are scored at a time."""

    model: Reader
    context: int
    tokenizer: TextTokenizer
    data_home: Path
    mirror: str | None
    device: torch.device
    batch_tokens: int
    log: Callable[[str], None] = lambda _: None

    def files(self, name: str) -> dict[str, tuple[Path, str]]:
        """Path and upstream name of a data set's files, by key."""
        files = manifest.load()[name].files
        found = {
            key: manifest.fetch(file, self.data_home, mirror=self.mirror, log=self.log) for key, file in files.items()
        }
        return {key: (file.path, files[key].path) for key, file in found.items()}


def row_loss(
    model: nn.Module | Reader, row: TokenRow, *, context: int, batch_tokens: int, device: torch.device
) -> tuple[float, int]:
    """Nats summed over every token of the row but the first, and their number.

    Windows of ``context`` lie side by side: a token is predicted from those before it in its own window.
    """
    nats, tokens = 0.0, 0
    for windows in whole_row(row, context, max(1, batch_tokens // context)):
        moved: Windows = windows.to(device)
        nats += float(model(moved.tokens, moved.targets))
        tokens += len(moved.targets)
    return nats, tokens


def lambada(bench: Bench) -> list[dict[str, Any]]:
    """Accuracy and perplexity of the last word: right where each of its tokens is the most probable one."""
    path, upstream = bench.files("lambada")["dev"]
    passages = [line.rpartition(" ") for line in read_lines(path, upstream) if line]
    scored = score(bench, [before for before, _, _ in passages], [" " + word for _, _, word in passages])
    right = sum(found.is_greedy for found in scored) / len(scored)
    # GPT-2's perplexity is a word's, not a token's: exp of the mean nats of the whole last word.
    perplexity = metrics.perplexity(sum(found.nats for found in scored) / len(scored))
    common = {"task": "last word", "dataset": "lambada", "split": "dev", "n": len(scored)}
    protocol = {"detokenised": False, "stop_words": "all", "per": "last word"}
    return [
        {**common, "metric": "accuracy", "value": 100 * right, "unit": "%", "protocol": protocol},
        {**common, "metric": "perplexity", "value": perplexity, "unit": "ppl", "protocol": protocol},
    ]


def blimp(bench: Bench) -> list[dict[str, Any]]:
    """Mean accuracy of the sets; a sentence's probability is that of all its tokens after the end of a document."""
    path, _ = bench.files("blimp")["all"]
    pairs = blimp_pairs.read_pairs(path)
    scored = score(bench, [""] * (2 * len(pairs)), [pair.good for pair in pairs] + [pair.bad for pair in pairs])
    nats = [found.nats for found in scored]
    return [blimp_pairs.measured(pairs, nats[: len(pairs)], nats[len(pairs) :], "whole sentence")]


def wikitext_2(bench: Bench) -> list[dict[str, Any]]:
    """Bits per byte of the validation split as it is, markers of unknown words and all."""
    path, upstream = bench.files("wikitext-2")["valid"]
    text = read_text(path, upstream)
    (ids,) = bench.tokenizer.encode([text])
    tokens = np.array(ids)
    row = TokenRow((tokens,), np.array([0, len(tokens)]), len(text.encode()), "")
    context = bench.context
    nats, count = row_loss(bench.model, row, context=context, batch_tokens=bench.batch_tokens, device=bench.device)
    return [
        {
            "task": "language modelling",
            "dataset": "wikitext-2",
            "split": "valid",
            "n": count,
            "metric": "bits-per-byte",
            "value": metrics.bits_per_byte(nats, row.text_bytes),
            "unit": "bits",
            "protocol": {"context": context, "stride": context, "coverage": "whole split", "detokenised": False},
        }
    ]


BENCHMARKS: dict[str, Callable[[Bench], list[dict[str, Any]]]] = {
    "lambada": lambada,
    "blimp": blimp,
    "wikitext-2": wikitext_2,
}


@dataclass(frozen=True)
class Scored:
    """A continuation: minus its log probability in nats, and whether each of its tokens is the most probable."""

    nats: float
    is_greedy: bool


def score(bench: Bench, contexts: Sequence[str], continuations: Sequence[str]) -> list[Scored]:
    """Each continuation given its context, both encoded by themselves; an empty context is the end of a document.

    Where both are longer than the model reads, the context loses its beginning.
    """
    rows = _rows(bench, contexts, continuations)
    found: list[Scored | None] = [None] * len(rows)
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index][0]))
    for batch in _of_like_length(order, rows, bench.batch_tokens):
        longest = len(rows[batch[0]][0]) - 1
        tokens_BT = torch.zeros((len(batch), longest), dtype=torch.long)
        places: list[int] = []
        targets: list[int] = []
        counts: list[int] = []
        for place, index in enumerate(batch):
            tokens, scored = rows[index]
            tokens_BT[place, : len(tokens) - 1] = torch.tensor(tokens[:-1])  # padding stands behind: nothing sees it
            places += range(place * longest + len(tokens) - 1 - scored, place * longest + len(tokens) - 1)
            targets += tokens[len(tokens) - scored :]
            counts.append(scored)
        hidden_ND = bench.model.hidden(tokens_BT.to(bench.device)).flatten(0, 1)[torch.tensor(places).to(bench.device)]
        logits_NV, targets_N = bench.model.logits(hidden_ND).float(), torch.tensor(targets).to(bench.device)
        nats_N = F.cross_entropy(logits_NV, targets_N, reduction="none").double().cpu()
        best_N = (logits_NV.argmax(dim=-1) == targets_N).cpu()
        for index, nats, best in zip(batch, torch.split(nats_N, counts), torch.split(best_N, counts), strict=True):
            found[index] = Scored(float(nats.sum()), bool(best.all()))
    return [entry for entry in found if entry is not None]


def _rows(bench: Bench, contexts: Sequence[str], continuations: Sequence[str]) -> list[tuple[list[int], int]]:
    """(tokens, how many at their end are scored); a row has a token to start from."""
    tokenizer, most = bench.tokenizer, bench.context + 1
    start = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    rows = []
    for before, after in zip(tokenizer.encode(contexts), tokenizer.encode(continuations), strict=True):
        tokens = [*(before or start), *after][-most:]
        rows.append((tokens, min(len(after), len(tokens) - 1)))
    return rows


def _of_like_length(order: Sequence[int], rows: Sequence[tuple[list[int], int]], tokens: int) -> Iterator[list[int]]:
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, len(rows[order[start]][0])))
        yield list(order[start : start + size])
        start += size
