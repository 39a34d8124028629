"""A topology whose nodes are joined: it trades as one process does, over a server that it brings along."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import TWO_NODES, asked, wait_for_nodes, wait_until
from tests.cluster.test_run import HANGS_ON_ITS_WAY_OUT
from tests.integration.conftest import Shell
from tests.integration.test_forks import WAITS_ON_THREADS
from tests.profiles import BESIDE

from libra.control.client import NodeClient
from libra.control.folder import find_nodes

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
    assert not summary["vanished"], "it left in order"
    assert summary["lost"] == {"strategies": [], "events": {}}


def test_one_that_waits_on_threads_for_ever_holds_up_no_members_end(joined: Joined):
    topology = joined.topology(strategy=joined.strategy(WAITS_ON_THREADS))
    ended = joined.run("run", topology, "--duration", "3", "--json")
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
    [gone] = trading()["vanished"]
    assert (gone["strategy"], gone["on_vanish"], gone["can_resume"]) == ("mine", "cancel", True)
    os.kill(pids["strategies"], signal.SIGCONT)
    told = joined.run("status", "--node", "trading").out
    assert (
        "strategy mine  GONE from paper (cancel): its requests are refused until libra resume --strategy mine" in told
    )
    running.signal(signal.SIGTERM)
    ended = running.end()
    # It stopped in order; but what it asked for since it was missed was refused.
    assert ended.code == 1, ended.err
    assert [row["strategy"] for row in ended.summary["vanished"]] == ["mine"]
    assert ended.summary["lost"] == {"strategies": ["mine"], "events": {}}
    assert "strategy mine is gone with its node: what it asks for is refused, should it come back" in ended.err


@pytest.mark.parametrize("way", ["named", "unnamed", "by account", "SIGUSR1", "its socket", "the node alone"])
def test_the_kill_switch_stops_the_accounts_whichever_node_of_the_run_is_told(joined: Joined, way: str):
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def account() -> dict[str, Any]:
        [node] = json.loads(joined.run("status", "--node", "trading", "--json").out)["nodes"]
        found: dict[str, Any] = node["accounts"][0]
        return found

    wait_until(lambda: account()["positions"], "it trades")
    if way == "SIGUSR1":
        os.kill(pids["strategies"], signal.SIGUSR1)
    elif way == "its socket":
        # As a program asks that sends no signal.
        folder = Path(os.environ["LIBRA_RUN_DIR"])
        [node] = [node for node in find_nodes(folder) if node.name == "strategies"]
        assert NodeClient(node, folder).ask("kill", reason="looks wrong") == {"accounts": []}
    elif way == "the node alone":
        # As from another host: nothing of the run but this node is seen from here.
        folder = Path(os.environ["LIBRA_RUN_DIR"])
        # A socket's path is short.
        with tempfile.TemporaryDirectory(prefix="lr-", dir=folder.parent) as alone:
            for path in folder.glob("strategies-*"):
                os.link(path, Path(alone, path.name))
            ended = joined.run("kill-switch", "--reason", "looks wrong", env={"LIBRA_RUN_DIR": alone})
        assert (ended.code, "strategies" in ended.out, "NOT CONFIRMED" in ended.out) == (1, True, True), (
            ended.out + ended.err
        )
    else:
        more = {"named": ["--node", "strategies"], "unnamed": [], "by account": ["--account", "paper"]}[way]
        ended = joined.run("kill-switch", *more, "--reason", "looks wrong", "--json")
        assert ended.code == 0, ended.out
        [row] = json.loads(ended.out)["nodes"]
        assert (row["name"], row["done"]) == ("trading", True)
        assert row["accounts"][0]["killed"].endswith("looks wrong")
    wait_until(lambda: account()["killed"] is not None, "its account is stopped")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert "KILL_SWITCH" in ended.summary["stopped"]["paper"]


def test_verbs_about_accounts_go_to_the_node_that_has_them(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    wait_for_nodes(running, "trading", "strategies")
    for more in ([], ["--node", "strategies"]):
        shown = joined.run("limits", "show", *more)
        assert (shown.code, "max_order_notional" in shown.out) == (0, True), shown.err
        assert joined.run("limits", "set", "max_order_notional=100", *more).code == 0
        assert joined.run("resume", "--yes", *more).code == 0
        unknown = joined.run("limits", "show", "--account", "other", *more)
        assert (unknown.code, "no account other here; accounts are paper in trading" in unknown.err) == (1, True)
    assert joined.run("stop", "--strategy", "mine").code == 0
    stopped = joined.run("stop")
    assert (stopped.code, stopped.err) == (0, "")
    assert not list(Path(os.environ["LIBRA_RUN_DIR"]).glob("*.json"))
    running.end()


def test_a_killed_node_takes_its_strategies_with_it(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end()
    assert ended.code == 1
    assert [(row["strategy"], row["on_vanish"]) for row in ended.summary["vanished"]] == [("mine", "cancel")]


def test_a_node_that_dies_on_its_way_out_leaves_nothing_behind(joined: Joined):
    buys = HANGS_ON_ITS_WAY_OUT.replace(
        "self.quoted = True", 'self.quoted = True\n        self.submit(self.symbols[0], OrderSide.BUY, "0.01")'
    )
    profile = joined.topology(
        strategy=joined.strategy(buys),
        strategy_more='on_vanish = "flatten"',
        node="handler_timeout_s = 0\ndrain_timeout_s = 60",
    )
    running = joined.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def holds() -> bool:
        [node] = json.loads(joined.run("status", "--node", "trading", "--json").out)["nodes"]
        [account] = node["accounts"]
        return account["open_orders"] == 1 and bool(account["positions"])

    wait_until(holds, "its order rests beside its position")
    running.signal(signal.SIGTERM)
    running.wait_for("on_stop begins")
    os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end()
    assert ended.code == 1
    assert ended.summary["orders"] == {"CANCELLED": 1, "FILLED": 2}
    assert [row["size"] for row in ended.summary["positions"]] == ["0.000"]
    [row] = ended.summary["vanished"]
    assert [(row["strategy"], closing["state"]) for closing in row["flattening"]] == [("mine", "flat")]


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


def test_a_run_that_lost_what_strategies_asked_for_has_failed(joined: Joined):
    strategy = joined.strategy(BUYER)
    running = joined.start("run", joined.topology("\n[bridge]\nstale_after_s = 2\n", strategy=strategy), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def account() -> dict[str, Any]:
        [node] = json.loads(joined.run("status", "--node", "trading", "--json").out)["nodes"]
        return node["accounts"][0]

    wait_until(lambda: account()["positions"], "it trades")
    os.kill(pids["trading"], signal.SIGSTOP)
    # What was under way to it is lost with its connections, and what is trimmed meanwhile with the stream.
    server, channel = Path(os.environ["LIBRA_RUN_DIR"]) / "bridge-libra" / "server.sock", "ORDERS:all:strategies"

    def number(command: str) -> int:
        return int(asked(server, command).splitlines()[-1].rpartition("-")[2])

    asked(server, "CLIENT KILL TYPE pubsub")
    running.wait_for(f"node trading does not keep up with {channel}: it is not waited for any more")
    applied = number(f"HGET libra:libra:ack:{channel} trading")
    wait_until(lambda: number(f"HGET libra:libra:chan:{channel} floor") > applied, "it is trimmed")
    os.kill(pids["trading"], signal.SIGCONT)
    running.wait_for(f"of {channel} will never come")
    wait_until(lambda: account()["stopped"], "its orders are refused")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 1, ended.err
    assert ended.summary["lost"]["events"][channel] > 0
    assert ended.summary["stopped"]["paper"].startswith("BRIDGE_UNSOUND: limit no loss, value ")


DECIDES = """
asked = None
ended = {}

