"""The list of reproductions: what can be run, under which name, and which code a run depends on.

Standard library only, and lazy: a folder's `__init__.py` and `recipes.py` are imported when they are asked
for, and neither imports torch.  `PAPERLAB_REPRODUCTIONS` (importable package names, separated by commas) adds
reproductions that live outside this repository; they follow the same layout.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import io
import json
import os
import tokenize
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reproductions.engine.recipe import Recipe

PACKAGES = (
    "reproductions.transformer",
    "reproductions.gpt",
    "reproductions.bert",
    "reproductions.finetuning",
    "reproductions.applications",
    "reproductions.llama",
    "reproductions.attention",
)
TIERS = ("full", "mini", "smoke")

# They record what happened and cannot change what is computed, so a run survives their changes.
_NOT_FINGERPRINTED = (
    "reproductions.registry",
    "reproductions.run_directory",
    "reproductions.run_files",
    "reproductions.code_tree",
    "reproductions.engine.provenance",
    "reproductions.engine.energy",
)
# Parts of a recipe that compute nothing: where numbers come from, what they need, what was expected of them.
_SAYS_ONLY = ("places", "needs", "predicted")


class ReproductionError(Exception):
    """An error for people: the thing and the reason, the next command, and the exit code it ends with.

    `message` is one sentence without a final full stop; `hint` is what to do, usually a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}.\n  {self.hint}" if self.hint else f"{self.message}."


class InvalidInput(ReproductionError):
    """The words given do not name anything or cannot be read (exit 3)."""

    exit_code = 3


class UnknownName(InvalidInput):
    """No reproduction, recipe or tier has this name (exit 3)."""


class NotReady(ReproductionError):
    """The machine lacks something: a GPU, memory, disk, data (exit 4)."""

    exit_code = 4


class TryAgain(ReproductionError):
    """Nothing is lost; the same command goes on (exit 75)."""

    exit_code = 75


@dataclass(frozen=True)
class Source:
    """Where claims come from.  Dates are ISO dates; `summary` is one line in our own words."""

    kind: str  # "arxiv", "doi" or "url"
    id: str
    title: str
    authors: tuple[str, ...] = ()
    submitted: str = ""
    updated: str = ""
    categories: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Reproduction:
    """A paper's folder of code.  `recipes`: name to one line about it.  The registry fills in `folder`.

    Where trained models can be asked for something, `asked_by` is the word for it ("generate", "translate"), and the
    folder's opening.py opens them; `hugging_face` has the values of model_type in config.json that it reads as well,
    and `gguf` the architectures of GGUF files that it can turn into such a folder.
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    recipes: Mapping[str, str] = field(default_factory=dict)
    asked_by: str = ""
    hugging_face: tuple[str, ...] = ()
    gguf: tuple[str, ...] = ()
    folder: str = ""  # the package's importable name, "reproductions.transformer"


def all() -> tuple[Reproduction, ...]:
    """Every reproduction, in the order of the list."""
    extra = os.environ.get("PAPERLAB_REPRODUCTIONS", "")
    packages = (*PACKAGES, *(name.strip() for name in extra.split(",") if name.strip()))
    return tuple(_load(package) for package in packages)


def names() -> list[str]:
    return [reproduction.name for reproduction in all()]


def recipe_names() -> list[str]:
    return [recipe for reproduction in all() for recipe in reproduction.recipes]


def get(name: str) -> Reproduction:
    """The reproduction called `name`, or the one that has a recipe called `name`.  Raises UnknownName."""
    reproductions = all()
    for reproduction in reproductions:
        if name == reproduction.name or name in reproduction.recipes:
            return reproduction
    known = [recipe for reproduction in reproductions for recipe in (*reproduction.recipes, reproduction.name)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    everything = "all of them: python -m reproductions --list"
    hint = f"did you mean: {near[0]:<30}{everything}" if near else everything
    raise UnknownName(f'no reproduction is called "{name}"', hint)


def tiers(recipe_name: str) -> tuple[str, ...]:
    """The tiers of a recipe, largest first.  Raises UnknownName."""
    found = {tier for name, tier in _recipes(recipe_name) if name == recipe_name}
    return tuple(sorted(found, key=lambda tier: TIERS.index(tier) if tier in TIERS else len(TIERS)))


def recipe(recipe_name: str, tier: str) -> Recipe[Any, Any, Any]:
    """The numbers of one tier.  Raises UnknownName."""
    recipes = _recipes(recipe_name)
    if (recipe_name, tier) not in recipes:
        have = ", ".join(tiers(recipe_name))
        raise UnknownName(f'{recipe_name} has no tier "{tier}"', f"it has: {have}")
    return recipes[recipe_name, tier]


def changed(recipe_name: str, tier: str, changes: Mapping[str, str]) -> dict[str, Any]:
    """One tier's values with `{"optim.lr": "3e-4"}` applied.  Raises UnknownName; InvalidInput for a wrong field."""
    module = importlib.import_module("reproductions.engine.recipe")
    values: dict[str, Any] = module.to_dict(module.override(recipe(recipe_name, tier), changes))
    return values


