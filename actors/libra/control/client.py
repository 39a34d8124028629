"""The operator's side: asks a node, and pulls its kill switch where it does not answer."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from libra.control.folder import RunFile
from libra.control.messages import LASTING, LONGEST_LINE, LOOKS, decode_reply, encode_request
from libra.control.peer import peer_of
from libra.control.process import NodeProcess
from libra.errors import ControlError

__all__ = ["ANSWER_S", "NodeClient"]

ANSWER_S = 1.0
"""How long a node's loop may take to answer before it counts as held up."""
_ANSWERS_WITHIN_S = 0.25
"""How long the answer to what was done in the last moment is waited for."""


class NodeClient:
    """One node, as an operator reaches it.

    Args:
        node: What its run file says.
        folder: Where its socket is.
    """

    def __init__(self, node: RunFile, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self._path, self._run_path = node.paths(folder)

    def ask(self, op: str, *, timeout_s: float = ANSWER_S, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask for one thing; ``None`` arguments are left out.

        What changes something is good for as long as it is waited for: a node that comes back later does not do it. The
        kill switch holds however late.

        Raises:
            ControlError: What the node answered instead; ``SILENT`` when it did not in time, ``GONE`` when it is gone.
        """
        given = {key: value for key, value in arguments.items() if value is not None}
        is_timely = op not in LASTING | LOOKS
        until_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        until = until_ns / 1e9
        with self._connect(until) as connection:
            try:
                # A node that refuses whoever connects says so without having read the request.
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(encode_request(op, given, until_ns if is_timely else None))
                return decode_reply(_read_line(connection, until + (_ANSWERS_WITHIN_S if is_timely else 0.0)))
            except TimeoutError:
                more = ". What it has not done by now it does not do later: libra status shows it" if is_timely else ""
                raise self._silent(timeout_s, more) from None
            except OSError as error:
                raise ControlError("GONE", f"node {self.node.name} (pid {self.node.pid}) is gone: {error}") from None

    def pull_switch(self) -> None:
        """Send SIGUSR1: nothing new leaves from that instant, whatever the node's loop does.

        Raises:
            ControlError: When the node is no more, or does not take the signal.
        """
        with self.process() as process:
            self.signal(process, signal.SIGUSR1)

    def signal(self, process: NodeProcess, number: signal.Signals) -> None:
        """Send a signal to the node's process.

        Raises:
            ControlError: When it is no more.
        """
        try:
            process.send(number)
        except ProcessLookupError:
            raise self._gone() from None

    @contextlib.contextmanager
    def process(self) -> Iterator[NodeProcess]:
        """The process that listens on the node's socket, held by a descriptor, and so never a later one of its pid.

        A node that hangs accepts nobody, and after some more askers its socket takes no more: that is a life sign, too.

        Raises:
            ControlError: When the node is no more, or takes no signals.
        """
        if not self.node.takes_signal:
            raise ControlError("NO_SIGNAL", f"node {self.node.name} runs inside another program and takes no signals")
        try:
            held = NodeProcess(self.node.pid)
        except OSError:
            raise self._gone() from None
        with held as process:
            self._see_that_it_listens()
            yield process

    def _see_that_it_listens(self) -> None:
        try:
            with self._connect(time.monotonic() + ANSWER_S) as connection:
                if peer_of(connection).pid not in (self.node.pid, None):
                    raise self._gone()
        except ControlError as error:
            if error.code != "SILENT":
                raise

    def is_listed(self) -> bool:
        """True while the node's run file is there: until it has drained, or for ever where its process was killed."""
        return self._run_path.exists()

    def _gone(self) -> ControlError:
        return ControlError("GONE", f"node {self.node.name} (pid {self.node.pid}) is gone")

    def _connect(self, until: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(max(0.001, until - time.monotonic()))
        try:
            connection.connect(str(self._path))
        except (TimeoutError, BlockingIOError):
            connection.close()
            raise self._silent(ANSWER_S) from None
        except OSError:
            connection.close()
            raise self._gone() from None
        return connection

    def _silent(self, timeout_s: float, more: str = "") -> ControlError:
        node = f"node {self.node.name} (pid {self.node.pid})"
        return ControlError("SILENT", f"{node} did not answer within {timeout_s:g} s{more}")


def _read_line(connection: socket.socket, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= LONGEST_LINE:
        connection.settimeout(max(0.001, until - time.monotonic()))
        part = connection.recv(65_536)
        if not part:
            raise ConnectionResetError("it closed the connection")
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            return b"".join(parts)
    raise ControlError("BAD_REPLY", "the node's answer does not end")
