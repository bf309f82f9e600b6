"""generate, translate, import and export, as they are typed: on runs, checkpoints, folders and names of the hub."""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from paperlab.cli import output
from paperlab.runs import checkpoints, model_store
from reproductions import registry
from reproductions.data import hub
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model
from reproductions.tokenizers import byte_level
from tests.reproductions import gguf_files
from tests.reproductions.trained_runs import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with a run of a GPT and one of a Transformer, both tiny."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    return {name: train(name, folder).path for name in ("gpt-2", "transformer-base", "bert-base")}


@pytest.fixture
def home(home, trained, monkeypatch):
    monkeypatch.setattr(registry, "PACKAGES", ("reproductions.gpt", "reproductions.transformer", "reproductions.bert"))
    monkeypatch.delenv("PAPERLAB_DATA_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "no cache"))
    for path in trained.values():
        shutil.copytree(path, home / "runs" / path.name)
    return home


@pytest.fixture
def run(home, trained):
    return home / "runs" / trained["gpt-2"].name


@pytest.fixture
def folder(paperlab, run, tmp_path):
    """The GPT in Hugging Face's format."""
    assert paperlab("export", run.name, "--to", "hf", "my-gpt").code == 0
    return tmp_path / "my-gpt"


def outputs(found):
    assert found.code == 0, found.err
    return found.json["outputs"]


# generate


def test_a_run_a_checkpoint_and_an_exported_folder_write_the_same(paperlab, run, folder):
    asked = ("--prompt", "The ", "--prompt", "If the object", "--greedy", "--max-tokens", "6", "--json")
    by_prefix = outputs(paperlab("generate", "gpt-2-smoke", *asked))
    assert [one["prompt"] for one in by_prefix] == ["The ", "If the object"]
    assert all(0 < len(one["tokens"]) <= 6 for one in by_prefix)
    for source in (run, run / "checkpoints" / "step-000003", folder):
        assert outputs(paperlab("generate", str(source), *asked)) == by_prefix
    whole = paperlab("generate", run.name, *asked[:4], "--greedy", "--max-tokens", "6")
    assert whole.out == "".join(
        f"== {number} of 2 ==\n{one['prompt']}{one['text']}\n" for number, one in enumerate(by_prefix, start=1)
    )


def test_the_same_seed_draws_the_same_and_streaming_changes_nothing(paperlab, run):
    asked = (
        "generate",
        run.name,
        "--prompt",
        "The ",
        "--prompt",
        "A",
        "--seed",
        "7",
        "--top-k",
        "40",
        "--max-tokens",
        "9",
    )
    first = paperlab(*asked)
    assert first.code == 0
    assert paperlab(*asked, "--stream").out == first.out
    assert paperlab(*asked, "--batch", "1", "--stream").out == first.out
    assert paperlab(*asked, "--seed", "8").out != first.out


def test_prompts_come_from_files_and_stdin_whole_or_by_line(paperlab, run, tmp_path, monkeypatch):
    (tmp_path / "prompts.txt").write_text("The \nA class\n")
    asked = ("generate", run.name, "--greedy", "--max-tokens", "2", "--json")
    from_file = ("--prompt-file", "prompts.txt")
    assert [one["prompt"] for one in outputs(paperlab(*asked, *from_file))] == ["The \nA class"]
    assert [one["prompt"] for one in outputs(paperlab(*asked, *from_file, "--lines"))] == ["The ", "A class"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"If\n")))
    assert [one["prompt"] for one in outputs(paperlab(*asked))] == ["If"]


def test_stop_strings_end_a_text(paperlab, run):
    (whole,) = outputs(paperlab("generate", run.name, "--prompt", "The ", "--greedy", "--max-tokens", "9", "--json"))
    stop = whole["text"][2:4]
    (cut,) = outputs(
        paperlab("generate", run.name, "--prompt", "The ", "--greedy", "--max-tokens", "9", "--stop", stop, "--json")
    )
    assert cut["text"] == whole["text"][: whole["text"].index(stop)]
    assert cut["ended"] == "stop"


