"""python -m reproductions NAME: trains a recipe and writes a run directory.  Needs torch, and no paperlab."""

# ruff: noqa: T201 - stdout is what a command line is for

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reproductions import durations, registry
from reproductions.engine import ranks
from reproductions.registry import InvalidInput, ReproductionError, TryAgain
from reproductions.run_directory import home

EXAMPLES = """examples:
  python -m reproductions --list
  python -m reproductions transformer-base --tier smoke
  python -m reproductions transformer-base --tier mini --seed 2 --set optim.lr=2.0
  python -m reproductions transformer-base --gpus 8 --set train.accumulate=8 --max-wall 2h

The same command goes on with an unfinished run.  Exit codes: 0 done, 1 our fault, 2 usage, 3 unknown name or invalid
input, 4 this machine lacks something, 75 try again, nothing lost."""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m reproductions",
        description="Train a recipe of a paper and write a run directory.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = arguments.add_argument
    add("name", nargs="?", metavar="NAME", help="a recipe, as --list shows them")
    add("--tier", default="full", help="full (the paper's setting, default), mini or smoke")
    add("--seed", type=int, default=1)
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of the recipe: optim.lr=3e-4")
    add("--runs-dir", type=Path, help="where run directories lie (default: runs/ below PAPERLAB_HOME)")
    add("--again", action="store_true", help="another run, although one of this identity exists")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add(
        "--gpus",
        type=_count,
        default=1,
        metavar="N",
        help="train on N GPUs of this machine; with --device cpu: N processes",
    )
    add("--threads", type=int, help="torch's threads (default: PAPERLAB_THREADS, or torch's choice)")
    add("--max-wall", type=_duration, metavar="2h", help="before so long, write a checkpoint and exit 75")
    add("--stop-after", type=_count, metavar="STEP", help="after this step, write a checkpoint and exit 75")
    add("--self-test-resume", action="store_true", help="train a short stretch twice, once with a kill, and compare")
    add("--quiet", action="store_true", help="errors only on stderr")
    add("--json", action="store_true", help="one JSON object on stdout")
    add("--list", action="store_true", help="what can be run")
    add("--predict", action="store_true", help="measure for some seconds what it would take here, instead of training")
    add("--structure", action="store_true", help="measure the structural claims instead of training")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.  Returns the exit code."""
    began = ranks.began() or time.time()
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(words)
    ranks.stay_with_parent()
    try:
        if arguments.list:
            return show_list(arguments.json)
        if arguments.name is None:
            parser().error("a NAME is needed; --list shows them")
        if arguments.structure:
            return show_structure(arguments.name, arguments.json)
        if arguments.predict:
            return show_prediction(arguments)
        if arguments.self_test_resume:
            return show_self_test(arguments)
        return train(arguments, words, began)
    except ReproductionError as error:
        return _refuse(error, arguments.json)


def _refuse(error: ReproductionError, as_json: bool) -> int:
    print(f"error: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": error.message, "hint": error.hint, "exit": error.exit_code}))
    return error.exit_code


def show_list(as_json: bool) -> int:
    rows = [
        {"recipe": name, "tiers": list(registry.tiers(name)), "reproduction": reproduction.name, "about": about}
        for reproduction in registry.all()
        for name, about in reproduction.recipes.items()
    ]
    if as_json:
        print(json.dumps({"recipes": rows}))
    width = max(len(row["recipe"]) for row in rows)
    for row in [] if as_json else rows:
        print(f"{row['recipe']:<{width}} {', '.join(row['tiers']):<17} {row['about']}")
    return 0


def show_structure(name: str, as_json: bool) -> int:
    measurements = registry.structure(name)
    if as_json:
        print(json.dumps({"reproduction": registry.get(name).name, "measurements": measurements}))
    for measured in [] if as_json else measurements:
        label = measured.get("claim") or measured["metric"]
        print(f"{label:<64} {measured['value']:>16,} {measured.get('unit', '')}".rstrip())
    return 0


def show_prediction(arguments: argparse.Namespace) -> int:
    """Takes a few steps and prints what the whole run would take.  Leaves nothing behind."""
    from reproductions.engine.recipe import override

    recipe = override(registry.recipe(arguments.name, arguments.tier), _overrides(arguments.set))
    tiers = [registry.recipe(arguments.name, tier) for tier in registry.tiers(arguments.name)]
    make_task = registry.task(arguments.name)
    _set_threads(arguments.threads)

    from reproductions.engine import failures, prediction

    runs_dir = arguments.runs_dir or home() / "runs"
    with failures.explained(runs_dir):
        found = prediction.measure(
            recipe,
            make_task=make_task,
            data_home=home() / "data",
            device=arguments.device,
            tiers=tiers,
            folder=runs_dir,
            seed=arguments.seed,
            talk=_silent if arguments.quiet else _talk,
        )
    if arguments.json:
        print(json.dumps(found))
        return 0
    seconds = found["seconds"]
    missing = f", without {', '.join(found['at_least'])}" if found["at_least"] else ""
    print("time    not known" if seconds is None else f"time    {seconds / 3600:.3g} h{missing}")
    print(f"memory  {found['memory_bytes'] / 1e9:.2f} GB")
    for note in found["rates"]["notes"]:
        print(f"note    {note}")
    return 0


def show_self_test(arguments: argparse.Namespace) -> int:
    """Kills and resumes the recipe's first steps, and says whether that changed anything.  Leaves no run behind."""
    from reproductions.engine.recipe import override

    recipe = override(registry.recipe(arguments.name, arguments.tier), _overrides(arguments.set))
    ranks.check(recipe, arguments.gpus, arguments.device if arguments.gpus > 1 else "cpu")
    _set_threads(arguments.threads)

    import torch

    from reproductions.engine import failures, self_test

    on_gpu = arguments.device == "cuda" or (arguments.device == "auto" and torch.cuda.is_available())
    more = ["--device", arguments.device, "--gpus", str(arguments.gpus)]
    more += [] if arguments.threads is None else ["--threads", str(arguments.threads)]
    runs_dir = arguments.runs_dir or home() / "runs"
    with failures.explained(runs_dir):
        found = self_test.run(
            self_test.command_of(arguments.name, arguments.tier, arguments.seed, arguments.set, more),
            recipe,
            runs_dir=runs_dir,
            alike=self_test.rule("cuda" if on_gpu else "cpu", arguments.gpus, torch.get_num_threads()),
            rng=random.Random(),
            talk=_silent if arguments.quiet else _talk,
        )
    code = 0 if found["same"] else 1
    if arguments.json:
        print(json.dumps({**found, "exit": code}))
        return code
    compared = found["compared"]
    print(f"steps      {found['steps']}, killed after the checkpoint of step {found['killed_after_checkpoint']}")
    print(f"compared   {compared['values']} recorded values and {compared['tensors']} tensors, {found['rule']}")
    print("same       yes" if found["same"] else f"same       no: {json.dumps(found['first_difference'])}")
    return code


