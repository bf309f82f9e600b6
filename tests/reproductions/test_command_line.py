"""python -m reproductions: stdout is data, stderr is talk, every error has its exit code."""

from __future__ import annotations

import json

import pytest

from reproductions import __main__ as command_line

from .tiny_paper.running import PACKAGE


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Calls the command with the tiny paper on its list, and returns exit code, stdout and stderr."""
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", PACKAGE)
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    monkeypatch.setenv("PAPERLAB_THREADS", "1")

    def call(*words: str) -> tuple[int, str, str]:
        code = command_line.main(words)
        return (code, *capsys.readouterr())

    return call


def test_a_run_ends_with_its_path_on_stdout(run, tmp_path):
    code, output, errors = run("tiny-next", "--tier", "smoke")
    assert code == 0
    (path,) = (tmp_path / "runs").glob("2*")
    assert output == f"{path}\n"
    assert f"run: {path}" in errors
    assert run("tiny-next", "--tier", "smoke", "--quiet") == (0, f"{path}\n", "")


def test_json_is_one_object(run):
    code, output, _ = run("tiny-next", "--tier", "smoke", "--json", "--set", "train.max_steps=2")
    answer = json.loads(output)
    assert (code, answer["status"]) == (0, "finished")
    assert answer["path"].endswith(answer["run"])


def test_a_stopped_run_is_named_too(run):
    code, output, errors = run("tiny-next", "--tier", "smoke", "--json", "--max-wall", "0")
    assert code == 75
    assert json.loads(output)["status"] == "interrupted"
    assert errors.endswith(
        "error: stopped early: the time allowed is used up.\n  the same command goes on with this run\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["tiny-nxt"], 3, 'error: no reproduction is called "tiny-nxt".\n  did you mean: tiny-next'),
        (["tiny-next", "--tier", "huge"], 3, 'error: tiny-next has no tier "huge".'),
        (["tiny-next", "--tier", "smoke", "--set", "optim.rl=1"], 3, 'no field "optim.rl".\n  near: optim.lr'),
        (["tiny-next", "--tier", "smoke", "--set", "optim.lr"], 3, "--set takes KEY=VALUE"),
        (["tiny-next", "--device", "cpu"], 4, "tiny-next --tier full needs a CUDA GPU with 80 GB"),
        (["tiny-next", "--device", "cpu"], 4, "what fits here: --tier smoke"),
    ],
)
def test_an_error_names_the_thing_the_reason_and_what_to_do(run, tmp_path, words, code, text):
    found, output, errors = run(*words)
    assert (found, output) == (code, "")
    assert text in errors
    assert list(tmp_path.glob("runs/2*")) == []


def test_wrong_usage_exits_2(run):
    for words in ((), ("tiny-next", "--tier"), ("tiny-next", "--device", "tpu"), ("tiny-next", "--max-wall", "soon")):
        with pytest.raises(SystemExit) as raised:
            run(*words)
        assert raised.value.code == 2


def test_threads_that_are_no_number_are_refused(run, monkeypatch):
    monkeypatch.setenv("PAPERLAB_THREADS", "many")
    code, _, errors = run("tiny-next", "--tier", "smoke")
    assert code == 3
    assert 'PAPERLAB_THREADS is a number of threads, not "many"' in errors


def test_the_list_shows_recipes_with_their_tiers(run):
    code, output, _ = run("--list")
    assert code == 0
    assert any(line.split()[:3] == ["tiny-next", "full,", "smoke"] for line in output.splitlines())
    rows = json.loads(run("--list", "--json")[1])["recipes"]
    assert {"recipe": "tiny-next", "tiers": ["full", "smoke"]}.items() <= rows[-1].items()


def test_structure_is_measured_without_a_run(run, tmp_path):
    code, output, _ = run("tiny-next", "--structure")
    assert code == 0
    assert output.split() == ["parameters", "189"]
    assert json.loads(run("tiny-next", "--structure", "--json")[1])["measurements"][0]["value"] == 189
    assert not (tmp_path / "runs").exists()


def test_a_folder_for_runs_that_cannot_be_made_is_exit_4(run, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    code, _, errors = run("tiny-next", "--tier", "smoke", "--runs-dir", str(tmp_path / "file" / "runs"))
    assert code == 4
    assert f"cannot write {tmp_path / 'file' / 'runs'}" in errors


def test_a_refusal_is_one_object_too(run):
    code, output, _ = run("tiny-next", "--tier", "smoke", "--json", "--set", "train.max_steps=0")
    assert (code, json.loads(output)) == (
        3,
        {"error": "train.max_steps is 0", "hint": "a number of at least 1 is needed", "exit": 3},
    )
