"""Measures attention against sequence length.  A step of the run is one length, at which every form is measured once.

What has been measured is part of the position in the data, so a checkpoint keeps it and a run that was stopped goes
on with the next length.  Nothing is learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reproductions.attention import measure
from reproductions.attention.measure import FORMS, Shape
from reproductions.attention.model import MultiHeadAttention
from reproductions.attention.recipes import Data, Evaluation, Model
from reproductions.attention.structure import structure
from reproductions.engine import drawing
from reproductions.engine.recipe import Recipe
from reproductions.registry import InvalidInput

__all__ = ["Task", "structure"]

# The claims of claims.toml that a measurement answers: (tier, metric, form).
_CLAIMS = {
    ("mini", "time-exponent", "materialised"): "2205.14135:abstract:standard-attention:time-exponent",
    ("mini", "time-exponent", "fused"): "2112.05682:abstract:memory-efficient-attention:time-exponent",
    ("mini", "speed-up", "dot-product"): "1706.03762:section-3.2.1:dot-product-over-additive:speed-up",
    ("mini", "speed-up", "fused"): "paperlab:mini:attention:fused-over-materialised:speed-up",
    ("smoke", "speed-up", "fused"): "paperlab:smoke:attention:fused-over-materialised:speed-up",
    ("full", "speed-up", "fused"): "2205.14135:section-1:flash-attention-over-standard:speed-up",
}
_COMMON = {"task": "attention", "dataset": "random", "split": "-"}


class Lengths:
    """The lengths in rounds, each in an order that follows from seed and round; and the table of what was measured."""

    def __init__(self, lengths: Sequence[int], seed: int, position: Mapping[str, Any] | None) -> None:
        self.lengths, self.seed = lengths, seed
        self.taken: int = position["taken"] if position else 0
        self.table: list[dict[str, Any]] = list(position["table"]) if position else []

    def __iter__(self) -> Lengths:
        return self

    def __next__(self) -> int:
        in_round, place = divmod(self.taken, len(self.lengths))
        self.taken += 1
        order = np.random.default_rng([self.seed, in_round]).permutation(len(self.lengths))
        return self.lengths[int(order[place])]

    def position(self) -> dict[str, Any]:
        return {"taken": self.taken, "table": self.table}


class Task:
    """One recipe's measurements; ``table`` has a row a form, length and round."""

    def __init__(
        self, *, recipe: Recipe[Model, Data, Evaluation], data_home: Path, device: torch.device, seed: int
    ) -> None:
        del data_home  # the inputs are drawn here
        if recipe.train.accumulate != 1:  # nor can it be shared by several processes, which would each measure
            message = f"train.accumulate is {recipe.train.accumulate}, and this recipe measures one length a step"
            raise InvalidInput(message, "leave train.accumulate and --gpus out")
        self.recipe, self.device, self.seed = recipe, device, seed
        self.table: list[dict[str, Any]] = []

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to tell
        return {"data": {}, "tokenizer": {}}

    def build_model(self) -> MultiHeadAttention:
        """Something with weights for the loop to hold; what is measured takes queries, keys and values as they are."""
        model = self.recipe.model
        return MultiHeadAttention(model.num_heads * model.d_key, model.num_heads)

    def batches(self, position: dict[str, Any] | None) -> Lengths:
        stream = Lengths(self.recipe.data.lengths, self.seed, position)
        self.table = stream.table
        return stream

    def loss(self, model: nn.Module, length: int) -> tuple[Tensor, int, dict[str, Any]]:
        """Measures every form at ``length``.  The loss is 0, and the costs are the further sums over one "token"."""
        costs = {"length": float(length)}
        for row in self._measure(length):
            self.table.append(row)
            costs |= {f"{row['form']}/{name}": row[name] for name in ("seconds", "bytes") if row[name] is not None}
        nothing = sum((parameter.sum() for parameter in model.parameters()), torch.zeros((), device=self.device)) * 0.0
        return nothing, 1, costs

    def validate(self, model: nn.Module) -> dict[str, float]:  # noqa: ARG002 - it has learned nothing
        """How far the fused form is from the equation at the shortest length, in output and gradients."""
        found = [self._gradients(FORMS[name]) for name in ("materialised", "fused")]
        return {"val/deviation": max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))}

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - of what was measured
        """The two costs as text and as a drawing; nothing before anything was measured."""
        if not self.table:
            return []
        units = {"seconds": f"{self._clock()} of one pass", "bytes": "bytes held by one pass, inputs aside"}
        return [
            {
                "source": f"{unit}, forward and backward, by sequence length",
                "output": self._as_text(name),
                "reference": None,
                "decoding": {"statistic": "median of the rounds"},
                "artifacts": {f"{name}.svg": self._drawn(name, unit)},
            }
            for name, unit in units.items()
        ]

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:  # noqa: ARG002 - it has learned nothing
        """Exponents of time and memory of each form, and which is how much faster at the longest common length."""
        if not self.table:
            self.table = [row for length in self.recipe.data.lengths for row in self._measure(length)]
        found = []
        for form in FORMS:
            for metric, name in (("time-exponent", "seconds"), ("memory-exponent", "bytes")):
                line = {n: cost for n, cost in self._line(form, name).items() if n >= self.recipe.evaluation.fit_from}
                if len(line) > 1:
                    found.append(self._measurement(metric, form, exponent(line), "", lengths=sorted(line)))
        for form, slower in (("fused", "materialised"), ("dot-product", "additive")):
            faster = "materialised" if form == "dot-product" else form
            for metric, name in (("speed-up", "seconds"), ("memory-saved", "bytes")):
                lines = [self._line(each, name) for each in (slower, faster)]
                if common := lines[0].keys() & lines[1].keys():
                    ratio = lines[0][max(common)] / lines[1][max(common)]
                    found.append(self._measurement(metric, form, ratio, "times", over=slower, lengths=[max(common)]))
        return found

    def _measure(self, length: int) -> list[dict[str, Any]]:
        """Each form at this length; a cost is None where the device's memory did not suffice."""
        model, data = self.recipe.model, self.recipe.data
        shape = Shape(data.sequences, model.num_heads, length, model.d_key)
        generator = torch.Generator().manual_seed(self.seed)
        rows = []
        # The loop's autocast must not choose the precision, and an evaluation measures gradients too.
        with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
            tensors = measure.inputs(shape, self.device, getattr(torch, data.dtype), generator)
            for form, attention in FORMS.items():
                if form == "additive" and length > data.additive_up_to:
                    continue
                row: dict[str, Any] = {"form": form, "length": length, "seconds": None, "bytes": None}
                try:
                    row["bytes"] = measure.peak_memory(attention, tensors)
                    row["seconds"] = measure.seconds(attention, tensors)
                except torch.OutOfMemoryError:
                    torch.cuda.empty_cache()
                rows.append(row)
        return rows

    def _gradients(self, attention: measure.Attention) -> tuple[Tensor, ...]:
        shape = Shape(1, self.recipe.model.num_heads, min(self.recipe.data.lengths), self.recipe.model.d_key)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
            tensors = measure.inputs(shape, self.device, torch.float32, generator)
            return (attention(*tensors).detach(), *measure.run(attention, tensors))

    def _line(self, form: str, name: str) -> dict[int, float]:
        """Length to the median over the rounds, shortest first."""
        costs: dict[int, list[float]] = {}
        for row in self.table:
            if row["form"] == form and row[name] is not None:
                costs.setdefault(row["length"], []).append(row[name])
        return {length: float(median(costs[length])) for length in sorted(costs)}

    def _as_text(self, name: str) -> str:
        return "\n".join(
            f"{form}: " + ", ".join(f"{length} {cost:.4g}" for length, cost in self._line(form, name).items())
            for form in FORMS
            if self._line(form, name)
        )

    def _drawn(self, name: str, unit: str) -> bytes:
        lines = {form: list(line.items()) for form in FORMS if (line := self._line(form, name))}
        model = self.recipe.model
        title = f"Attention, forward and backward: {model.num_heads} x {model.d_key}, {self.recipe.data.dtype}"
        return drawing.curves(lines, title, "sequence length", unit)

    def _clock(self) -> str:
        return "GPU seconds" if self.device.type == "cuda" else "CPU seconds"

    def _measurement(self, metric: str, form: str, value: float, unit: str, **protocol: Any) -> dict[str, Any]:
        model, data = self.recipe.model, self.recipe.data
        return {
            "claim": _CLAIMS.get((self.recipe.tier, metric, form)),
            **_COMMON,
            "metric": metric,
            "value": value,
            "unit": unit,
            "n": len(self.table),
            "protocol": {
                "form": form,
                "pass": "forward and backward",
                "device": self.device.type,
                "dtype": data.dtype,
                "heads": model.num_heads,
                "head_size": model.d_key,
                "sequences": data.sequences,
                **protocol,
            },
        }


def exponent(line: Mapping[int, float]) -> float:
    """The slope of log(cost) over log(length) by least squares: 2 where doubling the length quadruples the cost."""
    x, y = (np.log2(np.array(list(values), dtype=float)) for values in (line.keys(), line.values()))
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    if not math.isfinite(slope):
        raise ValueError(f"no slope through {dict(line)}")
    return slope
