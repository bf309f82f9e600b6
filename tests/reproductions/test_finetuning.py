"""Fine-tuning: what its rows look like, where its weights come from, and what run.json says of that."""

from __future__ import annotations

import itertools
import json
import shutil
from datetime import UTC, datetime

import pytest
import torch

from reproductions import registry
from reproductions.bert import hf as bert_hf
from reproductions.data.classification import Example
from reproductions.engine import session
from reproductions.engine.recipe import override
from reproductions.finetuning.inputs import ExampleStream, Layout, Split
from reproductions.finetuning.model import GPTClassifier, grow_embedding
from reproductions.finetuning.task import Task
from reproductions.gpt import hf as gpt_hf
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model
from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import find_runs
from reproductions.tokenizers import wordpiece
from reproductions.tokenizers.byte import ByteTokenizer

from . import trained_runs

START, DELIMITER, EXTRACT = 257, 258, 259
NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
PIECES = wordpiece.from_ids({piece: n for n, piece in enumerate([*wordpiece.SPECIAL, "a", "b", "c", "d"])})
OF_PARENT = dict.fromkeys(("model.num_layers", "model.d_model", "model.num_heads", "model.context"), "none")
SHORT = {
    **OF_PARENT,
    "data.context": "16",
    "data.examples": "40",
    "train.max_steps": "2",
    "train.checkpoint_every": "1",
}


def rows(style, relation, first, second, *, context=20, keep="head"):
    layout = Layout(style, relation, PIECES if style == "bert" else ByteTokenizer(), context, keep)
    return [row.tokens for row in layout.rows([Example(first, second, 0)])[0]]


def ids(text):
    return list(text.encode())


# Rows


def test_a_text_stands_between_start_and_extract():
    assert rows("gpt-1", "single", "ab", None) == [[START, *ids("ab"), EXTRACT]]


def test_a_delimiter_stands_between_premise_and_hypothesis():
    assert rows("gpt-1", "entailment", "ab", "c") == [[START, *ids("ab"), DELIMITER, *ids("c"), EXTRACT]]


def test_texts_that_may_be_similar_are_read_in_both_orders():
    there, back = rows("gpt-1", "similarity", "ab", "c")
    assert there == [START, *ids("ab"), DELIMITER, *ids("c"), EXTRACT]
    assert back == [START, *ids("c"), DELIMITER, *ids("ab"), EXTRACT]


def test_bert_reads_both_texts_in_one_order_and_as_two_segments():
    layout = Layout("bert", "similarity", PIECES, 20)
    split = Split(layout, [Example("a b", "c", 1), Example("a", "b", 0)], [1, 0], torch.long)
    inputs = split.batch([0, 1]).inputs
    a, b, c = 5, 6, 7
    assert inputs.tokens[0].tolist() == [PIECES.classify, a, b, PIECES.separator, c, PIECES.separator]
    assert inputs.segments[0].tolist() == [0, 0, 0, 0, 1, 1]
    assert inputs.tokens[1].tolist() == [PIECES.classify, a, PIECES.separator, b, PIECES.separator, PIECES.pad]
    assert inputs.real[1].tolist() == [True] * 5 + [False]


@pytest.mark.parametrize(("first", "second", "kept"), [(9, 2, (5, 2)), (2, 9, (2, 5)), (9, 9, (3, 4)), (3, 4, (3, 4))])
def test_of_a_pair_that_is_too_long_the_longer_text_is_cut(first, second, kept):
    (row,) = rows("gpt-1", "entailment", "a" * first, "b" * second, context=10)
    assert (row.count(ord("a")), row.count(ord("b"))) == kept


def test_a_text_that_is_too_long_keeps_its_head_or_its_tail():
    assert rows("gpt-1", "single", "abcdef", None, context=5) == [[START, *ids("abc"), EXTRACT]]
    assert rows("gpt-1", "single", "abcdef", None, context=5, keep="tail") == [[START, *ids("def"), EXTRACT]]


def test_an_epoch_has_every_example_once_and_a_stream_goes_on_where_it_stopped():
    texts = ["x" * (n % 7 + 1) for n in range(64)]
    layout = Layout("gpt-1", "single", ByteTokenizer(), 20)
    split = Split(layout, [Example(text, None, 0) for text in texts], list(range(64)), torch.long)
    whole = ExampleStream(split, batch_size=4, seed=1)
    seen = [next(whole).labels.tolist() for _ in range(32)]
    assert sorted(itertools.chain(*seen[:16])) == sorted(itertools.chain(*seen[16:])) == list(range(64))
    assert seen[:16] != seen[16:]
    begun = ExampleStream(split, batch_size=4, seed=1)
    for _ in range(10):
        next(begun)
    resumed = ExampleStream(split, batch_size=4, seed=1, position=json.loads(json.dumps(begun.position())))
    assert [next(resumed).labels.tolist() for _ in range(22)] == seen[10:]


