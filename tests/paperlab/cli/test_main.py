"""How a command ends: what is printed where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from paperlab import errors
from paperlab.cli import main


@pytest.fixture
def failing(monkeypatch):
    """A way to make `paperlab db check` end in any error."""

    def fail_with(error: BaseException) -> None:
        def command(*_args: object, **_kwargs: object) -> None:
            raise error

        monkeypatch.setattr(main, "command_line", lambda _loaded: command)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput("that is not this", "try that"), 3),
        (errors.UnknownName("recipe", "transfomer-base", ["transformer-base"], "paperlab reproduce --list"), 3),
        (errors.NotReady("no GPU is here", "use --tier mini"), 4),
        (errors.TryAgain("arXiv says 429", "wait", reason="rate-limit", retry_after_s=60), 75),
        (KeyboardInterrupt(), 75),
        (BrokenPipeError(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_kind_of_error_has_its_exit_code(failing, error, code, monkeypatch):
    if isinstance(error, BrokenPipeError):
        monkeypatch.setattr("sys.stderr.close", lambda: None)
    failing(error)
    assert main.exit_code(["db", "check"]) == code


def test_an_error_names_the_thing_the_near_names_and_the_listing(failing, capsys):
    failing(errors.UnknownName("reproduction", "transfomer-base", ["transformer-base"], "paperlab reproduce --list"))
    main.exit_code(["reproduce", "transfomer-base"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'error: no reproduction is called "transfomer-base".'
    assert "did you mean: transformer-base" in lines[1]
    assert "paperlab reproduce --list" in lines[1]


def test_with_json_an_error_is_one_object_on_stdout(failing, capsys):
    failing(errors.TryAgain("arXiv says 429", "wait", reason="rate-limit", retry_after_s=60.0))
    main.exit_code(["sync", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record == {
        "error": "arXiv says 429",
        "hint": "wait",
        "exit": 75,
        "reason": "rate-limit",
        "retry_after_s": 60.0,
    }


def test_an_unforeseen_error_is_one_line_and_its_traceback_goes_to_the_log(failing, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    failing(ZeroDivisionError("by nought"))
    assert main.exit_code(["db", "check"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert "ZeroDivisionError: by nought" in (tmp_path / "paperlab.log").read_text(encoding="utf-8")


def test_an_unknown_option_is_a_usage_error(capsys):
    assert main.exit_code(["papers", "list", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert main.exit_code(["--version"]) == 0
    assert capsys.readouterr().out.startswith("paperlab ")


def test_the_list_of_commands_says_what_each_command_says_of_itself(capsys):
    main.exit_code(["--help"])
    listing = capsys.readouterr().out
    for name, summary in main.COMMANDS.items():
        assert f"{name} " in listing
        assert summary[:40] in listing
        main.exit_code([name, "--help"])
        assert "".join(summary.rstrip(".").split()) in "".join(capsys.readouterr().out.split())


def test_a_command_that_does_not_exist_is_a_usage_error(capsys):
    assert main.exit_code(["paper", "list"]) == 2
    assert "paper" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    environ = {**os.environ, "PAPERLAB_HOME": str(tmp_path)}
    command = f"{sys.executable} -m paperlab papers list --json; echo $? >&2"
    subprocess.run([sys.executable, "-m", "paperlab", "db", "upgrade"], env=environ, check=True, capture_output=True)
    done = subprocess.run(["sh", "-c", f"({command}) | true"], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_try_again_with_a_reason(monkeypatch, capsys):
    monkeypatch.setattr(main, "command_line", lambda _loaded: lambda *_args, **_words: 130)
    assert main.exit_code(["sync", "--json"]) == 75
    assert json.loads(capsys.readouterr().out)["reason"] == "interrupted"


def test_a_usage_error_is_an_object_too_where_json_is_asked_for(capsys):
    assert main.exit_code(["papers", "list", "--json", "--no-such-option"]) == errors.USAGE
    shown = json.loads(capsys.readouterr().out)
    assert shown["exit"] == errors.USAGE
    assert "--no-such-option" in shown["error"]


def test_a_profile_that_is_new_in_the_settings_is_matched_before_it_is_listed(tmp_path, monkeypatch, capsys):
    """Nothing has to be fetched for it: what is held is enough."""
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    assert main.exit_code(["db", "upgrade"]) == 0
    (tmp_path / "paperlab.toml").write_text(
        '[profiles.attention]\ncategories = ["cs.CL"]\nterms = ["attention"]\n', encoding="utf-8"
    )
    capsys.readouterr()
    assert main.exit_code(["papers", "list", "--profile", "attention", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] > 0
