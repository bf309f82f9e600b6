"""The full tier end to end, on archives of WMT14's shape from a server on this machine: only sizes are overridden."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tarfile
import threading
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reproductions import registry
from reproductions.data import manifest, synthetic
from reproductions.engine import machine, session
from reproductions.engine.machine import Machine
from reproductions.engine.recipe import override
from reproductions.registry import NotReady
from reproductions.transformer.recipes import FULL
from reproductions.transformer.task import Task

NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
SMALL = {
    "model.num_layers": "1",
    "model.d_model": "32",
    "model.d_ff": "32",
    "model.num_heads": "2",
    "schedule.d_model": "32",
    "schedule.warmup_steps": "20",
    "data.vocabulary": "320",
    "data.tokens_per_batch": "400",
    "train.max_steps": "50",
    "train.eval_every": "25",
    "train.sample_every": "25",
    "train.checkpoint_every": "10",
    "needs.device": "any",
    "needs.memory_gb": "0",
    "needs.gpu_memory_gb": "0",
    "needs.disk_gb": "0",
    "needs.download_gb": "0",
}


def sgml(lines, kind):
    segments = "".join(f'<seg id="{number}">{line}</seg>\n' for number, line in enumerate(lines, start=1))
    return f'<{kind} setid="newstest2014">\n<doc docid="x">\n<p>\n{segments}</p>\n</doc>\n</{kind}>\n'


def english_and_german(start, count):
    """Sentences with a compound to split and an ampersand to unescape."""
    english = [f"the so-called number {synthetic.english(n)} &amp; more." for n in range(start, start + count)]
    german = [f"die so-genannte Zahl {synthetic.german(n)} &amp; mehr." for n in range(start, start + count)]
    return english, german


def write_archives(folder):
    """Every member that the manifest names, in archives with its paths."""
    dataset = manifest.load()["wmt14-en-de"]
    members: dict[str, dict[str, str]] = {}
    for index, text in enumerate(dataset.texts):
        english, german = english_and_german(1000 * index, 20 if text.split == "test" else 60)
        for language, lines in (("en", english), ("de", german)):
            key, member = text.sides[language]
            content = "".join(line.replace("&amp;", "&") + "\n" for line in lines)
            if member.endswith(".sgm"):
                content = sgml(lines, "srcset" if language == "en" else "refset")
            members.setdefault(key, {})[member] = content
    for key, contents in members.items():
        path = folder / dataset.files[key].path
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            for member, content in contents.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content.encode())
                archive.addfile(entry, io.BytesIO(content.encode()))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server with the archives; its folder."""
    folder = tmp_path / "mirror"
    write_archives(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv(manifest.MIRROR, f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def train(tmp_path, talk=lambda _: None):
    recipe = override(FULL, SMALL)
    return session.train(
        recipe,
        seed=0,
        runs_dir=tmp_path / "runs",
        make_task=Task,
        fingerprint=registry.fingerprint("transformer-base", "full"),
        data_home=tmp_path / "data",
        now=NOW,
        overrides=SMALL,
        device="cpu",
        talk=talk,
    )


def test_the_full_tier_downloads_learns_averages_and_scores(tmp_path, mirror):
    said = []
    run = train(tmp_path, said.append)
    assert run.status() == "finished"

    provenance = run.run["provenance"]
    dataset = manifest.load()["wmt14-en-de"]
    assert set(provenance["data"]) == {file.path for file in dataset.files.values()}
    assert all(entry["pinned"] and len(entry["sha256"]) == 64 for entry in provenance["data"].values())
    assert provenance["tokenizer"]["size"] == 320
    assert [line for line in said if line.startswith("encoding")] == [
        "encoding europarl-v7",
        "encoding commoncrawl",
        "encoding news-commentary-v9",
        "encoding newstest2013",
    ]

    losses = [point["value"] for point in run.metrics() if point["name"] == "train/loss"]
    assert losses[-1] < losses[0] - 0.3
    assert len(run.result["averaged"]) == FULL.train.average_last == 5

    scores = {(item["metric"], item["protocol"].get("tokenisation")): item for item in run.result["measurements"]}
    tokenised, cased = scores["bleu", "tokenised"], scores["bleu", "13a"]
    assert tokenised["protocol"]["compound_split"] is True
    assert (tokenised["protocol"]["beam"], tokenised["protocol"]["length_penalty"]) == (4, 0.6)
    assert (tokenised["split"], tokenised["n"]) == ("newstest2014", 20)
    assert "tok:none" in tokenised["signature"]
    assert "tok:13a" in cased["signature"]
    assert scores["perplexity", None]["split"] == "newstest2013"
    claims = {claim["id"] for claim in registry.claims("transformer")}
    assert {item["claim"] for item in run.result["measurements"]} - {None} <= claims

    again = train(tmp_path)  # finished: nothing is trained or fetched
    assert again.path == run.path


def test_preparation_that_broke_off_goes_on_with_the_next_corpus(tmp_path, mirror):
    said = []
    archive = mirror / "wmt14" / "training-parallel-nc-v9.tgz"
    whole = archive.read_bytes()
    with tarfile.open(archive, "w:gz"):
        pass  # an archive without members
    task = Task(recipe=override(FULL, SMALL), data_home=tmp_path, device="cpu", seed=0)
    with pytest.raises(NotReady, match="has no member training/news-commentary"):
        task.prepare(said.append)
    assert sum(line.endswith("MB)") for line in said) == 5

    # The pinned hash is that of the empty archive: a file that changes is refused until the pin is removed.
    archive.write_bytes(whole)
    for pin in (tmp_path / "pins").iterdir():
        if "nc-v9" in json.loads(pin.read_text())["url"]:
            pin.unlink()
    said.clear()
    task.prepare(said.append)
    assert sum(line.endswith("MB)") for line in said) == 1
    assert len(task.train_pairs) == 3 * 60


def test_a_wrong_hash_is_refused_before_anything_is_read(tmp_path, mirror, monkeypatch):
    dataset = manifest.load()["wmt14-en-de"]
    files = {key: dataclasses.replace(file, sha256="0" * 64) for key, file in dataset.files.items()}
    monkeypatch.setattr(manifest, "load", lambda: {dataset.name: dataclasses.replace(dataset, files=files)})
    task = Task(recipe=override(FULL, SMALL), data_home=tmp_path, device="cpu", seed=0)
    with pytest.raises(NotReady, match="but the manifest says 0000"):
        task.prepare(lambda _: None)


def test_without_a_gpu_the_full_tier_says_what_it_takes_and_what_fits():
    here = Machine(cpu="x", cores=2, memory=64 * 10**9, gpu=None, gpu_memory=None)
    tiers = [registry.recipe("transformer-base", tier) for tier in registry.tiers("transformer-base")]
    with pytest.raises(NotReady, match="needs a CUDA GPU") as caught:
        machine.check(FULL, tiers, here, registry.folder("transformer"))
    assert "--tier mini" in caught.value.hint