# The model


def test_new_tokens_leave_what_the_pre_trained_model_says_about_its_own():
    torch.manual_seed(0)
    gpt = GPT(Model(num_layers=1, d_model=16, num_heads=2, context=8), 30).eval()
    text = torch.randint(0, 30, (2, 6))
    before = gpt(text)
    grow_embedding(gpt, 3, std=0.02)
    assert torch.equal(gpt(text)[..., :30], before)
    assert gpt(torch.tensor([[30, 31, 32]])).shape == (1, 3, 33)


def test_the_auxiliary_objective_is_off_without_a_lambda_and_while_measuring():
    gpt = GPT(Model(num_layers=1, d_model=16, num_heads=2, context=8), 260)
    layout = Layout("gpt-1", "single", ByteTokenizer(), 8)
    grow_embedding(gpt, 3, std=0.02)
    inputs = Split(layout, [Example("ab", None, 1)], [1], torch.long).batch([0]).inputs
    assert GPTClassifier(gpt, 2, 0.0, auxiliary=0.5).train()(inputs).lm > 0
    assert GPTClassifier(gpt, 2, 0.0, auxiliary=0.5).eval()(inputs).lm == 0
    assert GPTClassifier(gpt, 2, 0.0, auxiliary=0.0).train()(inputs).lm == 0


