"""Where a run comes from: commit and changes, kept so that the code can be put together again."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from reproductions import code_tree, registry
from reproductions.engine import provenance
from reproductions.run_directory import RunDirectory

from .tiny_paper.running import ROOT, train


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository with two files of code and one of prose, committed."""
    folder = tmp_path / "checkout"
    (folder / "reproductions").mkdir(parents=True)
    for name, content in {"registry.py": "A = 1\n", "data.toml": "a = 1\n", "README.md": "words\n"}.items():
        (folder / "reproductions" / name).write_text(content)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


def test_an_unchanged_checkout_is_its_commit(checkout):
    (checkout / "reproductions" / "README.md").write_text("other words\n")
    source = provenance.code(checkout)
    assert source.record["commit"] == git(checkout, "rev-parse", "HEAD")
    assert (source.record["dirty"], source.record["diff_sha256"], source.diff) == (False, None, None)


def test_changes_are_kept_so_that_the_code_can_be_put_together_again(checkout, tmp_path):
    git(checkout, "config", "diff.noprefix", "true")
    (checkout / "reproductions" / "registry.py").write_text("A = 2\n")
    (checkout / "reproductions" / "new").mkdir()
    (checkout / "reproductions" / "new" / "näme.py").write_text("B = 'no line end'")
    (checkout / "reproductions" / "data.toml").unlink()
    before = git(checkout, "status", "--porcelain"), sorted((checkout / ".git").rglob("*"))
    source = provenance.code(checkout)
    assert (git(checkout, "status", "--porcelain"), sorted((checkout / ".git").rglob("*"))) == before
    assert source.record["dirty"]
    assert source.record["diff_sha256"] == hashlib.sha256(source.diff).hexdigest()
    git(checkout, "stash", "-q", "--include-untracked")
    (tmp_path / "rebuilt").mkdir()
    why = code_tree.rebuild(checkout, source.record["commit"], source.diff, tmp_path / "rebuilt", os.environ)
    assert why == ""
    assert code_tree.sha256(tmp_path / "rebuilt") == source.record["code_sha256"]


def test_a_diff_that_reaches_outside_writes_nothing(checkout, tmp_path):
    commit = git(checkout, "rev-parse", "HEAD")
    for name in ("../../outside.py", "/tmp/outside.py"):
        diff = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+A\n"
        target = tmp_path / "deep" / hashlib.sha256(name.encode()).hexdigest()
        target.mkdir(parents=True)
        why = code_tree.rebuild(checkout, commit, diff.encode(), target, os.environ)
        assert "can't be applied" in why
    link = "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+..\n"
    link += "\\ No newline at end of file\n"
    inside = "diff --git a/x/o.py b/x/o.py\nnew file mode 100644\n--- /dev/null\n+++ b/x/o.py\n@@ -0,0 +1 @@\n+A\n"
    target = tmp_path / "deep" / "link"
    target.mkdir()
    assert "can't be applied" in code_tree.rebuild(checkout, commit, (link + inside).encode(), target, os.environ)
    assert not list(tmp_path.glob("**/o*.py"))


def test_outside_a_checkout_there_is_the_hash_of_the_code(tmp_path):
    (tmp_path / "reproductions").mkdir()
    (tmp_path / "reproductions" / "registry.py").write_text("A = 1\n")
    source = provenance.code(tmp_path)
    assert (source.record["commit"], source.record["dirty"], source.diff) == (None, None, None)
    assert source.record["code_sha256"] == code_tree.sha256(tmp_path)
    (tmp_path / "reproductions" / "registry.py").write_text("A = 2\n")
    assert source.record["code_sha256"] != code_tree.sha256(tmp_path)


def test_the_fingerprint_of_a_copy_of_the_code_is_the_same_and_nothing_of_it_is_executed(tmp_path):
    for path in code_tree.files(ROOT):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert registry.fingerprint("transformer", root=tmp_path) == registry.fingerprint("transformer")
    init = tmp_path / "reproductions" / "transformer" / "__init__.py"
    init.write_text(init.read_text() + "\nraise SystemExit('executed')\n")
    registry.fingerprint("transformer", root=tmp_path)
    model = tmp_path / "reproductions" / "transformer" / "model.py"
    model.write_text(model.read_text() + "\nCHANGED = True\n")
    assert registry.fingerprint("transformer", root=tmp_path) != registry.fingerprint("transformer")


@pytest.mark.parametrize(
    ("device", "threads", "ranks", "promised"),
    [("cpu", 1, 1, "bitwise"), ("cpu", 2, 1, "seeded"), ("cpu", 1, 2, "seeded"), ("cuda:0", 1, 1, "seeded")],
)
def test_only_one_thread_on_a_cpu_promises_the_same_bits(device, threads, ranks, promised):
    assert provenance.determinism(device, threads, ranks) == promised


def test_a_run_keeps_the_changes_of_its_checkout_and_the_hashes_of_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "code", lambda _: provenance.Source({"diff": "artifacts/x.diff"}, b"a change"))
    run = train(tmp_path)
    assert run.run["provenance"]["determinism"] == "bitwise"
    digest = hashlib.sha256(b"a change").hexdigest()
    assert (run.path / "artifacts" / f"{digest[:16]}.diff").read_bytes() == b"a change"
    files = run.result["files"]
    assert set(files) == {
        "run.json", "metrics.jsonl", "samples.jsonl", "events.jsonl", f"artifacts/{digest[:16]}.diff",
        "checkpoints/averaged/state.json", "checkpoints/step-000004/state.json", "checkpoints/step-000006/state.json",
    }  # fmt: skip
    for name, noted in files.items():
        content = (run.path / name).read_bytes()[: noted["bytes"]]
        assert hashlib.sha256(content).hexdigest() == noted["sha256"]
    assert run.result["energy"] is None
    last = RunDirectory(run.path).events()[-1]
    assert last["event"] == "finished"
    assert last["result_sha256"] == hashlib.sha256((run.path / "result.json").read_bytes()).hexdigest()


def test_the_fingerprint_of_a_run_follows_from_its_code_and_the_values_that_it_keeps():
    kept = registry.recipe_values("transformer-base", "smoke", {})
    now = registry.fingerprint("transformer-base", "smoke")
    assert registry.fingerprint("transformer-base", "smoke", values=kept, root=ROOT) == now
    other = registry.recipe_values("transformer-base", "smoke", {"optim.lr": "2.0"})
    assert registry.fingerprint("transformer-base", "smoke", values=other, root=ROOT) != now
