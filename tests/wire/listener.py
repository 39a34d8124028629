"""Who only listens: what a server holds and says, by the server's own protocol and nothing of Libra's."""

import socket
from pathlib import Path
from typing import Any, Self

__all__ = ["Listener"]


class Listener:
    """A connection to a server on a Unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def ask(self, *words: str) -> Any:
        """The answer to a command: bytes, numbers, lists of them."""
        said = [word.encode() for word in words]
        command = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in said)
        self._socket.sendall(b"*%d\r\n%s" % (len(said), command))
        return self.read()

    def read(self) -> Any:
        """What comes next."""
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise AssertionError(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        self._socket.close()