def train_on_several(arguments: argparse.Namespace, words: Sequence[str], began: float) -> int:
    """The same command line as so many ranks; rank 0 prints what `train` prints."""
    from reproductions.engine.recipe import override

    recipe = override(registry.recipe(arguments.name, arguments.tier), _overrides(arguments.set))
    ranks.check(recipe, arguments.gpus, arguments.device)
    try:
        return ranks.start(arguments.gpus, words, began)
    except TryAgain as error:
        return _refuse(error, as_json=False)  # what rank 0 said of the run stays the last object on stdout


def train(arguments: argparse.Namespace, words: Sequence[str], began: float) -> int:
    """Trains, and prints where the run lies even if it is stopped early.  --max-wall counts from `began`."""
    if arguments.gpus > 1 and not ranks.is_one_of_several():
        return train_on_several(arguments, words, began)
    from reproductions.engine.recipe import override

    overrides = _overrides(arguments.set)
    recipe = override(registry.recipe(arguments.name, arguments.tier), overrides)
    tiers = [registry.recipe(arguments.name, tier) for tier in registry.tiers(arguments.name)]
    make_task = registry.task(arguments.name)
    _set_threads(arguments.threads)
    if arguments.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # the bars of data that is brought in, which no argument reaches

    from reproductions.engine import session

    found: list[Path] = []
    said: dict[str, object] = {}
    code = 0
    source = registry.fingerprint(arguments.name)
    try:
        session.train(
            recipe,
            arguments.seed,
            arguments.runs_dir or home() / "runs",
            make_task=make_task,
            fingerprint=registry.fingerprint(arguments.name, arguments.tier, code=source),
            code=source,
            data_home=home() / "data",
            now=datetime.now(UTC),
            overrides=overrides,
            tiers=tiers,
            device=arguments.device,
            again=arguments.again,
            stop_after=arguments.stop_after,
            max_seconds=None if arguments.max_wall is None else began + arguments.max_wall - time.time(),
            command=["python", "-m", "reproductions", *words],
            talk=_silent if arguments.quiet else _talk,
            on_run=found.append,
            progress=not arguments.quiet and sys.stderr.isatty(),
            prediction=_prediction(),
        )
    except ReproductionError as error:
        if not _is_main_process() and ranks.is_everyones(error):
            return error.exit_code
        if not found:
            return _refuse(error, arguments.json and _is_main_process())
        code = _refuse(error, as_json=False)
        said = {"error": error.message, "hint": error.hint, "exit": code}
    if found and _is_main_process():
        _show_run(found[0], said, arguments.json)
    return code


def _show_run(path: Path, said: Mapping[str, object], as_json: bool) -> None:
    from reproductions.run_directory import RunDirectory

    run = RunDirectory(path)
    print(json.dumps({"run": run.id, "path": str(path), "status": run.status(), **said}) if as_json else path)


def _prediction() -> dict[str, object] | None:
    """What was said of this run before it began, by whoever started this process (PAPERLAB_PREDICTION, JSON)."""
    text = os.environ.get("PAPERLAB_PREDICTION")
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"PAPERLAB_PREDICTION is not JSON: {error}", "leave it out") from error
    if not isinstance(value, dict):
        raise InvalidInput("PAPERLAB_PREDICTION is not a JSON object", "leave it out")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a count')
    return int(text)


def _duration(text: str) -> float:
    try:
        return durations.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _overrides(words: Sequence[str]) -> dict[str, str]:
    changes = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f'--set takes KEY=VALUE, not "{word}"', "for example: --set optim.lr=3e-4")
        changes[key.strip()] = value.strip()
    return changes


def _set_threads(asked: int | None) -> None:
    import torch

    text = os.environ.get("PAPERLAB_THREADS", "")
    if text and not text.isdigit():
        raise InvalidInput(f'PAPERLAB_THREADS is a number of threads, not "{text}"')
    threads = asked or int(text or 0)
    if threads:
        torch.set_num_threads(threads)


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silent(_: str) -> None:
    pass


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    sys.exit(main())
