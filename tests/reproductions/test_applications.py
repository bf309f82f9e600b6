"""Applications: rows, the objective, the calculator between tokens, measures, and a run that can be asked."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from reproductions import registry
from reproductions.applications import measures, opening
from reproductions.applications.decoding import Pen, calculate, solve
from reproductions.applications.inputs import Layout, RowStream, stack
from reproductions.applications.model import ConditionalGPT, objective
from reproductions.applications.task import Task
from reproductions.data.prompted import Prompted
from reproductions.engine import randomness, session, trained
from reproductions.engine.recipe import override
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model as Sizes
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level

from .test_contract import NOW, TINY
from .trained_runs import train

TOKENIZER = byte_level.train(["Ada has 3 hats. <<3+4=7>> #### 7"], 270)
END = TOKENIZER.end_of_text
SIZES = Sizes(num_layers=1, d_model=16, num_heads=2, context=64, initialisation="fan-in")


def layout(context=64, cue="\n"):
    return Layout(TOKENIZER, cue, context)


def rows(*examples, context=64):
    return layout(context).rows([Prompted(*example) for example in examples])


# Rows


def test_a_row_is_the_end_of_a_text_source_cue_target_and_the_end_again():
    (row,) = rows(("Ada has", "3 hats"))
    assert row.tokens[0] == row.tokens[-1] == END
    assert TOKENIZER.decode(row.tokens[1 : row.begins]) == "Ada has\n"
    assert TOKENIZER.decode(row.tokens[row.begins : -1]) == "3 hats"
    assert row.target_bytes == 6


def test_a_long_source_loses_its_end_and_the_cue_and_target_stay():
    (row,) = rows(("x" * 100, "yes"), context=20)
    assert len(row.tokens) == 20
    assert TOKENIZER.decode(row.prompt[1:]) == "x" * 14 + "\n"
    assert row.tokens[-1] == END


def test_a_long_target_is_cut_and_then_not_closed():
    (row,) = rows(("x" * 100, "y" * 100), context=20)
    assert len(row.tokens) == 19
    assert row.tokens[-1] != END
    assert row.target_bytes == TOKENIZER.decode(row.tokens[row.begins :]).count("y")


def test_targets_are_predicted_from_the_place_before_them_and_padding_is_not():
    some = rows(("Ada", "has"), ("Ada has 3 hats", "no"))
    batch = stack(some)
    flat = batch.tokens.flatten()
    assert [flat[place + 1] for place in batch.target_places] == batch.targets.tolist()
    assert [flat[place + 1] for place in batch.source_places] == batch.sources.tolist()
    assert len(batch.targets) == sum(len(row.tokens) - row.begins for row in some)
    assert batch.real.sum() == sum(len(row.tokens) for row in some)


def test_a_stream_goes_on_where_it_stopped_and_shows_every_row_as_often():
    some = rows(*((f"{n}", "yes") for n in range(10)))
    stream = RowStream(some, [], drop=0.0, size=2, seed=1)
    batches = [next(stream).tokens for _ in range(80)]  # of 2 rows: 16 epochs of 10
    again = RowStream(some, [], drop=0.0, size=2, seed=1, position={"next": 33})
    assert torch.equal(next(again).tokens, batches[33])
    assert again.position() == {"next": 34}
    seen = Counter(row[1].item() for batch in batches for row in batch)
    assert set(seen.values()) == {16}
    assert len(seen) == 10


def test_a_share_of_the_rows_comes_without_its_source():
    some = rows(*((f"{n}", "yes") for n in range(10)))
    bare = rows(("", "yes")) * 10
    stream = RowStream(some, bare, drop=0.25, size=4, seed=1)
    without = sum(row.tolist()[1] == bare[0].tokens[1] for _ in range(100) for row in next(stream).tokens)
    assert 60 < without < 140  # of 400


# The objective


@pytest.fixture
def model():
    randomness.seed_everything(0)
    made = ConditionalGPT(GPT(SIZES, TOKENIZER.size), auxiliary=0.5)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return made


def test_the_loss_is_minus_the_log_probability_of_each_target_token_and_half_of_the_sources(model):
    some = rows(("Ada has", "3 hats"), ("Ada", "7"))
    batch = stack(some)
    targets, sources = [], []
    for row in some:
        log_p = model.gpt(torch.tensor([row.tokens])).log_softmax(-1)[0]
        each = [-log_p[place, token] for place, token in enumerate(row.tokens[1:])]
        sources += each[: row.begins - 1]
        targets += each[row.begins - 1 :]
    nats = model.train()(batch)
    expected = torch.stack(targets).sum()
    torch.testing.assert_close(nats.target, expected)
    with_sources = expected + 0.5 * torch.stack(sources).mean() * len(targets)
    torch.testing.assert_close(objective(nats, batch, 0.5), with_sources)
    torch.testing.assert_close(model.eval().target_nats(batch).sum().float(), expected)


def test_sources_are_not_learned_with_a_lambda_of_0(model):
    model.auxiliary = 0.0
    batch = stack(rows(("Ada has", "3 hats")))
    nats = model.train()(batch)
    assert nats.source == 0
    assert objective(nats, batch, 0.0) is nats.target


# The calculator


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("48/2", "24"),
        ("200*40*.01", "80"),
        ("(1,000-5)*2", "1990"),
        ("1/8", "0.125"),
        ("-3+5", "2"),
        ("2**9999999", None),  # the released code's eval would compute for as long as it may
        ("1/0", None),
        ("1e5", None),
        ("007", None),
        ("__import__", None),
        ("(" * 300 + "1" + ")" * 300, None),
        ("+".join(["1"] * 300), None),
        ("", None),
    ],
)
def test_the_calculator_knows_sums_and_nothing_else(expression, value):
    assert calculate(expression) == value


class Scripted:
    """A language model that gets its sums wrong, and goes on with whatever stands behind the equals sign."""

    model = SimpleNamespace(context=64)

    def start(self, rows, room):
        return SimpleNamespace(rows=[[] for _ in range(rows)], padding=None, select=None)

    def extend(self, tokens_BT, cache):
        cache.select = lambda keep: setattr(cache, "rows", [cache.rows[place] for place in keep.tolist()])
        logits = torch.zeros(len(tokens_BT), TOKENIZER.size)
        padding = [0] * len(tokens_BT) if cache.padding is None or cache.rows[0] else cache.padding.tolist()
        for place, (tokens, left) in enumerate(zip(tokens_BT.tolist(), padding, strict=True)):
            cache.rows[place] += tokens[left:]
            _, _, text = TOKENIZER.decode(cache.rows[place]).partition("\n")
            logits[place, self.next(text)] = 1
        return logits

    def next(self, text):
        if ">>" not in text:
            script = "3+4 = <<3+4=9>>"
        else:
            before, value = re.match(r"(.*=(\d+)>>)", text).groups()
            script = f"{before}{value}.\n#### {value}"
        return TOKENIZER.encode([script[len(text)]])[0][0] if len(text) < len(script) else END


def test_the_calculator_overrides_what_the_model_would_write():
    pen = Pen(Scripted(), TOKENIZER, torch.device("cpu"), batch=8, most=50)
    prompts = [row.prompt for row in rows(("3+4?", ""), ("And 3+4, once more?", ""))]
    assert [found.text for found in pen.write(prompts)] == ["3+4 = <<3+4=9>>9.\n#### 9"] * 2
    assert solve(pen, prompts) == ["3+4 = <<3+4=7>>7.\n#### 7"] * 2


def test_a_solution_ends_where_its_room_does():
    pen = Pen(Scripted(), TOKENIZER, torch.device("cpu"), batch=8, most=4)
    (text,) = solve(pen, [rows(("3+4?", ""))[0].prompt])
    assert "3+4 = <<3+4=7>>".startswith(text)
    assert len(TOKENIZER.encode([text])[0]) <= 4


# Measures


def test_an_answer_is_the_number_behind_the_first_mark_as_the_released_code_reads_it():
    assert measures.final_answer("So 5.\n#### 1,234\n#### 9") == "1234"
    assert measures.final_answer("#### -0.5 dollars") == "-0.5"
    assert measures.final_answer("The answer is 5") is None
    share = measures.exact_answers(["#### 7", "#### 8", "7"], ["#### 7", "#### 7", "#### 7"])
    assert (share.right, share.n) == (1, 3)


def test_the_interval_of_nothing_right_is_not_nothing():
    low, high = measures.Share(0, 10).interval
    assert low == 0
    assert high == pytest.approx(27.75, abs=0.01)  # z^2 / (n + z^2)
    low, high = measures.Share(5, 10).interval
    assert (low + high) / 2 == pytest.approx(50)
    assert measures.Share(10, 10).interval[1] == pytest.approx(100)


def test_a_body_ends_where_a_line_begins_at_the_margin():
    assert measures.body("    x = 1\n\n    return x\n\ndef g(): pass") == "    x = 1\n\n    return x"
    header = 'def f():\n    """Does it."""'
    share = measures.parsed([header] * 3, ["    return 1\nprint(", "return 1", "    return"])
    assert (share.right, share.n) == (2, 3)


def test_the_first_sentences_are_what_a_summary_has_to_beat():
    example = Prompted("A. B. C. D.", " A.", ("A.",), ("A.", "B.", "C.", "D."))
    assert measures.lead([example], 1) == ["A."]
    assert measures.lead([example], 3) == ["A. B. C."]


# Runs


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def parent(home):
    return train("gpt-2", home)


def finished(home, name, **more):
    steps = {"train.max_steps": "2", "train.checkpoint_every": "2", "data.drop_source": "0.1"}
    changes = {**TINY[name], **steps, **{key.replace("__", "."): value for key, value in more.items()}}
    recipe = override(registry.recipe(name, "smoke"), changes)
    options = {"make_task": Task, "fingerprint": "0" * 64, "data_home": home / "data", "now": NOW, "device": "cpu"}
    return session.train(recipe, 1, runs_dir=home / "runs", overrides=changes, **options)


SIZES_OF_THE_PARENT = dict.fromkeys(
    ("model__num_layers", "model__d_model", "model__num_heads", "model__context", "model__dropout"), "none"
)


def opened(run, home):
    found = trained.read(run)
    return opening.open_run(found, home / "data", mirror=None, log=lambda _: None, device=torch.device("cpu"))


def test_a_run_can_be_asked_and_answers_as_its_samples_say(home):
    run = finished(home, "dialogue", model__context="128", data__context="96")
    samples = run.samples()
    asked = [sample["source"] + "\n" for sample in samples]
    written = opened(run, home).write(asked, max_new_tokens=6)
    assert [found.text for found in written] == [sample["output"] for sample in samples]


def test_a_run_from_a_parent_is_opened_without_the_parent(home, parent):
    run = finished(home, "code-generation", model__parent=str(parent.path), data__context="32", **SIZES_OF_THE_PARENT)
    recorded = run.run["provenance"]["parent"]
    assert recorded["run"] == parent.id
    assert recorded["sizes"]["d_model"] == 32
    assert run.result["measurements"][0]["protocol"]["started_from"] == "parent"
    (run.path / "run.json").write_text(json.dumps(run.run).replace(str(parent.path), "/gone"))
    (written,) = opened(run, home).write(["def f():\n"], max_new_tokens=4)
    assert len(written.tokens) <= 4


def task_of(home, **more):
    changes = {**TINY["code-generation"], **{key.replace("__", "."): value for key, value in more.items()}}
    recipe = override(registry.recipe("code-generation", "smoke"), changes)
    task = Task(recipe=recipe, data_home=home / "data", device=torch.device("cpu"), seed=0)
    task.prepare(lambda _: None)
    return task


def test_training_begins_with_the_parents_weights_and_the_control_with_others(home, parent):
    given = {"model__parent": str(parent.path), "data__context": "32", **SIZES_OF_THE_PARENT}
    tuned, control = task_of(home, **given), task_of(home, **given, model__weights="scratch")
    theirs = tuned.parent.model.state_dict()
    assert all(torch.equal(weight, theirs[name]) for name, weight in tuned.build_model().gpt.state_dict().items())
    assert not torch.equal(control.build_model().gpt.tokens.weight, theirs["tokens.weight"])
    assert control.sizes == tuned.sizes


def test_what_can_not_write_is_no_parent(home):
    bert = train("bert-base", home)
    with pytest.raises(InvalidInput, match="only a GPT is trained for an application"):
        task_of(home, model__parent=str(bert.path), **SIZES_OF_THE_PARENT)
    letters = train("gpt-2", home, data__tokenizer="characters")
    with pytest.raises(InvalidInput, match="has no token that ends a text"):
        task_of(home, model__parent=str(letters.path), data__context="32", **SIZES_OF_THE_PARENT)


def test_a_model_without_parent_and_sizes_and_rows_that_do_not_fit_are_refused(home):
    with pytest.raises(InvalidInput, match=r"without a parent the model has no d_model"):
        task_of(home, model__d_model="none")
    with pytest.raises(InvalidInput, match="rows of 96 tokens do not fit a model of 48 positions"):
        task_of(home, data__context="96")


@pytest.mark.parametrize("name", ["summarization", "question-answering", "dialogue", "code-generation"])
def test_every_measurement_says_what_it_is_of(home, name):
    found = finished(home, name).result["measurements"]
    assert len({json.dumps([item["metric"], item["protocol"]], sort_keys=True) for item in found}) == len(found)
    assert all(math.isfinite(item["value"]) and item["n"] > 0 for item in found)
    by_metric = {item["metric"]: item for item in found}
    if name == "summarization":
        assert {item["protocol"].get("system") for item in found if item["metric"] == "rouge-lsum"} == {
            "the model",
            "lead-1",
            "lead-3",
        }
    if name == "question-answering":
        low, high = by_metric["exact-answer"]["interval_95"]
        assert low <= by_metric["exact-answer"]["value"] <= high
        assert by_metric["exact-answer"]["protocol"]["calculator"] == "overrides"
    if name == "dialogue":
        of = {item["protocol"]["of"]: item["value"] for item in found if item["metric"] == "perplexity"}
        expected = of["the target, given the source"] / of["the target, given nothing"]
        assert by_metric["perplexity-ratio"]["value"] == pytest.approx(expected)
    if name == "code-generation":
        assert by_metric["parse-rate"]["protocol"]["executed"] is False
