"""What a paper gives to the engine: its data, model, loss and evaluation behind one seam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from reproductions.engine.recipe import Recipe


class BatchStream(Protocol):
    """An endless stream of micro-batches that knows where it stands."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def position(self) -> dict[str, Any]:
        """JSON values from which `Task.batches` yields the batch after the last one that was handed out."""
        ...


class Task(Protocol):
    """One per paper, in its task.py.  Nothing is read or built before `prepare`.

    The test split is touched in `evaluate` only, which runs once, after the last step.
    """

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Brings in data and tokenizer, and returns what provenance keeps of them.

        {"data": {name: {"sha256", "url", "bytes", "pinned"}}, "tokenizer": {"sha256", ...}}
        """
        ...

    def build_model(self) -> nn.Module:
        """A new model on the CPU, its weights drawn from torch's default generator (seeded just before)."""
        ...

    def batches(self, position: dict[str, Any] | None) -> BatchStream:
        """The training stream from its start, or from a position."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> tuple[torch.Tensor, torch.Tensor | int, dict[str, Any]]:
        """(loss in nats summed over the real target tokens, their number, further sums over the same tokens).

        The mean over all tokens since the last log is recorded as train/loss, the further ones as train/NAME.
        """
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """{"val/loss": ..., ...} over the whole validation split; deterministic."""
        ...

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:
        """A few {"source", "output", "reference", "decoding"}.

        Where "artifacts" is among the keys, it maps names to contents of files that belong to the sample (drawings).
        """
        ...

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:
        """The final measurements, as result.json keeps them (docs/run-directory.md)."""
        ...


class TaskFactory(Protocol):
    """How a Task is made: its class."""

    def __call__(self, *, recipe: Recipe[Any, Any, Any], data_home: Path, device: torch.device, seed: int) -> Task: ...
