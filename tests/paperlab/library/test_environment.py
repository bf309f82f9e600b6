"""What the machine offers, against what paperlab needs."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from paperlab.library import environment
from paperlab.library.findings import State


@pytest.mark.parametrize(
    ("version", "ranges", "holds"),
    [
        ("2.1.0", ">=2.1,<3", True),
        ("3.0", ">=2.1,<3", False),
        ("2.10", ">=2.9", True),
        ("2.0.4", ">=2.1", False),
        ("2.13.0+cpu", ">=2.6", True),
        ("1.67", "<2,>=1.67", True),
        ("6.0", "", True),
        ("1.4.2", "~=1.4", True),
        ("2.0", "~=1.4", False),
        ("1.4.9", "==1.4.*", True),
        ("1.5", "!=1.5.*", False),
        ("1.0", "==1.0.0", True),
        ("1.2", ">1.2", False),
        ("1.2", "<=1.2", True),
    ],
)
def test_a_version_is_within_a_range_or_not(version, ranges, holds):
    assert environment.satisfies(version, ranges) is holds


def installed_from(versions):
    def installed(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    return installed


def test_a_missing_or_old_required_package_is_a_problem_and_an_extra_is_not():
    requirements = [
        "requests<3,>=2.32",
        'torch>=2.6; extra == "train"',
        'tqdm>=4.67; extra == "train"',
        'plotly>=7; extra == "dashboard"',
        'openai>=3; extra == "llm"',
        'paperlab[train]; extra == "all"',
    ]
    checks = environment.packages(
        requirements, installed_from({"requests": "2.31.0", "torch": "2.6", "tqdm": "4.70", "plotly": "6.1"})
    )
    found = {check.name: check for check in checks}
    assert set(found) == {"packages", "packages [train]", "packages [dashboard]", "packages [llm]"}
    assert found["packages"].state is State.PROBLEM
    assert "requests 2.31.0 is not <3,>=2.32" in found["packages"].found
    assert found["packages"].help == "pip install --upgrade paperlab"
    assert found["packages [train]"].state is State.OK
    assert found["packages [dashboard]"].state is State.WARNING
    assert found["packages [llm]"].state is State.OK
    assert "openai" in found["packages [llm]"].found
    [missing] = environment.packages(["requests>=2"], installed_from({}))
    assert missing.state is State.PROBLEM


def test_this_installation_has_what_it_needs():
    try:
        metadata.requires(environment.DISTRIBUTION)
    except metadata.PackageNotFoundError:
        pytest.skip("the checkout is imported without being installed, so nothing says what it needs")
    assert all(check.state is not State.PROBLEM for check in environment.packages() if check.name == "packages")


def test_an_old_python_is_a_problem():
    assert environment.python((3, 10, 9)).state is State.PROBLEM
    assert environment.python().state is State.OK


def test_torch_is_asked_in_another_process_which_may_hang_or_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.metadata, "version", lambda name: "2.13")
    before = "torch" in sys.modules

    def program(text):
        file = tmp_path / "python"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return str(file)

    good = environment.torch(program("""echo '["2.13", "13.0", ["NVIDIA H100"], false]'"""))
    assert (good.state, good.found) == (State.OK, "2.13 with CUDA 13.0: NVIDIA H100")
    broken = environment.torch(program("echo libcudart.so.13: cannot open >&2; exit 1"))
    assert broken.state is State.WARNING
    assert "libcudart" in broken.found
    assert environment.torch(program("exec sleep 30"), timeout_s=0.3).state is State.WARNING
    assert environment.torch(str(tmp_path / "nothing")).state is State.WARNING
    assert ("torch" in sys.modules) == before


def test_a_variable_that_nothing_reads_is_a_warning_with_the_one_that_was_meant():
    [check] = environment.variables({"PAPERLAB_HOEM": "/x", "PAPERLAB_HOME": "/y", "PATH": "/bin"})
    assert check.state is State.WARNING
    assert check.help == "did you mean: PAPERLAB_HOME"
    [check] = environment.variables({"PAPERLAB_COLOUR_OF_THE_SKY": "blue"})
    assert check.help == "unset PAPERLAB_COLOUR_OF_THE_SKY"
    [check] = environment.variables({"PAPERLAB_HOME": "/y"})
    assert (check.state, check.found) == (State.OK, "PAPERLAB_HOME")


def test_a_full_disk_is_a_problem_and_a_low_one_a_warning(tmp_path):
    assert environment.disk(tmp_path / "not" / "yet", 50 * 2**20).state is State.PROBLEM
    assert environment.disk(tmp_path, 2**30).state is State.WARNING
    assert environment.disk(tmp_path, 2**40).state is State.OK


def test_a_home_that_can_not_be_written_is_a_problem(tmp_path):
    assert environment.home(tmp_path / "home").state is State.OK
    (tmp_path / "file").write_text("")
    assert environment.home(tmp_path / "file" / "home").state is State.PROBLEM


def test_a_data_mirror_that_is_not_there_is_a_problem(tmp_path):
    assert environment.data_mirror(str(tmp_path)).state is State.OK
    assert environment.data_mirror(str(tmp_path / "gone")).state is State.PROBLEM
    assert environment.data_mirror("https://mirror.example/data").state is State.SKIPPED
    assert environment.data_mirror(None).state is State.SKIPPED
