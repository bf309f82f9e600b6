"""A recipe: every number of one tier of one reproduction, as frozen dataclasses.  Torch-free.

The engine's own parts are here; `model`, `data` and `evaluation` are dataclasses of the paper's recipes.py.
A recipe survives a round trip through JSON (run.json keeps it whole), and `--set optim.lr=3e-4` changes one
typed field.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from reproductions.registry import InvalidInput

Model = TypeVar("Model")
Data = TypeVar("Data")
Evaluation = TypeVar("Evaluation")
T = TypeVar("T")


@dataclass(frozen=True)
class Optim:
    """`lr` is multiplied by the schedule.  `decay` says which parameters `weight_decay` is applied to."""

    lr: float
    name: Literal["adam", "adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay: Literal["all", "matrices"] = "all"
    clip_norm: float | None = None


@dataclass(frozen=True)
class Schedule:
    """The factor on `optim.lr` at each step, counted from 1; optimizers.py has the formulas.

    "inverse-sqrt" is equation (3) of 1706.03762: factor * d_model^-0.5 * min(step^-0.5, step * warmup_steps^-1.5),
    so there `optim.lr` is 1.  The others warm up linearly to `factor` and stay there, or fall to
    `floor * factor` at the last step.
    """

    name: Literal["constant", "inverse-sqrt", "cosine", "linear"] = "constant"
    warmup_steps: int = 0
    factor: float = 1.0
    d_model: int = 1
    floor: float = 0.0


@dataclass(frozen=True)
class Train:
    """Steps are optimiser updates.  0 in an `_every` field means never.

    A step's global batch is `accumulate` micro-batches, however many processes share them, so that a result
    does not depend on the machine.
    """

    max_steps: int
    accumulate: int = 1
    log_every: int = 10
    eval_every: int = 0
    sample_every: int = 0
    checkpoint_every: int = 0
    keep_checkpoints: int = 2
    average_last: int = 0  # checkpoints whose mean is evaluated; 0 evaluates the last weights
    precision: Literal["fp32", "bf16-if-capable"] = "fp32"
    compile: Literal["off", "cuda", "cuda-any-shape"] = "off"  # any shape: where batches differ in theirs
    parallel: Literal["ddp", "fsdp2"] = "ddp"

    def __post_init__(self) -> None:
        """Raises InvalidInput for counts that no training can have."""
        for name in ("max_steps", "accumulate", "log_every", "keep_checkpoints"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"train.{name} is {getattr(self, name)}", "a number of at least 1 is needed")
        for name in ("eval_every", "sample_every", "checkpoint_every", "average_last"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"train.{name} is {getattr(self, name)}", "0 means never; nothing is below that")


@dataclass(frozen=True)
class Needs:
    """What a tier asks of a machine, for the refusal that says what it would take.  `hours` on `hardware`."""

    device: Literal["any", "cuda"] = "any"
    memory_gb: float = 1.0
    gpu_memory_gb: float = 0.0
    disk_gb: float = 0.1
    download_gb: float = 0.0
    hours: float = 0.0
    hardware: str = "2 CPU cores"


@dataclass(frozen=True)
class Recipe(Generic[Model, Data, Evaluation]):
    """Every number of one tier.

    `places` maps a field's path to its place in the paper, or to "ours: why"; `predicted` holds values that were
    said before the tier ran.
    """

    name: str
    tier: str
    reproduction: str
    model: Model
    data: Data
    optim: Optim
    schedule: Schedule
    train: Train
    evaluation: Evaluation
    needs: Needs = field(default_factory=Needs)
    places: Mapping[str, str] = field(default_factory=dict)
    predicted: Mapping[str, Any] | None = None


def to_dict(recipe: Any) -> dict[str, Any]:
    """The recipe as JSON values; tuples become lists."""
    values: dict[str, Any] = json.loads(json.dumps(_plain(recipe), allow_nan=False))
    return values


def from_dict(like: T, values: Mapping[str, Any]) -> T:
    """`values` (from run.json) in the types of `like`, the registered recipe of that name and tier.

    Raises InvalidInput on a field that `like` does not have.
    """
    hints = typing.get_type_hints(type(like))
    known = [item.name for item in dataclasses.fields(like)]  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise _unknown(name, known)
        current = getattr(like, name)
        if dataclasses.is_dataclass(current) and not isinstance(current, type):
            changes[name] = from_dict(current, value)
        else:
            changes[name] = _convert(value, hints[name], name)
    return dataclasses.replace(like, **changes)  # type: ignore[type-var]


def override(recipe: T, changes: Mapping[str, str]) -> T:
    """The recipe with `{"optim.lr": "3e-4"}` applied.  Raises InvalidInput: unknown field, wrong type."""
    for path, text in changes.items():
        recipe = _replaced(recipe, path.split("."), text, path)
    return recipe


def field_paths(recipe: Any, prefix: str = "") -> list[str]:
    """Every field that `override` takes, as dotted paths."""
    paths: list[str] = []
    for item in dataclasses.fields(recipe):
        value = getattr(recipe, item.name)
        if dataclasses.is_dataclass(value):
            paths.extend(field_paths(value, f"{prefix}{item.name}."))
        else:
            paths.append(f"{prefix}{item.name}")
    return paths


def _replaced(node: Any, parts: list[str], text: str, path: str) -> Any:
    known = [item.name for item in dataclasses.fields(node)]
    name, *rest = parts
    if name not in known:
        raise _unknown(path, [path.removesuffix(".".join(parts)) + item for item in known])
    current = getattr(node, name)
    if rest and dataclasses.is_dataclass(current):
        return dataclasses.replace(node, **{name: _replaced(current, rest, text, path)})
    if rest or dataclasses.is_dataclass(current) or isinstance(current, Mapping):
        raise InvalidInput(f'"{path}" is not a single value of the recipe', "name one field, as in optim.lr")
    hint = typing.get_type_hints(type(node))[name]
    return dataclasses.replace(node, **{name: _parse(text, hint, path)})


def _parse(text: str, hint: Any, path: str) -> Any:
    if hint is str or (typing.get_origin(hint) is Literal and text in typing.get_args(hint)):
        return text
    try:
        value = json.loads({"none": "null", "true": "true", "false": "false"}.get(text.lower(), text))
    except json.JSONDecodeError:
        value = text
    return _convert(value, hint, path)


def _convert(value: Any, hint: Any, path: str) -> Any:  # noqa: PLR0911 - one return per kind of hint
    """`value` as `hint` asks: lists to tuples, whole numbers to floats; anything else must fit already."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, TypeVar) or hint is Any:
        return value
    if origin is Literal:
        if value in arguments:
            return value
    elif origin in (typing.Union, types.UnionType):
        for choice in arguments:
            try:
                return _convert(value, choice, path)
            except InvalidInput:
                continue  # the next alternative of the union may fit
    elif origin is tuple and isinstance(value, list | tuple):
        items = arguments[:1] * len(value) if arguments[-1:] == (...,) else arguments
        if len(items) == len(value):
            return tuple(_convert(item, kind, path) for item, kind in zip(value, items, strict=True))
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is type(None) and value is None:
        return None
    elif type(value) is hint or (isinstance(origin, type) and isinstance(value, origin)):
        return value
    wanted = " or ".join(map(repr, arguments)) if origin is Literal else getattr(hint, "__name__", str(hint))
    raise InvalidInput(f'"{path}" is {wanted}, not {value!r}', "give another value with --set")


def _unknown(path: str, known: list[str]) -> InvalidInput:
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.4)
    return InvalidInput(f'the recipe has no field "{path}"', f"near: {', '.join(near or known)}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
