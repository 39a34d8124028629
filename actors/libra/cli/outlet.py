"""Output that nobody waits for: a thread writes it, and what nobody reads is bounded, left out and told of.

A terminal behind Ctrl-S or a frozen connection, a pager, a log driver that hangs: a write to any of these lasts until
somebody reads. What has more to do than to write puts this in the place of standard output and standard error.

A write that fails (a disk that is full) is tried again, with the next one and every so often: what it was to write
waits meanwhile as for a reader. Only a reader that has gone is gone for good.
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

from libra.cli.faults import is_reader_gone, not_told

__all__ = ["Outlets", "unhurried_output"]

_MOST_WAITING = 8 << 20
"""Bytes that wait for a reader; what comes then is left out, until they are written. One write has room always."""
_OF_EACH = 128
"""Bytes that a line takes beside its own."""
_AT_ONCE = 1 << 16
_PATIENCE_S = 2.0
"""How long the end waits for somebody who reads standard error."""
_UNREAD = "nobody read this"
_AGAIN_S = 1.0
"""A write that has failed is tried again then, unless another one comes before."""


@contextmanager
def unhurried_output() -> Iterator[Outlets]:
    """Within, no write to `sys.stdout` and `sys.stderr` waits; behind it, what was written is out or told of.

    Raises:
        LibraError: When what was written to `sys.stdout` cannot be: the summary is among that. A reader who has left is
            no such fault.
    """
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
        fault = outlets.close(without_end=before[0])
        if fault is not None and not is_reader_gone(fault, before[0]):
            raise not_told(fault) from fault
    finally:
        sys.stdout, sys.stderr = before


class Outlets:
    """Streams that do not wait, and a thread for each file behind them: two streams of one file keep their order."""

    def __init__(self) -> None:
        self._writers: dict[tuple[int, int], _Writer] = {}

    def of(self, stream: TextIO, note: Callable[[int, str], str]) -> TextIO:
        """A stream in the place of another; that itself where it has no file.

        Args:
            stream: What is written to. Nobody else may, until all of these are closed.
            note: Tells of a number of lines that were left out, and why.
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

    def close(self, without_end: TextIO | None = None) -> OSError | None:
        """Write what waits; where nobody reads for a while, give that up, but for the file of one stream.

        Returns:
            Why not all that was written to that one is there.
        """
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        kept = None
        if without_end is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                found = os.fstat(without_end.fileno())
                kept = (found.st_dev, found.st_ino)
        fault = None
        for key, writer in self._writers.items():
            failure = writer.close(None if key == kept else _PATIENCE_S)
            fault = failure if key == kept else fault
        return fault


class _End:
    """Where a stream's bytes go."""

    def __init__(self, descriptor: int, encoding: str, note: Callable[[int, str], str]) -> None:
        self.descriptor = descriptor
        self.encoding = encoding
        self.note = note
        self.left_out = 0
        self.why = _UNREAD

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
        self._has_news = False
        self._failure: OSError | None = None
        """Why what waits, or what was last written, could not be."""
        self._last_step = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="libra-output", daemon=True)
        self._thread.start()

    def put(self, end: _End, text: str) -> None:
        """Write it when its turn comes.

        Raises:
            BrokenPipeError: When the reader has gone.
        """
        data = end.encoded(text)
        with self._news:
            if isinstance(self._failure, BrokenPipeError):
                raise BrokenPipeError(*self._failure.args)
            if self._is_over:
                raise OSError("this stream has ended")
            self._ends[end.descriptor] = end
            # One gap, told of once, rather than a line here and there.
            is_gap = any(other.left_out for other in self._ends.values())
            is_full = self._size > 0 and self._size + len(data) + _OF_EACH > _MOST_WAITING
            if self._is_bounded and (is_gap or is_full):
                end.left_out += max(text.count("\n"), 1)
                end.why = _UNREAD if self._failure is None else _why(self._failure)
                self._wake()
                return
            self._add(end, data)

    def keep_all(self) -> None:
        with self._news:
            self._is_bounded = False
            self._tell_of_gaps()

    def close(self, patience_s: float | None) -> OSError | None:
        """End when all is written or cannot be, or when nothing was for so long; says why not all is written."""
        with self._news:
            self._tell_of_gaps()
            self._last_step = time.monotonic()
            self._is_over = True
            self._wake()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if patience_s is not None and time.monotonic() - self._last_step >= patience_s:
                break
        return self._failure

    def _add(self, end: _End, data: bytes) -> None:
        self._waiting.append((end, data))
        self._size += len(data) + _OF_EACH
        self._wake()

    def _wake(self) -> None:
        self._has_news = True
        self._news.notify()

    def _tell_of_gaps(self) -> None:
        for end in self._ends.values():
            lines, end.left_out = end.left_out, 0
            if lines:
                self._add(end, end.encoded(end.note(lines, end.why)))

    def _run(self) -> None:
        while True:
            with self._news:
                if self._failure is None:
                    self._news.wait_for(lambda: self._waiting or self._is_over)
                else:
                    # With the next write, or a while later; at the end once more.
                    self._news.wait_for(lambda: self._has_news, _AGAIN_S)
                is_last_try, self._has_news = self._is_over, False
                if not self._waiting:
                    return
                end, data, size = self._next()
            rest, failure = self._write(end.descriptor, data)
            with self._news:
                self._failure = failure
                self._size -= size
                if failure is not None:
                    if isinstance(failure, BrokenPipeError) or is_last_try:
                        return
                    self._waiting.appendleft((end, bytes(rest)))
                    self._size += len(rest) + _OF_EACH
                elif not self._waiting:
                    self._tell_of_gaps()

    def _next(self) -> tuple[_End, bytes, int]:
        """What waits for the same end, in one piece."""
        end, data = self._waiting.popleft()
        pieces, size = [data], len(data) + _OF_EACH
        while self._waiting and self._waiting[0][0] is end and size < _AT_ONCE:
            pieces.append(self._waiting.popleft()[1])
            size += len(pieces[-1]) + _OF_EACH
        return end, b"".join(pieces), size

    def _write(self, descriptor: int, data: bytes) -> tuple[memoryview, OSError | None]:
        """Gives what is not written, and why."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                # Somebody who shares it has made it so.
                select.select([], [descriptor], [])
            except OSError as error:
                return rest, error
            self._last_step = time.monotonic()
        return rest, None


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


def _why(failure: OSError) -> str:
    return f"this could not be written ({failure.strerror or failure})"


def _told(lines: int, why: str) -> str:
    return f"libra: {why}: {lines} lines are left out here\n"


def _logged(lines: int, why: str) -> str:
    """The same as a line of the log, which may be for machines."""
    text = f"{why}: {lines} lines are left out here"
    record = logging.getLogger("libra.cli").makeRecord("libra.cli", logging.WARNING, __file__, 0, text, (), None)
    for handler in logging.getLogger("libra").handlers:
        return f"{handler.format(record)}\n"
    return f"libra: {text}\n"
