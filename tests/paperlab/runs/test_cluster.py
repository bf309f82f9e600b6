"""A training as a cluster's job: what SLURM is told, and that a job that is stopped goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from paperlab.errors import InvalidInput, NotReady
from paperlab.runs import cluster, launch
from reproductions.run_directory import RunDirectory, find_runs

SBATCH = f"""#!{sys.executable}
import pathlib, shutil, sys
shutil.copy(sys.argv[1], pathlib.Path(__file__).parent / "submitted")
print("Submitted batch job 4711")
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with SLURM's commands, of which sbatch keeps what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in cluster.COMMANDS:
        (folder / name).write_text(SBATCH)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_slurm_is_told_partition_time_gpus_the_warning_and_that_the_job_may_be_queued_again(
    slurm: Path, tmp_path: Path
) -> None:
    request = launch.Request("claimed-next", "mini", 3, gpus=4, threads=2, max_seconds=5400.0)
    submitted = cluster.submit(request, partition="long", home=tmp_path / "home")
    assert submitted.job_id == "4711"
    assert submitted.log == tmp_path / "home" / "jobs" / "4711" / "4711_0_log.out"
    said = (slurm / "submitted").read_text()
    for line in ("partition=long", "time=90", "gpus-per-node=4", "cpus-per-task=8", "signal=USR2@180", "requeue"):
        assert f"#SBATCH --{line}\n" in said
    assert "#SBATCH --job-name=claimed-next-mini-3\n" in said


def test_on_the_cpu_no_gpu_is_asked_for(slurm: Path, tmp_path: Path) -> None:
    cluster.submit(launch.Request("claimed-next", device="cpu"), partition="p", home=tmp_path)
    assert "gpus" not in (slurm / "submitted").read_text()


def test_a_turn_that_is_too_short_for_anything_is_refused(slurm: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--max-wall 120s is too short for a job that is warned 180 s"):
        cluster.submit(launch.Request("claimed-next", max_seconds=120.0), partition="p", home=tmp_path)


def test_without_slurm_or_submitit_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReady, match="needs SLURM's sbatch, srun, scontrol, not found on this machine") as refused:
        cluster.submit(launch.Request("claimed-next"), partition="p", home=tmp_path)
    assert (refused.value.exit_code, "login node" in refused.value.hint) == (4, True)
    monkeypatch.setattr(launch, "missing_packages", lambda names: [name for name in names if name == "submitit"])
    with pytest.raises(NotReady, match="needs submitit") as refused:
        cluster.submit(launch.Request("claimed-next"), partition="p", home=tmp_path)
    assert refused.value.hint == "pip install 'paperlab[cluster]'"


def test_a_training_that_comes_to_no_end_makes_the_job_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = launch.Ended(4, refusal={"error": "no room to write"})
    monkeypatch.setattr(launch, "run", lambda *_, **__: ended)
    with pytest.raises(cluster.PaperlabError, match="claimed-next came to no end: no room to write"):
        cluster.Training(launch.Request("claimed-next"), tmp_path)()


def until(found: Any, seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.soak
@pytest.mark.timeout(400)
# the local executor's own process outlives the call that started it, as a job does
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.skipif(sys.platform != "linux", reason="the job's process is found in /proc")
def test_a_job_that_is_warned_writes_a_checkpoint_is_queued_again_and_finishes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The whole path with submitit's local executor: one job, two turns, one run."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", "tests.reproductions.tiny_paper")
    overrides = ("data.pause=0.02", "train.max_steps=100", "train.checkpoint_every=5")
    request = launch.Request("tiny-next", "smoke", 1, overrides, device="cpu", threads=1)
    submitted = cluster.submit(request, partition=None, home=tmp_path, cluster="local")

    def begun() -> RunDirectory | None:
        return next((run for run in find_runs(tmp_path / "runs") if run.latest_checkpoint()), None)

    run = until(begun)
    os.kill(parent_of(run.heartbeat()["pid"]), signal.SIGUSR2)  # as SLURM does before the time is up
    until(lambda: run.status() == "finished")
    said = [event["event"] for event in run.events()]
    assert [said.count(name) for name in ("started", "pre-empted", "resumed", "finished")] == [1, 1, 1, 1]
    stopped = next(event for event in run.events() if event["event"] == "pre-empted")
    resumed = next(event for event in run.events() if event["event"] == "resumed")
    assert resumed["from_step"] == stopped["step"]
    log = until(lambda: "completed successfully" in submitted.log.read_text() and submitted.log.read_text())
    assert "going on after step" in log
    assert len(find_runs(tmp_path / "runs")) == 1
