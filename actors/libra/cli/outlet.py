"""Output that nobody waits for: a thread writes it, and what nobody reads is bounded, left out and told of.

A terminal behind Ctrl-S or a frozen connection, a pager, a log driver that hangs: a write to any of these lasts until
somebody reads. What has more to do than to write puts this in the place of standard output and standard error.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

__all__ = ["Outlets", "unhurried_output"]

_MOST_WAITING = 8 << 20
"""Bytes that wait for a reader; what comes then is left out, until all of them are written."""
_OF_EACH = 128
"""Bytes that a line takes beside its own."""
_AT_ONCE = 1 << 16
_PATIENCE_S = 2.0
"""How long the end waits for somebody who reads standard error."""


@contextmanager
def unhurried_output() -> Iterator[Outlets]:
    """Within, no write to `sys.stdout` and `sys.stderr` waits; behind it, what was written is out or told of."""
    outlets = Outlets()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = outlets.of(before[0], _told), outlets.of(before[1], _logged)
    try:
        yield outlets
    except BaseException:
        outlets.close()
        raise
    else:
        # The summary is not given up, however long its reader takes.
        outlets.close(without_end=before[0])
    finally:
        sys.stdout, sys.stderr = before


class Outlets:
    """Streams that do not wait, and a thread for each file behind them: two streams of one file keep their order."""

    def __init__(self) -> None:
        self._writers: dict[tuple[int, int], _Writer] = {}

    def of(self, stream: TextIO, note: Callable[[int], str]) -> TextIO:
        """A stream in the place of another; that itself where it has no file.

        Args:
            stream: What is written to. Nobody else may, until all of these are closed.
            note: Tells of a number of lines that were left out.
        """
        try:
            stream.flush()
            descriptor = stream.fileno()
            found = os.fstat(descriptor)
        except (OSError, ValueError, AttributeError):
            return stream
        key = (found.st_dev, found.st_ino)
        if key not in self._writers:
            self._writers[key] = _Writer()
        outlet = _Outlet(stream, _End(descriptor, stream.encoding, note), self._writers[key])
        return cast("TextIO", outlet)

    def keep_all(self) -> None:
        """From here on nothing is left out: there is nothing to do any more but to write."""
        for writer in self._writers.values():
            writer.keep_all()

    def close(self, without_end: TextIO | None = None) -> None:
        """Write what waits; where nobody reads for a while, give that up, but for the file of one stream."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        kept = None
        if without_end is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                found = os.fstat(without_end.fileno())
                kept = (found.st_dev, found.st_ino)
        for key, writer in self._writers.items():
            writer.close(None if key == kept else _PATIENCE_S)


class _End:
    """Where a stream's bytes go."""

    def __init__(self, descriptor: int, encoding: str, note: Callable[[int], str]) -> None:
        self.descriptor = descriptor
        self.encoding = encoding
        self.note = note
        self.left_out = 0
        self.failure: OSError | None = None

    def encoded(self, text: str) -> bytes:
        return text.encode(self.encoding, errors="backslashreplace")


class _Writer:
    """The thread that writes to one file, and what waits for it."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._waiting: deque[tuple[_End, bytes]] = deque()
        self._size = 0
        self._ends: dict[int, _End] = {}
        self._is_bounded = True
        self._is_over = False
        self._last_step = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="libra-output", daemon=True)
        self._thread.start()

    def put(self, end: _End, text: str) -> None:
        """Write it when its turn comes; raises what a write to this end has raised."""
        data = end.encoded(text)
        with self._news:
            if end.failure is not None:
                raise type(end.failure)(*end.failure.args)
            if self._is_over:
                raise OSError("this stream has ended")
            self._ends[end.descriptor] = end
            # One gap, told of once, rather than a line here and there.
            is_gap = any(other.left_out for other in self._ends.values())
            if self._is_bounded and (is_gap or self._size + len(data) + _OF_EACH > _MOST_WAITING):
                end.left_out += max(text.count("\n"), 1)
                return
            self._add(end, data)

    def keep_all(self) -> None:
        with self._news:
            self._is_bounded = False
            self._tell_of_gaps()

    def close(self, patience_s: float | None) -> None:
        """End when all is written, or when nothing was for so long."""
        with self._news:
            self._tell_of_gaps()
            self._last_step = time.monotonic()
            self._is_over = True
            self._news.notify()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if patience_s is not None and time.monotonic() - self._last_step >= patience_s:
                return

    def _add(self, end: _End, data: bytes) -> None:
        self._waiting.append((end, data))
        self._size += len(data) + _OF_EACH
        self._news.notify()

    def _tell_of_gaps(self) -> None:
        for end in self._ends.values():
            lines, end.left_out = end.left_out, 0
            if lines:
                self._add(end, end.encoded(end.note(lines)))

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._is_over)
                if not self._waiting:
                    return
                end, data, size = self._next()
            try:
                if end.failure is None:
                    self._write(end.descriptor, data)
            except OSError as error:
                end.failure = error
            with self._news:
                self._size -= size
                if not self._waiting:
                    self._tell_of_gaps()

    def _next(self) -> tuple[_End, bytes, int]:
        """What waits for the same end, in one piece."""
        end, data = self._waiting.popleft()
        pieces, size = [data], len(data) + _OF_EACH
        while self._waiting and self._waiting[0][0] is end and size < _AT_ONCE:
            pieces.append(self._waiting.popleft()[1])
            size += len(pieces[-1]) + _OF_EACH
        return end, b"".join(pieces), size

    def _write(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                # Somebody who shares it has made it so.
                select.select([], [descriptor], [])
            self._last_step = time.monotonic()


class _Outlet(io.TextIOBase):
    """A stream that hands on whole lines, and what it has when it is flushed."""

    def __init__(self, stream: TextIO, end: _End, writer: _Writer) -> None:
        self._stream = stream
        self._end = end
        self._writer = writer
        self._lock = threading.RLock()
        self._begun: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            self._begun.append(text)
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            text, self._begun = "".join(self._begun), []
            if text:
                self._writer.put(self._end, text)


def _told(lines: int) -> str:
    return f"libra: nobody read this: {lines} lines are left out here\n"


def _logged(lines: int) -> str:
    """The same as a line of the log, which may be for machines."""
    text = f"nobody read this: {lines} lines are left out here"
    record = logging.getLogger("libra.cli").makeRecord("libra.cli", logging.WARNING, __file__, 0, text, (), None)
    for handler in logging.getLogger("libra").handlers:
        return f"{handler.format(record)}\n"
    return f"libra: {text}\n"
