"""Training as a job of a SLURM cluster, through submitit: submitted once, put back in line until the run is finished.

The job does what `launch.run` does on this machine.  Before its time is up, or when it is pre-empted with a warning,
SLURM sends it SIGUSR2 (`--signal`); submitit then asks for a checkpoint and has the job queued again, under the same
id and with the same log, where it goes on with the same run.  Home and code must lie on a file system that the
cluster shares.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput, NotReady, PaperlabError
from paperlab.runs import launch

INSTALL = "pip install 'paperlab[cluster]'"
COMMANDS = ("sbatch", "srun", "scontrol")

WARNING_SECONDS = 180
"""How long before its time is up a job is asked to stop: a step, a checkpoint and the way back into the queue."""
SHORTEST_SECONDS = 600.0
DEFAULT_SECONDS = 4 * 3600.0
_TIMES_OVER = 1000  # how often a job that used its time up is queued again; one that trains nothing ends by itself


@dataclass(frozen=True)
class Submitted:
    """A job in the cluster's hands.  `log`: what the training says, over all its turns."""

    job_id: str
    log: Path


class Training:
    """What the job runs; submitit pickles it."""

    def __init__(self, request: launch.Request, home: Path) -> None:
        self.request = request
        self.home = home
        self._child: subprocess.Popen[str] | None = None

    def __call__(self) -> dict[str, Any]:
        """Trains to the end.  Raises PaperlabError where it did not get there, so that the job counts as failed."""
        ended = launch.run(self.request, home=self.home, on_start=self._keep)
        if ended.exit_code != 0:
            why = ended.refusal.get("error") or f"ended by {ended.stopped_by or f'exit code {ended.exit_code}'}"
            raise PaperlabError(f"the training of {self.request.recipe} came to no end: {why}")
        return {"run": ended.run_id, "path": str(ended.path), "status": ended.status, "exit": ended.exit_code}

    def checkpoint(self) -> Any:
        """Called by submitit in the signal's handler: stops the training, and returns what to queue again."""
        from submitit.helpers import DelayedSubmission

        if self._child is not None:
            _stop(self._child)
        return DelayedSubmission(Training(self.request, self.home))

    def _keep(self, child: subprocess.Popen[str]) -> None:
        self._child = child


def submit(
    request: launch.Request,
    *,
    partition: str | None,
    home: Path,
    cluster: str = "slurm",
) -> Submitted:
    """Puts a training in line; `request.max_seconds` is the time limit of one turn of it.

    Raises NotReady (exit 4) without submitit or SLURM's commands, InvalidInput for a limit in which nothing fits.
    `cluster`: "slurm", or submitit's "local", which runs the job on this machine.
    """
    launch.require_packages()
    if launch.missing_packages(("submitit",)):
        raise NotReady("--slurm needs submitit, which is not installed", INSTALL)
    missing = [command for command in COMMANDS if shutil.which(command) is None] if cluster == "slurm" else []
    if missing:
        hint = "type it on a login node of the cluster; without --slurm it trains on this machine"
        raise NotReady(f"--slurm needs SLURM's {', '.join(missing)}, not found on this machine", hint)
    seconds = DEFAULT_SECONDS if request.max_seconds is None else request.max_seconds
    if seconds < SHORTEST_SECONDS:
        short = f"--max-wall {seconds:g}s is too short for a job that is warned {WARNING_SECONDS} s before its end"
        raise InvalidInput(short, f"at least {SHORTEST_SECONDS / 60:g}m: a turn that ends is followed by the next")
    job = _executor(request, partition, home, cluster, seconds).submit(
        Training(replace(request, max_seconds=None), home.absolute())
    )
    return Submitted(str(job.job_id), Path(job.paths.stdout))


def _executor(request: launch.Request, partition: str | None, home: Path, cluster: str, seconds: float) -> Any:
    import submitit

    folder = (home / "jobs").absolute()
    try:
        executor = submitit.AutoExecutor(
            folder=folder / "%j", cluster=cluster, **{f"{cluster}_max_num_timeout": _TIMES_OVER}
        )
    except OSError as error:
        raise NotReady(f"cannot write {folder} ({error.strerror})", "set PAPERLAB_HOME") from error
    executor.update_parameters(
        name=f"{request.recipe}-{request.tier}-{request.seed}",
        timeout_min=math.ceil(seconds / 60),
        nodes=1,
        tasks_per_node=1,
        gpus_per_node=None if request.device == "cpu" else request.gpus,
        cpus_per_task=None if request.threads is None else request.threads * request.gpus,
        stderr_to_stdout=True,
        slurm_partition=partition,
        slurm_signal_delay_s=WARNING_SECONDS,
        slurm_additional_parameters={"requeue": True},
    )
    return executor


def _stop(child: subprocess.Popen[str]) -> None:
    """Asks for a checkpoint and waits for it, without collecting the child: the code we interrupted will do that.

    (It may hold the lock of Popen.wait, so that we would wait for ourselves.)
    """
    try:
        os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + WARNING_SECONDS - 30  # then the job has to get back into the queue
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            time.sleep(0.1)
    except (ProcessLookupError, ChildProcessError):
        return  # it had ended
