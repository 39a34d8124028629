"""A venue process, and the process that gives our side its lives; both end with their standard input."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests import profiles

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

PROFILE = """\
[node]
name = "crash"
log_level = "info"

[market]
kind = "gateway"
class = "{here}/venue_gateway.py:StillMarket"
symbols = ["BTC/USDT:USDT"]

{listing}
[[account_groups]]
name = "acct"
balances = {{ USDT = "100000" }}
allow_short = true
validity_window_ms = 400
gateway = {{ kind = "python", class = "{here}/venue_gateway.py:VenueGateway", options = {{ socket = "{socket}" }}, \
query_every_ms = 20, unanswered_after_ms = 200 }}
log = {{ path = "{log}", resume = true }}
sizing = {{ kind = "fixed_size", value = "0.020" }}
risk = {{ max_position_notional = "100000", max_order_notional = "10000", max_orders_per_second = 100000 }}

[[strategies]]
name = "walker"
class = "{here}/strategy.py:Walker"
account = "acct"
symbols = ["BTC/USDT:USDT"]
params = {params}
"""


class Lives:
    """Starts lives of our process, one after the other."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.integration.crash.lives"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self._process = subprocess.Popen(command, **pipes)
        assert self._process.stdout.readline() == "ready\n"

    def live(self, life):
        """One life; gives its exit code, or minus the signal that ended it."""
        self._process.stdin.write(json.dumps(life) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(timeout=30) == 0


class World:
    """A venue, a log, and the lives that our side has with them."""

    def __init__(self, folder, lives, *, seed, **params):
        self.folder = folder
        self._lives = lives
        self.socket, self.ledger_path = folder / "v.sock", folder / "ledger"
        command = [sys.executable, str(HERE / "venue.py"), str(self.socket), str(self.ledger_path), str(seed)]
        self._venue = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._venue.stdout.readline() == "ready\n"
        given = {"orders": 12, "kill_switch": 0, "open_at_most": 3, "ways": list(WAYS), **params}
        text = ", ".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
        self.profile = folder / "profile.toml"
        self.profile.write_text(
            PROFILE.format(
                listing=profiles.perpetual("crash"),
                here=HERE,
                socket=self.socket,
                log=folder / "gate.log",
                params=f"{{ {text} }}",
            )
        )
        self.session = 0
        self.found = []
        self.told = None

    def live(self, point="", nth=1, *, mutant=""):
        """One life: to its end, or to the n-th passage of a point. Gives the exit code."""
        self.session += 1
        found, report = self.folder / f"found-{self.session}", self.folder / f"report-{self.session}"
        life = {
            "profile": str(self.profile),
            "session": self.session,
            "point": point,
            "nth": nth,
            "mutant": mutant,
            "found": str(found),
            "report": str(report),
            "log": str(self.folder / "life.log"),
        }
        ended = self._lives.live(life)
        self.found.append(json.loads(found.read_text()) if found.exists() else {"known": [], "open": []})
        if ended == 0:
            self.told = json.loads(report.read_text())
        # What left before its death may still be on its way, and belongs to that life.
        assert self._ask("settle")
        return ended

    @property
    def ledger(self):
        return [json.loads(line) for line in self.ledger_path.read_text().splitlines()]

    def dump(self):
        """The venue's own view of all orders."""
        return self._ask("dump")

    def _ask(self, what):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"n": 0, "op": what}).encode() + b"\n")
            return json.loads(connection.makefile().readline())["answer"]

    def lines(self):
        """What the lives logged, for a failing test."""
        log = self.folder / "life.log"
        return log.read_text()[-6000:] if log.exists() else ""

    def close(self):
        self._venue.stdin.close()
        self._venue.stdout.close()
        assert self._venue.wait(timeout=30) == 0


WAYS = ("buy", "signal", "cancelled", "sell", "touched", "half", "signal", "resting", "lost", "half lost")


@pytest.fixture(scope="module")
def lives():
    lives = Lives()
    yield lives
    lives.close()


@pytest.fixture
def make_world(tmp_path, lives):
    worlds = []

    def make(*, seed=1, **params):
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        worlds.append(World(folder, lives, seed=seed, **params))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
