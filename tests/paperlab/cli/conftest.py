from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from paperlab.cli import main
from reproductions import registry

Run = Callable[..., "Outcome"]


class Outcome:
    """What one command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session", autouse=True)
def command_lines_built_once() -> Iterator[None]:
    """A process builds one, from all its signatures; here a thousand commands would build it anew in one process."""
    built: dict[tuple[str, ...], Any] = {}

    def once(loaded: Sequence[str] = tuple(main.COMMANDS)) -> Any:
        key = tuple(loaded)
        if key not in built:
            built[key] = typer.main.get_command(build(loaded))
        return built[key]

    build = main.command_line
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "command_line", once)
        yield


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, address_for: Callable[[Path], str]
) -> Path:
    """An empty PAPERLAB_HOME, and one reproduction: tests/paperlab/claimed_paper."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PAPERLAB_HOME", str(folder))
    if request.config.getoption("database") != "sqlite":
        monkeypatch.setenv("PAPERLAB_DATABASE_URL", address_for(folder))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", "tests.paperlab.claimed_paper")
    monkeypatch.setattr(registry, "PACKAGES", ())
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def paperlab(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process; children write to the same captured streams."""

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        code = main.exit_code(words)
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run
