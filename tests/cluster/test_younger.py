"""Nodes that are started one by one (systemd, Kubernetes): the account's node is younger than the strategies'."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.cluster.test_joined import Joined

from libra.config.load import load
from libra_cluster.server.membership import ServerMembership
from libra_cluster.supervision.child import Child
from libra_cluster.supervision.supervisor import Supervisor

RESTS = """
asked = False

def on_quote(self, quote):
    import pathlib
    if not self.asked and pathlib.Path("rest").exists():
        self.asked = True
        pathlib.Path("rest").unlink()
        self.submit(self.symbols[0], OrderSide.BUY, "0.001", price=str(round(float(quote.bid) * 0.985, 1)))
"""


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


class OneByOne:
    """The members of a topology, each started, killed and started again by itself."""

    def __init__(self, joined: Joined, profile: str) -> None:
        self._joined = joined
        self._run = Supervisor(load(joined.folder / profile), profile=str(joined.folder / profile))
        self._server = ServerMembership(self._run._topology.bridge.environment)
        self.members = {member.name: member for member in self._run._topology.members}

    def start(self, name: str) -> Child:
        self._run._start(self.members[name])
        child = self._run._children[-1]
        self.until(lambda: child.is_built)
        child.go()
        self.until(lambda: child.status is not None)
        return child

    def kill(self, child: Child) -> None:
        child.signal(signal.SIGKILL)
        self.until(lambda: not child.is_running)

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not holds():
            self._run._look(0.1)
            assert time.monotonic() < end, self.status()

    def status(self) -> dict[str, Any]:
        told = json.loads(self._joined.run("status", "--json").out)["nodes"]
        return next(row for row in told if row["name"] == "trading")

    def open_orders(self) -> int:
        return int(self.status()["accounts"][0]["open_orders"])

    def rests(self) -> None:
        """Lets the strategy have an order open."""
        self.until(lambda: self.status()["bridge"]["peers"][0]["up"])
        (self._joined.folder / "rest").touch()
        self.until(lambda: self.open_orders() == 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._run._children:
            if child.is_running:
                child.signal(signal.SIGKILL)
            child.process.wait()
            child.close(5.0)
        self._server.close()


def test_orders_of_a_killed_node_are_cancelled_though_the_node_of_their_account_is_younger(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
):
    path = joined.topology(strategy=joined.strategy(RESTS))
    monkeypatch.chdir(joined.folder)
    with OneByOne(joined, path) as nodes:
        trading, strategies = nodes.start("trading"), nodes.start("strategies")
        began = time.monotonic()
        nodes.until(lambda: time.monotonic() - began > 3)
        nodes.kill(trading)
        trading = nodes.start("trading")
        nodes.rests()
        # Whoever looks after it starts it again at once.
        nodes.kill(strategies)
        nodes.start("strategies")
        nodes.until(lambda: nodes.status()["vanished"])
        nodes.until(lambda: nodes.open_orders() == 0)
        assert [row["strategy"] for row in nodes.status()["vanished"]] == ["mine"]


@pytest.mark.parametrize("comes_back", [False, True])
def test_orders_that_the_log_has_open_are_cancelled_where_their_node_is_not_there_any_more(
    joined: Joined, monkeypatch: pytest.MonkeyPatch, comes_back: bool
):
    log = 'log = { path = "paper.log", resume = true }'
    path = joined.topology(strategy=joined.strategy(RESTS), account=log)
    monkeypatch.chdir(joined.folder)
    with OneByOne(joined, path) as nodes:
        trading, strategies = nodes.start("trading"), nodes.start("strategies")
        nodes.rests()
        # Both die, or that of the strategies outlives the other by so much that it is heard once more.
        if not comes_back:
            nodes.kill(strategies)
        nodes.kill(trading)
        nodes.start("trading")
        if comes_back:
            nodes.until(lambda: nodes.status()["bridge"]["peers"][0]["up"])
            assert nodes.open_orders() == 1
            nodes.kill(strategies)
            nodes.start("strategies")
        nodes.until(lambda: nodes.status()["vanished"])
        nodes.until(lambda: nodes.open_orders() == 0)


def test_a_node_that_comes_late_is_let_in_where_the_log_has_nothing_of_it(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
):
    path = joined.topology(strategy=joined.strategy(RESTS))
    monkeypatch.chdir(joined.folder)
    with OneByOne(joined, path) as nodes:
        nodes.start("trading")
        began = time.monotonic()
        nodes.until(lambda: time.monotonic() - began > 10)
        nodes.start("strategies")
        nodes.rests()
        assert nodes.status()["vanished"] == []
