"""The shape of the house: which package may import which, what a command must not load, how long a module may be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "streamlit", "pandas", "numpy", "plotly", "sacrebleu", "tokenizers", "scipy"}


LIGHT = {
    "--help": ["--help"],
    "papers list": ["papers", "list"],
    "runs list": ["runs", "list"],
    "claims list --help": ["claims", "list", "--help"],
    "reproduce --list": ["reproduce", "--list"],
    "sync --help": ["sync", "--help"],
    "generate --help": ["generate", "--help"],
    "import --help": ["import", "--help"],
    "db check": ["db", "check"],
}
"""Commands that start without what trains, draws or counts."""

FORKED = """
import json, os, sys
from paperlab.cli import main
home = os.environ["PAPERLAB_HOME"]
for name, words in json.loads(sys.argv[1]).items():
    if (child := os.fork()) == 0:  # as fresh as a process of its own: nothing but the command line is imported
        os.environ["PAPERLAB_HOME"] = os.path.join(home, name.split()[0].strip("-"))
        if words == ["db", "check"]:
            assert main.exit_code(["db", "upgrade"]) == 0
        code = main.exit_code(words)
        modules = sorted({module.partition(".")[0] for module in sys.modules})
        print("loaded", json.dumps([name, code, modules]), file=sys.stderr)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, tuple[int, set[str]]]:
    """For each command: its exit code, and the top-level modules that are loaded once it has ended."""
    home = tmp_path_factory.mktemp("light")
    done = subprocess.run(
        [sys.executable, "-c", FORKED, json.dumps(LIGHT)],
        env={"PATH": "/usr/bin:/bin", "PAPERLAB_HOME": str(home), "HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [json.loads(line[7:]) for line in done.stderr.splitlines() if line.startswith("loaded ")]
    return {name: (code, set(names)) for name, code, names in said}


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", LIGHT)
def test_help_and_lists_start_without_heavy_packages(command, loaded):
    code, modules = loaded[command]
    assert code == 0
    assert "paperlab" in modules
    assert not modules & HEAVY


def python_files() -> list[Path]:
    folders = ("paperlab", "reproductions", "migrations", "tests", "benchmarks")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_no_module_hides_a_missing_noun():
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files()
        if "tests" not in path.parts and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert too_long == {}


def test_no_module_is_named_after_nothing():
    nothing = {"utils", "helpers", "common", "misc", "manager", "util", "helper"}
    assert [path for path in python_files() if path.stem in nothing] == []


def test_a_network_can_be_read_beside_its_paper():
    for path in (ROOT / "reproductions").glob("*/model.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path


def test_the_training_loop_stays_small():
    assert len((ROOT / "reproductions/engine/trainer.py").read_text(encoding="utf-8").splitlines()) <= 300