def on_start(self):
    self.set_timer("look", 0.02, interval_s=0.02)

def on_timer(self, name):
    import pathlib
    if self.asked is None and pathlib.Path("decide").exists():
        of_its_own = {"ttl_s": 0}
        self.asked = {
            self.submit(self.symbols[0], OrderSide.BUY, "0.001"): "without",
            self.submit(self.symbols[0], OrderSide.BUY, "0.002", **of_its_own): "for ever",
        }
        pathlib.Path("decided").touch()

def on_order(self, order):
    import pathlib
    if str(order.status) in ("REJECTED", "FILLED"):
        self.ended[self.asked[order.order_id]] = f"{order.status} {order.reason}".strip()
        if len(self.ended) == 2:
            pathlib.Path("told").write_text(f"{self.ended['without']}, {self.ended['for ever']}")
"""


def test_what_was_decided_before_an_outage_is_not_done_behind_it(joined: Joined):
    profile = joined.topology("\n[bridge]\nrequest_deadline_ms = 1000\n", strategy=joined.strategy(DECIDES))
    running = joined.start("run", profile, "--json")
    wait_for_nodes(running, "trading", "strategies")

    def met() -> bool:
        [node] = json.loads(joined.run("status", "--node", "strategies", "--json").out)["nodes"]
        return bool(node["bridge"]["peers"][0]["up"])

    wait_until(met, "they have met")
    server = int((Path(os.environ["LIBRA_RUN_DIR"]) / "bridge-libra" / "server.pid").read_text(encoding="utf-8"))
    os.kill(server, signal.SIGSTOP)
    try:
        (joined.folder / "decide").touch()
        wait_until((joined.folder / "decided").exists, "it decides")
        decided = time.monotonic()
        # The outage itself: longer than what was decided holds.
        wait_until(lambda: time.monotonic() - decided > 1.5, "time passes")
    finally:
        os.kill(server, signal.SIGCONT)
    told = joined.folder / "told"
    wait_until(lambda: told.exists() and told.read_text(), "it is told of both")
    assert told.read_text() == "REJECTED EXPIRED, FILLED"
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["rejections"] == {"EXPIRED": 1}


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
    if self.turns and self.turns % 5 == 0:
        self.submit(self.symbols[0], OrderSide.BUY, "0.001")

def on_order(self, order):
    import pathlib
    if order.reason == "STRATEGY_STOPPED":
        pathlib.Path("answered").touch()
    if order.status == "FILLED":
        pathlib.Path("filled").touch()
"""


