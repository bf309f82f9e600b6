"""The shape of the house: which package may import which, what a command must not load, how long a module may be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "streamlit", "pandas", "numpy", "plotly", "sacrebleu", "tokenizers", "scipy"}


def modules_after(*words: str, home: Path) -> set[str]:
    """The top-level modules that are loaded once this paperlab command has ended."""
    program = (
        "import json, sys\n"
        "from paperlab.cli.main import exit_code\n"
        "code = exit_code(json.loads(sys.argv[1]))\n"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(words)],
        env={"PATH": "/usr/bin:/bin", "PAPERLAB_HOME": str(home), "HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(done.stderr.strip().splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("papers", "list"),
        ("runs", "list"),
        ("claims", "list", "--help"),
        ("reproduce", "--list"),
        ("sync", "--help"),
        ("db", "check"),
    ],
    ids=" ".join,
)
def test_help_and_lists_start_without_heavy_packages(words, tmp_path):
    if words == ("db", "check"):
        modules_after("db", "upgrade", home=tmp_path)
    assert not modules_after(*words, home=tmp_path) & HEAVY


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
