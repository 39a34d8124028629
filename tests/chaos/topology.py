"""Two nodes and their server, each a process that a test may stop, kill and start again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.ledger import DURABLE, assert_each_once_in_order, books_of_market_data

from libra_cluster.server.membership import server_binary

REPOSITORY = Path(__file__).parents[2]


def wait_until(holds: Callable[[], object], what: Callable[[], str], timeout_s: float = 60.0) -> None:
    """Waits for something that has to come about; how long it takes is nobody's promise."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"never came about: {what()}"
        time.sleep(0.01)


class Server:
    """A Valkey on a Unix socket, and on a port where it is given one. It keeps nothing unless it is told to."""

    def __init__(
        self, folder: Path, *options: str, appendonly: bool = False, port: int = 0, binary: str | None = None
    ) -> None:
        self.folder = folder
        self._binary = binary or server_binary()
        self.socket = folder / "s"
        self.port = port
        kept = ["--appendonly", "yes", "--appendfsync", "always"] if appendonly else ["--appendonly", "no"]
        self._options = [*kept, *options]
        self.process: subprocess.Popen[bytes] | None = None
        # On top of the tests' own.
        self.environment: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self.socket.unlink(missing_ok=True)
        listens = ("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket))
        self.process = subprocess.Popen(
            [
                *(self._binary, *listens, "--dir", str(self.folder)),
                *("--save", "", "--logfile", str(self.folder / "log"), *self._options),
            ],
            stdin=subprocess.DEVNULL,
            env=os.environ | self.environment,
        )
        wait_until(lambda: self.ask("PING") == "+PONG", lambda: (self.folder / "log").read_text())

    def ask(self, command: str) -> str:
        """What it answers at once to an inline command, as it stands; nothing where none listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            try:
                connection.connect(str(self.socket))
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(65_536).decode(errors="replace").strip()
            except OSError:
                return ""

    def connections(self) -> dict[str, int]:
        """The nodes' connections by name, and which they are to the server."""
        found = re.findall(r"^id=(\d+) .*? name=(libra:\S+)", self.ask("CLIENT LIST"), flags=re.MULTILINE)
        return {name: int(number) for number, name in found}

    def count(self, what: str) -> int:
        """A number of its INFO."""
        found = re.search(rf"^{what}:(\d+)", self.ask("INFO everything"), flags=re.MULTILINE)
        assert found, what
        return int(found[1])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


class NodeProcess:
    """A worker's process and what it shows; started again it goes on in the same ledger."""

    def __init__(self, folder: Path, name: str, order: dict[str, Any]) -> None:
        self.name = name
        files = order.pop("files", name)
        self.ledger = folder / f"{files}.ledger"
        self._status = folder / f"{files}.status"
        self._log = folder / f"{files}.log"
        self.order = order | {"ledger": str(self.ledger), "status": str(self._status)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._status.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.worker", json.dumps(self.order)],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._status.exists() or self._over(), self.tell)

    def _over(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.tell()
        return False

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self._status.read_text(encoding="utf-8"))
        return status

    @property
    def accepted(self) -> int:
        """Durable events that were published and not refused."""
        status = self.status
        return sum(status["numbers"][lane] for lane in DURABLE) - status["refused"]

    def told(self, kind: str) -> list[list[Any]]:
        return [news for news in self.status["news"] if news[0] == kind]

    def tell(self) -> str:
        """For whoever asks why a test failed."""
        status = self._status.read_text(encoding="utf-8") if self._status.exists() else "no status"
        return f"{self.name}: {status}\n{self._log.read_text(encoding='utf-8', errors='replace')[-4_000:]}"

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends it in order."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        assert self.process.wait(60) == 0, self.tell()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


class TwoNodes:
    """A publisher `pub` and a consumer `con`, joined by a server."""

    def __init__(
        self,
        *,
        per_s: int = 20_000,
        quotes: bool = False,
        lanes: Sequence[str] = (),
        appendonly: bool = False,
        binary: str | None = None,
        **settings: Any,
    ) -> None:
        # Not where pytest keeps its folders: the path of a Unix socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="libra-chaos-"))
        self.server = Server(self.folder, appendonly=appendonly, binary=binary)
        self.settings = {"environment": "chaos", "nodes": ["pub", "con"], "url": self.server.url} | settings
        self.pub = self.node("pub", role="publisher", per_s=per_s, quotes=quotes, lanes=lanes)
        self.con = self.node("con", role="consumer")
        self._of_the_dead = 0

    def node(self, name: str, **order: Any) -> NodeProcess:
        return NodeProcess(self.folder, name, order | {"bridge": self.settings | {"node": name}})

    def start(self) -> None:
        self.server.start()
        self.start_nodes()

    def start_nodes(self) -> None:
        self.con.start()
        self.pub.start()
        wait_until(lambda: self.pub.told("node_up") and self.con.told("node_up"), self.tell)
        if self.pub.order["quotes"]:
            # Interest takes a beacon each way.
            wait_until(lambda: self.con.status["quotes"] > 0, self.tell)

    def tell(self) -> str:
        return f"{self.pub.tell()}\n{self.con.tell()}"

    def publish_more(self, more: int) -> None:
        """Waits until so many more durable events were published."""
        before = self.pub.accepted
        wait_until(lambda: self.pub.accepted - before >= more, self.tell)

    def settle(self) -> dict[str, int]:
        """Ends the publishing and both nodes when all was applied, and compares their ledgers."""
        self.end()
        return assert_each_once_in_order(self.pub.ledger, self.con.ledger)

    def end(self) -> None:
        """Ends the publishing, waits until all was applied, and ends both nodes."""
        self.pub.signal(signal.SIGUSR1)
        seen: list[Any] = []

        def is_settled() -> bool:
            numbers = self.pub.status["numbers"]
            is_quiet = bool(seen) and seen[-1] == numbers
            seen.append(numbers)
            stats = self.pub.status["stats"]
            return is_quiet and stats["outbox"] == 0 and stats["credits_in_use"] == 0

        wait_until(is_settled, self.tell)
        if self.pub.order["quotes"]:
            self.close_books()
        self.pub.stop()
        self.con.stop()

    def start_publisher_again(self) -> None:
        """Its process is over, and its counts with it: what the consumer has counted of that is in nobody's books."""
        counted: list[int] = []

        def is_quiet() -> bool:
            time.sleep(0.3)
            nodes = self.con.status["stats"]["link"]["market_in"]["nodes"]
            counted.append(sum(nodes.get("pub", {}).values()))
            return len(counted) > 1 and counted[-1] == counted[-2]

        wait_until(is_quiet, self.tell)
        self._of_the_dead, quotes = counted[-1], self.con.status["quotes"]
        self.pub.start()
        # Interest takes a beacon each way.
        wait_until(lambda: self.con.status["quotes"] > quotes, self.tell)

    def close_books(self, publisher: NodeProcess | None = None) -> None:
        """Each quote has its place: handled, dropped or conflated where it was counted, or missed by its number."""
        rows: list[tuple[str, int, int]] = []

        def balance() -> bool:
            rows[:] = books_of_market_data((publisher or self.pub).status, self.con.status)
            rows[2] = (rows[2][0], rows[2][1], rows[2][2] - self._of_the_dead)
            return all(one == other for _, one, other in rows)

        wait_until(balance, lambda: f"{rows}\n{self.tell()}", 20)
        assert rows[2][1] > 0, rows

    def close(self) -> None:
        self.pub.close()
        self.con.close()
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "TwoNodes":
        return self

    def __exit__(self, *_: object) -> None:
        if os.environ.get("LIBRA_CHAOS_TELL"):
            sys.stdout.write(self.tell())
        self.close()