def test_a_node_whose_loop_hangs_loses_its_orders_once_and_lives_on(joined: Joined):
    # Nothing ends its handler, so its node falls silent with it.
    topology = joined.topology(strategy=joined.strategy(HANGS), node="handler_timeout_s = 0")
    running = joined.start("run", topology, "--json")
    wait_for_nodes(running, "trading", "strategies")

    def status(name: str) -> dict[str, Any]:
        [node] = json.loads(joined.run("status", "--node", name, "--json").out)["nodes"]
        return node

    wait_until(lambda: status("trading")["accounts"][0]["open_orders"], "its order rests")
    hangs, answered = joined.folder / "hangs", joined.folder / "answered"
    assert "it is not gone" in joined.run("resume", "--strategy", "mine", "--yes").err
    hangs.touch()
    wait_until(lambda: status("trading")["vanished"], "the node is missed")
    assert "its node strategies is not there" in joined.run("resume", "--strategy", "mine", "--yes").err
    wait_until(lambda: not status("trading")["accounts"][0]["open_orders"], "its order is cancelled")
    hangs.unlink()
    wait_until(answered.exists, "it goes on, and is answered")
    wait_until(lambda: status("trading")["bridge"]["peers"][0]["up"], "its node is there again")
    assert not (joined.folder / "filled").exists()
    # Until an operator lets it in again.
    again = joined.run("resume", "--strategy", "mine", "--reason", "it was slow", "--yes")
    assert (again.code, again.out) == (0, "strategy mine trades again on paper\n"), again.err
    wait_until((joined.folder / "filled").exists, "it trades")
    running.signal(signal.SIGTERM)
    ended = running.end()
    # It was lost for a while all the same.
    assert ended.code == 1, ended.err
    assert ended.summary["lost"]["strategies"] == ["mine"]
    assert ended.summary["vanished"] == []
    # Cancelled once, though its node was missed, came back and left; what it asks for since is refused, and says why.
    assert set(ended.summary["orders"]) == {"CANCELLED", "REJECTED", "FILLED"}
    assert ended.summary["events"]["ORDER_CANCELLED"] == 1
    assert ended.summary["rejections"] == {"STRATEGY_STOPPED": ended.summary["orders"]["REJECTED"]}
    assert (
        "took it for dead: libra status names its strategies as GONE where that is so: it stood still for" in ended.err
    )
    assert (ended.summary["errors"], ended.summary["failed"]) == (0, [])


SLOW = """
def on_start(self):
    self.set_timer("slow", 1.0)

def on_timer(self, name):
    import pathlib, time
    until = time.monotonic() + 4
    while time.monotonic() < until:
        pass
    pathlib.Path("slow").touch()
"""

TRADES = """
filled = late = 0

def on_start(self):
    self.set_timer("trade", 0.1, interval_s=0.1)

def on_timer(self, name):
    side = OrderSide.BUY if self.filled % 2 == 0 else OrderSide.SELL
    self.submit(self.symbols[0], side, "0.001")

def on_order(self, order):
    import pathlib
    self.filled += order.status == "FILLED"
    self.late += order.status == "FILLED" and pathlib.Path("slow").exists()
    if self.late == 5:
        pathlib.Path("enough").touch()
"""


def test_a_handler_that_is_slow_for_less_than_it_may_be_takes_nobody_with_it(joined: Joined):
    joined.strategy(TRADES, "other.py")
    beside = BESIDE + 'on_vanish = "flatten"\n'
    running = joined.start("run", joined.topology(strategy=joined.strategy(SLOW), strategy_more=beside), "--json")
    wait_until(lambda: running.process.poll() is not None or (joined.folder / "enough").exists(), "it trades on")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert (ended.summary["vanished"], ended.summary["lost"]["strategies"]) == ([], [])
    assert ended.summary["rejections"] == {}
