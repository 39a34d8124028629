"""A terminal that may be closed while a run goes on: what is written there then is lost, and fails nobody.

A strategy that prints in `on_stop` would raise there, before it has cancelled what it has open; so would a live table.
"""

from __future__ import annotations

import contextlib
import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["terminal_that_may_close"]


@contextmanager
def terminal_that_may_close() -> Iterator[None]:
    """Within, a write to `sys.stdout` and `sys.stderr` does not fail where their terminal has gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _over(before[0]), _over(before[1])
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _over(stream: TextIO) -> TextIO:
    try:
        stream.flush()
        if not stream.isatty():
            return stream
        raw = _Terminal(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError, AttributeError):
        return stream
    # As the interpreter makes its own: by lines, or at once where it is told to.
    is_at_once = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        cast("BinaryIO", raw if is_at_once else io.BufferedWriter(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
        write_through=is_at_once,
    )


class _Terminal(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        return memoryview(data).nbytes
