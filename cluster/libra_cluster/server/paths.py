"""Files of a topology's server in the run folder, and locks that no two starters hold.

```
RUN_FOLDER/bridge-ENV.lock         held by a process that joins
RUN_FOLDER/bridge-ENV/guardian.lock    held by the guardian as long as it lives
                      guardian.sock    where members connect
                      server.sock      where the bridge connects
                      server.conf  server.log  server.pid  data/
```

The guardian imports this and nothing heavier: it lives as long as the topology.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LONGEST_SOCKET_PATH", "ServerPaths", "clean_environment", "hold", "try_hold"]

LONGEST_SOCKET_PATH = 103
"""Bytes that a socket's path may have on every system, its end apart."""

_LOOK_EVERY_S = 0.02

_NEEDED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"})
_NEEDED_PREFIXES = ("LC_", "LD_", "DYLD_", "PYTHON", "COVERAGE_")
"""What an interpreter and a server start with, on their own."""


@dataclass(frozen=True, slots=True)
class ServerPaths:
    """The files of one environment.

    Attributes:
        run_folder: The user's own folder for running nodes.
        environment: The topology's.
    """

    run_folder: Path
    environment: str

    @property
    def folder(self) -> Path:
        """Everything but the starters' lock."""
        return self.run_folder / f"bridge-{self.environment}"

    @property
    def start_lock(self) -> Path:
        """Held while a process joins."""
        return self.run_folder / f"bridge-{self.environment}.lock"

    @property
    def guardian_lock(self) -> Path:
        """Held by the guardian."""
        return self.folder / "guardian.lock"

    @property
    def guardian_socket(self) -> Path:
        """Where members connect."""
        return self.folder / "guardian.sock"

    @property
    def server_socket(self) -> Path:
        """Where the bridge connects."""
        return self.folder / "server.sock"

    @property
    def config(self) -> Path:
        """What the server was started with."""
        return self.folder / "server.conf"

    @property
    def log(self) -> Path:
        """What guardian and server have to say."""
        return self.folder / "server.log"

    @property
    def pid(self) -> Path:
        """The number of the server's process."""
        return self.folder / "server.pid"

    @property
    def data(self) -> Path:
        """The server's files, where it keeps any."""
        return self.folder / "data"


def try_hold(path: Path) -> int | None:
    """A descriptor that holds the lock, until it is closed; None while somebody else does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_still(path, descriptor):
            return descriptor
        # Its last holder took the file away between our opening and our locking it: that lock is nobody's any more.
        os.close(descriptor)


def clean_environment() -> dict[str, str]:
    """What of our environment a process gets that outlives us and serves others too: nothing that may be a secret."""
    return {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith(_NEEDED_PREFIXES)}


@contextlib.contextmanager
def hold(path: Path, timeout_s: float) -> Iterator[int]:
    """Holds a lock; gives its descriptor, which is not to be closed.

    Raises:
        TimeoutError: When somebody else held it all the time.
    """
    until = time.monotonic() + timeout_s
    while (descriptor := try_hold(path)) is None:
        if time.monotonic() >= until:
            raise TimeoutError(f"{path} is held by another process for more than {timeout_s:g} s")
        time.sleep(_LOOK_EVERY_S)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