def test_examples_stand_before_each_prompt_and_the_text_ends_where_one_would(paperlab, run, tmp_path):
    examples = [{"context": letter, "completion": " =>"} for letter in "rstu"]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(each) + "\n" for each in examples))
    asked = ("generate", run.name, "--greedy", "--max-tokens", "4")
    prompts = ("--prompt", "a", "--prompt", "b")
    few = (*asked, *prompts, "--examples", "task.jsonl", "--shots", "2")
    found = paperlab(*few, "--json").json
    assert (found["shots"], found["decoding"]["stop"]) == (2, ["\n"])
    for one in found["outputs"]:
        before = "".join(f"{examples[n - 1]['context']} =>\n" for n in one["examples"])
        (alone,) = outputs(paperlab(*asked, "--prompt", before + one["prompt"], "--stop", "\n", "--json"))
        assert (alone["text"], alone["tokens"]) == (one["text"], one["tokens"])
    assert found["outputs"][0]["examples"] != found["outputs"][1]["examples"]
    assert paperlab(*few).out == "".join(
        f"== {n} of 2 ==\n{one['prompt']}{one['text']}\n" for n, one in enumerate(found["outputs"], start=1)
    )
    assert paperlab(*asked, *prompts, "--shots", "2").code == 2
    assert paperlab(*asked, *prompts, "--examples", "task.jsonl").code == 2
    assert paperlab(*few[:-1], "9").code == 3


def test_control_characters_are_shown_and_not_obeyed():
    assert output.harmless("a\x1b[2J\r\tb\n\x9b\u202ec\x7f") == "a␛[2J␍\tb\n\ufffd\ufffdc␡"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("gpt-3-smoke",), 3, "did you mean"),
        (("gpt2",), 3, "hf:gpt2"),
        (("./nothing",), 3, "does not exist"),
        (("hf:../etc",), 3, "no model of the Hugging Face hub"),
        (("transformer-base-smoke",), 3, "paperlab translate"),
        (("gpt-2-smoke", "--top-p", "0"), 3, "top_p is 0.0"),
        (("gpt-2-smoke", "--temperature", "nan"), 3, "temperature is nan"),
        (("gpt-2-smoke", "--device", "tpu"), 2, "not auto, cpu or cuda"),
        (("gpt-2-smoke", "--json", "--stream"), 2, "one object at the end"),
        (("gpt-2-smoke", "--prompt-file", "nothing.txt"), 3, "nothing.txt can't be read"),
    ],
)
def test_what_can_not_be_is_refused_by_name(paperlab, words, code, says):
    found = paperlab("generate", *words, "--prompt", "x")
    assert (found.code, says in found.err) == (code, True), found.err


def test_a_run_without_weights_says_how_to_get_them(paperlab, run):
    shutil.rmtree(run / "checkpoints")
    found = paperlab("generate", run.name, "--prompt", "x")
    assert found.code == 4
    assert "has no checkpoint here" in found.err
    assert "--checkpoints last" in found.err


