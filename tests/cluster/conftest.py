"""Topologies as a user runs them: real processes, which a test may kill, and a look at what is left of them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.integration.conftest import Running, Shell

from libra.control.folder import find_nodes

UNJOINED = Path(__file__).with_name("unjoined.py")

TWO_NODES = """
[nodes.trading]
roles = ["market", "accounts"]

[nodes.strategies]
roles = ["strategies"]
"""


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = 45.0) -> None:
    """Waits for something that has to come about; how long it takes is nobody's promise."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"never came about: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """True while there is such a process, and it is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def nodes() -> dict[str, int]:
    """The nodes that run, with their processes."""
    return {node.name: node.pid for node in find_nodes(Path(os.environ["LIBRA_RUN_DIR"]))}


def wait_for_nodes(running: Running, *names: str) -> dict[str, int]:
    wait_until(lambda: running.process.poll() is not None or set(nodes()) == set(names), f"{names} run")
    assert running.process.poll() is None, running.end().err
    return nodes()


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def asked(path: Path, command: str) -> str:
    """What a server answers to an inline command; nothing where none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(4096).decode().strip()
        except OSError:
            return ""


class Topologies(Shell):
    """`libra`, with topologies whose nodes are processes without a bridge between them."""

    def start(self, *arguments: object, env: Mapping[str, str] | None = None) -> Running:
        process = subprocess.Popen(
            [sys.executable, str(UNJOINED), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "160", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process)
        self._running.append(running)
        return running

    def topology(self, nodes: str = TWO_NODES, **profile: str) -> str:
        """A profile with `[nodes]`."""
        name = self.profile(**profile)
        path = self.folder / name
        path.write_text(path.read_text(encoding="utf-8") + nodes, encoding="utf-8")
        return name


@pytest.fixture
def topologies(tmp_path: Path) -> Iterator[Topologies]:
    made = Topologies(tmp_path)
    yield made
    # Where a promise was broken, nodes outlive their supervisor; not this test.
    left = [node.pid for node in find_nodes(Path(os.environ["LIBRA_RUN_DIR"]))]
    for pid in left:
        end(pid)
    made.close()
