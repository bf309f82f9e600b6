"""Text from a language model: greedy or drawn, in batches of different prompt lengths, a token at a time.

A model remembers what it has read (its cache), so that each step costs one position.  What a row gets depends on its
prompt, its place in the list and the seed, never on the rows beside it.

Shapes: B rows that are still written, T prompt tokens of the longest row, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from reproductions.registry import InvalidInput


class Memory(Protocol):
    """A cache.  ``padding`` (B,) is how many places on the left of each row are padding; None where none has any."""

    padding: Tensor | None

    def select(self, rows: Tensor) -> None:
        """Keeps these rows, in this order."""
        ...


class LanguageModel(Protocol):
    """What can be asked for the next token."""

    def start(self, rows: int, room: int) -> Any:
        """An empty Memory for ``rows`` texts of at most ``room`` tokens."""
        ...

    def extend(self, tokens_BT: Tensor, cache: Any) -> Tensor:
        """Adds tokens to what is remembered; logits of the token after the newest, (B, V)."""
        ...


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen.  The filters apply in this order: penalty, temperature, top-k, top-p.

    ``temperature`` 0 takes the most probable token (greedy).  ``top_k`` 0 and ``top_p`` 1 leave all tokens in.
    ``repetition_penalty`` above 1 divides the logits of tokens that are there already (Keskar 2019, 1909.05858).
    """

    max_new_tokens: int = 50
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidInput for what no decoding can be."""
        limits = {
            "max_new_tokens": (self.max_new_tokens >= 1, "at least 1"),
            "temperature": (self.temperature >= 0, "0 (greedy) or more"),
            "top_k": (self.top_k >= 0, "0 (all tokens) or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "above 0; 1 is none"),
            "stop": (all(self.stop), "words that are not empty"),
        }
        for name, (holds, allowed) in limits.items():
            if not holds:
                raise InvalidInput(f"{name} is {getattr(self, name)}", f"it has to be {allowed}")


@dataclass(frozen=True)
class Generated:
    """``tokens`` and ``text`` without the prompt, the end token and the stop string."""

    tokens: tuple[int, ...]
    text: str
    ended: Literal["end", "stop", "length"]


def complete(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    context: int,
    end: int | None,
    decode: Callable[[Sequence[int]], str],
    on_text: Callable[[int, str], None] = lambda _row, _text: None,
    device: torch.device | str = "cpu",
    first_row: int = 0,
) -> list[Generated]:
    """The continuation of each prompt.  ``on_text`` gets (row, new characters) as soon as they can't change any more.

    ``first_row`` is the place of the first prompt in a longer list, of which each draws what it would draw in it.
    Raises InvalidInput for an empty prompt where there is no ``end`` to start from, and for one that fills ``context``.
    """
    texts = [_GrowingText(decode, decoding.stop, end) for _ in prompts]

    def is_done(row: int, token: int) -> bool:
        new = texts[row].add(token)
        if new:
            on_text(row, new)
        return texts[row].ended is not None

    for _ in stream(
        model, prompts, decoding, context=context, end=end, is_done=is_done, device=device, first_row=first_row
    ):
        pass
    for row, text in enumerate(texts):
        if rest := text.rest():
            on_text(row, rest)
    return [Generated(tuple(text.tokens), text.text, text.ended or "length") for text in texts]


@torch.inference_mode()
def stream(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    context: int,
    end: int | None = None,
    is_done: Callable[[int, int], bool] | None = None,
    device: torch.device | str = "cpu",
    first_row: int = 0,
) -> Iterator[list[tuple[int, int]]]:
    """(row, token) of every row that is still written, a step at a time; the end token is the last of its row.

    A row ends with ``end``, where ``is_done(row, token)`` says so, after ``max_new_tokens``, or when the longest row
    fills the context.
    """
    if not prompts:
        return
    rows = [_checked(prompt, end, context) for prompt in prompts]
    longest = max(map(len, rows))
    steps = min(decoding.max_new_tokens, context - longest)
    tokens_BT, padding_B = _flush_right(rows, longest, device)
    cache = model.start(len(rows), longest + steps)
    cache.padding = padding_B
    choose = _Chooser(decoding, rows, steps, device, first_row)
    held: list[int | None] = list(range(len(rows)))  # the row of each place of the batch; None where it has ended
    for step in range(steps):
        token_B = choose(model.extend(tokens_BT, cache), step)
        found = [(row, token) for row, token in zip(held, token_B.tolist(), strict=True) if row is not None]
        yield found
        ended = {row for row, token in found if token == end or (is_done is not None and is_done(row, token))}
        if len(ended) == len(found):
            return
        held = [None if row in ended else row for row in held]
        # A row that has ended costs until it is dropped, and dropping costs a copy of the others.
        if 4 * held.count(None) >= len(held):
            keep = torch.tensor([place for place, row in enumerate(held) if row is not None], device=device)
            cache.select(keep)
            choose.select(keep)
            token_B = token_B[keep]
            held = [row for row in held if row is not None]
        tokens_BT = token_B[:, None]


def filtered(logits_BV: Tensor, seen_BV: Tensor | None, decoding: Decoding) -> Tensor:
    """Logits after penalty, temperature, top-k and top-p; minus infinity for what may not be drawn.  Float32."""
    logits_BV = logits_BV.float()
    if seen_BV is not None:
        penalty = decoding.repetition_penalty
        punished_BV = torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)
        logits_BV = torch.where(seen_BV, punished_BV, logits_BV)
    if decoding.temperature == 0:
        return logits_BV
    logits_BV = logits_BV / decoding.temperature
    if 0 < decoding.top_k < logits_BV.shape[-1]:
        least_B1 = logits_BV.topk(decoding.top_k).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < least_B1, float("-inf"))
    if decoding.top_p < 1:
        ascending_BV, token_BV = logits_BV.sort()
        out_BV = ascending_BV.softmax(dim=-1).cumsum(dim=-1) <= 1 - decoding.top_p
        out_BV[:, -1] = False  # the most probable one always stays
        logits_BV = logits_BV.masked_fill(out_BV.scatter(1, token_BV, out_BV), float("-inf"))
    return logits_BV


class _Chooser:
    """Chooses the next token of every row.  Its random numbers are the row's own, drawn before anything is written."""

    def __init__(
        self, decoding: Decoding, rows: Sequence[Sequence[int]], steps: int, device: Any, first_row: int
    ) -> None:
        self.decoding, self.rows = decoding, rows
        self.seen_BV: Tensor | None = None
        self.uniform: Tensor | None = None
        if decoding.temperature > 0:
            generators = [
                torch.Generator().manual_seed(_mixed(decoding.seed, first_row + row)) for row in range(len(rows))
            ]
            drawn = [torch.rand(steps, generator=generator, dtype=torch.float64) for generator in generators]
            self.uniform = torch.stack(drawn).to(device)

    def __call__(self, logits_BV: Tensor, step: int) -> Tensor:
        if self.decoding.repetition_penalty != 1 and self.seen_BV is None:
            self.seen_BV = self._seen(logits_BV)
        if self.seen_BV is not None or self.uniform is not None:
            logits_BV = filtered(logits_BV, self.seen_BV, self.decoding)
        if self.uniform is None:
            token_B = logits_BV.argmax(dim=-1)
        else:
            # The token at which the summed probability passes the row's random number.
            summed_BV = logits_BV.double().softmax(dim=-1).cumsum(dim=-1)
            point_B1 = self.uniform[:, step, None] * summed_BV[:, -1:]
            token_B = torch.searchsorted(summed_BV, point_B1, right=True)[:, 0].clamp_(max=logits_BV.shape[-1] - 1)
        if self.seen_BV is not None:
            self.seen_BV.scatter_(1, token_B[:, None], True)
        return token_B

    def select(self, rows: Tensor) -> None:
        if self.uniform is not None:
            self.uniform = self.uniform[rows]
        if self.seen_BV is not None:
            self.seen_BV = self.seen_BV[rows]

    def _seen(self, logits_BV: Tensor) -> Tensor:
        seen_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
        for row, prompt in enumerate(self.rows):
            seen_BV[row, torch.tensor(prompt, device=logits_BV.device)] = True
        return seen_BV


