"""One member process, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import IO, Any

from libra import early_kill
from libra_cluster.topology import Member
from libra_cluster.wire import LineReader, decode, encode

__all__ = ["Child"]

_log = logging.getLogger("libra.cluster")

_LAST_WORDS = 5
_LONGEST_WORD = 300
_PIPE_BYTES = 1 << 20
"""What a member may write while we do not read, before it waits."""
_LONGEST_LINE = 1 << 20
"""Of a member's output: what is longer comes out in parts, each a line of its own."""


class Child:
    """A member process; starts with the instance.

    Args:
        member: What it is.
        order: The `build` message.
        selector: Tells when it has said something: its keys have the child as their data.
        without: Variables of our environment that it does not get.
        secluded: It looks after keys: no other process of this user may look into it.
    """

    def __init__(
        self,
        member: Member,
        order: Mapping[str, Any],
        selector: selectors.BaseSelector,
        *,
        without: Collection[str] = (),
        secluded: bool = False,
    ) -> None:
        self.member = member
        self._selector = selector
        self.is_built = False
        self.status: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self.asks: dict[str, Any] | None = None
        """What it said when somebody else asked it to end."""
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        ours, theirs = socket.socketpair()
        with theirs, early_kill.passed_on():
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter
                [
                    sys.executable,
                    "-m",
                    "libra_cluster.member",
                    str(theirs.fileno()),
                    *(["secluded"] if secluded else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={**_all_but(without), "PYTHONUNBUFFERED": "1", **member.env},
                # A Ctrl-C of the terminal comes to us, and we stop members in their order.
                process_group=0,
            )
        self._control = ours
        self._may_run = False
        self._may_drain = False
        self._say({"type": "build", **order})
        self._lines: dict[int, tuple[LineReader, Callable[[list[bytes]], None]]] = {}
        self._streams: dict[int, IO[bytes] | socket.socket] = {}
        self._open(ours, LineReader(), self._hear)
        if self.process.stdout is None or self.process.stderr is None:
            raise AssertionError("both were asked for")
        self._open(self.process.stdout, LineReader(_LONGEST_LINE), self._print)
        self._open(self.process.stderr, LineReader(_LONGEST_LINE), self._pass_on)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.member.name

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    @property
    def death(self) -> str | None:
        """How it ended without telling how its run went; None where it told, or runs."""
        code = self.process.poll()
        if code is None or self.result is not None:
            return None
        if self.error is not None:
            return str(self.error["text"])
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return how + (f"; its last words: {' | '.join(self._last_words)}" if self._last_words else " without a word")

    def go(self) -> None:
        """Let it run."""
        self._may_run = True
        self._say({"type": "go"})

    def tell_vanished(self, strategies: Sequence[str]) -> None:
        """Tell it that strategies whose node died are no more."""
        self._say({"type": "vanished", "strategies": list(strategies)})

    def has_settled(self, strategies: Sequence[str]) -> bool:
        """True when it knows that strategies are no more, and is done with their orders and positions."""
        status = self.status or {"vanished": (), "cancelling": 0}
        rows = [row for row in status["vanished"] if row["strategy"] in strategies]
        is_closing = any(closing["state"] in ("working", "waiting") for row in rows for closing in row["flattening"])
        return not is_closing and not status["cancelling"] and {row["strategy"] for row in rows} >= set(strategies)

    def stop(self) -> None:
        """Ask it to drain; a second time, to end at once. One that was not let run has nothing to drain, and ends."""
        if not self._may_run:
            # Where it waits for our word, a signal does not wake it.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
        may_drain, self._may_drain = self._may_drain, True
        if not may_drain:
            self._say({"type": "drain"})
        # The signal that it has had is the first one.
        if may_drain or self.asks is None or not self.asks["signalled"]:
            self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End one that does not end by itself, and say so."""
        _log.error("node %s (pid %d) does not end; it is killed", self.name, self.pid)
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send it a signal, while it is there."""
        self.process.send_signal(number)

    def read(self, descriptor: int) -> bool:
        """Take in what has come on one of its streams; False when there was nothing."""
        try:
            piece = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        reader, take = self._lines[descriptor]
        if lines := reader.feed(piece):
            take(lines)
        if not piece:
            self._close(descriptor)
        return bool(piece)

    def read_rest(self) -> None:
        """Take in what a process that has ended left. Its own children may hold a pipe open, and are not waited for."""
        for descriptor in list(self._streams):
            while self.read(descriptor):
                pass
            if descriptor in self._streams:
                self._close(descriptor)

    def close(self, timeout_s: float) -> None:
        """See that the process is no more: it drains, or has to go; then give up what is open."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        for descriptor in list(self._streams):
            self._close(descriptor)

    def _say(self, message: dict[str, Any]) -> None:
        # One that has died hears nothing, and is noticed by its end.
        with contextlib.suppress(OSError):
            self._control.sendall(encode(message))

    def _open(self, stream: IO[bytes] | socket.socket, reader: LineReader, take: Callable[[list[bytes]], None]) -> None:
        descriptor = stream.fileno()
        os.set_blocking(descriptor, False)
        if not isinstance(stream, socket.socket) and hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._streams[descriptor] = stream
        self._lines[descriptor] = (reader, take)
        self._selector.register(descriptor, selectors.EVENT_READ, self)

    def _close(self, descriptor: int) -> None:
        reader, take = self._lines.pop(descriptor)
        if rest := reader.end():
            take([rest])
        self._selector.unregister(descriptor)
        self._streams.pop(descriptor).close()

    # What it says ----------------------------------------------------------------------------------------------------

    def _hear(self, lines: list[bytes]) -> None:
        for message in map(decode, lines):
            kind = message["type"]
            if kind == "built":
                self.is_built = True
            elif kind == "status":
                self.status = message["status"]
            elif kind == "result":
                self.result = message
            elif kind == "error":
                self.error = message
            elif kind == "asks":
                self.asks = message

    # What has come together is written together: a live table is drawn anew behind each write.

    def _print(self, lines: list[bytes]) -> None:
        # Where standard output belongs to the summary, `sys.stdout` is another stream by now.
        with contextlib.suppress(OSError):
            sys.stdout.write(self._named(map(_shown, lines)))

    def _pass_on(self, lines: list[bytes]) -> None:
        texts = [_shown(line) for line in lines]
        self._last_words.extend(text[:_LONGEST_WORD] for text in texts)
        with contextlib.suppress(OSError):
            sys.stderr.write(self._named(texts))

    def _named(self, texts: Iterable[str]) -> str:
        # A line for machines is one JSON object, and has to stay one.
        return "".join(f"{text}\n" if text.startswith("{") else f"{self.name}: {text}\n" for text in texts)


def _shown(line: bytes) -> str:
    """A line as a terminal leaves it: of a progress bar its last state, which has overwritten those before it."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def _all_but(names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}
