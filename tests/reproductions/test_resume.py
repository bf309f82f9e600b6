"""A run that was stopped, killed or out of disk goes on as if nothing had happened: bit for bit, on one thread."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import record
from reproductions import registry, run_directory
from reproductions.engine.interrupts import PreEmpted
from reproductions.registry import NotReady
from reproductions.run_directory import RunDirectory, find_runs

from .tiny_paper.running import NOW, PACKAGE, ROOT, Forked, finish, only_run, outcome, train, wait_for
from .tiny_paper.task import Task

SLOW = {"data.pause": "0.01", "train.max_steps": "20"}
SLOW_WORDS = ("--set", "data.pause=0.01", "--set", "train.max_steps=20")


class Stopped(BaseException):
    """Ends an attempt in the middle of a step, as a crash of the process would."""


def dying_after(batches: int) -> type[Task]:
    """A task whose process seems to die when it asks for one more micro-batch."""

    class Dying(Task):
        def loss(self, model, batch):
            if model.training:
                self.taken = getattr(self, "taken", 0) + 1
                if self.taken > batches:
                    raise Stopped
            return super().loss(model, batch)

    return Dying


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def fingerprint(monkeypatch) -> str:
    """That of the real command, so that its runs can be finished in this process."""
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", PACKAGE)
    return registry.fingerprint("tiny-next", "smoke")


def test_3_steps_a_resume_and_3_steps_are_6_bit_for_bit(tmp_path, undisturbed):
    with pytest.raises(PreEmpted, match="after step 3 of 6"):
        train(tmp_path, make_task=stopping_at(3))
    run = only_run(tmp_path)
    assert [path.name for path in run.checkpoints()][-1] == "step-000003"
    assert outcome(train(tmp_path)) == outcome(undisturbed)
    assert [event["from_step"] for event in run.events() if event["event"] == "resumed"] == [3]


def stopping_at(step: int) -> type[Task]:
    """A task during whose step number `step` the process gets a SIGTERM."""

    class Stopping(Task):
        def loss(self, model, batch):
            if model.training:
                self.taken = getattr(self, "taken", 0) + 1
                if self.taken == 2 * step:  # of two micro-batches a step
                    signal.raise_signal(signal.SIGTERM)
            return super().loss(model, batch)

    return Stopping


@pytest.mark.parametrize("batches", [0, 1, 3, 4, 5, 7, 9, 11, 12])
def test_a_crash_in_any_micro_batch_costs_nothing_but_the_steps_since_the_checkpoint(tmp_path, undisturbed, batches):
    if batches < 12:
        with pytest.raises(Stopped):
            train(tmp_path, make_task=dying_after(batches))
        checkpoint = only_run(tmp_path).latest_checkpoint()
        assert (checkpoint.name if checkpoint else None) == [None, "step-000002", "step-000004"][batches // 4]
    assert outcome(train(tmp_path)) == outcome(undisturbed)


def test_being_stopped_at_every_step_changes_nothing_either(tmp_path, undisturbed):
    for _ in range(5):
        with pytest.raises(PreEmpted):
            train(tmp_path, make_task=stopping_at(1))
    run = train(tmp_path)
    assert outcome(run) == outcome(undisturbed)
    assert [event["from_step"] for event in run.events() if event["event"] == "resumed"] == [1, 2, 3, 4, 5]
    # pre-emption wrote checkpoints at odd steps, yet the average is that of the scheduled ones
    assert run.result["averaged"] == ["step-000004", "step-000006"]


def test_a_torn_checkpoint_is_passed_over_and_the_events_say_so(tmp_path, undisturbed):
    with pytest.raises(Stopped):
        train(tmp_path, make_task=dying_after(10))
    run = only_run(tmp_path)
    torn = run.path / "checkpoints" / "step-000004" / "model.safetensors"
    torn.write_bytes(torn.read_bytes()[:-7] + bytes(7))
    assert outcome(train(tmp_path)) == outcome(undisturbed)
    (resumed,) = [event for event in run.events() if event["event"] == "resumed"]
    assert resumed["from_step"] == 2
    assert resumed["passed_over"][0]["checkpoint"] == "step-000004"
    assert "SHA-256" in resumed["passed_over"][0]["why"]


def test_a_run_killed_at_birth_is_named_and_left_aside(tmp_path, undisturbed):
    (tmp_path / "20261124-093012-tiny-next-smoke-dead").mkdir()
    said: list[str] = []
    train(tmp_path, talk=said.append)
    assert any("left aside as incomplete" in text and "smoke-dead" in text for text in said)


def test_sigterm_leaves_a_checkpoint_exit_75_and_a_run_that_the_same_command_finishes(tmp_path, fingerprint):
    reference = train(tmp_path / "undisturbed", changes=SLOW)
    process = Forked(tmp_path / "runs", *SLOW_WORDS)
    run = wait_for(process, tmp_path / "runs", step=4)
    assert run.status() == "running"
    process.send_signal(signal.SIGTERM)
    code, output, errors = finish(process)
    assert code == 75, errors
    assert output.strip() == str(run.path)
    assert "error: stopped early: SIGTERM, after step" in errors
    assert run.status() == "interrupted"
    assert [event["event"] for event in run.events()][-2:] == ["checkpointed", "pre-empted"]
    assert run.events()[-2]["step"] == run.events()[-1]["step"]
    assert outcome(train(tmp_path / "runs", changes=SLOW, fingerprint=fingerprint)) == outcome(reference)


def test_sigusr1_stops_an_evaluation_at_once_and_loses_nothing(tmp_path):
    def evaluate(self, model):
        signal.raise_signal(signal.SIGUSR1)
        raise AssertionError("the signal should have ended this")

    with pytest.raises(PreEmpted) as raised:
        train(tmp_path, make_task=type("Interrupted", (Task,), {"evaluate": evaluate}))
    assert raised.value.exit_code == 75
    assert only_run(tmp_path).events()[-1]["event"] == "pre-empted"
    assert train(tmp_path).status() == "finished"


DIE_WHILE_WRITING = """
import os, signal, sys
calls, real = [0], os.fsync
def fsync(descriptor):
    calls[0] += 1
    if calls[0] == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)
