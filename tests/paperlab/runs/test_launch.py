"""Training as another process: its command line, its last word, its signals and its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from paperlab.errors import InvalidInput, NotReady, TryAgain, UnknownName
from paperlab.runs import launch
from reproductions import registry

TRAINER = """
import json, os, signal, sys, time
said = {"run": "r", "path": "/runs/r", "status": "finished"}
print("other talk on stdout")
print(json.dumps({**said, "arguments": sys.argv[1:], "home": os.environ["PAPERLAB_HOME"]}))
"""

PATIENT = """
import json, os, pathlib, signal, sys, time
from reproductions.engine import ranks
here = pathlib.Path(os.environ["PAPERLAB_HOME"])
def stop(number, frame):
    print(json.dumps({"run": "r", "path": "/runs/r", "status": signal.Signals(number).name}))
    sys.stdout.flush()
    os._exit(75)
signal.signal(signal.SIGTERM, stop)
ranks.stay_with_parent()
(here / "pid").write_text(str(os.getpid()))
time.sleep(30)
"""


def python(folder: Path, program: str) -> str:
    """A stand-in for the interpreter, which runs `program` whatever it is asked to run."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{program}")
    path.chmod(0o755)
    return str(path)


def test_the_child_gets_every_option_the_home_and_the_folder_of_runs(tmp_path: Path) -> None:
    request = launch.Request(
        *("x", "mini", 3, ("optim.lr=1", "a=b")),
        **{"again": True, "device": "cpu", "threads": 2, "quiet": True, "gpus": 4, "max_seconds": 7200.0},
    )
    assert request.arguments(tmp_path) == [
        *("x", "--tier", "mini", "--seed", "3", "--device", "cpu", "--set", "optim.lr=1", "--set", "a=b"),
        *("--threads", "2", "--gpus", "4", "--max-wall", "7200", "--again", "--quiet"),
        *("--runs-dir", str(tmp_path), "--json"),
    ]


def test_the_last_object_on_stdout_says_where_the_run_lies(tmp_path: Path) -> None:
    ended = launch.run(launch.Request("x"), home=tmp_path, python=python(tmp_path, TRAINER))
    assert ended == launch.Ended(0, "r", Path("/runs/r"), "finished")


@pytest.mark.parametrize("code", [1, 3, 4, 75])
def test_the_exit_code_of_the_child_is_kept(tmp_path: Path, code: int) -> None:
    ended = launch.run(launch.Request("x"), home=tmp_path, python=python(tmp_path, f"raise SystemExit({code})"))
    assert ended == launch.Ended(code)


def test_a_killed_child_means_try_again(tmp_path: Path) -> None:
    program = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    ended = launch.run(launch.Request("x"), home=tmp_path, python=python(tmp_path, program))
    assert (ended.exit_code, ended.stopped_by) == (75, "SIGKILL")


def parent(folder: Path) -> subprocess.Popen[str]:
    """A process that launches a patient child, and prints how it ended."""
    program = f"""
    from pathlib import Path
    from paperlab.runs import launch
    print(launch.run(launch.Request("x"), home=Path({str(folder)!r}), python={python(folder, PATIENT)!r}))
    """
    started = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_being_asked_to_stop_asks_the_child_and_waits_for_its_checkpoint(tmp_path: Path, number: int) -> None:
    started = parent(tmp_path)
    started.send_signal(number)
    said, _ = started.communicate(timeout=20)
    assert "exit_code=75" in said
    assert "status='SIGTERM'" in said
    assert "asked_to_stop=True" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    started = parent(tmp_path)
    child = int((tmp_path / "pid").read_text())
    started.kill()
    started.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        # Where nobody collects orphans, a dead process stays as a zombie.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_missing_packages_are_named_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "TRAINING_PACKAGES", ("json", "no_such_package"))
    with pytest.raises(NotReady, match="training needs no_such_package, which is not installed") as caught:
        launch.require_packages()
    assert caught.value.hint == "pip install 'paperlab[train]'"


def test_an_unknown_recipe_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName) as caught:
        launch.check_name("transfomer-base", "smoke")
    assert "did you mean: transformer-base" in caught.value.hint
    assert "paperlab reproduce --list" in caught.value.hint


def test_an_unknown_tier_and_the_name_of_a_paper_are_invalid_input() -> None:
    with pytest.raises(InvalidInput, match='no tier "huge"'):
        launch.check_name("transformer-base", "huge")
    with pytest.raises(InvalidInput, match="is a paper, not a recipe"):
        launch.check_name("transformer", "smoke")


@pytest.mark.parametrize(("code", "kind"), [(3, InvalidInput), (4, NotReady), (75, TryAgain)])
def test_errors_of_reproductions_keep_their_exit_codes(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, launch.explained():
        raise registry.ReproductionError("it is so", "python -m reproductions --list", code)
    assert caught.value.hint == "paperlab reproduce --list"  # type: ignore[attr-defined]
    assert caught.value.exit_code == code  # type: ignore[attr-defined]
