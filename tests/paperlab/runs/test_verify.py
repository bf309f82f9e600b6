"""A run is held against all that it says of itself; a changed byte is found, and what can't be known here is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import code_check
from paperlab.runs import verify as verifying
from paperlab.runs.integrity import Check, Finding
from reproductions import code_tree, registry
from reproductions.engine import provenance
from reproductions.run_directory import RunDirectory
from tests.paperlab.runs import directories, whole_runs
from tests.reproductions.test_provenance import git
from tests.reproductions.tiny_paper import running

Trained = Callable[[], Path]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really trained, by the code of now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAPERLAB_REPRODUCTIONS", running.PACKAGE)
        fingerprint, code = registry.fingerprint("tiny-next", "smoke"), registry.fingerprint("tiny-next")
        runs_dir = tmp_path_factory.mktemp("original")
        return running.train(runs_dir, fingerprint=fingerprint, code=code).path


@pytest.fixture
def run(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be tampered with."""
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", running.PACKAGE)
    return Path(shutil.copytree(original, tmp_path / original.name))


def verify(folder: Path, **options: Any) -> list[Check]:
    return verifying.verify(folder, data_home=options.pop("data_home", folder / "nowhere"), **options)


def of(found: list[Check], finding: Finding) -> dict[str, str]:
    return {check.what: check.why for check in found if check.finding is finding}


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def test_a_run_as_it_was_written_is_in_order(run: Path) -> None:
    found = verify(run)
    assert of(found, Finding.DIFFERS) == {}
    assert {
        "form",
        "metrics.jsonl",
        "events.jsonl",
        "result.json",
        "code",
        "recipe",
        "events",
        "measurement accuracy",
    } <= set(of(found, Finding.OK))
    assert of(found, Finding.UNCHECKED) == {"data tiny": "nothing was downloaded for it"}


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("metrics.jsonl", '"value": ', '"value": 1', "metrics.jsonl"),
        ("samples.jsonl", '"output": "', '"output": "1', "samples.jsonl"),
        ("events.jsonl", '"event": "evaluating"', '"event": "evaluated_"', "events.jsonl"),
        ("result.json", '"value": 0.', '"value": 1.', "result.json"),
        ("run.json", '"seed": 1', '"seed": 2', "run.json"),
        ("run.json", '"lr": 0.01', '"lr": 0.02', "recipe"),
        ("run.json", '"id": "2026', '"id": "2025', "form"),
        ("checkpoints/step-000006/state.json", '"step": 6', '"step": 7', "checkpoints/step-000006/state.json"),
    ],
)
def test_a_changed_word_is_found(run: Path, file: str, old: str, new: str, what: str) -> None:
    edit(run / file, old, new)
    assert what in of(verify(run), Finding.DIFFERS)


def test_a_changed_weight_is_found(run: Path) -> None:
    weights = run / "checkpoints" / "averaged" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "averaged/model.safetensors is not what its state.json says" in of(verify(run), Finding.DIFFERS)["form"]


def test_points_that_were_added_or_cut_off_are_found(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "time": 1.0, "name": "val/loss", "value": 0.1}\n')
    found = of(verify(run), Finding.DIFFERS)
    assert "points go up to 7" in found["events"]
    assert "metrics.jsonl" in found
    (run / "metrics.jsonl").write_text("")
    assert "it has 0 bytes" in of(verify(run), Finding.DIFFERS)["metrics.jsonl"]


