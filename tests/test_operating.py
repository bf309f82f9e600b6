"""What docs/operating.md tells people to write down is understood by what reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs/operating.md").read_text(encoding="utf-8")


def test_systemd_understands_the_units(tmp_path, monkeypatch):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("only systemd can judge its units, and systemd-analyze is not installed")
    for name in ("HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = tmp_path / ".config/systemd/user"
    folder.mkdir(parents=True)
    program = tmp_path / ".local/bin/paperlab"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = re.findall(r"```ini\n# ~/\.config/systemd/user/(\S+)\n(.*?)```", PAGE, re.DOTALL)
    for name, text in units:
        (folder / name).write_text(text)
    assert {name for name, _ in units} >= {"paperlab-sync.service", "paperlab-sync.timer"}
    files = [str(folder / name) for name, _ in units]
    done = subprocess.run([analyze, "verify", "--user", *files], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "paperlab" in line]
    assert (done.returncode, complaints) == (0, [])


def test_a_percent_sign_in_a_cron_line_is_escaped():
    lines = [line for block in re.findall(r"```cron\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert lines
    assert all(re.match(r"(\S+ ){4}\S+   \S", line) for line in lines)
    assert [line for line in lines if re.search(r"(?<!\\)%", line)] == []
