"""A model that was trained is opened as it was measured, and writes what transformers writes with the same weights."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from reproductions import registry
from reproductions.engine import checkpoint, trained
from reproductions.gpt import opening
from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import RunDirectory
from reproductions.tokenizers import byte_level
from reproductions.transformer import opening as translating
from tests.reproductions.trained_runs import train

CPU = torch.device("cpu")
TEXT = "It was a cold evening. The quick brown fox jumps over the lazy dog, and so on.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def writing(home):
    return train("gpt-2", home)


@pytest.fixture(scope="module")
def translating_run(home):
    return train("transformer-base", home)


def opened(run, data_home, module=opening, chosen=None):
    found = trained.read(run, chosen)
    return module.open_run(found, data_home, mirror=None, log=lambda _: None, device=CPU)


def copied(run, tmp_path):
    return RunDirectory(shutil.copytree(run.path, tmp_path / run.path.name))


def theirs_of(folder, *, seed=0, eos=None, **sizes):
    """GPT-2 with random weights, sharp enough that greedy outputs differ, and a small vocabulary."""
    tokenizer = byte_level.train([TEXT] * 3, 300)
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=tokenizer.size, n_positions=64, n_embd=32, n_layer=2, n_head=4, eos_token_id=eos, **sizes)
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save(Path(folder) / "tokenizer.json")
    return model, tokenizer


def greedy(model, ids, count, eos):
    with torch.no_grad():
        found = model.generate(
            torch.tensor([ids]), do_sample=False, max_new_tokens=count, pad_token_id=0, eos_token_id=eos
        )[0, len(ids) :].tolist()
    return tuple(found[:-1] if eos is not None and found[-1:] == [eos] else found)


def test_greedy_is_token_for_token_what_transformers_gives_in_batches_too(tmp_path):
    model, tokenizer = theirs_of(tmp_path, eos=42)
    prompts = [TEXT[start : start + length] for start, length in ((0, 1), (3, 9), (20, 30), (5, 2), (40, 17))]
    written = opening.open_folder(tmp_path, device=CPU).write(prompts, batch=3, max_new_tokens=20)
    expected = [greedy(model, ids, 20, 42) for ids in tokenizer.encode(prompts)]
    assert [one.tokens for one in written] == expected
    assert len({one.tokens for one in written}) > 1
    assert {one.ended for one in written} <= {"end", "length"}


def test_what_is_drawn_does_not_change_with_the_batch(tmp_path):
    theirs_of(tmp_path)
    writer = opening.open_folder(tmp_path, device=CPU)
    prompts = ["fox", "fox", "lazy dog, and", "It", "fox"]
    drawn = [
        [one.text for one in writer.write(prompts, batch=batch, max_new_tokens=12, temperature=0.9, seed=3)]
        for batch in (1, 2, 5)
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert drawn[0][0] != drawn[0][1]  # the same prompt, drawn anew
    assert [one.text for one in writer.write(prompts, max_new_tokens=12, temperature=0.9, seed=4)] != drawn[0]


def test_a_run_writes_what_its_own_weights_say_and_needs_its_text_no_more(writing, tmp_path):
    writer = opened(writing, tmp_path / "nothing is here")
    last = checkpoint.load_weights(writing.latest_checkpoint())
    assert all(torch.equal(tensor, last[name]) for name, tensor in writer.model.state_dict().items())
    (written,) = writer.write(["The "], max_new_tokens=5)
    assert len(written.tokens) == 5


def test_a_run_of_before_tokenizers_were_kept_makes_its_tokenizer_anew(writing, home, tmp_path):
    run = copied(writing, tmp_path)
    events = [line for line in (run.path / "events.jsonl").read_text().splitlines() if trained.TOKENIZER not in line]
    (run.path / "events.jsonl").write_text("\n".join(events) + "\n")
    assert opened(run, home / "data").tokenizer.sha256 == opened(writing, home).tokenizer.sha256

    record = run.run
    record["provenance"]["tokenizer"]["sha256"] = "0" * 64
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match="not the one that can be made here"):
        opened(run, home / "data")


def test_the_mean_of_checkpoints_is_opened_where_it_was_measured(translating_run):
    found = trained.read(translating_run)
    assert found.checkpoint.name == trained.AVERAGED
    first, second = (checkpoint.load_weights(path) for path in translating_run.checkpoints())
    name = "embedding.weight"
    torch.testing.assert_close(found.weights[name], (first[name] + second[name]) / 2)
    assert trained.read(translating_run, translating_run.checkpoints()[0]).step == 2


def test_damage_is_named(writing, tmp_path):
    run = copied(writing, tmp_path)
    weights = run.latest_checkpoint() / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InvalidInput, match="can't be used"):
        trained.read(run, run.latest_checkpoint())
    with pytest.raises(NotReady, match="has no checkpoint here: step-000003"):
        trained.read(run)


def test_weights_of_other_code_are_refused(writing, tmp_path):
    run = copied(writing, tmp_path)
    record = run.run
    record["recipe_values"]["model"]["num_layers"] = 3
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match=r"not those of today's model: Missing key.*blocks\.2"):
        opened(run, tmp_path)


@pytest.mark.parametrize("context", ["16", "512"])
def test_a_prompt_without_room_is_named(context, home, writing):
    writer = opened(writing, home)
    long = "word " * int(context)
    with pytest.raises(InvalidInput, match=r"prompt 2 has .* tokens and the model reads less than 32"):
        writer.write(["a", long])


def test_every_reproduction_that_can_be_asked_has_an_opening_and_others_say_who_can():
    for reproduction in registry.all():
        if reproduction.asked_by:
            module = registry.opening(reproduction.name)
            assert callable(module.open_run)
            assert hasattr(module, "open_folder") or not reproduction.hugging_face
        else:
            assert not reproduction.hugging_face
            with pytest.raises(InvalidInput, match="can't be asked for anything"):
                registry.opening(reproduction.name)


def test_several_end_tokens_are_refused(tmp_path):
    theirs_of(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1, 2]}')
    with pytest.raises(InvalidInput, match=r"end token \[1, 2\]"):
        opening.open_folder(tmp_path, device=CPU)


def test_n_best_come_with_falling_scores_and_the_first_is_the_search_of_the_task(translating_run, home):
    translator = opened(translating_run, home, translating)
    texts = ["two hundred and six", "nine", "forty-one thousand three hundred and twelve"]
    found = translator.translate(texts, beam=200, n_best=3)  # wide, as it has hardly learned when to end
    for best in found:
        assert len(best) == 3
        assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
        assert len({one.tokens for one in best}) == len(best)
    assert [best[0] for best in translator.translate(texts, beam=200)] == [best[0] for best in found]
    alone = [translator.translate([text], beam=200, n_best=3)[0] for text in texts]
    assert [[one.tokens for one in best] for best in alone] == [[one.tokens for one in best] for best in found]
    assert b"<svg" in translator.attention_map(texts[0], found[0][0])
    nothing, nine = translator.translate([" ", texts[1]], beam=200, n_best=3)
    assert [one.text for one in nothing] == [""]
    assert nine == found[1]
    with pytest.raises(InvalidInput, match="a beam of 2 has no 3 best"):
        translator.translate(texts, beam=2, n_best=3)
    with pytest.raises(InvalidInput, match="text 2 has"):
        translator.translate(["nine", "nine " * 2000])


def test_what_a_run_saves_transformers_opens_with_the_same_logits_and_tokens(writing, home, tmp_path):
    writer = opened(writing, home)
    writer.save(tmp_path / "saved")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    names = AutoTokenizer.from_pretrained(tmp_path / "saved")
    ids = writer.tokenizer.encode([TEXT])[0][:30]
    assert names(TEXT)["input_ids"][:30] == ids
    with torch.no_grad():
        logits, ours = theirs(torch.tensor([ids])).logits, writer.model(torch.tensor([ids]))
    torch.testing.assert_close(logits, ours, atol=1e-4, rtol=0)
    back = opening.open_folder(tmp_path / "saved", device=CPU)
    assert back.write([TEXT[:20]], max_new_tokens=8) == writer.write([TEXT[:20]], max_new_tokens=8)


@pytest.mark.soak
def test_200_prompts_through_the_real_architecture_are_what_transformers_gives(tmp_path, test_data):
    """GPT-2's own vocabulary and shape (124M), random weights; prompts of 1 to 60 tokens, before and after saving."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.1 if "wte" in name else 0.06)
    model.save_pretrained(tmp_path / "theirs")
    vocabulary = test_data / "tokenizers" / "gpt2"
    for name in ("encoder.json", "vocab.bpe"):
        shutil.copy(vocabulary / name, tmp_path / "theirs")
    writer = opening.open_folder(tmp_path / "theirs", device=CPU)
    words = gzip.decompress((test_data / "text" / "wikitext-2" / "valid.txt.gz").read_bytes()).decode().split()
    prompts = [" ".join(words[97 * n : 97 * n + 1 + n % 40]) for n in range(200)]
    written = [one.tokens for one in writer.write(prompts, batch=25, max_new_tokens=8)]
    expected = [greedy(model, ids, 8, 50256) for ids in writer.tokenizer.encode(prompts)]
    assert written == expected
    assert len(set(written)) > 100
    writer.save(tmp_path / "ours")
    again = opening.open_folder(tmp_path / "ours", device=CPU)
    assert [one.tokens for one in again.write(prompts, batch=25, max_new_tokens=8)] == expected
