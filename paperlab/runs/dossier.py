"""Gathers what stands behind the claims of one source: verdicts, runs, curves, samples, and how to repeat them.

Reads only.  The verdicts are what holds now; the clock plays no part, so the same database gives the same dossier.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from paperlab.dossier import Dossier, Paper, Repetitions
from paperlab.entities import Claim, MetricPoint, Run, RunStatus, Sample, Verdict
from paperlab.runs import compare, protocol, seed_groups
from paperlab.runs.seed_groups import SeedGroup
from paperlab.store import papers
from paperlab.store import runs as store
from paperlab.store.database import Session
from reproductions import registry

MOST_REPETITIONS = 30
SAMPLES_SHOWN = 8
_CHART_FIRST = ("loss", "nll", "perplexity", "bits-per-byte", "bleu", "accuracy", "exact-match")


def sources(claims: Iterable[Claim]) -> list[str]:
    """The sources that claims come from, in the order of the claims."""
    return list(dict.fromkeys(claim.source for claim in claims))


def gather(session: Session, source: str, claims: Sequence[Claim], verdicts: Mapping[str, Verdict]) -> Dossier:
    """The dossier of `source`, whose claims and their verdicts (by id) are given."""
    runs = _runs_of(session, source, claims)
    groups = sorted(seed_groups.group(runs), key=lambda group: max(run.id for run in group.runs), reverse=True)
    shown = groups[:MOST_REPETITIONS]
    repetitions = tuple(_repetitions(session, group) for group in shown)
    metrics = {name for each in repetitions for name in each.curves}
    if "val/loss" in metrics:
        metrics.discard("train/loss")  # it stands beside
    return Dossier(
        paper=_paper(session, source, claims),
        claims=tuple((claim, verdicts[claim.id]) for claim in claims),
        repetitions=repetitions,
        unfinished=tuple(run for run in runs if run.status is not RunStatus.FINISHED),
        left_out=len(groups) - len(shown),
        commands=_commands(source, claims, shown),
        state_at=max((run.updated_at for run in runs if run.updated_at is not None), default=None),
        charted=tuple(sorted(metrics, key=_chart_order)),
    )


def _runs_of(session: Session, source: str, claims: Sequence[Claim]) -> list[Run]:
    """The runs that have to do with the claims, oldest first.

    All tiers of a recipe whose reproduction is of this source; else those of the tier that a claim names, and runs
    that measured one of the claims.
    """
    own = {
        claim.reproduction
        for claim in claims
        if any(known.id == source for known in registry.get(claim.reproduction).sources)
    }
    wanted = {
        (claim.recipe, None if claim.reproduction in own else claim.tier)
        for claim in claims
        if claim.recipe is not None
    }
    found: dict[str, Run] = {}
    for recipe, tier in wanted:
        found |= {run.id: run for run in store.find(session, store.RunFilter(recipe=recipe, tier=tier))}
    for item in store.measurements(session, claim_ids={claim.id for claim in claims}):
        if item.run_id is not None and item.run_id not in found:
            run = store.get(session, item.run_id)
            if run is not None:
                found[run.id] = run
    return [found[run_id] for run_id in sorted(found)]


def _repetitions(session: Session, group: SeedGroup) -> Repetitions:
    curves: dict[str, list[tuple[MetricPoint, ...]]] = {}
    for run in group.runs:
        names = [name for name in store.metric_names(session, run.id) if name.startswith("val/")]
        by_name: dict[str, list[MetricPoint]] = {}
        for point in store.points(session, run.id, [*names, "train/loss"]):
            by_name.setdefault(point.name, []).append(point)
        for name, points in by_name.items():
            curves.setdefault(name, []).append(tuple(points))
    record = group.first.record
    flat = compare.flattened({"provenance": record.get("provenance") or {}})
    provenance = {name.removeprefix("provenance."): _text(value) for name, value in flat.items()}
    return Repetitions(
        label=group.label,
        runs=group.runs,
        hardware=seed_groups.cost(group.first).hardware,
        measurements=tuple(item for run in group.runs for item in store.measurements(session, run_id=run.id)),
        curves={name: tuple(each) for name, each in sorted(curves.items())},
        samples=tuple(_last_samples(session, max(group.runs, key=lambda run: run.id).id)),
        provenance={"fingerprint": group.first.fingerprint, **provenance},
    )


def _last_samples(session: Session, run_id: str) -> list[Sample]:
    held = store.samples(session, run_id)
    last = max((sample.step for sample in held), default=0)
    return [sample for sample in held if sample.step == last][:SAMPLES_SHOWN]


def _paper(session: Session, source: str, claims: Iterable[Claim]) -> Paper:
    known = {
        entry.id: entry for name in {claim.reproduction for claim in claims} for entry in registry.get(name).sources
    }
    entry = known.get(source)
    held = papers.get(session, source)
    if held is not None:
        return Paper(
            source, " ".join(held.title.split()), held.authors, entry.summary if entry else "", held.abstract_url
        )
    if entry is None:
        return Paper(source, source)
    address = {"arxiv": f"https://arxiv.org/abs/{source}", "doi": f"https://doi.org/{source}", "url": source}
    return Paper(source, entry.title, entry.authors, entry.summary, address.get(entry.kind, ""))


def _commands(source: str, claims: Sequence[Claim], groups: Iterable[SeedGroup]) -> tuple[str, ...]:
    """The shown runs, seed by seed, then the verdicts; where there is no run, the recipes that the claims name."""
    lines: list[str] = []
    for group in groups:
        for run in group.runs:
            words = ["paperlab", "reproduce", run.recipe, "--tier", run.tier, "--seed", str(run.seed)]
            for name, value in sorted(run.overrides.items()):
                words += ["--set", f"{name}={value}"]
            lines.append(shlex.join(words))
    if not lines:
        wanted = dict.fromkeys((claim.recipe, claim.tier) for claim in claims if claim.recipe and claim.tier)
        lines = [f"paperlab reproduce {recipe} --tier {tier} --seed 1" for recipe, tier in wanted]
    return (*dict.fromkeys(lines), f"paperlab claims check --source {shlex.quote(source)}")


def _chart_order(metric: str) -> tuple[int, str]:
    name = protocol.canonical(metric)
    return (_CHART_FIRST.index(name) if name in _CHART_FIRST else len(_CHART_FIRST)), metric


def _text(value: object) -> str:
    return "-" if value is None or value in ({}, []) else str(value)
