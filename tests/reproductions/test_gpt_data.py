"""The text of the gpt recipes: packed mirrors, corpora of every kind, and the full tier on an archive of its shape."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from datetime import UTC, datetime

import pytest

from reproductions import registry
from reproductions.data import manifest
from reproductions.data.corpus import Corpus
from reproductions.data.manifest import File, fetch
from reproductions.engine import session
from reproductions.engine.recipe import override
from reproductions.gpt.recipes import Data
from reproductions.gpt.task import Task
from reproductions.registry import InvalidInput, NotReady
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
PAGES = [f"Page {number} says:\n\n\n\nthe quick brown fox jumps over {number} lazy dogs.\n" for number in range(60)]
SMALL = {
    "model.num_layers": "2",
    "model.d_model": "16",
    "model.num_heads": "2",
    "model.context": "24",
    "data.context": "24",
    "data.tokenizer": "bpe",
    "data.vocabulary": "280",
    "data.tokens_per_batch": "96",
    "train.accumulate": "2",
    "train.max_steps": "30",
    "train.eval_every": "15",
    "train.sample_every": "15",
    "train.checkpoint_every": "10",
    "schedule.warmup_steps": "5",
    "optim.lr": "0.01",
    "evaluation.sample_tokens": "5",
    "needs.device": "any",
    "needs.memory_gb": "0",
    "needs.gpu_memory_gb": "0",
    "needs.disk_gb": "0",
    "needs.download_gb": "0",
}


def add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def write_openwebtext(folder):
    """Archives in an archive, as it is published."""
    (folder / "openwebtext").mkdir(parents=True)
    with tarfile.open(folder / "openwebtext" / "openwebtext.tar.xz", "w:xz") as outer:
        for part in range(2):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:xz") as inner:
                for number, page in list(enumerate(PAGES))[part::2]:
                    add(inner, f"{number:07d}-x.txt", page.encode())
            add(outer, f"openwebtext/urlsf_subset0{part}-1_data.xz", packed.getvalue())


def write_benchmarks(folder):
    """Tiny files in the shape of LAMBADA, BLiMP and WikiText-2."""
    for name in ("lambada", "blimp", "wikitext-2"):
        (folder / name).mkdir(parents=True)
    lambada = "the quick brown fox jumps over the lazy dog\nit says : the fox jumps over the lazy fox\n"
    (folder / "lambada" / "lambada_development_plain_text.txt").write_text(lambada)
    (folder / "wikitext-2" / "valid.txt").write_text(" \n = The fox = \n \n The quick <unk> fox jumps . \n")
    with zipfile.ZipFile(folder / "blimp" / "BLiMP.zip", "w") as packed:
        for name in ("agreement", "islands"):
            pairs = [{"sentence_good": "The fox jumps over.", "sentence_bad": "The fox jump over."}] * 3
            packed.writestr(f"__MACOSX/data/._{name}.jsonl", b"\x00\x05\x16\xb0")  # as upstream's archive has them
            packed.writestr(f"data/{name}.jsonl", "".join(json.dumps(pair) + "\n" for pair in pairs))


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder with small stand-ins, whose hashes nobody knows."""
    folder = tmp_path / "mirror"
    write_openwebtext(folder)
    write_benchmarks(folder)
    known = manifest.load()
    unknown = {
        name: manifest.Dataset(
            name,
            held.title,
            held.licence,
            held.home,
            {key: File(file.path, file.url) for key, file in held.files.items()},
            held.texts,
        )
        for name, held in known.items()
    }
    monkeypatch.setattr(manifest, "load", lambda: unknown)
    monkeypatch.setenv(manifest.MIRROR, str(folder))
    return folder


def test_the_full_tier_learns_from_archived_pages_and_is_measured(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr("reproductions.data.corpus._ONE_IN", 20)
    run = session.train(
        override(registry.recipe("gpt-2", "full"), SMALL),
        seed=0,
        runs_dir=tmp_path / "runs",
        make_task=Task,
        fingerprint="0" * 64,
        data_home=tmp_path / "data",
        now=NOW,
        overrides=SMALL,
        device="cpu",
    )
    assert run.status() == "finished"
    losses = [point["value"] for point in run.metrics() if point["name"] == "val/loss"]
    assert losses[-1] < 0.8 * 5.6
    measured = {(item["dataset"], item["metric"]): item for item in run.result["measurements"]}
    assert set(measured) == {
        ("openwebtext", "loss"),
        ("openwebtext", "bits-per-byte"),
        ("lambada", "accuracy"),
        ("lambada", "perplexity"),
        ("blimp", "accuracy"),
        ("wikitext-2", "bits-per-byte"),
    }
    assert measured["blimp", "accuracy"]["n"] == 6
    assert measured["openwebtext", "loss"]["protocol"]["coverage"] == "whole split"
    claims = {claim["id"] for claim in registry.claims("gpt")}
    assert {item["claim"] for item in run.result["measurements"]} - {None} <= claims


def test_pages_come_whole_each_closed_and_one_in_so_many_is_held_out(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr("reproductions.data.corpus._ONE_IN", 20)
    corpus = Corpus(Data("openwebtext", 96, 24, tokenizer="bytes"), tmp_path, str(mirror), lambda _: None)
    train, valid = list(corpus.pieces("train")), list(corpus.pieces("val"))
    assert len(train) == 2 * 57
    assert len(valid) == 2 * 3
    assert valid[:2] == ["Page 0 says:\n\nthe quick brown fox jumps over 0 lazy dogs.", END_OF_TEXT]


def test_a_mirror_may_hold_a_file_packed_or_beside_it(tmp_path):
    file = File("set/text.txt", "http://127.0.0.1:9/text.txt")
    for packed, write in (("text.txt.gz", gzip.open), ("text.txt.xz", lzma.open)):
        folder = tmp_path / packed / "text"
        (folder / "set").mkdir(parents=True)
        with write(folder / "set" / packed, "wb") as out:
            out.write(b"to be, or not to be")
        for mirror in (folder, folder / "elsewhere"):
            (folder / "elsewhere").mkdir(exist_ok=True)
            found = fetch(file, tmp_path / packed / mirror.name / "data", mirror=str(mirror))
            assert found.path.read_bytes() == b"to be, or not to be"


def test_a_corpus_that_is_published_nowhere_says_what_it_is_made_from(tmp_path):
    novels = manifest.load()["english-novels"].files["train"]
    with pytest.raises(NotReady, match="published nowhere: it is made from ELTeC") as caught:
        fetch(novels, tmp_path)
    assert manifest.MIRROR in caught.value.hint


def test_a_text_that_nobody_knows_or_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match='no text is called "novels"') as caught:
        Corpus(Data("novels", 96, 24), tmp_path, None, lambda _: None)
    assert "standard-library" in caught.value.hint
    assert "multi30k" not in caught.value.hint


def test_a_limit_of_characters_bounds_both_splits(tmp_path):
    data = Data("standard-library", 96, 24, tokenizer="bytes", characters=5000)
    corpus = Corpus(data, tmp_path, None, lambda _: None)
    assert sum(len(piece) for piece in corpus.pieces("train")) == 5000
    assert sum(len(piece) for piece in corpus.pieces("val")) == 500