def test_weights_of_an_unfinished_run_are_used_and_named(paperlab, run):
    (run / "result.json").unlink()
    (run / "checkpoints" / "step-000003").rename(run / "checkpoints" / "step-000001")
    state = run / "checkpoints" / "step-000001" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"step": 1}))
    found = paperlab("generate", run.name, "--prompt", "x", "--max-tokens", "1")
    assert found.code == 0
    assert "weights of step 1 of 3" in found.err


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_stays_closed(paperlab, folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    for words in (
        ("generate", str(folder), "--prompt", "x"),
        ("generate", str(folder / name), "--prompt", "x"),
        ("import", str(folder)),
    ):
        found = paperlab(*words)
        assert found.code == 3
        assert "is a pickle, which can execute code" in found.err
    assert not Path("owned").exists()


def test_damaged_and_foreign_folders_are_told_apart(paperlab, folder):
    config = json.loads((folder / "config.json").read_text())

    def said(change):
        (folder / "config.json").write_text(json.dumps(config | change))
        found = paperlab("generate", str(folder), "--prompt", "x")
        assert found.code == 3
        return found.err

    assert 'type "llama", which can\'t be opened here.\n  those that can: gpt2, marian, bert' in said(
        {"model_type": "llama"}
    )
    assert "the weights are not those of this GPT-2" in said({"n_layer": 3})
    assert "can't be understood" in said({"n_embd": "wide"})
    assert "has the shape" in said({"n_embd": 64})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    assert "can't be read" in paperlab("generate", str(folder), "--prompt", "x").err


# fill


def test_masks_are_filled_in_a_line_a_text_or_with_the_best_words_of_each(paperlab, home):
    asked = ("fill", "bert-base", "--text", "import [MASK] as [MASK]", "--text", "def [MASK]")
    plain = paperlab(*asked)
    assert plain.code == 0, plain.err
    assert len(plain.out.splitlines()) == 2
    assert "[MASK]" not in plain.out
    rows = [line.split("\t") for line in paperlab(*asked, "--n-best", "3").out.splitlines()]
    assert [(number, mask) for number, mask, _, _ in rows] == [("1", "1")] * 3 + [("1", "2")] * 3 + [("2", "1")] * 3
    shares = [float(share) for _, _, _, share in rows[:3]]
    assert shares == sorted(shares, reverse=True)
    found = outputs(paperlab(*asked, "--n-best", "3", "--json"))
    assert [[guess["piece"] for guess in best] for one in found for best in one["masks"]] == [
        [piece for _, _, piece, _ in rows[first : first + 3]] for first in (0, 3, 6)
    ]
    no_mask = paperlab("fill", "bert-base", "--text", "import os")
    assert (no_mask.code, "text 1 has no [MASK]" in no_mask.err) == (3, True)
    assert "paperlab fill" in paperlab("generate", "bert-base", "--prompt", "x").err
    assert "paperlab generate" in paperlab("fill", "gpt-2-smoke", "--text", "x").err


def test_a_bert_is_exported_with_its_card_and_imported_again(paperlab, home, tmp_path):
    asked = ("--text", "import [MASK]", "--n-best", "2", "--json")
    (ours,) = outputs(paperlab("fill", "bert-base", *asked))
    assert paperlab("export", "bert-base", "--to", "hf", "my-bert").code == 0
    card = (tmp_path / "my-bert" / "README.md").read_text()
    assert "AutoModelForMaskedLM.from_pretrained" in card
    assert "pipeline_tag: fill-mask" in card
    names, theirs = AutoTokenizer.from_pretrained("my-bert"), AutoModelForMaskedLM.from_pretrained("my-bert").eval()
    ids = names("import [MASK]", return_tensors="pt")
    with torch.no_grad():
        best = theirs(**ids).logits[ids["input_ids"] == names.mask_token_id][0].softmax(dim=-1).topk(2)
    assert [guess["piece"] for guess in ours["masks"][0]] == names.convert_ids_to_tokens(best.indices.tolist())
    assert paperlab("import", "my-bert", "--json").json["models"][0]["new"] is True
    shutil.rmtree("my-bert")
    (again,) = outputs(paperlab("fill", "my-bert", *asked))
    assert again == ours


# translate


def test_translations_are_a_line_each_or_n_best_with_scores(paperlab):
    asked = ("translate", "transformer-base", "--text", "two hundred and six", "--text", "nine")
    plain = paperlab(*asked)
    assert plain.code == 0, plain.err
    assert len(plain.out.splitlines()) == 2
    best = [line.split("\t") for line in paperlab(*asked, "--beam", "200", "--n-best", "3").out.splitlines()]
    assert [number for number, _, _ in best] == ["1"] * 3 + ["2"] * 3
    scores = [float(score) for _, score, _ in best]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    found = paperlab(*asked, "--beam", "200", "--n-best", "3", "--length-penalty", "0", "--json").json
    assert found["decoding"] == {"beam": 200, "n_best": 3, "length_penalty": 0.0}
    for one in found["outputs"][0]["translations"]:
        assert one["score"] == pytest.approx(one["log_probability"])


def test_attention_is_drawn_a_file_a_sentence(paperlab, tmp_path):
    found = paperlab("translate", "transformer-base", "--text", "nine", "--attention", "maps", "--json")
    (one,) = outputs(found)
    assert one["attention"] == str(Path("maps") / "0001.svg")
    assert (tmp_path / "maps" / "0001.svg").read_text().startswith("<svg")
    assert paperlab("translate", "transformer-base", "--text", "nine", "--beam", "2", "--n-best", "3").code == 3
    assert "paperlab generate" in paperlab("translate", "gpt-2-smoke", "--text", "nine").err


def test_a_transformer_is_exported_with_its_card_and_translates_the_same_when_it_is_imported(paperlab, tmp_path):
    asked = ("--text", "two hundred and six", "--text", "nine", "--beam", "1", "--json")
    ours = outputs(paperlab("translate", "transformer-base", *asked))
    assert paperlab("export", "transformer-base", "--to", "hf", "my-marian").code == 0
    card = (tmp_path / "my-marian" / "README.md").read_text()
    assert "AutoModelForSeq2SeqLM.from_pretrained" in card
    assert "pipeline_tag: translation" in card
    assert paperlab("import", "my-marian", "--json").json["models"][0]["new"] is True
    shutil.rmtree("my-marian")
    again = outputs(paperlab("translate", "my-marian", *asked))
    for one, other in zip(ours, again, strict=True):
        # the recipe's own longest output is not in the folder: section 6.1's 50 tokens more than the input are
        mine, theirs = one["translations"][0]["text"], other["translations"][0]["text"]
        assert theirs.startswith(mine)


# export and import


def test_transformers_opens_an_export_and_its_card_tells_the_run(paperlab, run, folder):
    model, names = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    asked = ("generate", run.name, "--prompt", "The object", "--greedy", "--max-tokens", "8", "--json")
    (ours,) = outputs(paperlab(*asked))
    ids = names("The object", return_tensors="pt")
    with torch.no_grad():
        theirs = model.generate(**ids, do_sample=False, max_new_tokens=8, pad_token_id=0)[
            0, ids["input_ids"].shape[1] :
        ]
    assert [token for token in theirs.tolist() if token != names.eos_token_id] == ours["tokens"]
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / "config.json").stat().st_mode}
    model.save_pretrained("again")
    names.save_pretrained("again")  # with tokenizer.json
    assert outputs(paperlab("generate", "./again", *asked[2:])) == [ours]
    card = (folder / "README.md").read_text()
    assert "library_name: transformers" in card
    assert run.name in card
    assert "AutoModelForCausalLM.from_pretrained" in card


