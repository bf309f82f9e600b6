"""What a command line changes in a recipe, read and checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paperlab.errors import InvalidInput
from paperlab.runs import launch
from reproductions import registry


def parse(words: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE each.  Raises InvalidInput."""
    changes = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise InvalidInput(f'--set takes KEY=VALUE, not "{word}"', "for example: --set optim.lr=3e-4")
        changes[key.strip()] = value.strip()
    return changes


def words(changes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in changes.items())


def values(recipe: str, tier: str, changes: Mapping[str, str]) -> dict[str, Any]:
    """The recipe's values with these changes.  Raises InvalidInput: unknown name (with those near), wrong type."""
    launch.check_name(recipe, tier)
    with launch.explained():
        return registry.changed(recipe, tier, changes)


def check(request: launch.Request) -> None:
    """Raises InvalidInput where recipe, tier or a change can't be run; takes milliseconds and starts nothing."""
    values(request.recipe, request.tier, parse(request.overrides))
