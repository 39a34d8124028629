"""The process behind a topology's server: `python -m libra_cluster.server.guardian RUN_FOLDER ENV BINARY no|yes`.

A member is an open connection to the guardian's socket; it is answered by one line once it counts. It leaves by
closing, which the kernel does for a process that was killed. A member that says `leave` keeps its connection while it
is the last one, until the server is gone: its end tells that nothing is left. Behind the last member the guardian
first stops listening, so one that came too late sees its connection closed unanswered, and starts anew.

Only the standard library is imported: this process lives as long as the topology.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from libra_cluster.server.paths import ServerPaths, clean_environment, try_hold

__all__ = ["Guardian", "main"]

READY = b"ready\n"
WELCOME = b"welcome\n"
LEAVE = b"leave\n"

_FIRST_MEMBER_S = 10.0
"""A guardian that nobody joins was started by a process that died meanwhile."""
_SERVER_UP_S = 10.0
_SERVER_DOWN_S = 5.0
_LOOK_EVERY_S = 0.2
_LONGEST_WAIT_S = 5.0
_PR_SET_PDEATHSIG = 1


class Guardian:
    """Starts the server, starts it again when it dies, ends it behind the last member.

    Args:
        paths: The files.
        binary: The server's program.
        appendonly: The server writes what it holds to disk, and keeps it.
    """

    def __init__(self, paths: ServerPaths, binary: str, *, appendonly: bool) -> None:
        self._paths = paths
        self._binary = binary
        self._appendonly = appendonly
        self._server: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._members: set[socket.socket] = set()
        self._had_members = False
        self._leaver: socket.socket | None = None
        self._has_failed = False
        self._stop_asked = False

    def run(self) -> None:
        """From the server's start to its end."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._clear()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self._paths.guardian_socket))
            listener.listen(128)
            listener.settimeout(0)
            self._selector.register(listener, selectors.EVENT_READ)
            try:
                self._start_server()
                _say_ready()
                self._serve(listener)
            except OSError:
                self._has_failed = True
                raise
            finally:
                self._selector.unregister(listener)
                self._paths.guardian_socket.unlink(missing_ok=True)
                listener.close()
                self._end()

    def _serve(self, listener: socket.socket) -> None:
        first_until = time.monotonic() + _FIRST_MEMBER_S
        wait_s, start_at = 0.1, 0.0
        while not self._stop_asked:
            for key, _ in self._selector.select(_LOOK_EVERY_S):
                if key.fileobj is listener:
                    self._admit(listener)
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)
            now = time.monotonic()
            if not self._members and (self._had_members or now >= first_until):
                return
            if self._leaver is not None:
                # Somebody joined in the meantime.
                self._leaver.close()
                self._leaver = None
            if self._server is not None and self._server.poll() is not None:
                self._note(f"the server has died ({self._server.returncode}); it is started again in {wait_s:g} s")
                self._server, self._has_failed, start_at = None, True, now + wait_s
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            if self._server is None and now >= start_at:
                try:
                    self._start_server()
                except OSError as error:
                    self._note(f"the server cannot be started: {error}")
                    start_at = time.monotonic() + wait_s
                    wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _admit(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            member, _ = listener.accept()
            member.settimeout(0)
            try:
                member.send(WELCOME)
            except OSError:
                member.close()
                return
            self._members.add(member)
            self._had_members = True
            self._selector.register(member, selectors.EVENT_READ)

    def _hear(self, member: socket.socket) -> None:
        try:
            said = member.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        self._selector.unregister(member)
        self._members.discard(member)
        if said == LEAVE and not self._members:
            self._leaver = member
        else:
            member.close()

    # The server ------------------------------------------------------------------------------------------------------

    def _start_server(self) -> None:
        paths = self._paths
        paths.server_socket.unlink(missing_ok=True)
        folder = paths.data if self._appendonly else paths.folder
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [
            "port 0",
            f"unixsocket {_quoted(paths.server_socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(folder)}",
            'save ""',
            f"appendonly {'yes' if self._appendonly else 'no'}",
            "daemonize no",
            "maxmemory-policy noeviction",
            # At full load a node that pauses for a moment is not cut off.
            "client-output-buffer-limit pubsub 256mb 128mb 60",
        ]
        paths.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        guardian = os.getpid()
        with paths.log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603 - the program that our starter chose
                [self._binary, str(paths.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(),
                preexec_fn=lambda: _die_with(guardian),
            )
        paths.pid.write_text(str(self._server.pid), encoding="utf-8")
        until = time.monotonic() + _SERVER_UP_S
        while not _asked(paths.server_socket, b"PING\r\n").startswith((b"+PONG", b"-LOADING")):
            if self._server.poll() is not None:
                raise OSError(f"it ended with {self._server.returncode}, see {paths.log}")
            if time.monotonic() >= until:
                self._stop_server()
                raise OSError(f"it did not answer within {_SERVER_UP_S:g} s, see {paths.log}")
            time.sleep(0.01)

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.terminate()
        try:
            server.wait(_SERVER_DOWN_S)
        except subprocess.TimeoutExpired:
            self._note("the server did not end when asked to; it is killed")
            server.kill()
            server.wait()

    # Beginning and end -----------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        """What a guardian left that had no time to clean up; its server, where the system did not end that with it."""
        paths = self._paths
        _asked(paths.server_socket, b"SHUTDOWN NOSAVE\r\n")
        for path in (paths.guardian_socket, paths.server_socket, paths.pid):
            path.unlink(missing_ok=True)

    def _end(self) -> None:
        self._stop_server()
        paths = self._paths
        for path in (paths.server_socket, paths.pid, paths.config):
            path.unlink(missing_ok=True)
        if not self._has_failed:
            paths.log.unlink(missing_ok=True)
        if not self._appendonly:
            shutil.rmtree(paths.data, ignore_errors=True)
        # While somebody waits to start the next server, these are in use.
        starter = try_hold(paths.start_lock)
        if starter is not None:
            paths.guardian_lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                paths.folder.rmdir()
            paths.start_lock.unlink(missing_ok=True)
            os.close(starter)

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked = True

    def _note(self, text: str) -> None:
        with self._paths.log.open("a", encoding="utf-8") as log:
            log.write(f"{os.getpid()}:guardian {time.strftime('%d %b %Y %H:%M:%S')} {text}\n")


def _die_with(guardian: int) -> None:
    """In the child before it becomes the server: the kernel ends it together with its guardian."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before the kernel was told.
    if os.getppid() != guardian:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Whoever starts us may hold it back (`libra.early_kill`); by it a server ends a child that saves its data.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def _asked(path: Path, command: bytes) -> bytes:
    """The beginning of a server's answer; nothing where none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _say_ready() -> None:
    """The starter reads this line; from then on nobody reads our output."""
    with contextlib.suppress(OSError):
        os.write(1, READY)
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, 1)
    os.dup2(void, 2)
    os.close(void)


def _say_why(text: str) -> None:
    """The starter reads this instead."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """The process."""
    run_folder, environment, binary, appendonly = arguments
    # Nobody's child: the process that started us may end before us, or live on for long.
    if os.fork() != 0:
        os._exit(0)
    paths = ServerPaths(Path(run_folder), environment)
    lock = try_hold(paths.guardian_lock)
    if lock is None:
        _say_why("another guardian lives")
        return 1
    try:
        Guardian(paths, binary, appendonly=appendonly == "yes").run()
    except OSError as error:
        _say_why(f"the topology's server cannot be started: {error}")
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # The last member waits for this.
    os._exit(code)
