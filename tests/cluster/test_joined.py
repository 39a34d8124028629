"""A topology whose nodes are joined: it trades as one process does, over a server that it brings along."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import TWO_NODES, wait_for_nodes, wait_until
from tests.integration.conftest import Shell

BUYER = """
quotes = fills = 0

def on_start(self):
    self.set_timer("buy", 0.1, interval_s=0.1)

def on_quote(self, quote):
    self.quotes += 1

def on_timer(self, name):
    if self.quotes:
        self.submit(self.symbols[0], OrderSide.BUY, "0.001")

def on_fill(self, fill):
    self.fills += 1

def on_stop(self):
    print(f"quotes {self.quotes > 10} fills {self.fills}", flush=True)
"""


class Joined(Shell):
    """`libra`, with topologies as users have them."""

    def topology(self, more: str = "", **profile: str) -> str:
        name = self.profile(**profile)
        path = self.folder / name
        path.write_text(path.read_text(encoding="utf-8") + TWO_NODES + more, encoding="utf-8")
        return name


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


def test_a_strategy_trades_on_the_account_of_another_node(joined: Joined):
    profile = joined.topology(strategy=joined.strategy(BUYER))
    ended = joined.run("run", profile, "--duration", "4", "--json")
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert summary["fills"] > 0
    assert summary["errors"] == 0
    assert f"quotes True fills {summary['fills']}" in ended.err, "the strategy heard of each"
    trading, strategies = (row["bridge"] for row in summary["nodes"])
    assert trading["outbox"] == strategies["outbox"] == 0
    for bridge in (trading, strategies):
        assert bridge["link"]["fenced"] is False
        assert all(channel["lost"] == 0 for channel in bridge["link"]["channels"].values())
        assert bridge["link"]["market_in"]["lost"] == 0
    requests = summary["events"]["ORDER_REQUEST"]
    assert strategies["link"]["outboxes"]["ORDERS"]["offered"] == requests
    assert trading["lanes"]["MARKET_DATA"]["sent"] > 0
    assert not summary.get("vanished"), "it left in order"


def test_one_that_waits_on_threads_for_ever_holds_up_no_members_end(joined: Joined):
    strategy = joined.strategy("""
def on_start(self):
    self.waits = 0

def on_quote(self, quote):
    if self.waits < 40:
        self.waits += 1
        asyncio.get_running_loop().create_task(asyncio.to_thread(time.sleep, 3600))
""")
    ended = joined.run("run", joined.topology(strategy=strategy), "--duration", "3", "--json")
    assert ended.code == 0, ended.err
    assert "the process does not wait for threads that somebody's code has left: " in ended.err
    assert [(row["exit_code"], row["died"]) for row in ended.summary["nodes"]] == [(0, None), (0, None)]
    # Both nodes have taken leave of each other.
    assert "node strategies has left" in ended.err
    assert [row["bridge"]["outbox"] for row in ended.summary["nodes"]] == [0, 0]


def test_the_strategies_of_a_node_that_fell_silent_vanish(joined: Joined):
    # It is not dead, so its supervisor sees nothing: it is the node of its account that misses its beacon.
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def trading() -> dict[str, Any]:
        [node] = json.loads(joined.run("status", "--node", "trading", "--json").out)["nodes"]
        return node

    wait_until(lambda: trading()["accounts"][0]["positions"], "it trades")
    os.kill(pids["strategies"], signal.SIGSTOP)
    wait_until(lambda: trading()["vanished"], "the node is missed")
    assert [(row["strategy"], row["on_vanish"]) for row in trading()["vanished"]] == [("mine", "cancel")]
    os.kill(pids["strategies"], signal.SIGCONT)
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert [row["strategy"] for row in ended.summary["vanished"]] == ["mine"]


def test_a_killed_node_takes_its_strategies_with_it(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end()
    assert ended.code == 1
    assert [(row["strategy"], row["on_vanish"]) for row in ended.summary["vanished"]] == [("mine", "cancel")]


@pytest.mark.slow
def test_a_second_run_is_refused_and_the_first_goes_on(joined: Joined):
    profile = joined.topology(strategy=joined.strategy(BUYER))
    running = joined.start("run", profile, "--json")
    wait_for_nodes(running, "trading", "strategies")
    wait_until(lambda: '"up": true' in joined.run("status", "--node", "trading", "--json").out, "they have met")
    second = joined.run("run", profile, "--json")
    assert second.code == 2, second.err
    assert "runs already: stop it first" in second.err
    said = joined.run("status", "--node", "trading").out
    assert "bridge  connected for 0:00:" in said
    assert "node strategies  up" in said
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert not ended.summary["vanished"]
    assert ended.summary["fills"] > 0


HANGS = """
quotes = turns = 0
rests = came_back = False

def on_start(self):
    self.set_timer("turn", 0.1, interval_s=0.1)

def on_quote(self, quote):
    self.quotes, self.bid = self.quotes + 1, quote.bid

def on_timer(self, name):
    import pathlib, time
    if self.quotes and not self.rests:
        self.rests = True
        self.submit(self.symbols[0], OrderSide.BUY, "0.001", price=self.bid - 500)
    while pathlib.Path("hangs").exists():
        self.came_back = True
        time.sleep(0.02)
    self.turns += self.came_back
    if self.turns == 5:
        self.submit(self.symbols[0], OrderSide.BUY, "0.001")

def on_order(self, order):
    import pathlib
    if order.reason == "STRATEGY_STOPPED":
        pathlib.Path("answered").touch()
"""


def test_a_node_whose_loop_hangs_loses_its_orders_once_and_lives_on(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(HANGS)), "--json")
    wait_for_nodes(running, "trading", "strategies")

    def status(name: str) -> dict[str, Any]:
        [node] = json.loads(joined.run("status", "--node", name, "--json").out)["nodes"]
        return node

    wait_until(lambda: status("trading")["accounts"][0]["open_orders"], "its order rests")
    hangs, answered = joined.folder / "hangs", joined.folder / "answered"
    hangs.touch()
    wait_until(lambda: status("trading")["vanished"], "the node is missed")
    wait_until(lambda: not status("trading")["accounts"][0]["open_orders"], "its order is cancelled")
    hangs.unlink()
    wait_until(answered.exists, "it goes on, and is answered")
    wait_until(lambda: status("trading")["bridge"]["peers"][0]["up"], "its node is there again")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert [(row["strategy"], row["on_vanish"]) for row in ended.summary["vanished"]] == [("mine", "cancel")]
    # Cancelled once, though its node was missed, came back and left; what it asks for since is refused, and says why.
    assert ended.summary["orders"] == {"CANCELLED": 1, "REJECTED": 1}
    assert ended.summary["events"]["ORDER_CANCELLED"] == 1
    assert ended.summary["rejections"] == {"STRATEGY_STOPPED": 1}
    assert "its strategies are gone for their accounts: it stood still for" in ended.err
    assert (ended.summary["errors"], ended.summary["failed"]) == (0, [])
