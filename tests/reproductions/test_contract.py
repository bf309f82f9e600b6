"""What every reproduction of the registry keeps to, whatever its paper."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from reproductions import registry
from reproductions.engine import randomness, session
from reproductions.engine.recipe import field_paths, from_dict, override, to_dict
from reproductions.run_directory import find_runs

from .blindness import TRIALS

NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
KINDS = {"structural", "value", "bound", "ordering", "trend"}
HEADINGS = (
    "What the paper says",
    "What we did",
    "Where we differ",
    "What the paper leaves unsaid",
    "Run it",
    "Results",
)

REPRODUCTIONS = registry.names()
RECIPES = [(name, tier) for name in registry.recipe_names() for tier in registry.tiers(name)]
SMOKES = [name for name, tier in RECIPES if tier == "smoke"]
# A recipe whose rate is 0 measures something and learns nothing.
LEARNING = [name for name in SMOKES if registry.recipe(name, "smoke").optim.lr > 0]

SMALL_GPT = {
    "model.num_layers": "2",
    "model.d_model": "32",
    "model.num_heads": "2",
    "model.context": "16",
    "data.context": "16",
    "data.tokens_per_batch": "96",
    "evaluation.sample_tokens": "5",
}
SMALL_CLASSIFIER = {
    "model.num_layers": "1",
    "model.d_model": "32",
    "model.num_heads": "2",
    "model.context": "24",
    "model.dropout": "0.0",
    "model.head_dropout": "0.0",
    "data.context": "24",
    "data.batch_size": "8",
    "data.examples": "64",
    "data.vocabulary": "300",
    "evaluation.batch_size": "256",
}
SMALL_APPLICATION = {
    "model.num_layers": "1",
    "model.d_model": "32",
    "model.num_heads": "2",
    "model.context": "48",
    "model.dropout": "0.0",
    "data.context": "48",
    "data.batch_size": "6",
    "data.examples": "64",
    "data.measured": "8",
    "data.vocabulary": "300",
    "evaluation.new_tokens": "6",
    "evaluation.samples": "2",
}
# Sizes at which a test trains the smoke tier in a second or two; what is computed stays the same.
TINY = {
    "transformer-base": {
        "model.num_layers": "1",
        "model.d_model": "32",
        "model.d_ff": "32",
        "data.numbers": "600",
        "data.tokens_per_batch": "128",
        "model.dropout": "0.1",
        "evaluation.extra_length": "2",
    },
    "gpt-1": {**SMALL_GPT, "data.characters": "40000", "data.vocabulary": "300"},
    "gpt-2": {**SMALL_GPT, "data.characters": "40000", "data.vocabulary": "300"},
    "gpt-3-small": {**SMALL_GPT, "data.characters": "40000", "data.vocabulary": "300", "model.band": "5"},
    "bert-base": {
        "model.num_layers": "2",
        "model.d_model": "32",
        "model.num_heads": "2",
        "model.context": "24",
        "data.context": "24",
        "data.sequences_per_batch": "6",
        "data.characters": "200000",
        "data.vocabulary": "300",
    },
    "gpt-1-cola": SMALL_CLASSIFIER,
    "bert-sst-2": SMALL_CLASSIFIER,
    "summarization": SMALL_APPLICATION,
    "question-answering": SMALL_APPLICATION,
    "dialogue": SMALL_APPLICATION,
    "code-generation": SMALL_APPLICATION,
    "llama": {**SMALL_GPT, "model.d_ff": "48", "data.characters": "40000", "data.vocabulary": "300"},
    "llama-grouped": {
        **SMALL_GPT,
        "model.num_groups": "1",
        "model.d_ff": "48",
        "data.characters": "40000",
        "data.vocabulary": "300",
    },
    "attention": {"data.lengths": "[8, 16, 32]", "data.additive_up_to": "16", "evaluation.fit_from": "8"},
}
SIX_STEPS = {"train.max_steps": "6", "train.checkpoint_every": "3", "train.log_every": "1", "train.average_last": "0"}


@pytest.fixture(scope="module")
def data_home(tmp_path_factory):
    """Shared, so that the data are prepared once."""
    return tmp_path_factory.mktemp("data")


def tiny(name):
    return override(registry.recipe(name, "smoke"), TINY[name])


@functools.cache
def task_of(name, data_home):
    """Prepared once: tests build models of their own and read its data."""
    task = registry.task(name)(recipe=tiny(name), data_home=data_home, device=torch.device("cpu"), seed=0)
    task.prepare(lambda _: None)
    return task


# Claims


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_every_claim_names_its_source_its_place_and_how_it_is_known(name):
    claims = registry.claims(name)
    assert claims
    assert len({claim["id"] for claim in claims}) == len(claims)
    sources = {source.id for source in registry.get(name).sources}
    assert sources & {claim["source"] for claim in claims}
    for claim in claims:
        assert claim["kind"] in KINDS
        assert claim["place"], claim["id"]
        assert {"task", "dataset", "split", "metric", "unit"} <= claim.keys(), claim["id"]
        assert claim["statement"].endswith("."), claim["id"]
        assert claim["confidence"] in {"verified-in-text", "ours", "memory"}
        assert claim["evidence"], claim["id"]
        assert claim["source"] == "paperlab" or claim["id"].startswith(claim["source"])


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_claims_relate_to_claims_that_exist_and_recipes_too(name):
    claims = {claim["id"]: claim for claim in registry.claims(name)}
    for claim in claims.values():
        related = [claim[side] for side in ("better", "worse") if side in claim] + list(claim.get("series", {}))
        for other in related:
            assert claims[other]["metric"] == claim["metric"], f"{claim['id']} relates to {other}"
        if "recipe" in claim:
            assert (claim["recipe"], claim["tier"]) in RECIPES


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_every_structural_claim_is_measured_and_holds_or_is_explained(name):
    measured = {item["claim"]: item for item in registry.structure(name)}
    structural = {claim["id"]: claim for claim in registry.claims(name) if claim["kind"] == "structural"}
    assert set(measured) == set(structural)
    readme = registry.readme(name)
    for identity, claim in structural.items():
        value, protocol = measured[identity]["value"], measured[identity]["protocol"]
        assert {key: protocol.get(key) for key in claim["protocol"]} == claim["protocol"]
        if abs(value - claim["value"]) > claim["tolerance"]["value"]:
            assert f"{value:.1f}" in readme, f"{identity} is {value}, which README.md does not explain"


# Recipes


@pytest.mark.parametrize(("name", "tier"), RECIPES)
def test_a_recipe_survives_json(name, tier):
    recipe = registry.recipe(name, tier)
    assert from_dict(recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe


@pytest.mark.parametrize(("name", "tier"), RECIPES)
def test_the_places_of_a_recipe_name_its_fields(name, tier):
    recipe = registry.recipe(name, tier)
    assert set(recipe.places) <= set(field_paths(recipe))
    computes = [
        path for path in field_paths(recipe) if path.partition(".")[0] in ("model", "optim", "schedule", "data")
    ]
    unplaced = [path for path in computes if path not in recipe.places and _differs_from_default(recipe, path)]
    assert unplaced == []


def _differs_from_default(recipe, path):
    """A field left at its class's default stands there; every other number has to say where it comes from."""
    part, field = path.split(".")
    described = type(getattr(recipe, part)).__dataclass_fields__[field]
    return getattr(getattr(recipe, part), field) != described.default


