"""One training over several processes, started by torchrun.

Every rank reads the same stream and takes its share of a step's micro-batches, so a step's global batch, and with
it the result, is that of one process up to the order of additions.  Rank 0 writes; the others have no recorder.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from reproductions.registry import InvalidInput, NotReady, ReproductionError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among those that train together.  `device` is this process's own."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def join(device: str, environ: Mapping[str, str] = os.environ) -> World:
    """The world that torchrun's environment describes; one process without it.  `device`: auto, cpu or cuda."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NotReady("this machine has no CUDA device that torch can use", "leave out --device cuda")
    kind = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    size = int(environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(torch.device(kind))
    local = int(environ.get("LOCAL_RANK", "0"))
    own = torch.device("cuda", local) if kind == "cuda" else torch.device("cpu")
    if kind == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", device_id=own if kind == "cuda" else None)
    return World(own, int(environ["RANK"]), size)


def leave(world: World) -> None:
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()


def on_main(world: World, function: Callable[[], T]) -> T:
    """Calls `function` on rank 0 and gives its value, or the error it raised, to every rank."""
    if world.size == 1:
        return function()
    outcome: list[Any] = [None, None]
    if world.is_main:
        try:
            outcome[0] = function()
        except (ReproductionError, OSError) as error:  # a full disk stops all ranks, or they would wait for this one
            outcome[1] = error
    dist.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    value: T = outcome[0]
    return value


def gather(world: World, value: T) -> list[T]:
    """Each rank's value, by rank, on every rank."""
    if world.size == 1:
        return [value]
    values: list[Any] = [None] * world.size
    dist.all_gather_object(values, value)
    return values


def total(world: World, values: Sequence[torch.Tensor]) -> None:
    """Replaces each value by its sum over ranks."""
    if world.size > 1:
        for value in values:
            dist.all_reduce(value)


def agree(world: World, reason: str | None) -> str | None:
    """The first reason that any rank has, on every rank: all stop at the same step or none does."""
    if world.size == 1:
        return reason
    flag = torch.tensor([reason is not None], dtype=torch.int32, device=world.device)
    total(world, [flag])
    if not int(flag):
        return None
    return next(text for text in gather(world, reason) if text is not None)


def share_of(world: World, accumulate: int) -> range:
    """Which of a step's micro-batches this rank computes.  Raises InvalidInput where they cannot be shared."""
    if accumulate % world.size:
        raise InvalidInput(
            f"{world.size} processes cannot share train.accumulate={accumulate} micro-batches evenly",
            f"--set train.accumulate={world.size} with micro-batches as much smaller keeps the global batch",
        )
    return range(world.rank, accumulate, world.size)


def spread(world: World, model: nn.Module, parallel: str) -> nn.Module:
    """The model as `loss` calls it: itself, replicated (ddp), or sharded in place (fsdp2)."""
    if world.size == 1:
        return model
    if parallel == "ddp":
        return DistributedDataParallel(model, device_ids=[world.device] if world.device.type == "cuda" else None)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    fully_shard(model, mesh=mesh)
    return model


def without_sync(model: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Holds back the exchange of gradients until the last micro-batch of a step."""
    if isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    return nullcontext()


def is_sharded(model: nn.Module) -> bool:
    return hasattr(model, "set_requires_gradient_sync")


def model_state(model: nn.Module) -> dict[str, Any]:
    """The whole model's weights by name; on ranks other than 0 of a sharded model, nothing."""
    if not is_sharded(model):
        return model.state_dict()
    sharded = _sharded()
    whole = sharded.StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(sharded.get_model_state_dict(model, options=whole))


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    if not is_sharded(model):
        return optimizer.state_dict()
    sharded = _sharded()
    whole = sharded.StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(sharded.get_optimizer_state_dict(model, optimizer, options=whole))


def load_weights(model: nn.Module, values: dict[str, Any]) -> None:
    """Puts back what `model_state` gave."""
    if not is_sharded(model):
        model.load_state_dict(values)
        return
    sharded = _sharded()
    options = sharded.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    sharded.set_model_state_dict(model, values, options=options)


def load_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, values: dict[str, Any]) -> None:
    """Puts back what `optimizer_state` gave."""
    if not is_sharded(model):
        optimizer.load_state_dict(values)
        return
    sharded = _sharded()
    options = sharded.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    sharded.set_optimizer_state_dict(model, optimizer, values, options=options)


def _sharded() -> ModuleType:
    return importlib.import_module("torch.distributed.checkpoint.state_dict")  # 1 s that one process need not wait for
