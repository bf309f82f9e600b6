"""What a run trained: its recipe, its weights and its tokenizer, as they lie in its directory.

Where the run averaged its last checkpoints, their mean is what it measured, and what is opened.  Everything is
verified against the hashes that were written with it, and nothing is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from reproductions import registry
from reproductions.engine import checkpoint
from reproductions.engine.recipe import Recipe, from_dict
from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import RunDirectory
from reproductions.run_files import sha256

AVERAGED = "averaged"
TOKENIZER = "tokenizer.json"
"""The name of the artifact that a run keeps its tokenizer as."""


@dataclass(frozen=True)
class Trained:
    """``checkpoint`` is the folder of the weights, ``step`` the last step in them.

    ``tokenizer`` is the file that the run kept, None where it kept none; ``tokenizer_sha256`` is what provenance has.
    """

    run: RunDirectory
    recipe: Recipe[Any, Any, Any]
    checkpoint: Path
    step: int
    max_steps: int
    weights: Mapping[str, Tensor]
    tokenizer: Path | None
    tokenizer_sha256: str | None

    def fill(self, model: nn.Module) -> None:
        """Puts the weights into a model and it into eval mode.  Raises InvalidInput where they are not its."""
        try:
            model.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            first = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
            hint = f"the code has changed since: the commit of the run is in {self.run.path / 'run.json'}"
            raise InvalidInput(f"the weights of {self.run.id} are not those of today's model: {first}", hint) from error
        model.eval()

    def check_tokenizer(self, found_sha256: str) -> None:
        """Raises InvalidInput where the tokenizer at hand is not the one of the training."""
        if self.tokenizer_sha256 not in (None, found_sha256):
            raise InvalidInput(
                f"the tokenizer of {self.run.id} is not the one that can be made here",
                "the run kept none, and the text it was learned from differs on this machine; train it again",
            )


def read(run: RunDirectory, chosen: Path | None = None) -> Trained:
    """What `run` trained, as of the checkpoint `chosen`, or else as it was measured, or as far as it came.

    Raises NotReady where there is no whole checkpoint, InvalidInput where run.json can't be understood.
    """
    record = run.run
    try:
        like = registry.recipe(record["recipe"], record["tier"])
        recipe = from_dict(like, record["recipe_values"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"run.json of {run.id} has no recipe that can be read", "look at it") from error
    folder = chosen or _measured(run)
    try:
        weights = checkpoint.load_weights(folder)
    except (checkpoint.TornCheckpointError, OSError) as error:
        raise InvalidInput(f"the checkpoint {folder} can't be used: {error}", "name another one") from error
    tokenizer = ((record.get("provenance") or {}).get("tokenizer") or {}).get("sha256")
    state = json.loads((folder / "state.json").read_bytes())
    return Trained(
        run=run,
        recipe=recipe,
        checkpoint=folder,
        step=int(state["step"]),
        max_steps=recipe.train.max_steps,
        weights=weights,
        tokenizer=_kept_tokenizer(run),
        tokenizer_sha256=tokenizer,
    )


def _measured(run: RunDirectory) -> Path:
    averaged = run.path / "checkpoints" / AVERAGED
    if run.result is not None and run.result.get("averaged") and averaged.is_dir():
        return averaged
    newest, passed_over = checkpoint.newest(run)
    if newest is None:
        why = f": {passed_over[0]['checkpoint']} {passed_over[0]['why']}" if passed_over else ""
        hint = "train it further, or bring it in with its weights: paperlab runs bundle RUN --checkpoints last"
        raise NotReady(f"{run.id} has no checkpoint here{why}", hint)
    return newest


def _kept_tokenizer(run: RunDirectory) -> Path | None:
    for kept in run.artifacts():
        if kept["name"] != TOKENIZER:
            continue
        path = run.path / "artifacts" / Path(str(kept["file"])).name
        if path.is_file() and sha256(path) == kept["sha256"]:
            return path
        raise InvalidInput(f"the tokenizer of {run.id} is not the file that was written", "bring the run in again")
    return None
