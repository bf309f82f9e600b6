"""Brings data files onto this machine: mirror first, then the canonical URL; hash checked; cached by hash.

A file that has a sha256 in manifest.toml is refused when its content differs.  One that has none is pinned: the first
download writes its hash under ``pins/``, later ones must agree, and provenance says ``pinned``.  A download that
was interrupted goes on where it stopped, and a file is only ever seen whole.

A mirror may hold a file packed (``input.txt.gz`` or ``.xz`` for ``input.txt``): it is unpacked, and the hash is that
of what comes out.  A mirror that is a folder is searched together with the folder above it: ``DIR/text`` may be named
where tokenizers lie in ``DIR/tokenizers``.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import lzma
import os
import shutil
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from reproductions.registry import NotReady, TryAgain
from reproductions.run_directory import write_whole

MIRROR = "PAPERLAB_DATA_MIRROR"
_ATTEMPTS = 5
_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_PACKED: Mapping[str, Callable[[Path], Any]] = {"": lambda path: path.open("rb"), ".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class File:
    """One thing to fetch.  ``path`` is its place on a mirror; ``sha256`` is None where no hash is known.

    ``url`` is empty for a corpus that was put together from others and is published nowhere: ``made_from`` says how.
    """

    path: str
    url: str = ""
    sha256: str | None = None
    bytes: int | None = None
    made_from: str = ""


@dataclass(frozen=True)
class Text:
    """Lines in step: ``sides`` maps each language to (key of the file, member of the archive or None)."""

    split: str
    name: str
    sides: Mapping[str, tuple[str, str | None]]


@dataclass(frozen=True)
class Dataset:
    name: str
    title: str
    licence: str
    home: str
    files: Mapping[str, File]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Fetched:
    """A file on this machine.  ``pinned``: its hash was learned here, not known beforehand."""

    path: Path
    sha256: str
    url: str
    bytes: int
    pinned: bool

    def provenance(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "url": self.url, "bytes": self.bytes, "pinned": self.pinned}


def load(path: Path | None = None) -> dict[str, Dataset]:
    """The data sets of manifest.toml, by name."""
    content = tomllib.loads((path or Path(__file__).with_name("manifest.toml")).read_text(encoding="utf-8"))
    return {name: _dataset(name, table) for name, table in content.items()}


def fetch(
    file: File,
    data_home: Path,
    *,
    mirror: str | None = None,
    log: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """The file, from the cache or else from ``mirror`` (a folder or URL) or its canonical URL.

    Raises NotReady for a wrong hash, an unreachable file or a full disk, TryAgain where that may help.
    """
    pin = data_home / "pins" / f"{hashlib.sha256((file.url or file.path).encode()).hexdigest()[:32]}.json"
    expected = file.sha256
    if expected is None and pin.exists():
        expected = json.loads(pin.read_text())["sha256"]
    if expected is not None:
        cached = data_home / "files" / expected
        if cached.exists() and _sha256(cached) == expected:
            return Fetched(cached, expected, file.url, cached.stat().st_size, file.sha256 is None)

    folder = data_home / "files"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{file.path.replace('/', '__')}.part"
        with _locked(folder / f"{Path(file.path).name}.lock"):
            _bring(file, partial, mirror, log, sleep)
            found = _sha256(partial)
            if expected is not None and found != expected:
                partial.unlink()
                known = "the manifest says" if file.sha256 else "the first download had"
                raise NotReady(
                    f"{file.path} has sha256 {found}, but {known} {expected}",
                    f"nothing of it was kept; look at the mirror ({MIRROR}) or at {file.url}",
                )
            cached = folder / found
            partial.replace(cached)
            if file.sha256 is None:
                pin.parent.mkdir(exist_ok=True)
                write_whole(pin, json.dumps({"url": file.url, "sha256": found}).encode())
    except OSError as error:
        raise NotReady(
            f"{file.path} cannot be stored under {data_home}: {error.strerror or error}",
            "free some space there or set PAPERLAB_HOME to another folder",
        ) from error
    return Fetched(cached, found, file.url, cached.stat().st_size, file.sha256 is None)


def _bring(
    file: File, partial: Path, mirror: str | None, log: Callable[[str], None], sleep: Callable[[float], None]
) -> None:
    """Writes the whole content to ``partial``."""
    if mirror and not mirror.startswith(("http://", "https://")):
        for folder in (Path(mirror), Path(mirror).absolute().parent):
            for ending, opened in _PACKED.items():
                local = folder / f"{file.path}{ending}"
                if local.is_file():
                    log(f"{local.relative_to(folder)} from {folder}")
                    with opened(local) as packed, partial.open("wb") as out:
                        shutil.copyfileobj(packed, out, _CHUNK)
                    return
    elif mirror and _download(f"{mirror.rstrip('/')}/{file.path}", partial, log, sleep, may_be_missing=True):
        return
    if not file.url:
        raise NotReady(
            f"{file.path} is published nowhere: it is {file.made_from or 'made here'}",
            f"set {MIRROR} to a folder or URL that holds the file",
        )
    _download(file.url, partial, log, sleep)


def _download(
    url: str,
    partial: Path,
    log: Callable[[str], None],
    sleep: Callable[[float], None],
    *,
    may_be_missing: bool = False,
) -> bool:
    """Appends what is missing of ``url`` to ``partial``; False where the server has no such file and that may be."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            log(f"{url}: {reason}; trying again")
            sleep(2.0**attempt)
        try:
            _continue_download(url, partial, log)
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"HTTP {error.code}"
            if error.code in (404, 410) and may_be_missing:
                return False
            if error.code == 416:
                partial.unlink(missing_ok=True)  # what is here is not a beginning of what is there
            elif error.code < 500 and error.code != 429:
                raise NotReady(*_unreachable(url, reason)) from error
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (TimeoutError, ConnectionError, EOFError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        else:
            return True
    raise TryAgain(*_unreachable(url, f"{reason}, {_ATTEMPTS} times"))


def _continue_download(url: str, partial: Path, log: Callable[[str], None]) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "paperlab", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        goes_on = have > 0 and response.status == 206
        length = response.headers.get("Content-Length")
        log(f"{url}" + (f" ({int(length) / 1e6:,.1f} MB)" if length else "") + (" goes on" if goes_on else ""))
        with partial.open("ab" if goes_on else "wb") as out:
            received = _copy(response, out)
    if length is not None and received < int(length):
        raise EOFError(f"the connection ended after {received:,} of {int(length):,} bytes")


def _copy(source: Any, out: BinaryIO) -> int:
    received = 0
    while chunk := source.read(_CHUNK):
        out.write(chunk)
        received += len(chunk)
    return received


def _unreachable(url: str, reason: str) -> tuple[str, str]:
    host = urllib.parse.urlsplit(url).netloc
    hint = f"where {host} can't be reached, set {MIRROR} to a folder or URL that holds the file"
    return f"{url} cannot be downloaded: {reason}", hint


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two runs that want the same file fetch it one after the other."""
    with path.open("ab") as file:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _dataset(name: str, table: Mapping[str, Any]) -> Dataset:
    texts = []
    for text in table.get("text", []):  # a tokenizer's files hold none
        sides = {
            language: (side["file"], side.get("member"))
            for language, side in text.items()
            if language not in ("split", "name")
        }
        texts.append(Text(text["split"], text["name"], sides))
    files = {key: File(**file) for key, file in table["file"].items()}
    return Dataset(name, table["title"], table["licence"], table["home"], files, tuple(texts))
