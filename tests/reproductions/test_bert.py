"""BERT: equal to PyTorch's encoder, sees both sides, its losses are the paper's, and words are scored one at a time."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from reproductions import registry
from reproductions.bert import evaluation
from reproductions.bert.model import BERT
from reproductions.bert.sizes import BASE, LARGE, Model
from reproductions.bert.task import Task
from reproductions.data import manifest
from reproductions.engine import optimizers
from reproductions.engine.recipe import override
from reproductions.registry import InvalidInput
from reproductions.run_directory import find_runs
from reproductions.tokenizers import wordpiece

VOCABULARY = 53
TINY = Model(num_layers=3, d_model=24, num_heads=4, context=20)
SMALL = {
    "model.num_layers": "1",
    "model.d_model": "16",
    "model.num_heads": "2",
    "model.context": "24",
    "data.context": "24",
    "data.sequences_per_batch": "4",
    "data.characters": "200000",
    "data.vocabulary": "300",
}


def made(model=TINY, vocabulary=VOCABULARY):
    torch.manual_seed(0)
    bert = BERT(model, vocabulary).eval()
    for parameter in bert.parameters():  # biases and gains too: zeros and ones would prove nothing
        torch.nn.init.normal_(parameter, std=0.3)
    return bert


@pytest.fixture
def text():
    return torch.randint(0, VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def segments():
    return (torch.arange(17) > 8).long().expand(2, 17)


def test_its_layers_equal_pytorchs_post_norm_encoder(text, segments):
    ours = made()
    layer = torch.nn.TransformerEncoderLayer(24, 4, 96, 0.0, "gelu", layer_norm_eps=1e-12, batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    real = torch.arange(17)[None] < torch.tensor([[17], [12]])
    with torch.no_grad():
        for mine, other in zip(ours.encoder.blocks, theirs.layers, strict=True):
            other.self_attn.in_proj_weight.copy_(mine.attention.project_in.weight)
            other.self_attn.in_proj_bias.copy_(mine.attention.project_in.bias)
            other.self_attn.out_proj.load_state_dict(mine.attention.project_out.state_dict())
            other.linear1.load_state_dict(mine.feed_forward.expand.state_dict())
            other.linear2.load_state_dict(mine.feed_forward.contract.state_dict())
            other.norm1.load_state_dict(mine.attention_norm.state_dict())
            other.norm2.load_state_dict(mine.feed_forward_norm.state_dict())
        embedded = ours.encoder.embeddings(text, segments)
        hidden = theirs(embedded, src_key_padding_mask=~real)
        torch.testing.assert_close(ours.hidden(text, segments, real)[real], hidden[real], atol=1e-4, rtol=1e-4)


def test_every_token_sees_every_other_one_on_both_sides(text, segments):
    bert = made()
    with torch.no_grad():
        before = bert(text, segments).masked_lm
        for place in (0, 8, 16):
            other = text.clone()
            other[:, place] = (other[:, place] + 1) % VOCABULARY
            assert (bert(other, segments).masked_lm != before).any(dim=-1).all()


def test_padding_makes_no_difference_to_what_is_real(text, segments):
    bert = made()
    real = torch.arange(17)[None].expand(2, 17) < 12
    with torch.no_grad():
        padded, short = bert(text, segments, real), bert(text[:, :12], segments[:, :12])
    torch.testing.assert_close(padded.masked_lm[:, :12], short.masked_lm, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded.next_sentence, short.next_sentence, atol=1e-5, rtol=1e-5)


def test_embeddings_are_the_normalised_sum_of_token_segment_and_position(text, segments):
    embeddings = made().encoder.embeddings
    with torch.no_grad():
        found = embeddings(text, segments)
        summed = (
            embeddings.tokens.weight[text]
            + embeddings.segments.weight[segments]
            + embeddings.positions.weight[torch.arange(17)]
        )
        norm = embeddings.norm
        centred = summed - summed.mean(dim=-1, keepdim=True)
        expected = centred / centred.pow(2).mean(dim=-1, keepdim=True).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_losses_are_those_of_the_masked_places_and_of_the_pairs(text, segments):
    bert = made()
    places, targets, is_random = torch.tensor([3, 9, 20]), torch.tensor([1, 2, 3]), torch.tensor([0, 1])
    with torch.no_grad():
        logits = bert(text, segments)
        losses = bert(text, segments, places_N=places, targets_N=targets, is_random_B=is_random)
    words = F.cross_entropy(logits.masked_lm.flatten(0, 1)[places], targets, reduction="sum")
    torch.testing.assert_close(losses.masked_lm, words)
    torch.testing.assert_close(losses.next_sentence, F.cross_entropy(logits.next_sentence, is_random, reduction="sum"))


def test_the_words_matrix_is_the_tokens_embedding():
    bert = made()
    assert "masked_lm.weight" not in bert.state_dict()
    with torch.no_grad():
        hidden = torch.randn(5, 24)
        before = bert.words(hidden)
        bert.encoder.embeddings.tokens.weight[7] *= 2
        changed = (bert.words(hidden) != before).any(dim=0)
    assert changed.nonzero().flatten().tolist() == [7]


def test_the_first_losses_are_those_of_uniform_guesses(text, segments):
    torch.manual_seed(0)
    bert = BERT(dataclasses.replace(TINY, d_model=64), VOCABULARY).eval()
    with torch.no_grad():
        losses = bert(
            text, segments, places_N=torch.arange(34), targets_N=text.flatten(), is_random_B=torch.tensor([0, 1])
        )
    assert float(losses.masked_lm) / 34 == pytest.approx(math.log(VOCABULARY), abs=0.1)
    assert float(losses.next_sentence) / 2 == pytest.approx(math.log(2), abs=0.02)


def test_weights_begin_normal_cut_off_at_two_deviations():
    bert = BERT(dataclasses.replace(TINY, d_model=256), 200).requires_grad_(False)
    weight = bert.encoder.blocks[1].attention.project_in.weight
    assert float(weight.abs().max()) <= 0.04
    assert float(weight.std()) == pytest.approx(0.02 * 0.88, rel=0.03)  # what the cut leaves of 0.02
    assert float(bert.encoder.blocks[1].attention.project_in.bias.abs().max()) == 0.0
    assert float(bert.encoder.embeddings.norm.weight.min()) == 1.0


def test_dropout_acts_in_training_on_attention_too(text, segments):
    bert = made(dataclasses.replace(TINY, dropout=0.5)).train()
    for module in bert.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert not torch.equal(bert.hidden(text, segments), bert.hidden(text, segments))
    bert.eval()
    assert torch.equal(bert.hidden(text, segments), bert.hidden(text, segments))


def test_more_tokens_than_the_context_are_refused():
    with pytest.raises(ValueError, match="21 tokens are more than the context of 20"):
        made()(torch.zeros(1, 21, dtype=torch.long), torch.zeros(1, 21, dtype=torch.long))


def test_it_compiles_without_a_break_in_the_graph(text, segments):
    explained = torch._dynamo.explain(made())(text, segments, torch.ones(2, 17, dtype=torch.bool))
    assert explained.graph_break_count == 0


def test_the_full_recipes_have_the_papers_numbers():
    for name, model in (("bert-base", BASE), ("bert-large", LARGE)):
        recipe = registry.recipe(name, "full")
        assert recipe.model == model
        assert recipe.data.sequences_per_batch * recipe.train.accumulate == 256
        assert [optimizers.factor(recipe.schedule, step, 10**6) for step in (5000, 10_000, 505_000, 10**6)] == [
            0.5,
            1.0,
            0.5,
            0.0,
        ]
    assert (LARGE.d_model // LARGE.num_heads, LARGE.feed_forward_width) == (64, 4096)


# Task


@pytest.fixture(scope="module")
def data_home(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def task_of(data_home, **changes):
    changed = override(registry.recipe("bert-base", "smoke"), {**SMALL, **changes})
    return Task(recipe=changed, data_home=data_home, device=torch.device("cpu"), seed=0)


def test_the_trained_loss_is_the_mean_over_words_plus_the_mean_over_pairs(data_home):
    task = task_of(data_home)
    task.prepare(lambda _: None)
    torch.manual_seed(0)
    model, batch = task.build_model().eval(), next(task.batches(None))
    nats, count, parts = task.loss(model, batch)
    logits = model(batch.tokens, batch.segments, batch.real)
    words = F.cross_entropy(logits.masked_lm.flatten(0, 1)[batch.places], batch.targets)
    pairs = F.cross_entropy(logits.next_sentence, batch.is_random)
    torch.testing.assert_close(nats / count, words + pairs)
    torch.testing.assert_close(
        torch.stack([parts["masked_lm"], parts["next_sentence"]]) / count, torch.stack([words, pairs])
    )


def test_short_pairs_are_trained_on_in_the_first_share_of_the_steps(data_home):
    changes = {"data.first_context": "12", "data.first_share": "0.5", "train.max_steps": "4", "train.accumulate": "2"}
    task = task_of(data_home, **changes, **{"data.short_share": "0"})
    task.prepare(lambda _: None)
    stream = task.batches(None)
    assert [next(stream).tokens.shape[1] for _ in range(8)] == [12] * 4 + [24] * 4


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"data.context": "30"}, "do not fit 24 positions"),
        ({"data.first_context": "6"}, "do not fit"),
        ({"data.mask_rate": "0"}, "rate of masking"),
        ({"data.vocabulary": "60"}, "no room for its alphabet"),
    ],
)
def test_recipes_that_cannot_be_are_refused_before_training(tmp_path, changes, what):
    with pytest.raises(InvalidInput, match=what):
        task_of(tmp_path, **changes).prepare(lambda _: None)


def test_samples_keep_the_prompt_and_put_a_word_at_each_mask(data_home):
    task = task_of(data_home)
    task.prepare(lambda _: None)
    torch.manual_seed(0)
    samples = task.samples(task.build_model().eval(), 1)
    assert [sample["source"] for sample in samples] == list(task.recipe.evaluation.prompts)
    assert all("[MASK]" not in sample["output"] for sample in samples)
    assert all(sample["output"] != sample["source"] for sample in samples)
    assert samples[0]["output"].startswith("for i in")


# Pseudo-likelihoods


@pytest.fixture
def bench(tmp_path):
    pieces = [*wordpiece.SPECIAL, "the", "fox", "jump", "##s", "over", "dog", "."]
    tokenizer = wordpiece.from_ids({piece: number for number, piece in enumerate(pieces)})
    model = made(vocabulary=tokenizer.size)
    return evaluation.Bench(model, tokenizer, tmp_path / "data", None, torch.device("cpu"), batch_tokens=40)


def test_a_pseudo_likelihood_masks_one_token_after_the_other(bench):
    sentences = ["The fox jumps over the dog.", "the dog", "dog jumps", "", "fox " * 40]
    with torch.no_grad():
        found = evaluation.pseudo_nats(bench, sentences)
        for sentence, nats in zip(sentences, found, strict=True):
            ids = bench.tokenizer.encode([sentence])[0][:18]
            framed = torch.tensor([[bench.tokenizer.classify, *ids, bench.tokenizer.separator]])
            expected = 0.0
            for place, target in enumerate(ids, 1):
                masked = framed.clone()
                masked[0, place] = bench.tokenizer.mask
                logits = bench.model(masked, torch.zeros_like(masked)).masked_lm[0, place]
                expected -= float(logits.log_softmax(dim=-1)[target])
            assert nats == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_blimp_is_the_share_of_pairs_whose_grammatical_sentence_is_likelier(bench, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "BLiMP.zip", "w") as packed:
        for name, times in (("agreement", 1), ("islands", 3)):
            pair = {"sentence_good": "The fox jumps over.", "sentence_bad": "The fox jump over."}
            packed.writestr(f"data/{name}.jsonl", (json.dumps(pair) + "\n") * times)
    held = manifest.load()["blimp"]
    file = dataclasses.replace(held.files["all"], path="BLiMP.zip", sha256=None)
    changed = dataclasses.replace(held, files={"all": file})
    monkeypatch.setattr(manifest, "load", lambda: {"blimp": changed})
    with torch.no_grad():
        (measured,) = evaluation.blimp(dataclasses.replace(bench, mirror=str(tmp_path)))
        good, bad = evaluation.pseudo_nats(bench, ["The fox jumps over.", "The fox jump over."])
    assert measured["value"] == (100.0 if good < bad else 0.0)
    assert (measured["n"], measured["protocol"]["mean_over"]) == (4, "2 sets")
    assert "each token masked by itself" in measured["protocol"]["scoring"]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_two_processes_reach_one_processs_losses(tmp_path):
    changes = {
        **SMALL,
        "train.max_steps": "20",
        "train.accumulate": "4",
        "train.log_every": "5",
        "train.eval_every": "10",
    }
    words = [word for path, value in changes.items() for word in ("--set", f"{path}={value}")]
    command = [
        sys.executable,
        "-m",
        "reproductions",
        "bert-base",
        "--tier",
        "smoke",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    series = []
    for gpus in ("1", "2"):
        given = [*command, *words, "--gpus", gpus, "--runs-dir", str(tmp_path / gpus)]
        environment = {**os.environ, "PAPERLAB_HOME": str(tmp_path)}
        root = Path(__file__).parents[2]
        ended = subprocess.run(given, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        (run,) = find_runs(tmp_path / gpus)
        series.append([p for p in run.metrics() if "/" in p["name"] and not p["name"].endswith("per_second")])
    for one, two in zip(*series, strict=True):
        assert (one["step"], one["name"]) == (two["step"], two["name"])
        assert one["value"] == pytest.approx(two["value"], rel=1e-4)