def test_checkpoints_that_are_not_here_can_t_be_checked(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    found = verify(run)
    assert of(found, Finding.DIFFERS) == {}
    assert of(found, Finding.UNCHECKED)["checkpoints/step-000006/state.json"] == "it is not here"


def test_other_code_is_named_and_not_accused(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["code"] = "0" * 64
    record["provenance"] |= {"commit": None, "code_sha256": "0" * 64}
    (run / "run.json").write_text(json.dumps(record))
    assert "comes from no checkout" in of(verify(run), Finding.UNCHECKED)["code"]
    record["provenance"]["code_sha256"] = code_tree.sha256(running.ROOT)
    (run / "run.json").write_text(json.dumps(record))
    assert "the files are those of today" in of(verify(run), Finding.DIFFERS)["code"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of our code whose trainer was changed after its commit."""
    folder = tmp_path / "checkout"
    for path in code_tree.files(running.ROOT):
        copy = folder / path.relative_to(running.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "begin")
    trainer = folder / "reproductions" / "engine" / "trainer.py"
    trainer.write_text(trainer.read_text() + "\nCHANGED = True\n")
    return folder


def test_the_code_of_a_commit_and_its_kept_changes_is_put_together_again(tmp_path: Path, checkout: Path) -> None:
    path = whole_runs.finished(tmp_path / "runs")
    source = provenance.code(checkout)
    assert source.diff is not None
    code = registry.fingerprint("transformer", root=checkout)
    record = json.loads((path / "run.json").read_text()) | {"code": code, "provenance": dict(source.record)}
    kept = path / str(source.record["diff"])
    kept.write_bytes(source.diff)
    git(checkout, "checkout", "-q", ".")

    def check(checkout: Path, **changes: str) -> Check:
        return code_check.check(path, record | changes, "f" * 64, checkout)

    found = check(checkout)
    assert (found.finding, found.why.partition(" with ")[2]) == (Finding.OK, "the changes that were kept")
    assert "is not in this checkout" in check(tmp_path).why
    other = check(checkout, code="0" * 64)
    assert other.finding is Finding.DIFFERS
    assert "comes to" in other.why
    kept.write_bytes(b"something else")
    assert "were not kept or are not here" in check(checkout).why


def test_data_is_held_against_the_cache_and_the_list(run: Path, tmp_path: Path) -> None:
    url, listed = next(iter(registry.data_files().items()))
    content = b"data"
    digest = hashlib.sha256(content).hexdigest()
    record = json.loads((run / "run.json").read_text())
    files = {
        "cached": {"sha256": digest, "url": "https://example.org/a", "bytes": 4, "pinned": True},
        "listed": {"sha256": listed, "url": url, "bytes": 4, "pinned": False},
        "other": {"sha256": digest, "url": url, "bytes": 4, "pinned": False},
    }
    record["provenance"] |= {"data": files, "tokenizer": {"sha256": digest}}
    (run / "run.json").write_text(json.dumps(record))
    home = tmp_path / "data"
    (home / "files").mkdir(parents=True)
    (home / "files" / digest).write_bytes(content)
    found = verify(run, data_home=home)
    assert {"data cached", "data listed"} <= set(of(found, Finding.OK))
    assert "data/manifest.toml" in of(found, Finding.DIFFERS)["data other"]
    assert of(found, Finding.UNCHECKED)["tokenizer"] == "none here has its hash"
    (home / "files" / digest).write_bytes(b"damaged")
    assert of(verify(run, data_home=home), Finding.DIFFERS)["data cached"] == "the file in the cache has another hash"


def test_an_unfinished_run_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    with whole_runs.begin(tmp_path / "runs") as recorder:
        found = verify(recorder.path)
    assert of(found, Finding.DIFFERS) == {}
    assert "hashes are written at its end" in of(found, Finding.UNCHECKED)["files"]


def test_a_run_of_an_older_version_is_no_forgery(tmp_path: Path) -> None:
    path = directories.finished(tmp_path / "runs", measurements=[directories.measured("gone", 0.5)])
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(
        json.dumps({key: result[key] for key in result if key not in ("files", "energy")})
    )
    found = verify(path)
    assert of(found, Finding.DIFFERS) == {}
    assert {"files", "result.json", "code", "measurement exact_match"} <= set(of(found, Finding.UNCHECKED))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a run directory"):
        verify(tmp_path)
    path = whole_runs.finished(tmp_path / "runs")
    (path / "events.jsonl").write_text('{"a":' * 3000 + "1" + "}" * 3000 + "\n")
    with pytest.raises(InvalidInput, match="nested too deep"):
        verify(path)
    assert RunDirectory(path).result is not None
