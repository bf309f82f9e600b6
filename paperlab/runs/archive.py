"""The one tar file that a bundle can be: every header is the one that we would write, byte for byte.

A reader of tar in general follows links, devices, sparse files, long-name extensions and sizes that others wrote.
This one knows which file comes next, makes the header that such a file has, and compares: anything else is refused.
Nothing is compressed, so nothing unpacks to more than is there.  Any `tar` can list and unpack it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from paperlab.errors import InvalidInput

BLOCK = 512
LARGEST_FILE = 8**11 - 1
"""Bytes: what a header's eleven octal digits can say (8 GiB)."""
LARGEST_MANIFEST = 4 * 2**20

MANIFEST = "manifest.json"
_CHUNK = 2**20
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
}
_BEGINNINGS = {
    b"\x1f\x8b": "compressed (gunzip it first)",
    b"PK": "a zip file",
    b"\x80": "a pickle",
    b"BZh": "compressed",
}


def header(folder: str, name: str, size: int) -> bytes:
    """The block before a file: an ordinary one that nobody owns, of the year 1970.  Folder and name are ASCII."""
    fields = [
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,  # mode, owner, group
        f"{size:011o}\0".encode(),
        b"00000000000\0",  # time
        b" " * 8,  # the sum's place, while it is taken
        b"0" + b"\0" * 100,  # an ordinary file; no link
        b"ustar\x0000" + b"\0" * 64,  # no names of owner and group
        b"0000000\0" * 2,
        folder.encode("ascii").ljust(155, b"\0"),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    if len(block) != BLOCK or size > LARGEST_FILE:
        raise InvalidInput(f"{name} does not fit into a bundle", "a file has at most 8 GiB: --checkpoints none")
    return block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]


def size_of(sizes: Iterable[int]) -> int:
    """The size of the whole file with members of these sizes."""
    return sum(BLOCK + -(-size // BLOCK) * BLOCK for size in sizes) + 2 * BLOCK


def write_member(out: BinaryIO, folder: str, name: str, size: int, chunks: Iterable[bytes]) -> str:
    """Writes a file and returns its SHA-256.  Raises InvalidInput where it has not `size` bytes."""
    out.write(header(folder, name, size))
    digest, written = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        out.write(chunk)
        written += len(chunk)
    if written != size:
        raise InvalidInput(f"{name} changed while it was read", "the same command again")
    out.write(b"\0" * (-size % BLOCK))
    return digest.hexdigest()


def write_end(out: BinaryIO) -> None:
    out.write(b"\0" * (2 * BLOCK))


def read_manifest(source: BinaryIO) -> tuple[str, bytes]:
    """The name of the folder, and the content of its first file, the manifest.  Raises InvalidInput."""
    block = source.read(BLOCK)
    for beginning, what in _BEGINNINGS.items():
        if block.startswith(beginning):
            raise InvalidInput(f"it is no bundle: it is {what}")
    digits, folder = block[124:135], block[345:500].rstrip(b"\0")
    is_plain = len(block) == BLOCK and all(48 <= digit < 56 for digit in digits) and folder.isascii()
    size = int(digits, 8) if is_plain and digits else LARGEST_MANIFEST + 1
    if size > LARGEST_MANIFEST or b"\0" in folder or block != header(folder.decode(), MANIFEST, size):
        raise InvalidInput("it is no bundle: it does not begin with a manifest", "paperlab runs bundle RUN writes one")
    return folder.decode(), b"".join(_content(source, MANIFEST, size))


def read_member(source: BinaryIO, folder: str, name: str, size: int) -> Iterator[bytes]:
    """The content of the next file, which has to be this one.  Raises InvalidInput where it is another."""
    block = source.read(BLOCK)
    if block != header(folder, name, size):
        kind = _KINDS.get(block[156:157], "something else") if len(block) == BLOCK else "the end of the file"
        raise InvalidInput(f"where its manifest promises {name} of {size} bytes there is {kind}")
    yield from _content(source, name, size)


def read_end(source: BinaryIO) -> None:
    """Raises InvalidInput where anything but the end follows."""
    if source.read(2 * BLOCK + 1) != b"\0" * (2 * BLOCK):
        raise InvalidInput("there is more in it than its manifest says, or its end is missing")


def _content(source: BinaryIO, name: str, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise InvalidInput(f"it ends within {name}", "copy it again")
        left -= len(chunk)
        yield chunk
    padding = -size % BLOCK
    if source.read(padding) != b"\0" * padding:
        raise InvalidInput(f"what follows {name} is not what a bundle has there")
