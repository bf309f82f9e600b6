from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from paperlab.cli import dashboard, main
from paperlab.errors import NOT_READY

ROOT = Path(__file__).parents[3]


def test_flags_and_the_settings_file_say_the_same():
    sections = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert _flat(sections) == dashboard.OPTIONS


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def test_the_server_is_told_to_listen_here_and_to_call_nobody():
    words = dashboard.command(8600)
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.headless=true" in words
    assert "--server.port=8600" in words
    assert str(ROOT / "app.py") in words


def test_outside_a_checkout_the_app_in_the_wheel_is_served(tmp_path, monkeypatch):
    package = tmp_path / "paperlab"
    (package / "_bundled").mkdir(parents=True)
    (package / "_bundled" / "app.py").touch()
    (tmp_path / "app.py").touch()  # somebody else's: no pyproject.toml beside it
    monkeypatch.setattr("paperlab.__file__", str(package / "__init__.py"))
    assert dashboard.app_file() == package / "_bundled" / "app.py"


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_an_error_that_names_a_free_one(taken_port, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    assert main.exit_code(["dashboard", "--no-browser", "--port", str(taken_port)]) == NOT_READY
    said = capsys.readouterr().err
    assert f"port {taken_port} is taken" in said
    assert "paperlab dashboard --port" in said


def test_the_next_port_is_taken_where_the_first_is_not_free(taken_port):
    assert dashboard.free_port(taken_port) > taken_port


def test_it_prints_its_address_and_ends_when_asked_to(tmp_path):
    port = dashboard.free_port(18600)
    server = subprocess.Popen(
        [sys.executable, "-m", "paperlab", "dashboard", "--no-browser", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PAPERLAB_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=20)
    assert (address, server.returncode) == (f"http://127.0.0.1:{port}", 0), errors
    assert dashboard.free_port(port) == port
