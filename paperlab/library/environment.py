"""What this machine offers: Python, packages, torch and its devices, disk, a home that can be written, variables.

Packages are compared with what paperlab's own metadata asks for.  torch is asked in a process of its own: importing it
takes seconds, and a broken driver can end the process that tries.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from paperlab.library.findings import Check, State

GROUP = "environment"
DISTRIBUTION = "paperlab"
OLDEST_PYTHON = (3, 11)
LOW_DISK_BYTES = 2 * 2**30
NO_DISK_BYTES = 100 * 2**20
TORCH_TIMEOUT_S = 60.0
KNOWN_VARIABLES = frozenset(
    {
        *(
            "PAPERLAB_HOME",
            "PAPERLAB_DATABASE_URL",
            "PAPERLAB_CONFIG",
            "PAPERLAB_DATA_MIRROR",
            "PAPERLAB_REPRODUCTIONS",
        ),
        *("PAPERLAB_ARXIV_API_URL", "PAPERLAB_ARXIV_RSS_URL", "PAPERLAB_ARXIV_OAI_URL", "PAPERLAB_ARXIV_INTERVAL"),
        *("PAPERLAB_ARXIV_TIMEOUT", "PAPERLAB_ARXIV_PAGE_SIZE", "PAPERLAB_THREADS"),
        *("PAPERLAB_TEST_DATA", "PAPERLAB_SOAK_RESULTS"),  # read by the tests
    }
)
_TORCH_PROGRAM = (
    "import json, torch; "
    "devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]; "
    "print(json.dumps([torch.__version__, torch.version.cuda, devices, torch.backends.mps.is_available()]))"
)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    found = f"{'.'.join(map(str, version))} at {sys.executable}"
    if version < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Check(GROUP, "Python", State.PROBLEM, found, f"install Python {wanted} or later, and paperlab with it")
    return Check(GROUP, "Python", State.OK, found)


# --- packages -------------------------------------------------------------------------------------------------


def packages(
    requirements: Iterable[str] | None = None, installed: Callable[[str], str] = metadata.version
) -> list[Check]:
    """One check for the packages that paperlab needs, and one for each of its extras."""
    if requirements is None:
        try:
            requirements = metadata.requires(DISTRIBUTION) or ()
        except metadata.PackageNotFoundError:
            found = "paperlab itself is not installed, so nobody knows what it needs"
            return [Check(GROUP, "packages", State.WARNING, found, "pip install -e .")]
    groups: dict[str, list[tuple[str, str]]] = {"": []}
    for text in requirements:
        match = _REQUIREMENT.fullmatch(text)
        if match is None or match[1].lower() == DISTRIBUTION:
            continue
        extra = _EXTRA.search(match[3] or "")
        groups.setdefault(extra[1] if extra else "", []).append((match[1], match[2].strip()))
    groups.pop("all", None)
    return [_packages(extra, needed, installed) for extra, needed in groups.items()]


def _packages(extra: str, needed: Iterable[tuple[str, str]], installed: Callable[[str], str]) -> Check:
    present, missing, outside = [], [], []
    for name, ranges in sorted(needed):
        try:
            version = installed(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        present.append(f"{name} {version}")
        if not satisfies(version, ranges):
            outside.append(f"{name} {version} is not {ranges}")
    name = f"packages [{extra}]" if extra else "packages"
    target = f'"paperlab[{extra}]"' if extra else "paperlab"
    repair = f"pip install --upgrade {target}"
    if outside or (missing and not extra):
        faults = [*outside, *(f"{each} is missing" for each in missing)]
        state = State.WARNING if extra else State.PROBLEM
        return Check(GROUP, name, state, "; ".join(faults), repair)
    if missing:
        return Check(GROUP, name, State.OK, f"not installed: {', '.join(missing)}", f"if you need it: {repair}")
    return Check(GROUP, name, State.OK, ", ".join(present))


def satisfies(version: str, ranges: str) -> bool:
    """Whether a version is within ranges such as ">=2.1,<3".  Only releases are compared, not 1.0rc1 with 1.0."""
    have = _release(version)
    for part in filter(None, (piece.strip() for piece in ranges.split(","))):
        match = re.fullmatch(r"(>=|<=|==|!=|~=|<|>)\s*(\S+)", part)
        if match is None:
            continue  # a direct address, or a form that this does not know: nothing to hold against it
        operator, want = match[1], _release(match[2].removesuffix(".*"))
        length = max(len(have), len(want))
        left, right = ((*each, *[0] * (length - len(each))) for each in (have, want))
        is_prefix = match[2].endswith(".*") and have[: len(want)] == want
        holds = {
            ">=": left >= right,
            "<=": left <= right,
            "<": left < right,
            ">": left > right,
            "==": left == right or is_prefix,
            "!=": left != right and not is_prefix,
            "~=": left >= right and have[: len(want) - 1] == want[:-1],
        }[operator]
        if not holds:
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


# --- torch ----------------------------------------------------------------------------------------------------


def torch(python_program: str = sys.executable, timeout_s: float = TORCH_TIMEOUT_S) -> Check:
    """What torch says of itself and its devices, asked in another process."""
    try:
        metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Check(GROUP, "torch", State.OK, "not installed", 'if you train: pip install "paperlab[train]"')
    import subprocess

    command = [python_program, "-c", _TORCH_PROGRAM]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return Check(GROUP, "torch", State.WARNING, f"`import torch` takes more than {timeout_s:.0f} s", "nvidia-smi")
    except OSError as error:
        return Check(GROUP, "torch", State.WARNING, f"{python_program} can't be started: {error.strerror}", "")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return Check(
            GROUP, "torch", State.WARNING, f"installed, but fails: {last[:200]}", "pip install --upgrade torch"
        )
    version, cuda, devices, has_mps = json.loads(done.stdout.strip().splitlines()[-1])
    where = ", ".join(devices) or ("Apple MPS" if has_mps else "the CPU only")
    return Check(GROUP, "torch", State.OK, f"{version}{f' with CUDA {cuda}' if cuda else ''}: {where}")


# --- this machine ---------------------------------------------------------------------------------------------


def home(folder: Path) -> Check:
    """Whether state can be written where it belongs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        found = f"{folder} can't be written: {error.strerror or error}"
        return Check(GROUP, "home", State.PROBLEM, found, "make it writable, or set PAPERLAB_HOME to another folder")
    return Check(GROUP, "home", State.OK, str(folder))