def test_an_export_replaces_nothing_and_leaves_no_half_of_one(paperlab, run, folder, tmp_path):
    before = sorted(folder.iterdir())
    again = paperlab("export", run.name, "--to", "hf", "my-gpt")
    assert (again.code, "is there already" in again.err) == (3, True)
    assert sorted(folder.iterdir()) == before
    assert "already" in paperlab("export", "my-gpt", "--to", "hf", "other").err
    assert not [path for path in tmp_path.iterdir() if "other" in path.name or path.name.endswith(".part")]


def test_a_folder_is_imported_once_and_asked_by_name(paperlab, folder, home):
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    old, young = home / "models" / ".other.1234.tmp", home / "models" / ".other.5678.tmp"
    for leftover in (old, young):
        leftover.mkdir(parents=True)
    os.utime(old, (0, 0))
    first = paperlab("import", str(folder), "--json").json["models"][0]
    assert (old.exists(), young.exists()) == (False, True)
    assert (first["name"], first["new"]) == ("my-gpt", True)
    kept = home / "models" / "my-gpt"
    assert first["origin"]["source"] == str(folder)
    assert set(first["origin"]["files"]) == {path.name for path in kept.iterdir()} - {"origin.json"}
    assert not (kept / "modeling_evil.py").exists()
    assert paperlab("import", str(folder), "--json").json["models"][0]["new"] is False
    (listed,) = paperlab("import", "--list", "--json").json["models"]
    assert (listed["name"], listed["bytes"] > 10_000) == ("my-gpt", True)
    assert "my-gpt" in paperlab("import", "--list").out
    assert paperlab("import").code == 2
    shutil.rmtree(folder)
    assert paperlab("generate", "my-gpt", "--prompt", "The", "--max-tokens", "2").code == 0


@pytest.fixture
def gguf_file(tmp_path, home, monkeypatch):
    """A tiny LLaMA in one file."""
    monkeypatch.setattr(registry, "PACKAGES", ("reproductions.gpt", "reproductions.llama"))
    tokenizer = byte_level.train(["The quick brown fox jumps over the lazy dog.\n"] * 3, 300)
    torch.manual_seed(0)
    model = Llama(Model(num_layers=1, d_model=32, num_heads=4, num_groups=2, d_ff=40, context=32), tokenizer.size)
    path = tmp_path / "tiny.Q8_0.gguf"
    gguf_files.of_llama(path, model, tokenizer)
    return path


def test_a_gguf_file_becomes_a_model_once_and_is_asked_by_name(paperlab, gguf_file, home):
    first = paperlab("import", str(gguf_file), "--json").json["models"][0]
    assert (first["name"], first["new"]) == ("tiny.Q8_0", True)
    assert first["origin"]["source"] == str(gguf_file)
    assert paperlab("import", str(gguf_file), "--json").json["models"][0]["new"] is False
    found = outputs(paperlab("generate", "tiny.Q8_0", "--prompt", "The ", "--greedy", "--max-tokens", "4", "--json"))
    theirs = AutoModelForCausalLM.from_pretrained(first["path"]).eval()
    ids = AutoTokenizer.from_pretrained(first["path"])("The ", return_tensors="pt")
    with torch.no_grad():
        whole = theirs.generate(**ids, do_sample=False, max_new_tokens=4, pad_token_id=0)[0].tolist()
    assert whole[ids["input_ids"].shape[1] :][: len(found[0]["tokens"])] == found[0]["tokens"]
    assert [path.name for path in (home / "models").iterdir()] == ["tiny.Q8_0"]