class _GrowingText:
    """The text of one row as tokens arrive: handed out once it can't change, and cut where a stop string begins."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str], end: int | None) -> None:
        self._decode, self._stop, self._end = decode, stop, end
        self._told = 0
        self.tokens: list[int] = []
        self.text = ""
        self.ended: Literal["end", "stop"] | None = None

    def add(self, token: int) -> str:
        """Takes a token; returns the characters that are new and final."""
        if token == self._end:
            self.ended = "end"
            return self.rest()
        self.tokens.append(token)
        self.text = self._decode(self.tokens)
        places = [place for stop in self._stop if (place := self.text.find(stop)) >= 0]
        if places:
            self.text, self.ended = self.text[: min(places)], "stop"
            return self.rest()
        # Half a character may become a whole one, and the beginning of a stop string a whole one.
        final = len(self.text.rstrip("\N{REPLACEMENT CHARACTER}"))
        held = max((_overlap(self.text, stop) for stop in self._stop), default=0)
        return self._tell(min(final, len(self.text) - held))

    def rest(self) -> str:
        return self._tell(len(self.text))

    def _tell(self, upto: int) -> str:
        new = self.text[self._told : upto]
        self._told = max(self._told, upto)
        return new


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of ``text`` begin ``stop``."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def _checked(prompt: Sequence[int], end: int | None, context: int) -> list[int]:
    tokens = list(prompt) or ([] if end is None else [end])
    if not tokens:
        raise InvalidInput("the prompt is empty", "give at least one character: this model has no token to start from")
    if len(tokens) >= context:
        raise InvalidInput(f"the prompt has {len(tokens):,} tokens", f"this model reads less than {context:,}")
    return tokens


def _flush_right(rows: Sequence[Sequence[int]], longest: int, device: Any) -> tuple[Tensor, Tensor | None]:
    tokens_BT = torch.tensor([[row[0]] * (longest - len(row)) + list(row) for row in rows], device=device)
    padding_B = torch.tensor([longest - len(row) for row in rows], device=device)
    return tokens_BT, padding_B if bool(padding_B.any()) else None


def _mixed(seed: int, row: int) -> int:
    """A seed of its own for each row."""
    return (seed * 1_000_003 + row) % 2**63
