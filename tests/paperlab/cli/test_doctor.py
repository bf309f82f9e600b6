"""`paperlab doctor` as people and programs meet it."""

from __future__ import annotations

import pytest

from paperlab.library import doctor
from paperlab.library.findings import Check, State


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    """Importing torch in another process takes seconds."""
    examine = doctor.examine
    found = Check("environment", "torch", State.OK, "not asked here")
    monkeypatch.setattr(doctor, "examine", lambda *a, **k: examine(*a, **{"torch": lambda: found, **k}))


def test_what_is_found_is_a_line_each_and_no_problem_is_0(paperlab):
    done = paperlab("doctor", "--offline")
    assert done.code == 0, done.out
    assert any(line.startswith("ok") and "Python" in line for line in done.out.splitlines())
    assert "0 problems" in done.err


def test_a_problem_is_4_and_says_what_helps(paperlab, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path / "file" / "home"))
    done = paperlab("doctor", "--offline")
    assert done.code == 4
    assert "set PAPERLAB_HOME to another folder" in done.out
    json = paperlab("doctor", "--offline", "--json")
    assert json.code == 4
    assert json.json["counts"]["problem"] >= 1
    assert {"group", "name", "state", "found", "help"} == set(json.json["checks"][0])
