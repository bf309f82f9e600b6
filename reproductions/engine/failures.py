"""How an attempt ends when it does not finish: an event in the run directory, and an error for people."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from reproductions.engine.interrupts import PreEmpted
from reproductions.registry import NotReady
from reproductions.run_directory import Recorder

_DISK_IS_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@contextlib.contextmanager
def noted(recorder: Recorder | None) -> Iterator[None]:
    """Writes pre-empted, out-of-memory or failed (with why) into the events, and passes the error on."""
    try:
        yield
    except BaseException as error:
        if recorder is not None:
            with contextlib.suppress(OSError):  # on a full disk the error itself is all that can be said
                if isinstance(error, PreEmpted):
                    recorder.event("pre-empted", why=error.reason)
                else:
                    kind = "out-of-memory" if _is_out_of_memory(error) else "failed"
                    trace = "".join(traceback.format_exception(error)[-6:])
                    recorder.event(kind, why=f"{type(error).__name__}: {error}", traceback=trace)
        raise


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns a full disk, an unwritable folder and exhausted memory into NotReady (exit 4)."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        if error.errno in _DISK_IS_FULL:
            message = f"no room to write below {where} ({error.strerror})"
            raise NotReady(message, "make room: the same command goes on from the last checkpoint") from error
        if error.errno in _NOT_WRITABLE:
            hint = "choose a folder with --runs-dir, or set PAPERLAB_HOME"
            raise NotReady(f"cannot write {where} ({error.strerror})", hint) from error
        raise
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        message = f"out of memory ({str(error).splitlines()[0] if str(error) else 'MemoryError'})"
        hint = "smaller micro-batches take less; train.accumulate keeps the global batch; or take a smaller --tier"
        raise NotReady(message, hint) from error


def _is_out_of_memory(error: BaseException) -> bool:
    # torch's CPU allocator has no class of its own for this
    cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)
