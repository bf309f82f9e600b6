"""`paperlab reproduce --slurm`: trainings as jobs of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paperlab.cli import forecast, output
from paperlab.runs import cluster, launch, overrides
from paperlab.settings import Settings


def submit(place: Settings, request: launch.Request, seeds: Sequence[int], partition: str, *, json_: bool) -> None:
    """Submits a job a seed, and says which and where they log."""
    overrides.check(request)
    jobs = []
    for seed in seeds:
        asked = forecast.kept_with(place, replace(request, seed=seed))
        submitted = cluster.submit(asked, partition=partition, home=place.home)
        jobs.append({"seed": seed, "job": submitted.job_id, "log": submitted.log})
        if not json_:
            output.write_line(f"job {submitted.job_id}  seed {seed}  {submitted.log}")
    if json_:
        output.write_json({"recipe": request.recipe, "tier": request.tier, "partition": partition, "jobs": jobs})
    else:
        output.talk("how far they are: squeue --me     what they train: paperlab runs list", quiet=request.quiet)
