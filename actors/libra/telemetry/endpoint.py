"""A small HTTP server for those who watch a node: a thread that accepts, and one for each of a few connections.

It has nothing to do with the node's loop, and answers while that is held up. A connection has one request, and a few
seconds for it. Where all places are taken the oldest connection gives way: whoever does not read, or does not say what
he wants, holds nobody.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NamedTuple

from libra_core import PrivateDescriptor

__all__ = ["Answer", "Endpoint"]

_log = logging.getLogger(__name__)

_MOST: Final = 8
"""Connections at a time."""
_BACKLOG: Final = 32
_PATIENCE_S: Final = 5.0
"""How long a client may take to say what he wants, and again to read the answer."""
_GIVES_WAY_S: Final = 0.5
_AGAIN_S: Final = 0.25
"""Where there is no descriptor for a connection: how long until the next try."""


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: Its type.
    """

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


class Endpoint:
    """Listens from its making on, and answers from `start` on.

    Args:
        host: The address to listen at.
        port: The port; 0 for any free one.
        routes: What answers, by path; it is given the header ``Accept`` and called in a thread of its own.

    Raises:
        OSError: When the address cannot be had.
    """

    def __init__(self, host: str, port: int, routes: Mapping[str, Callable[[str], Answer]]) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Connections of an earlier life that are not quite over are no reason not to start.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(address)
            self._listener.listen(_BACKLOG)
            self._listener.setblocking(False)  # noqa: FBT003
        except BaseException:
            self._listener.close()
            raise
        # What a strategy forks must not seem to be the node, nor hold its port when that is gone.
        self._private = PrivateDescriptor(self._listener.fileno())
        self._host, self._port = host, int(self._listener.getsockname()[1])
        self._routes = routes
        self._ends, self._told_to_end = socket.socketpair()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        self._places = threading.Semaphore(_MOST)
        self._thread = threading.Thread(target=self._accept, name="libra-http", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """Listen no more, and let go of whoever is connected; what is being read for them is read to its end."""
        until = time.monotonic() + timeout_s
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._ends.send(b".")
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with self._lock:
            for connection in self._open:
                _hang_up(connection)
        for _ in range(_MOST):
            self._places.acquire(timeout=max(0.0, until - time.monotonic()))
        self._private.release()
        for end in (self._listener, self._ends, self._told_to_end):
            end.close()

    # The thread ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._told_to_end, selectors.EVENT_READ)
            while not self._is_over.is_set():
                selector.select()
                if self._is_over.is_set():
                    return
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    # It has gone again, or there is no descriptor left: whoever waits goes on waiting.
                    self._is_over.wait(_AGAIN_S)
                    continue
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE_S)
        with self._lock:
            if len(self._open) >= _MOST:
                _hang_up(next(iter(self._open)))
        if not self._places.acquire(timeout=_GIVES_WAY_S):
            connection.close()
            return
        with self._lock:
            self._open[connection] = None
        try:
            threading.Thread(target=self._serve, args=(connection,), name="libra-http-client", daemon=True).start()
        except RuntimeError:
            # The process may have no more threads.
            self._end(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            _Request(connection, self._routes)
        except OSError:
            # He has gone, or took too long.
            pass
        except Exception:
            _log.exception("http: a request failed")
        finally:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)
        _hang_up(connection)
        connection.close()
        self._places.release()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Request(BaseHTTPRequestHandler):
    """One request of one connection."""

    server_version = "libra"
    sys_version = ""

    def __init__(self, connection: socket.socket, routes: Mapping[str, Callable[[str], Answer]]) -> None:
        self._routes = routes
        # What stands for a server and an address is never looked at: nothing is logged by request.
        super().__init__(connection, ("", 0), None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer by the path."""
        answer = self._answer()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815 - the name that the base class calls

    def _answer(self) -> Answer:
        route = self._routes.get(self.path.partition("?")[0])
        if route is None:
            there = ", ".join(self._routes)
            return Answer(HTTPStatus.NOT_FOUND, f"there is {there}\n".encode(), "text/plain; charset=utf-8")
        try:
            return route(self.headers.get("Accept", ""))
        except Exception as error:
            # Its text may hold anything; the log has it.
            _log.exception("http: %s could not be answered", self.path)
            text = f"{type(error).__name__}: the node's log has more\n"
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, text.encode(), "text/plain; charset=utf-8")

    def log_message(self, *_arguments: Any) -> None:  # noqa: ANN401 - as in the base class
        """Nothing: a probe each second is no news."""
