"""Whoever reads what a run writes may go while it goes on: what is written then is lost, and fails nobody.

A terminal is closed, an SSH session ends, or Ctrl-C ends `tee` beside the run. A strategy that prints in `on_stop`
would raise there, before it has cancelled what it has open; so would a live table.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from libra.cli.faults import is_reader_gone

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["readers_that_may_go"]


@contextmanager
def readers_that_may_go() -> Iterator[None]:
    """Within, a write to standard output and standard error does not fail since nobody reads it any more."""
    before = sys.stdout, sys.stderr
    originals = sys.__stdout__, sys.__stderr__
    sys.stdout, sys.stderr = _over(before[0]), _over(before[1])
    # Some libraries print there, past whoever has put himself in the way.
    if before[0] is originals[0]:
        sys.__stdout__ = sys.stdout  # type: ignore[misc, assignment]
    if before[1] is originals[1]:
        sys.__stderr__ = sys.stderr  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = before
        sys.__stdout__, sys.__stderr__ = originals  # type: ignore[misc]


def _over(stream: TextIO) -> TextIO:
    try:
        stream.flush()
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return stream
        raw = _Read(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError, AttributeError):
        return stream
    # As the interpreter makes its own: by lines or as much as there is room for, or at once where it is told to.
    is_at_once = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        cast("BinaryIO", raw if is_at_once else io.BufferedWriter(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=bool(getattr(stream, "line_buffering", False)),
        write_through=is_at_once,
    )


class _Read(io.FileIO):
    """A file that somebody reads, or nobody any more."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if not is_reader_gone(error, cast("TextIO", self)):
                raise
        return memoryview(data).nbytes
