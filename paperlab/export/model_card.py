"""A run as a Hugging Face model card: README.md whose front matter is a model-index.

https://huggingface.co/docs/hub/model-cards: a result names task, dataset and metrics.  What makes a number mean
something has its place in `args` of the metric: the protocol, and, where a paper claims it, the claim with our verdict.
`verified` is Hugging Face's own mark and never set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paperlab.entities import Claim, Measurement, Run, Verdict
from paperlab.export.markdown import escaped
from paperlab.export.visible import visible

TASK_TYPES = {
    "language modeling": "text-generation",
    "language-modeling": "text-generation",
    "masked language modeling": "fill-mask",
    "classification": "text-classification",
    "question answering": "question-answering",
}
"""Hugging Face's names of tasks where ours is another word."""

_PIPELINES = {
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForSeq2SeqLM": "translation",
}

Judged = Mapping[str, tuple[Claim, Verdict]]
"""By the claim's id."""


def text(
    run: Run,
    measurements: Sequence[Measurement],
    judged: Judged,
    *,
    title: str,
    address: str = "",
    opens_with: str = "",
) -> str:
    """The whole file.  `title` and `address` are those of the paper that the run reproduces.

    `opens_with` names the class of transformers that opens the weights beside the card, where there are some.
    """
    import yaml

    model = f"{run.recipe}-{run.tier}-seed-{run.seed}"
    card: dict[str, Any] = {"tags": ["paperlab", "reproduction"]}
    if opens_with:
        card["library_name"] = "transformers"
        card["pipeline_tag"] = _PIPELINES[opens_with]
    if measurements:  # an index without results is none
        card["model-index"] = [{"name": model, "results": results(measurements, judged)}]
    front = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=1000)
    return (
        f"---\n{front}---\n\n"
        + "\n\n".join(
            [*_body(run, measurements, judged, model=model, title=title, address=address), *_usage(opens_with)]
        )
        + "\n"
    )


def results(measurements: Sequence[Measurement], judged: Judged) -> list[dict[str, Any]]:
    """The list under `results`: one entry for each task, dataset and split."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for item in measurements:
        # A measurement of the model alone, such as a count of parameters, has no data.
        task, dataset = item.task or "none", item.dataset or "none"
        entry = found.setdefault(
            (task, dataset, item.split),
            {
                "task": {"type": TASK_TYPES.get(task, task.replace(" ", "-")), "name": task},
                "dataset": {"type": dataset, "name": dataset, **({"split": item.split} if item.split else {})},
                "metrics": [],
            },
        )
        entry["metrics"].append(
            {"type": item.metric, "value": item.value, "name": item.metric, "args": _args(item, judged)}
        )
    return list(found.values())


def _args(item: Measurement, judged: Judged) -> dict[str, Any]:
    args: dict[str, Any] = {"unit": item.unit, "examples": item.n, "protocol": dict(item.protocol)}
    args["signature"] = item.signature
    if item.claim_id is not None:
        args["claim"] = item.claim_id
        if item.claim_id in judged:
            claim, verdict = judged[item.claim_id]
            args |= {"reported": claim.value, "verdict": verdict.kind.value, "reason": verdict.reason}
    return {name: value for name, value in args.items() if value not in (None, "", {})}


def _body(
    run: Run, measurements: Sequence[Measurement], judged: Judged, *, model: str, title: str, address: str
) -> list[str]:
    paper = f"[{_text(title)}](<{address}>)" if address else _text(title)
    blocks = [
        f"# {_text(model)}",
        f"Trained by paperlab to measure what {paper} reports.  One run of one seed: the verdicts below are over all "
        "seeds that were run, and one seed alone decides nothing.",
        "## Measured",
        _table(
            ("task", "dataset", "split", "metric", "value", "unit", "protocol"),
            [
                (m.task, m.dataset, m.split, m.metric, f"{m.value:.6g}", m.unit, _pairs(m.protocol))
                for m in measurements
            ],
        ),
    ]
    if judged:
        rows = [
            (
                claim.statement,
                claim.place_text,
                _number(claim.value),
                _number(held.measured),
                held.kind.value,
                held.reason,
            )
            for claim, held in judged.values()
        ]
        columns = ("claim", "place", "reported", "measured", "verdict", "why")
        blocks += ["## Verdicts", _table(columns, rows)]
    provenance = run.record.get("provenance") or {}
    described = [
        ("run", run.id),
        ("recipe", f"{run.recipe}, tier {run.tier}, seed {run.seed}"),
        ("overrides", _pairs(run.overrides)),
        ("steps", str(run.step)),
        ("seconds", _number(run.seconds)),
        ("device", run.device),
        ("code", run.fingerprint),
        ("commit", str(provenance.get("commit") or "-")),
    ]
    sets = " ".join(f"--set {name}={value}" for name, value in sorted(run.overrides.items()))
    command = f"paperlab reproduce {run.recipe} --tier {run.tier} --seed {run.seed} {sets}".rstrip()
    blocks += ["## Training", _table(("", ""), described), "## Repeat it", f"    {visible(command)}"]
    return blocks


def _usage(opens_with: str) -> list[str]:
    """How the files beside the card are opened, from the folder that holds them."""
    if not opens_with:
        return []
    lines = (
        f"from transformers import AutoTokenizer, {opens_with}",
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        f'model = {opens_with}.from_pretrained(".")',
    )
    return ["## Open it", "\n".join(f"    {line}" for line in lines)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    return "\n".join([head, *(f"| {' | '.join(_text(cell) or '-' for cell in row)} |" for row in rows)])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _text(value: str) -> str:
    return escaped(visible(value), within=True)
