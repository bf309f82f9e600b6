"""The `paperlab` command: its parts, and how an error becomes a text and an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import keyword
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from typer.exceptions import TyperException

import paperlab
from paperlab import errors, settings
from paperlab.cli import output

COMMANDS: Mapping[str, str] = {
    "sync": "Bring in new and revised papers, and leave a receipt of what was announced.",
    "status": "What each source brought last, what is missing, and when to ask again.",
    "papers": "The papers held: add, list, show, compare, mark, export.",
    "recommend": "Rank recent papers by the ones you starred or tagged, and show the words that lifted each.",
    "watch": "Questions that are asked of every paper as it arrives.",
    "alerts": "Show starred, tagged, annotated or reproduced papers that were replaced or withdrawn.",
    "search": "Search the papers held: title, abstract, authors, comment and own notes.",
    "reproduce": "Train a recipe of a paper, and judge the claims that it measures.",
    "sweep": "Train a recipe over a grid of its fields, and rank the cells by a validation metric.",
    "queue": "What is to be trained, and the worker that trains it.",
    "runs": "What was trained, how far it is, and what it measured.",
    "claims": "What papers report, what our runs measured, and what holds.",
    "generate": "Write on from prompts with a trained language model.",
    "fill": "Fill in [MASK] with a BERT: each with its most probable word piece, given everything else; a line a text.",
    "translate": "Translate sentences with a Transformer, by beam search; a line a sentence.",
    "export": "Write a run's model for transformers: config.json, safetensors, tokenizer and a model card.",
    "report": "Write a page for each paper: claims and verdicts, runs with curves, samples, how to repeat.",
    "leaderboard": "Rank what our runs measured, a table a protocol, and show beside it what papers report.",
    "import": "Bring in a model (hf:NAME, a folder, a .gguf file), or code links and reported results (files of known "
    "formats).",
    "digest": "Show what is new and why: alerts, what watchlists match, what is relevant, verdicts that changed.",
    "dashboard": "Show papers, claims and runs in the browser.",
    "doctor": "Check environment, clock, database and whether arXiv answers; exit 4 where something has to be mended.",
    "db": "The database: bring it up to date, check it, copy it.",
}
"""Each command lives in the module of its name, as `app` (a group) or as the function of its name.

A name that is a word of Python has an underscore there: `import` is import_.import_."""

_EPILOG = (
    "Settings: flag > PAPERLAB_* in the environment > paperlab.toml > default.  PAPERLAB_HOME (state), "
    "PAPERLAB_DATABASE_URL, PAPERLAB_DATA_MIRROR (a folder or URL looked at before any download), "
    "PAPERLAB_ARXIV_API_URL, PAPERLAB_ARXIV_RSS_URL, PAPERLAB_ARXIV_OAI_URL, PAPERLAB_ARXIV_INTERVAL (seconds). "
    "Exit codes: 0 done, 1 our fault, 2 usage, 3 unknown name or invalid input, 4 environment not ready, "
    "6/7 a claim differs/is inconclusive (with --gate), 75 try again, nothing is lost."
)


_INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""
_STOPPED = errors.TryAgain("stopped", "the same command goes on; nothing is lost", reason="interrupted")


def command_line(loaded: Sequence[str] = tuple(COMMANDS)) -> typer.Typer:
    """The whole command line.  Only the modules of `loaded` are imported: all of them take half a second."""
    app = typer.Typer(
        help="Know which LLM papers matter, and which of their numbers hold.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
        epilog=_EPILOG,
    )
    app.callback()(_main)
    for name, summary in COMMANDS.items():
        if name not in loaded:
            app.command(name, help=summary)(_listed_only)
            continue
        attribute = f"{name}_" if keyword.iskeyword(name) else name
        module = importlib.import_module(f"paperlab.cli.{attribute}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, attribute))
    return app


def _listed_only() -> None:
    """Stands in the list of commands for one that is loaded when it is asked for."""


def _version(asked: bool) -> None:
    if asked:
        output.write_line(f"paperlab {paperlab.__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Typer reads the options of `paperlab` itself from this signature."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with the documented exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(exit_code(words))


def exit_code(words: Sequence[str]) -> int:
    """Run one command; show an error as the thing, the reason and the next command."""
    as_json = "--json" in words
    try:
        with _nothing_collected():
            app = command_line(words[:1])
        result = app(list(words), prog_name="paperlab", standalone_mode=False)
    except TyperException as error:
        _show_usage(error)
        hint = _hint(error, words)
        if hint:
            output.talk(f"  {hint}")
        if as_json:
            output.write_json({"error": error.format_message(), "hint": hint or "--help", "exit": errors.USAGE})
        return errors.USAGE
    except (KeyboardInterrupt, typer.Abort):
        result = _INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # Typer turns a reader that has gone, as in `| head`, into an exit of its own.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        sys.stdout = io.StringIO()  # the last flush needs somewhere to go
        result = 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: it is logged, and ends in exit 1
        return _ended(error, as_json)
    if result == _INTERRUPTED:
        return _show(_STOPPED, as_json)
    return result if isinstance(result, int) else 0


def _ended(error: Exception, as_json: bool) -> int:
    """What an error that ended a command is to the user."""
    if isinstance(error, errors.PaperlabError):
        return _show(error, as_json)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _show(errors.NotReady("the output can't be written: the disk is full", "make room"), False)
    return _our_fault(error, as_json)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Imports make many objects and no garbage: looking for some takes a fifth of a command's start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _show_usage(error: TyperException) -> None:
    """A usage error shows itself: the usage line and the option that was not understood, or the whole help."""
    show: Callable[..., None] | None = getattr(error, "show", None)
    if show is None:
        output.talk(f"error: {error.format_message()}")
    else:
        show(file=sys.stderr)


def _hint(error: TyperException, words: Sequence[str]) -> str:
    """What was meant where a query to be searched for begins with a minus; empty where that is not it."""
    is_unknown_option = hasattr(error, "possibilities")  # the class itself is private to Typer
    if not is_unknown_option or words[0] != "search":
        return ""
    asked = [word for word in words[1:] if word != "--json"]
    return f"a query that begins with - stands behind --: {shlex.join(['paperlab', 'search', '--', *asked])}"


def _show(error: errors.PaperlabError, as_json: bool) -> int:
    output.talk(f"error: {error}")
    if as_json:
        record = {"error": error.message, "hint": error.hint, "exit": error.exit_code}
        if isinstance(error, errors.TryAgain):
            record |= {"reason": error.reason, "retry_after_s": error.retry_after_s}
        output.write_json(record)
    return error.exit_code


def _our_fault(error: Exception, as_json: bool) -> int:
    """Anything that nobody foresaw: the traceback goes to the log, the terminal gets one line."""
    logger = logging.getLogger("paperlab")
    where = "the traceback follows"
    try:
        log_file = settings.load().log_file
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        where = f"details in {log_file}"
    except (OSError, errors.PaperlabError):
        handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    logger.error("unexpected %s", type(error).__name__, exc_info=error)
    logger.removeHandler(handler)
    handler.close()
    unexpected = errors.PaperlabError(
        f"unexpected {type(error).__name__}: {error}", f"{where}; this is a fault of paperlab"
    )
    return _show(unexpected, as_json)