def test_a_gguf_file_that_can_not_be_a_model_leaves_nothing(paperlab, gguf_file, home):
    asked = paperlab("generate", str(gguf_file), "--prompt", "x")
    assert (asked.code, f"paperlab import {gguf_file}" in asked.err) == (3, True)
    gguf_file.write_bytes(gguf_file.read_bytes()[:-40])
    cut = paperlab("import", str(gguf_file))
    assert (cut.code, "does not lie in it" in cut.err) == (3, True)
    assert not list((home / "models").iterdir())


def test_another_model_needs_another_name(paperlab, folder, home):
    assert paperlab("import", str(folder)).code == 0
    weights = hub_weights(folder)
    weights["transformer.wpe.weight"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused = paperlab("import", str(folder))
    assert (refused.code, "--name" in refused.err) == (3, True)
    assert paperlab("import", str(folder), "--name", "second").code == 0
    assert paperlab("import", str(folder), "--name", "../up").code == 3
    assert [model.name for model in model_store.models(home)] == ["my-gpt", "second"]


def test_what_can_not_be_opened_is_not_kept(paperlab, folder, home):
    (folder / "merges.txt").unlink()
    found = paperlab("import", str(folder))
    assert (found.code, "has no tokenizer" in found.err) == (3, True)
    assert not [*(home / "models").glob("*"), *(home / "models").glob(".*")]


def hub_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.fixture
def a_hub(folder, monkeypatch, tmp_path):
    """A server that has the folder as the model gpt2, under the addresses of the hub."""
    place = tmp_path / "served" / "gpt2" / "resolve" / "main"
    shutil.copytree(folder, place)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def make(*words):
        return Quiet(*words, directory=str(tmp_path / "served"))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), make)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(hub.Source, "hub", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(hub.Source.__init__, "__defaults__", (None, f"http://127.0.0.1:{server.server_port}"))
    yield place
    server.shutdown()
    server.server_close()


def test_a_model_of_the_hub_is_downloaded_once_and_pinned(paperlab, a_hub, home):
    asked = ("generate", "hf:gpt2", "--prompt", "The ", "--greedy", "--max-tokens", "4", "--json")
    first = outputs(paperlab(*asked))
    origin = model_store.get(home, "gpt2").origin
    assert origin["source"] == "hf:gpt2"
    assert origin["urls"]["model.safetensors"].endswith("/gpt2/resolve/main/model.safetensors")
    shutil.rmtree(a_hub)
    assert outputs(paperlab(*asked)) == first


def test_a_model_of_another_type_is_refused_before_its_weights_come(paperlab, a_hub, home):
    (a_hub / "config.json").write_text(json.dumps({"model_type": "llama"}))
    found = paperlab("import", "hf:gpt2")
    assert (found.code, 'type "llama"' in found.err) == (3, True)
    assert "model.safetensors" not in found.err
    unknown = paperlab("import", "hf:nobody/nothing")
    assert (unknown.code, "paperlab import FOLDER" in unknown.err) == (4, True)


def test_a_mirror_and_the_cache_of_the_hub_need_no_network(paperlab, folder, home, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "mirror" / "huggingface" / "some" / "gpt")
    monkeypatch.setenv("PAPERLAB_DATA_MIRROR", str(tmp_path / "mirror"))
    assert paperlab("import", "hf:some/gpt", "--json").json["models"][0]["name"] == "some--gpt"

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    snapshot = tmp_path / "cache" / "models--gpt2" / "snapshots" / "abc"
    shutil.copytree(folder, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    assert paperlab("generate", "hf:gpt2", "--prompt", "x", "--max-tokens", "1").code == 0
    assert paperlab("import", "hf:gpt2", "--json").json["models"][0]["origin"]["revision"] == "abc"


def test_a_missing_package_is_named_with_what_installs_it(paperlab, run, monkeypatch):
    monkeypatch.setattr(checkpoints, "missing_packages", lambda _: ["torch"])
    found = paperlab("generate", run.name, "--prompt", "x")
    assert (found.code, "paperlab[train]" in found.err) == (4, True)