# Parents


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A finished GPT, BERT and LLaMA under one PAPERLAB_HOME."""
    home = tmp_path_factory.mktemp("home")
    return home, {name: trained_runs.train(name, home) for name in ("gpt-2", "bert-base", "llama")}


def fine_tuned(home, name, runs="tuned", make_task=Task, **more):
    changes = {**SHORT, **{key.replace("__", "."): value for key, value in more.items()}}
    recipe = override(registry.recipe(name, "smoke"), changes)
    options = {"fingerprint": "0" * 64, "data_home": home / "data", "now": NOW, "device": "cpu", "overrides": changes}
    return session.train(recipe, 1, home / runs, make_task=make_task, **options)


def prepared(home, name, **more):
    changes = {**SHORT, **{key.replace("__", "."): value for key, value in more.items()}}
    recipe = override(registry.recipe(name, "smoke"), changes)
    task = Task(recipe=recipe, data_home=home / "data", device=torch.device("cpu"), seed=1)
    return task, task.prepare(lambda _: None)


@pytest.mark.parametrize(
    ("name", "parent"), [("gpt-1-cola", "gpt-2"), ("gpt-1-cola", "llama"), ("bert-sst-2", "bert-base")]
)
def test_run_json_names_the_parent_and_the_hash_of_its_weights(homes, name, parent):
    home, parents = homes
    run = fine_tuned(home, name, model__parent=parent)
    checkpoint = parents[parent].checkpoints()[-1]
    state = json.loads((checkpoint / "state.json").read_text())
    recorded = run.run["provenance"]["parent"]
    assert recorded["run"] == parents[parent].id
    assert recorded["checkpoint"] == checkpoint.name
    assert recorded["sha256"] == state["files"]["model.safetensors"]["sha256"]
    assert run.result["measurements"][0]["protocol"]["started_from"] == "parent"


def test_run_json_counts_the_weights_that_lora_trains_and_no_others(homes):
    home, _ = homes
    run = fine_tuned(home, "gpt-1-cola", model__parent="gpt-2-smoke", model__lora_rank="3", model__lora_alpha="6.0")
    d_model, layers, labels = 32, 2, 2
    assert run.run["provenance"]["parameters"] == layers * 2 * 2 * d_model * 3 + labels * d_model
    assert run.result["measurements"][0]["protocol"]["method"] == "LoRA, rank 3"


@pytest.mark.parametrize(("name", "parent"), [("gpt-1-cola", "gpt-2"), ("bert-sst-2", "bert-base")])
def test_the_control_has_the_parents_sizes_and_tokenizer_and_other_weights(homes, name, parent):
    home, _ = homes
    tuned, _ = prepared(home, name, model__parent=parent)
    control, found = prepared(home, name, model__parent=parent, model__weights="scratch")
    assert found["parent"]["weights"] == "scratch"
    assert tuned.tokenizer.sha256 == control.tokenizer.sha256
    torch.manual_seed(0)
    begun, new = tuned.build_model().state_dict(), control.build_model().state_dict()
    assert {key: value.shape for key, value in begun.items()} == {key: value.shape for key, value in new.items()}
    parameter = next(key for key in begun if key.endswith("feed_forward.expand.weight"))
    assert not torch.equal(begun[parameter], new[parameter])
    assert torch.equal(begun[parameter], tuned.parent.model.state_dict()[parameter.removeprefix("gpt.")])


def test_a_parent_may_be_a_run_a_checkpoint_or_a_folder_of_hugging_face(homes, tmp_path):
    home, parents = homes
    run = parents["gpt-2"]
    folder = tmp_path / "theirs"
    of_run, found = prepared(home, "gpt-1-cola", model__parent=str(run.path))
    gpt_hf.save(of_run.parent.model, folder, of_run.tokenizer)
    of_checkpoint, _ = prepared(home, "gpt-1-cola", model__parent=str(run.checkpoints()[-1]))
    of_folder, theirs = prepared(home, "gpt-1-cola", model__parent=str(folder))
    expected = of_run.parent.model.state_dict()
    for task in (of_checkpoint, of_folder):
        weights = task.parent.model.state_dict()
        assert all(torch.equal(weights[key], expected[key]) for key in expected)
    assert found["parent"]["run"] == run.id
    assert theirs["parent"]["model"] == str(folder)
    assert len(theirs["parent"]["sha256"]) == 64


def test_a_bert_of_hugging_face_that_was_brought_in_is_found_by_its_name(homes):
    home, _ = homes
    ours, _ = prepared(home, "bert-sst-2", model__parent="bert-base-smoke")
    bert_hf.save(ours.parent.model, home / "models" / "owner--bert", ours.tokenizer)
    theirs, found = prepared(home, "bert-sst-2", model__parent="hf:owner/bert")
    assert found["parent"]["model"] == "hf:owner/bert"
    assert theirs.tokenizer.sha256 == ours.tokenizer.sha256


def test_a_missing_parent_is_refused_with_the_command_that_makes_one(homes):
    with pytest.raises(NotReady, match=r"gpt-1-mini.*is not at hand") as refused:
        prepared(homes[0], "gpt-1-cola", model__parent="gpt-1-mini")
    assert "python -m reproductions gpt-1 --tier mini" in refused.value.hint
    assert refused.value.exit_code == 4


def test_a_parent_that_does_not_fit_the_recipe_is_refused(homes):
    home, _ = homes
    with pytest.raises(InvalidInput, match='the style "bert" fine-tunes a BERT'):
        prepared(home, "bert-sst-2", model__parent="gpt-2-smoke")
    with pytest.raises(InvalidInput, match=r"model\.d_model is 64, and the parent's is 32"):
        prepared(home, "gpt-1-cola", model__parent="gpt-2-smoke", model__d_model="64")
    with pytest.raises(InvalidInput, match="rows of 64 tokens do not fit a model of 32 positions"):
        prepared(home, "gpt-1-cola", model__parent="gpt-2-smoke", data__context="64")
    with pytest.raises(InvalidInput, match="without a parent the model has no num_layers"):
        prepared(home, "gpt-1-cola")


def test_a_run_is_not_gone_on_with_over_other_weights(homes, tmp_path):
    class Crashing(Task):
        def evaluate(self, model):
            raise KeyboardInterrupt

    home = tmp_path
    shutil.copytree(homes[0] / "runs", home / "runs")
    with pytest.raises(KeyboardInterrupt):
        fine_tuned(home, "gpt-1-cola", make_task=Crashing, model__parent="gpt-2-smoke")
    (run,) = find_runs(home / "tuned")
    newer = trained_runs.train("gpt-2", home, optim__lr="1e-4")
    newer.path.rename(newer.path.with_name("20261125-000000-gpt-2-smoke-abcd"))
    with pytest.raises(InvalidInput, match="the parent, from whose weights it began, has changed") as refused:
        fine_tuned(home, "gpt-1-cola", model__parent="gpt-2-smoke")
    assert "--again" in refused.value.hint
    shutil.rmtree(home / "runs" / "20261125-000000-gpt-2-smoke-abcd")
    assert fine_tuned(home, "gpt-1-cola", model__parent="gpt-2-smoke").path == run.path