def task(name: str) -> Callable[..., Any]:
    """The folder's Task class.  Imports torch."""
    return importlib.import_module(f"{get(name).folder}.task").Task  # type: ignore[no-any-return]


def opening(name: str) -> Any:
    """The folder's opening.py, which opens trained models.  Imports torch.  Raises InvalidInput where it has none."""
    reproduction = get(name)
    if not reproduction.asked_by:
        able = ", ".join(other.name for other in all() if other.asked_by)
        raise InvalidInput(f"models of {reproduction.name} can't be asked for anything", f"those that can: {able}")
    return importlib.import_module(f"{reproduction.folder}.opening")


def folder_of_gguf(path: Path, folder: Path) -> None:
    """Writes the model of a GGUF file as a folder in Hugging Face's format.  Imports torch.

    Raises InvalidInput for a file that can't be read, and for an architecture that no reproduction has.
    """
    file = importlib.import_module("reproductions.engine.gguf").read(path)
    known = {each: reproduction for reproduction in all() for each in reproduction.gguf}
    if file.architecture not in known:
        what = f'{path} is a model of the architecture "{file.architecture}", which can\'t be opened here'
        raise InvalidInput(what, f"those that can: {', '.join(known)}")
    opening(known[file.architecture].name).folder_of_gguf(file, folder)


def structure(name: str) -> list[dict[str, Any]]:
    """Measures a folder's structural claims (parameter counts, equations) without training.  Imports torch."""
    module = importlib.import_module(f"{get(name).folder}.task")
    measure: Callable[[], list[dict[str, Any]]] | None = getattr(module, "structure", None)
    return measure() if measure else []


def machine() -> dict[str, Any]:
    """CPU, cores and memory of this machine as run.json names them; its GPUs, which only torch knows, are left out."""
    return asdict(importlib.import_module("reproductions.engine.machine").here("cpu"))


def data_hashes() -> dict[str, str]:
    """The SHA-256 that the manifest names for each data file now, by its place on a mirror; files without one are left
    out."""
    datasets = importlib.import_module("reproductions.data.manifest").load().values()
    return {file.path: file.sha256 for dataset in datasets for file in dataset.files.values() if file.sha256}


def folder(name: str) -> Path:
    """Where the reproduction's files lie."""
    return _source_file(get(name).folder).parent


def claims(name: str) -> list[dict[str, Any]]:
    """The claims of the folder's claims.toml, as they stand there."""
    path = folder(name) / "claims.toml"
    try:
        return list(tomllib.loads(path.read_text(encoding="utf-8")).get("claim", []))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}", "correct the file") from error


def readme(name: str) -> str:
    return (folder(name) / "README.md").read_text(encoding="utf-8")


def recipe_values(recipe_name: str, tier: str, overrides: Mapping[str, str]) -> dict[str, Any]:
    """The recipe with the overrides applied, as run.json keeps it.  Raises UnknownName, InvalidInput."""
    recipes = importlib.import_module("reproductions.engine.recipe")
    values: dict[str, Any] = recipes.to_dict(recipes.override(recipe(recipe_name, tier), overrides))
    return values