def disk(folder: Path, free_bytes: int | None = None) -> Check:
    """Room on the disk of `folder`, which need not exist yet."""
    existing = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    free = shutil.disk_usage(existing).free if free_bytes is None else free_bytes
    found = f"{free / 2**30:.1f} GiB free at {existing}"
    if free >= LOW_DISK_BYTES:
        return Check(GROUP, "disk", State.OK, found)
    state = State.PROBLEM if free < NO_DISK_BYTES else State.WARNING
    return Check(GROUP, "disk", state, found, "make room, or set PAPERLAB_HOME to a folder on another disk")


def variables(environ: Mapping[str, str]) -> list[Check]:
    """PAPERLAB_* that nobody reads: most often a slip of the pen."""
    unknown = sorted(name for name in environ if name.startswith("PAPERLAB_") and name not in KNOWN_VARIABLES)
    if not unknown:
        names = sorted(name for name in environ if name in KNOWN_VARIABLES)
        return [Check(GROUP, "variables", State.OK, ", ".join(names) or "no PAPERLAB_* is set")]
    return [_unknown(name) for name in unknown]


def _unknown(name: str) -> Check:
    near = difflib.get_close_matches(name, KNOWN_VARIABLES, n=1, cutoff=0.75)
    help_ = f"did you mean: {near[0]}" if near else f"unset {name}"
    return Check(GROUP, "variables", State.WARNING, f"{name} is set, and nothing reads it", help_)


def data_mirror(place: str | None) -> Check:
    """PAPERLAB_DATA_MIRROR, where it is a folder; an address is not asked."""
    if not place:
        return Check(GROUP, "data mirror", State.SKIPPED, "PAPERLAB_DATA_MIRROR is not set")
    if "://" in place:
        return Check(GROUP, "data mirror", State.SKIPPED, f"{place} is an address; downloads will tell")
    folder = Path(place).expanduser()
    if not folder.is_dir():
        found = f"PAPERLAB_DATA_MIRROR names {place}, which is not a folder"
        return Check(GROUP, "data mirror", State.PROBLEM, found, "mount it, or unset PAPERLAB_DATA_MIRROR")
    return Check(GROUP, "data mirror", State.OK, str(folder))
