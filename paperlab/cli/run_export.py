"""Where `paperlab runs export` writes to, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from paperlab.entities import Claim, Measurement, MetricPoint, Run, Verdict
from paperlab.errors import InvalidInput, NotReady
from paperlab.export import model_card, parquet, run_table
from paperlab.export.report import link
from paperlab.library import claims
from paperlab.runs import judging, structure
from paperlab.settings import Settings
from paperlab.store.database import Session
from reproductions import registry


class Form(StrEnum):
    MODEL_CARD = "model-card"
    CSV = "csv"
    PARQUET = "parquet"


def write(
    out: Path,
    form: Form,
    run: Run,
    *,
    points: Sequence[MetricPoint],
    measurements: Sequence[Measurement],
    judged: model_card.Judged,
) -> int:
    """Write the file, beside and then in place, and return the number of values in it."""
    rows = [*run_table.rows(run, points, measurements)] if form is not Form.MODEL_CARD else []

    def fill(path: Path) -> int:
        if form is Form.PARQUET:
            return parquet.write(path, rows)
        if form is Form.CSV:
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(run_table.csv_lines(rows))
            return len(rows)
        path.write_text(card(run, measurements, judged), encoding="utf-8", newline="\n")
        return len(measurements)

    return _in_place(out, fill)


def card(run: Run, measurements: Sequence[Measurement], judged: model_card.Judged, *, opens_with: str = "") -> str:
    """The model card of a run; `opens_with` names the class of transformers that opens what lies beside it."""
    title, address = _paper(run)
    return model_card.text(run, measurements, judged, title=title, address=address, opens_with=opens_with)


def judged(reading: Session, place: Settings, measurements: Sequence[Measurement]) -> dict[str, tuple[Claim, Verdict]]:
    """The claims that these measurements are of, with the verdicts of now."""
    everything = claims.load()
    measured = {item.claim_id for item in measurements}
    wanted = [claim for claim in everything if claim.id in measured]
    checks = structure.known({claim.reproduction for claim in wanted}, place.home)
    found = judging.judgements(reading, wanted, checks, among=everything)
    return {claim.id: (claim, found[claim.id].verdict) for claim in wanted}


def _paper(run: Run) -> tuple[str, str]:
    """Title and address of what the run reproduces; its name where we have it no longer."""
    known = next((each for each in registry.all() if each.name == run.reproduction), None)
    if known is None or not known.sources:
        return run.reproduction, ""
    source = known.sources[0]
    addresses = {"arxiv": f"https://arxiv.org/abs/{source.id}", "doi": f"https://doi.org/{source.id}", "url": source.id}
    return known.title, link(addresses.get(source.kind, ""))


def _in_place(out: Path, fill: Callable[[Path], int]) -> int:
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder", "--out takes the name of a file")
    beside = out.with_name(f".{out.name}.part")
    try:
        try:
            count = fill(beside)
            beside.replace(out)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise NotReady(f"{out} can't be written: {error.strerror}", "name another file with --out") from error
    return count
