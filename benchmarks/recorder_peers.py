"""One tracker under the workload of benchmarks/recorder.py, as its own documentation says to use it.

    PYTHON_WITH_MLFLOW_AND_TRACKIO benchmarks/recorder_peers.py mlflow|trackio FOLDER STEPS

Imports nothing of ours; benchmarks/recorder.py runs it.  Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

METRICS = ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second")
STEPS_A_BATCH = 250  # MLflow takes at most 1,000 metrics in one call
STEPS_ONE_BY_ONE = 250


def values(step: int) -> dict[str, float]:
    """What is recorded at a step: the same for every tracker."""
    return {
        "train/loss": 8.0 / (1 + step / 500) + (step * 7919 % 1000) / 5000,
        "train/lr": 1e-3 * min(1.0, step / 4000),
        "train/grad_norm": 1.0 + (step * 104729 % 997) / 997,
        "train/tokens_per_second": 51234.5 + step * 7 % 101,
    }


def mlflow(folder: Path, steps: int) -> dict[str, Any]:
    """SQLite store: batches of 1,000 by the client, then one call a step as a training loop makes it, both ways."""
    tracker: Any = importlib.import_module("mlflow")
    entities: Any = importlib.import_module("mlflow.entities")
    tracker.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = tracker.MlflowClient()
    run_id = client.create_run(client.create_experiment("points", str(folder / "artifacts"))).info.run_id
    began = time.perf_counter()
    for first in range(0, steps, STEPS_A_BATCH):
        stamp = int(time.time() * 1000)
        client.log_batch(
            run_id,
            metrics=[
                entities.Metric(name, value, stamp, step)
                for step in range(first, min(first + STEPS_A_BATCH, steps))
                for name, value in values(step).items()
            ],
        )
    stored = time.perf_counter()
    read = sum(len(client.get_metric_history(run_id, name)) for name in METRICS)
    ended = time.perf_counter()
    in_loop = {}
    for name, waits in (("waiting", True), ("not_waiting", False)):
        with tracker.start_run(run_id=client.create_run(client.get_run(run_id).info.experiment_id).info.run_id):
            called = time.perf_counter()
            for step in range(STEPS_ONE_BY_ONE):
                tracker.log_metrics(values(step), step=step, synchronous=waits)
            in_loop[name] = time.perf_counter() - called
    return {
        "version": tracker.__version__,
        "way": "MlflowClient.log_batch, 1,000 a call; get_metric_history; in the loop: log_metrics, synchronous or not",
        "stored_points_per_s": round(read / (stored - began)),
        "read_back_s": round(ended - stored, 3),
        "read_points": read,
        "loop_us_per_point": round(in_loop["not_waiting"] / (STEPS_ONE_BY_ONE * len(METRICS)) * 1e6, 1),
        "loop_stored_us_per_point": round(in_loop["waiting"] / (STEPS_ONE_BY_ONE * len(METRICS)) * 1e6, 1),
    }


def trackio(folder: Path, steps: int) -> dict[str, Any]:
    """Its local SQLite store, by the call that its own writer makes; in the loop trackio.log, which queues."""
    os.environ["TRACKIO_DIR"] = str(folder / "trackio")
    tracker: Any = importlib.import_module("trackio")
    storage: Any = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    storage.init_db("points")
    began = time.perf_counter()
    for first in range(0, steps, STEPS_A_BATCH):
        batch = list(range(first, min(first + STEPS_A_BATCH, steps)))
        storage.bulk_log("points", "run", [values(step) for step in batch], steps=batch)
    stored = time.perf_counter()
    logs = storage.get_logs("points", "run")
    ended = time.perf_counter()
    read = sum(name in log for log in logs for name in METRICS)
    steps_in_loop = min(steps, 10 * STEPS_ONE_BY_ONE)
    with contextlib.redirect_stdout(io.StringIO()):  # it talks there, and so do we
        run = tracker.init(project="points", name="loop", embed=False)
        called = time.perf_counter()
        for step in range(steps_in_loop):
            tracker.log(values(step), step=step)
        queued = time.perf_counter()
        run.finish()
        finished = time.perf_counter()
    in_store = sum(name in log for log in storage.get_logs("points", "loop") for name in METRICS)
    return {
        "version": tracker.__version__,
        "way": "SQLiteStorage.bulk_log, 250 steps a call; get_logs; in the loop: trackio.log, then finish",
        "stored_points_per_s": round(read / (stored - began)),
        "read_back_s": round(ended - stored, 3),
        "read_points": read,
        "loop_us_per_point": round((queued - called) / (steps_in_loop * len(METRICS)) * 1e6, 1),
        "loop_stored_us_per_point": round((finished - called) / in_store * 1e6, 1),
    }


if __name__ == "__main__":
    name, folder, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"mlflow": mlflow, "trackio": trackio}[name](folder, steps)))
