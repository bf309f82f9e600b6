"""`paperlab report`: a page for each paper with what it claims, what our runs measured, and what holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.run_names import Json, refreshed
from paperlab.dossier import Dossier
from paperlab.errors import InvalidInput, NotReady
from paperlab.export import plots, report_html
from paperlab.export import report as pages
from paperlab.library import claims as library
from paperlab.runs import dossier, judging, structure
from paperlab.store.database import read_only


def report(
    out: Annotated[Path, typer.Option("--out", help="The folder to write to; pages of that name are replaced.")],
    source: Annotated[str | None, typer.Option(help="Only this source of claims, such as 1706.03762.")] = None,
    json_: Json = False,
) -> None:
    """Write a page for each paper: claims and verdicts, runs with curves, samples, how to repeat.

    Markdown and HTML, and an index.  The HTML loads nothing and runs nothing, so it can be mailed or published as it
    is.  The verdicts are those of now; nothing is logged.  The same database gives the same bytes.

    Example: paperlab report --out report --source 1706.03762
    """
    place = settings.load()
    everything = library.load()
    selected = library.select(everything, source=source)
    engine = refreshed(place)
    checks = structure.known({claim.reproduction for claim in selected}, place.home)
    with read_only(engine) as reading:
        judged = judging.judgements(reading, selected, checks, among=everything)
        verdicts = {claim_id: judgement.verdict for claim_id, judgement in judged.items()}
        gathered = [
            dossier.gather(reading, each, library.select(selected, source=each), verdicts)
            for each in dossier.sources(selected)
        ]
    written = _write(out, gathered)
    if json_:
        output.write_json({"out": out, "pages": written, "total": len(written)})
        return
    output.write_line(str(out / "index.html"))
    noun = "paper" if len(gathered) == 1 else "papers"
    output.talk(f"{len(gathered)} {noun}: {len(written)} files, Markdown and HTML")


def _write(out: Path, gathered: list[Dossier]) -> list[str]:
    """The pages and plots as files below `out`.  Returns their names."""
    files: dict[str, str] = {}
    contents = pages.index(gathered)
    for page in (contents, *map(pages.page, gathered)):
        files[f"{page.name}.md"] = pages.markdown(page)
        files[f"{page.name}.html"] = report_html.html(page, home="" if page is contents else contents.name)
        for block in page.blocks:
            if isinstance(block, pages.Plot):
                files[f"plots/{block.name}.svg"] = plots.standalone(block.svg)
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is not a folder", "--out takes a folder, which is made where there is none")
    try:
        for name, text in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.part")
            beside.write_text(text, encoding="utf-8", newline="\n")
            beside.replace(path)
    except OSError as error:
        raise NotReady(f"{out} can't be written: {error.strerror}", "name another folder with --out") from error
    return sorted(files)
