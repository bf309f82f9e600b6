"""One wheel carries everything and works from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel's files in an empty folder, as pip would lay them."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=100,
    )
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def run(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "PAPERLAB_HOME": str(cwd / "home"),
        "PYTHONPATH": str(installed),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-P", *words], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


def test_the_wheel_carries_both_packages_the_migrations_and_the_app(installed):
    for part in (
        "paperlab/_bundled/app.py",
        "paperlab/_bundled/migrations/env.py",
        "reproductions/transformer/claims.toml",
    ):
        assert (installed / part).is_file(), part
    assert list((installed / "paperlab/_bundled/migrations/versions").glob("0001*.py"))


def test_a_database_is_made_from_the_bundled_migrations_in_another_folder(installed, tmp_path):
    where = run(installed, tmp_path, "-c", "import paperlab; print(paperlab.__file__)")
    assert str(installed) in where.stdout
    done = run(installed, tmp_path, "-m", "paperlab", "db", "upgrade")
    assert done.returncode == 0, done.stderr
    listed = run(installed, tmp_path, "-m", "paperlab", "papers", "list", "--json")
    assert "1706.03762" in listed.stdout, listed.stderr


def test_the_registry_of_the_wheel_names_its_recipes(installed, tmp_path):
    done = run(installed, tmp_path, "-m", "reproductions", "--list")
    assert done.returncode == 0, done.stderr
    assert "transformer-base" in done.stdout


def test_reproductions_alone_needs_nothing_of_paperlab(installed, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(installed / "reproductions", bare / "reproductions")
    done = run(bare, tmp_path, "-m", "reproductions", "transformer", "--structure", "--json")
    assert done.returncode == 0, done.stderr
    assert "table-3" in done.stdout