def test_the_registry_and_all_recipes_come_without_torch():
    program = (
        "import sys; from reproductions import registry\n"
        "for name in registry.recipe_names():\n"
        "    for tier in registry.tiers(name): registry.recipe(name, tier)\n"
        "for name in registry.names(): registry.claims(name), registry.fingerprint(name)\n"
        "print(','.join({'torch', 'numpy', 'sacrebleu', 'tokenizers'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_the_readme_has_its_headings(name):
    readme = registry.readme(name)
    for heading in HEADINGS:
        assert f"\n## {heading}\n" in readme
    assert len(readme.splitlines()) <= 90


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_the_model_can_be_read_in_one_sitting(name):
    assert len((registry.folder(name) / "model.py").read_text(encoding="utf-8").splitlines()) <= 250


# Training


@pytest.mark.parametrize("name", LEARNING)
def test_one_batch_can_be_overfitted(name, data_home):
    randomness.seed_everything(0)
    task = task_of(name, data_home)
    model, batch = task.build_model(), next(iter(task.batches(None)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = None
    for _ in range(150):
        loss, tokens, extra = task.loss(model, batch)
        optimizer.zero_grad()
        (loss / tokens).backward()
        optimizer.step()
        nats = float(extra.get("nll", loss.detach())) / int(tokens)
        first = first or nats
        if nats < 0.25:
            break
    assert nats < 0.25 < first


@pytest.mark.parametrize("name", LEARNING)
def test_a_changed_future_or_padded_token_changes_nothing_it_must_not(name, data_home):
    randomness.seed_everything(0)
    task = task_of(name, data_home)
    model = task.build_model().eval()
    with torch.no_grad():
        for trial in TRIALS[registry.get(name).name](task, model):
            before, after = trial.outputs(trial.tokens), trial.outputs(trial.changed)
            same = (before == after).flatten(2).all(dim=-1)
            assert same[trial.blind].all(), f"{trial.what} was seen"
            assert not same[~trial.blind].all(), f"{trial.what} changed nothing at all"


@pytest.mark.parametrize("name", SMOKES)
def test_3_steps_a_crash_and_3_steps_are_6_bit_for_bit(name, data_home, tmp_path):
    changes = {**TINY[name], **SIX_STEPS}
    recipe = override(registry.recipe(name, "smoke"), changes)
    crashing = {"at": None}

    class Crashing(registry.task(name)):
        taken = 0

        def loss(self, model, batch):
            self.taken += 1
            if self.taken == crashing["at"]:
                raise RuntimeError("the machine went away")
            return super().loss(model, batch)

    def train(folder):
        options = {"make_task": Crashing, "fingerprint": "0" * 64, "data_home": data_home, "now": NOW, "seed": 3}
        return session.train(recipe, runs_dir=tmp_path / folder, overrides=changes, device="cpu", **options)

    whole = train("whole")
    crashing["at"] = 5
    with pytest.raises(RuntimeError):
        train("broken")
    crashing["at"] = None
    resumed = train("broken")
    assert len(find_runs(tmp_path / "broken")) == 1
    assert [event["event"] for event in resumed.events()].count("resumed") == 1
    assert series(resumed) == series(whole)
    last = "model.safetensors"
    assert (resumed.checkpoints()[-1] / last).read_bytes() == (whole.checkpoints()[-1] / last).read_bytes()
    assert timeless(resumed) == timeless(whole)


def series(run):
    """What was recorded, times aside: those of a measuring task end in "seconds"."""
    is_time = ("tokens_per_second", "/seconds")
    return [(p["step"], p["name"], p["value"]) for p in run.metrics() if not p["name"].endswith(is_time)]


def timeless(run):
    return [item for item in run.result["measurements"] if item["metric"] not in ("time-exponent", "speed-up")]


@pytest.mark.parametrize("name", SMOKES)
def test_validation_and_samples_are_the_same_each_time(name, data_home):
    randomness.seed_everything(0)
    task = task_of(name, data_home)
    model = task.build_model()
    assert task.validate(model) == task.validate(model)
    assert task.samples(model, 1) == task.samples(model, 2)


@pytest.mark.parametrize("name", SMOKES)
def test_what_is_measured_is_a_claim_of_this_tier_or_of_none(name, data_home):
    randomness.seed_everything(0)
    task = task_of(name, data_home)
    claims = {claim["id"]: claim for claim in registry.claims(registry.get(name).name)}
    measurements = task.evaluate(task.build_model())
    judged = [item for item in measurements if item["claim"] is not None]
    assert judged
    for item in judged:
        claim = claims[item["claim"]]
        assert (claim["recipe"], claim["tier"]) == (name, "smoke")
        for field in ("task", "dataset", "split", "metric", "unit"):
            assert item[field] == claim[field]
        assert {key: item["protocol"][key] for key in claim["protocol"]} == claim["protocol"]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SMOKES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smoke_learns_to_its_bar(name, seed, data_home, tmp_path):
    recipe = registry.recipe(name, "smoke")
    run = session.train(
        recipe,
        seed=seed,
        runs_dir=tmp_path,
        make_task=registry.task(name),
        fingerprint="0" * 64,
        data_home=data_home,
        now=NOW,
        device="cpu",
    )
    bars = {claim["id"]: claim for claim in registry.claims(registry.get(name).name) if claim["kind"] == "bound"}
    judged = [item for item in run.result["measurements"] if item["claim"] in bars]
    assert judged
    for item in judged:
        bar = bars[item["claim"]]
        at_least = bar["relation"] == "at-least"
        assert item["value"] >= bar["value"] if at_least else item["value"] <= bar["value"]