def computing(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values without the parts that compute nothing."""
    return {part: value for part, value in values.items() if part not in _SAYS_ONLY}


def data_files() -> dict[str, str]:
    """The SHA-256 of every file that data/manifest.toml has one of, by URL; by its path where it has no URL."""
    tables = tomllib.loads((Path(__file__).parent / "data" / "manifest.toml").read_text(encoding="utf-8")).values()
    files = [file for table in tables for file in table.get("file", {}).values()]
    return {file.get("url") or file["path"]: file["sha256"] for file in files if file.get("sha256")}


def fingerprint(
    name: str,
    tier: str | None = None,
    *,
    code: str | None = None,
    values: Mapping[str, Any] | None = None,
    root: Path | None = None,
) -> str:
    """SHA-256 over every module of ours that computes something in a run of `name`, without its prose.

    The modules are found by following import statements from the folder's task and recipes and from the
    trainer; nothing is executed beyond the packages' `__init__.py`.  Comments and docstrings do not count, and of a
    recipes.py only what other modules import from it by name.  With a `tier`, the values of that tier of the recipe
    `name` count too, so that a number changed in one recipe leaves the runs of the others as they are.  `code` is
    what this function gave for the reproduction without a tier, where the caller holds it already.

    For another state of the code: `root`, the folder with it, of which nothing is executed, and `values`, the recipe's
    values there.
    """
    if tier is None:
        return _code_fingerprint(get(name).folder, root)
    values = asdict(recipe(name, tier)) if values is None else values
    text = json.dumps(computing(values), sort_keys=True, allow_nan=False)
    return hashlib.sha256(f"{code or _code_fingerprint(get(name).folder, root)}\n{text}\n".encode()).hexdigest()


def _code_fingerprint(package: str, root: Path | None) -> str:
    roots = {"reproductions", package.partition(".")[0]}
    queue = [f"{package}.task", f"{package}.recipes", "reproductions.engine.trainer"]
    sources: dict[str, tuple[ast.Module, tuple[str, ...]]] = {}
    named: dict[str, set[str]] = {}  # module to the names that others import from it; "*" is all of it
    while queue:
        module = queue.pop()
        if module in sources or module in _NOT_FINGERPRINTED or module.partition(".")[0] not in roots:
            continue
        path = _source_file(module, root)
        sources[module] = _parsed(path.read_text(encoding="utf-8"))
        within = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for imported, name in _imports(sources[module][0], within, root):
            queue.append(imported)
            named.setdefault(imported, set()).add(name)
    digest = hashlib.sha256()
    for module in sorted(sources):
        tree, lines = sources[module]
        if module.endswith(".recipes") and "*" not in named.get(module, set()):
            lines = _defining(tree, lines, named.get(module, set()))
        text = "\n".join(line.rstrip() for line in lines if line.strip())
        digest.update(f"{module}\n{text}\n".encode())
    return digest.hexdigest()


def _load(package: str) -> Reproduction:
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not package.startswith(error.name):
            raise
        hint = "its folder must be on PYTHONPATH; the list comes from PAPERLAB_REPRODUCTIONS"
        raise UnknownName(f'no package is called "{package}"', hint) from error
    reproduction: Reproduction = module.REPRODUCTION
    return replace(reproduction, folder=package)


def _recipes(recipe_name: str) -> dict[tuple[str, str], Recipe[Any, Any, Any]]:
    reproduction = get(recipe_name)
    recipes: dict[tuple[str, str], Recipe[Any, Any, Any]] = importlib.import_module(
        f"{reproduction.folder}.recipes"
    ).RECIPES
    if not any(recipe_name == name for name, _ in recipes):
        have = ", ".join(reproduction.recipes)
        raise UnknownName(f'"{recipe_name}" is a paper, not a recipe', f"its recipes: {have}")
    return recipes


def _source_file(module: str, root: Path | None = None) -> Path:
    if root is not None:
        path = _file_below(root, module)
        if path is None:
            raise UnknownName(f"the module {module} is not below {root}")
        return path
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UnknownName(f"the module {module} cannot be found", "install the package again")
    return Path(spec.origin)


def _file_below(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in candidates if path.is_file() and not path.is_symlink()), None)


def _has_submodule(base: str, name: str, root: Path | None) -> bool:
    if root is not None:
        return _file_below(root, f"{base}.{name}") is not None
    spec = importlib.util.find_spec(base)
    if spec is None or spec.submodule_search_locations is None:
        return False  # asking a plain module for a submodule would execute it
    return importlib.util.find_spec(f"{base}.{name}") is not None


def _imports(tree: ast.Module, package: str, root: Path | None) -> Iterator[tuple[str, str]]:
    """(module, the name imported from it, or "*" for the module itself)."""
    for node in _import_statements(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names)
        else:
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            if base.partition(".")[0] != package.partition(".")[0] and not base.startswith("reproductions"):
                continue
            for alias in node.names:
                is_module = _has_submodule(base, alias.name, root)
                yield (f"{base}.{alias.name}", "*") if is_module else (base, alias.name)


@lru_cache(maxsize=256)
def _import_statements(tree: ast.Module) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Kept as trees are: every fingerprint follows the same ones."""
    return tuple(node for node in _statements(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def _statements(tree: ast.Module) -> list[ast.AST]:
    """The module and every statement in it, without the expressions: most of a tree, where no statement can be."""
    found: list[ast.AST] = [tree]
    for node in found:
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            found.extend(inner if isinstance(inner, list) else ())
    return found


@lru_cache(maxsize=256)
def _parsed(source: str) -> tuple[ast.Module, tuple[str, ...]]:
    """The tree, and the lines without prose.  Kept, because each reproduction stands on the same modules."""
    tree = ast.parse(source)
    return tree, tuple(_without_prose(source, tree))


def _without_prose(source: str, tree: ast.Module) -> list[str]:
    """The lines of the source, comments and docstrings emptied: what is left can change results."""
    lines = source.splitlines()
    for node in _statements(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            for number in range(first.lineno - 1, first.end_lineno or first.lineno):
                lines[number] = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT and lines[row - 1]:
            lines[row - 1] = lines[row - 1][:column]
    return lines


def _defining(tree: ast.Module, lines: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    """The lines of the statements that define `names`, and those that they refer to in turn."""
    defining: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _defines(node):
            defining.setdefault(name, []).append(node)
    wanted, kept = list(names), set[ast.stmt]()
    while wanted:
        for node in defining.get(wanted.pop(), []):
            if node not in kept:
                kept.add(node)
                wanted += _names(node)
    spans = sorted((_first_line(node), node.end_lineno or node.lineno) for node in kept)
    return tuple(line for first, last in spans for line in lines[first - 1 : last])


def _defines(node: ast.stmt) -> list[str]:
    """The names that a statement gives a value to, or may change: any that a loop or a bare call mentions."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in _names(target)]
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return _names(node.target)
    return _names(node)


def _names(node: ast.AST) -> list[str]:
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
