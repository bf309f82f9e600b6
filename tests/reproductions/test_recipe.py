"""Recipes: every number typed, changed by name, kept whole as JSON."""

from __future__ import annotations

import json

import pytest

from reproductions import registry
from reproductions.engine import recipe as recipes
from reproductions.registry import InvalidInput

from .tiny_paper.recipes import RECIPES

SMOKE = RECIPES["tiny-next", "smoke"]


@pytest.mark.parametrize("name", registry.recipe_names())
def test_every_recipe_survives_json(name):
    for tier in registry.tiers(name):
        recipe = registry.recipe(name, tier)
        values = json.loads(json.dumps(recipes.to_dict(recipe)))
        assert recipes.from_dict(recipe, values) == recipe


@pytest.mark.parametrize("name", registry.recipe_names())
def test_every_place_names_a_field_of_its_recipe(name):
    for tier in registry.tiers(name):
        recipe = registry.recipe(name, tier)
        assert set(recipe.places) <= set(recipes.field_paths(recipe)), tier


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("optim.lr", "3e-4", 3e-4),
        ("optim.lr", "2", 2.0),
        ("optim.betas", "[0.9, 0.98]", (0.9, 0.98)),
        ("optim.clip_norm", "none", None),
        ("optim.clip_norm", "0.5", 0.5),
        ("optim.name", "adamw", "adamw"),
        ("train.max_steps", "12", 12),
        ("needs.device", "cuda", "cuda"),
        ("data.version", "2", "2"),
    ],
)
def test_a_field_is_changed_in_its_own_type(path, text, value):
    changed = recipes.override(SMOKE, {path: text})
    part, name = path.split(".")
    assert getattr(getattr(changed, part), name) == value
    assert type(getattr(getattr(changed, part), name)) is type(value)
    assert recipes.from_dict(SMOKE, recipes.to_dict(changed)) == changed


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("optim.learning_rate", "1", 'no field "optim.learning_rate"'),
        ("train.max_step", "1", "near: train.max_steps"),
        ("optin.lr", "1", "near: optim"),
        ("optim", "1", "not a single value"),
        ("places.x", "1", "not a single value"),
        ("optim.lr.x", "1", "not a single value"),
        ("train.max_steps", "1.5", '"train.max_steps" is int, not 1.5'),
        ("train.max_steps", "many", "'many'"),
        ("train.max_steps", "true", "True"),
        ("optim.lr", "true", "True"),
        ("optim.betas", "[0.9]", "optim.betas"),
        ("optim.name", "sgd", "'adam' or 'adamw'"),
    ],
)
def test_a_change_that_does_not_fit_says_why(path, text, message):
    with pytest.raises(InvalidInput) as raised:
        recipes.override(SMOKE, {path: text})
    assert message in str(raised.value)
    assert raised.value.exit_code == 3


def test_values_of_a_field_that_is_gone_are_refused():
    values = recipes.to_dict(SMOKE)
    values["model"]["depth"] = 3
    with pytest.raises(InvalidInput, match='no field "depth"'):
        recipes.from_dict(SMOKE, values)


def test_a_number_that_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        recipes.to_dict(recipes.override(SMOKE, {"optim.lr": "Infinity"}))