os.fsync = fsync
"""


def test_kill_9_while_something_is_made_durable_and_the_same_command_finishes(tmp_path):
    """At a random one of those places; at random moments of all: test_ten_kills_of_a_smoke_run_change_nothing."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown where the test fails
    runs_dir = tmp_path / "runs"
    # at the n-th time that anything is made durable: run.json, an event, a part of a checkpoint
    call = random.Random(seed).randrange(4, 60)
    process = Forked(runs_dir, *SLOW_WORDS, program=DIE_WHILE_WRITING.format(call=call))
    assert finish(process)[0] == -signal.SIGKILL
    code, output, errors = finish(Forked(runs_dir, *SLOW_WORDS))
    assert code == 0, errors
    assert outcome(RunDirectory(Path(output.strip()))) == outcome(train(tmp_path / "undisturbed", changes=SLOW))


@pytest.mark.parametrize(
    "call",
    [
        *(1, 2, 3, 4),  # run.json, its folder, the first event, run.json with the hashes of the data
        *(6, 9, 11, 12, 13, 14, 15),  # the first checkpoint: metrics, weights, generators, state, folders, event
        *(24, 36, 38, 40, 41, 42, 43),  # the second one's rename; the average, the result, the last event
    ],
)
def test_dying_wherever_something_is_made_durable_costs_no_bit(tmp_path, undisturbed, monkeypatch, call):
    """As kill -9 in the middle of writing, at every place in turn; in one process, so that all places can be tried."""
    calls, real = [0], os.fsync

    def fsync(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == call:
            raise Stopped
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Stopped):
        train(tmp_path)
    monkeypatch.undo()
    run = train(tmp_path, now=NOW + timedelta(days=1))
    assert outcome(run) == outcome(undisturbed)


LIMIT_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""


