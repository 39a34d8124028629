"""The operator's side: asks a node, and pulls its kill switch where it does not answer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from libra.control.folder import RunFile
from libra.control.messages import LONGEST_LINE, decode_reply, encode_request
from libra.control.peer import peer_of
from libra.errors import ControlError

__all__ = ["ANSWER_S", "NodeClient"]

ANSWER_S = 1.0
"""How long a node's loop may take to answer before it counts as held up."""


class NodeClient:
    """One node, as an operator reaches it.

    Args:
        node: What its run file says.
        folder: Where its socket is.
    """

    def __init__(self, node: RunFile, folder: Path) -> None:
        self.node = node
        self._path, _ = node.paths(folder)

    def ask(self, op: str, *, timeout_s: float = ANSWER_S, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask for one thing; ``None`` arguments are left out.

        Raises:
            ControlError: What the node answered instead; ``SILENT`` when it did not in time, ``GONE`` when it is gone.
        """
        given = {key: value for key, value in arguments.items() if value is not None}
        until = time.monotonic() + timeout_s
        with self._connect(until) as connection:
            try:
                # A node that refuses whoever connects says so without having read the request.
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(encode_request(op, given))
                return decode_reply(_read_line(connection, until))
            except TimeoutError:
                raise self._silent(timeout_s) from None
            except OSError as error:
                raise ControlError("GONE", f"node {self.node.name} (pid {self.node.pid}) is gone: {error}") from None

    def pull_switch(self) -> None:
        """Send SIGUSR1: nothing new leaves from that instant, whatever the node's loop does.

        The signal goes to the process that listens on the socket, by a descriptor, so never to a later one of its pid.
        A node that hangs accepts nobody, and after some more askers its socket takes no more: that is a life sign, too.

        Raises:
            ControlError: When the node is no more, or does not take the signal.
        """
        if not self.node.takes_signal:
            raise ControlError("NO_SIGNAL", f"node {self.node.name} runs inside another program and takes no signals")
        gone = ControlError("GONE", f"node {self.node.name} (pid {self.node.pid}) is gone")
        try:
            process = os.pidfd_open(self.node.pid) if hasattr(os, "pidfd_open") else None
        except OSError:
            raise gone from None
        try:
            try:
                with self._connect(time.monotonic() + ANSWER_S) as connection:
                    if peer_of(connection).pid not in (self.node.pid, None):
                        raise gone
            except ControlError as error:
                if error.code != "SILENT":
                    raise
            if process is None:  # pragma: no cover - Linux has descriptors of processes
                os.kill(self.node.pid, signal.SIGUSR1)
            else:
                signal.pidfd_send_signal(process, signal.SIGUSR1)
        except ProcessLookupError:
            raise gone from None
        finally:
            if process is not None:
                os.close(process)

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
            raise ControlError("GONE", f"node {self.node.name} (pid {self.node.pid}) is gone") from None
        return connection

    def _silent(self, timeout_s: float) -> ControlError:
        return ControlError(
            "SILENT", f"node {self.node.name} (pid {self.node.pid}) did not answer within {timeout_s:g} s"
        )


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