def test_a_full_disk_is_said_and_leaves_a_run_that_goes_on_once_there_is_room(tmp_path, undisturbed, fingerprint):
    with pytest.raises(Stopped):
        train(tmp_path, make_task=dying_after(5), fingerprint=fingerprint)
    run = only_run(tmp_path)
    before = {file.name: file.read_bytes() for file in (run.path / "checkpoints" / "step-000002").iterdir()}
    # room for metrics and weights, and too little for the 15 kB of the random generators
    process = Forked(tmp_path, "--set", "data.pause=0", program=LIMIT_FILES.format(size=12_000))
    code, output, errors = finish(process)
    assert code == 4, errors
    assert output.strip() == str(run.path)
    assert "error: no room to write below" in errors
    assert "the same command goes on from the last checkpoint" in errors
    assert {file.name: file.read_bytes() for file in (run.path / "checkpoints" / "step-000002").iterdir()} == before
    assert run.events()[-1]["event"] == "failed"
    assert "File too large" in run.events()[-1]["why"]
    assert outcome(train(tmp_path, fingerprint=fingerprint)) == outcome(undisturbed)


@pytest.mark.parametrize("file", ["metrics.jsonl", "samples.jsonl", "events.jsonl"])
def test_a_disk_that_fills_in_the_middle_of_a_line_ends_in_4_and_costs_no_bit(tmp_path, undisturbed, monkeypatch, file):
    flush = run_directory._Appender.flush
    left = {"writes": {"metrics.jsonl": 1, "samples.jsonl": 0, "events.jsonl": 3}[file]}

    def full(appender: run_directory._Appender) -> None:
        if appender._path.name == file and appender._pending:
            if left["writes"] == 0:
                appender._file.write(bytes(appender._pending[:20]))
                del appender._pending[:20]
                raise OSError(errno.ENOSPC, "No space left on device", str(appender._path))
            left["writes"] -= 1
        flush(appender)

    monkeypatch.setattr(run_directory._Appender, "flush", full)
    with pytest.raises(NotReady, match=f"no room to write below .*{file}") as refused:
        train(tmp_path)
    assert refused.value.exit_code == 4
    monkeypatch.undo()
    assert only_run(tmp_path).status() != "finished"
    assert outcome(train(tmp_path)) == outcome(undisturbed)


def kill_until(words: list[str], runs_dir: Path, kills: int, longest: float, rng: random.Random) -> list[int]:
    """Kills the command after random times until `kills` of them met a run with a checkpoint; returns its steps."""
    met: list[int] = []
    for _ in range(10 * kills):
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            time.sleep(rng.uniform(0, longest))
        finally:
            process.kill()
            errors = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, errors
        latest = [run.latest_checkpoint() for run in find_runs(runs_dir)]
        met += [int(path.name[5:]) for path in latest if path is not None]
        if len(met) == kills:
            break
    return met


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_kills_of_a_smoke_run_change_nothing(tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown where the test fails
    words = [sys.executable, "-m", "reproductions", "transformer-base", "--tier", "smoke", "--threads", "1"]
    began = time.monotonic()
    undisturbed_dir, killed_dir = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run([*words, "--runs-dir", str(undisturbed_dir)], cwd=ROOT, check=True)
    seconds = time.monotonic() - began
    again = [*words, "--runs-dir", str(killed_dir)]
    met = kill_until(again, killed_dir, kills=10, longest=seconds / 6, rng=random.Random(seed))
    assert len(met) == 10
    subprocess.run(again, cwd=ROOT, check=True)
    killed, undisturbed = only_run(killed_dir), only_run(undisturbed_dir)
    assert killed.run["fingerprint"] == undisturbed.run["fingerprint"], "the code was edited while this test ran"
    same = outcome(killed) == outcome(undisturbed)
    question = "Do ten kills of a smoke run leave its weights and loss series as they would have been, bit for bit?"
    measured = {"seed": seed, "last_checkpoints_met": met, "undisturbed_seconds": round(seconds, 1), "same": same}
    report("resume-after-kills", question, **measured)
    assert same, f"seed {seed}"


def report(name: str, question: str, **measured: object) -> None:
    """Keeps what was measured, with machine, commit and date, where `make soak` asks for it."""
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(ROOT / folder, name, question, measured)
