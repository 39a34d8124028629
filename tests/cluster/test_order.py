"""The end of one member is the end of all, in the order of all: nothing is asked of an account that has stopped."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from tests.cluster.conftest import Topologies, is_alive, nodes, wait_for_nodes, wait_until
from tests.cluster.test_joined import Joined
from tests.cluster.test_run import NOTES, assert_all_gone

from libra_cluster.bridge.native import open_bridge
from libra_cluster.bridge.settings import BridgeSettings

ASKER = """
asked = refused = 0

def on_start(self):
    self.set_timer("ask", 0.02, interval_s=0.02)

def on_timer(self, name):
    self.ask()

def ask(self):
    self.asked += 1
    side = OrderSide.BUY if self.asked % 2 else OrderSide.SELL
    self.refused += self.submit(self.symbols[0], side, "0.001") is None

async def on_stop(self):
    # Longer than a second signal takes to be another one than the first.
    for _ in range(40):
        self.ask()
        await asyncio.sleep(0.02)
    print(f"asked {self.asked} refused {self.refused}", flush=True)
"""


@pytest.fixture
def joined(tmp_path: Path):
    made = Joined(tmp_path)
    yield made
    made.close()


def stop(shell: Topologies | Joined, pids: dict[str, int], name: str, way: str) -> None:
    """Ends one member: as an operator does, or whoever knows its process."""
    if way == "verb":
        ended = shell.run("stop", "--node", name)
        assert ended.code == 0, ended.err
        assert not is_alive(pids[name]) or name not in nodes()
    else:
        os.kill(pids[name], signal.SIGTERM)


@pytest.mark.parametrize(("name", "way"), [("trading", "verb"), ("trading", "signal"), ("far", "verb")])
def test_one_member_that_is_stopped_ends_the_run_in_its_order(
    topologies: Topologies, tmp_path: Path, name: str, way: str
):
    profile = topologies.topology(
        strategy=topologies.strategy(NOTES),
        strategy_more='params = { notes = "far" }\n\n[[strategies]]\nname = "near"\nclass = "mine.py:Mine"\n'
        'account = "paper"\nsymbols = ["BTC/USDT:USDT"]\nparams = { notes = "near" }',
        nodes='[nodes.trading]\nroles = ["market", "accounts", "strategies"]\nstrategies = ["near"]\n'
        '[nodes.far]\nroles = ["strategies"]\n',
    )
    running = topologies.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "far")
    stop(topologies, pids, name, way)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert [(row["exit_code"], row["died"]) for row in ended.summary["nodes"]] == [(0, None), (0, None)]
    far_end, near_begin = (int((tmp_path / name).read_text()) for name in ("far.end", "near.begin"))
    assert far_end < near_begin
    assert_all_gone(pids.values())


@pytest.mark.parametrize("way", ["verb", "signal"])
def test_whoever_asks_while_its_account_is_stopped_is_answered(joined: Joined, way: str):
    strategy = joined.strategy(ASKER)
    running = joined.start("run", joined.topology(strategy=strategy, node="drain_timeout_s = 10"), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def trades() -> bool:
        [node] = json.loads(joined.run("status", "--node", "strategies", "--json").out)["nodes"]
        return bool(node["bridge"]["peers"][0]["up"])

    wait_until(trades, "they have met")
    stop(joined, pids, "trading", way)
    ended = running.end()
    assert ended.code == 0, ended.err
    [asked] = map(int, re.findall(r"^strategies: asked (\d+) refused 0$", ended.err, re.MULTILINE))
    assert asked > 20
    assert "STOPPING" not in ended.summary["rejections"]
    # A timer may have rung while it stopped, and is handled behind that.
    assert asked <= ended.summary["events"]["ORDER_REQUEST"] == sum(ended.summary["orders"].values())
    assert "the node ends when those have ended that ask something of it" in ended.err


def test_a_second_stop_of_a_member_that_waits_ends_it_at_once(topologies: Topologies):
    strategy = topologies.strategy("def on_stop(self):\n    while True:\n        time.sleep(0.1)\n")
    profile = topologies.topology(strategy=strategy, node="drain_timeout_s = 60\nhandler_timeout_s = 0")
    running = topologies.start("run", profile)
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["trading"], signal.SIGTERM)
    running.wait_for("the node ends when those have ended")
    running.wait_for("actor mine", timeout_s=60)
    # Sooner it would be the same signal, delivered twice.
    asked = time.monotonic()
    wait_until(lambda: time.monotonic() - asked > 0.6, "time passes")
    running.signal(signal.SIGINT)
    wait_until(lambda: time.monotonic() - asked > 1.4, "time passes")
    running.signal(signal.SIGINT)
    assert running.end().code == 1
    assert_all_gone(pids.values())


def test_a_drain_that_hangs_behind_its_turn_is_ended_in_its_time(topologies: Topologies):
    strategy = topologies.strategy(
        "def on_stop(self):\n    while self.params['hangs']:\n        time.sleep(0.1)\n",
    )
    profile = topologies.topology(
        strategy=strategy,
        node="handler_timeout_s = 0",
        strategy_more='params = { hangs = false }\n\n[[strategies]]\nname = "near"\nclass = "mine.py:Mine"\n'
        'account = "paper"\nsymbols = ["BTC/USDT:USDT"]\nparams = { hangs = true }',
        nodes='[nodes.trading]\nroles = ["market", "accounts", "strategies"]\nstrategies = ["near"]\n'
        '[nodes.far]\nroles = ["strategies"]\n',
    )
    running = topologies.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "far")
    os.kill(pids["trading"], signal.SIGTERM)
    ended = running.end()
    assert ended.code == 1
    assert [row["exit_code"] for row in ended.summary["nodes"]] == [None, 0]
    assert "the drain ran out of time" in ended.err
    assert_all_gone(pids.values())


def test_an_account_waits_for_longer_than_its_own_drain_may_take(topologies: Topologies):
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], signal.SIGSTOP)
    os.kill(pids["trading"], signal.SIGTERM)
    began = time.monotonic()
    # A drain has 0.8 s.
    wait_until(lambda: time.monotonic() - began > 1.5, "time passes")
    os.kill(pids["strategies"], signal.SIGCONT)
    ended = running.end()
    assert [(row["exit_code"], row["died"]) for row in ended.summary["nodes"]] == [(0, None), (0, None)], ended.err


def test_a_member_whose_turn_never_comes_ends_in_order(topologies: Topologies, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIBRA_TEST_GRACE_S", "0.1")
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    running.signal(signal.SIGSTOP)
    os.kill(pids["trading"], signal.SIGTERM)
    wait_until(lambda: not is_alive(pids["trading"]), "it waits for nobody for ever")
    running.signal(signal.SIGCONT)
    ended = running.end()
    assert [(row["exit_code"], row["died"]) for row in ended.summary["nodes"]] == [(0, None), (0, None)], ended.err
    assert "for those that ask something of it, and ends" in ended.err


def test_a_member_that_waits_ends_when_its_supervisor_is_killed(topologies: Topologies):
    strategy = topologies.strategy("async def on_stop(self):\n    await asyncio.sleep(3)\n")
    profile = topologies.topology(strategy=strategy, node="drain_timeout_s = 10")
    running = topologies.start("run", profile)
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["trading"], signal.SIGTERM)
    running.wait_for("the node ends when those have ended")
    running.signal(signal.SIGKILL)
    running.end()
    assert_all_gone(pids.values())


def test_what_was_for_an_account_that_died_has_not_been_sent(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(ASKER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["trading"], signal.SIGKILL)
    ended = running.end()
    assert ended.code == 1
    rows = {row["name"]: row for row in ended.summary["nodes"]}
    assert (rows["strategies"]["died"], rows["strategies"]["exit_code"]) == (None, 1)
    kept = rows["strategies"]["bridge"]["credits_in_use"]
    assert kept >= 20, "all that it asked for while it stopped"
    assert f"bridge: {kept} durable events did not reach those that they are for" in ended.err
    assert ended.summary["lost"]["events"]["outbox"] == kept
    died, *own = ended.summary["failures"]
    assert died.startswith("node trading died: ")
    assert rows["strategies"]["failures"] == own
    assert f"{kept} durable events did not leave" in own, own


class Native:
    """The native class, with nothing behind it."""

    def __init__(self, nodes: dict[str, tuple[bool, int]], in_use: int = 5) -> None:
        self.nodes = {name: {"up": up, "left": False, "epoch": epoch} for name, (up, epoch) in nodes.items()}
        self.in_use = in_use
        self.takes_s = 0.0

    def __call__(self, core: object, options: dict[str, object]) -> "Native":
        return self

    def start(self) -> None: ...

    def leave(self, timeout_s: float) -> None:
        time.sleep(self.takes_s)

    def stats(self) -> dict[str, object]:
        return {"credits_in_use": self.in_use, "link": {"nodes": self.nodes}}


def bridge_of(monkeypatch: pytest.MonkeyPatch, native: Native, url: str | None = None):
    monkeypatch.setattr("libra_core.Bridge", native)
    settings = BridgeSettings() if url is None else BridgeSettings(url=url)
    bridge = open_bridge(settings, url="unix:///x", node="a", nodes=["t", "a", "b"], accounts=["t"])
    bridge.start(None)  # type: ignore[arg-type]
    return bridge


@pytest.mark.parametrize(
    ("nodes", "left", "keeps"),
    [
        ({"t": (True, 1), "b": (True, 1)}, [], True),
        ({"t": (True, 1), "b": (False, 1)}, ["b"], True),
        ({"t": (True, 1), "b": (False, 1)}, [], False),
        ({"t": (False, 1), "b": (True, 1)}, ["t"], False),
        ({"t": (False, 0), "b": (True, 1)}, [], False),
    ],
    ids=["all there", "a strategy left", "a strategy died", "the account left", "the account never came"],
)
def test_a_server_of_its_own_keeps_what_nobody_misses(monkeypatch: pytest.MonkeyPatch, nodes, left, keeps):
    native = Native(nodes)
    for name in left:
        native.nodes[name]["left"] = True
    bridge = bridge_of(monkeypatch, native)
    bridge.leave(1.0)
    assert bridge.keeps() is keeps
    outlives = bridge_of(monkeypatch, native, "redis://127.0.0.1:1")
    outlives.leave(1.0)
    assert outlives.keeps()


def test_a_server_of_its_own_keeps_nothing_that_there_was_no_time_for(monkeypatch: pytest.MonkeyPatch):
    native = Native({"t": (True, 1), "b": (True, 1)})
    native.takes_s = 0.05
    bridge = bridge_of(monkeypatch, native)
    bridge.leave(0.05)
    assert not bridge.keeps()


@pytest.mark.parametrize(
    ("nodes", "in_use", "url", "awaits"),
    [
        ({"t": (False, 0), "b": (False, 0)}, 1, None, True),
        ({"t": (False, 0), "b": (False, 0)}, 0, None, False),
        ({"t": (True, 1), "b": (False, 0)}, 1, None, False),
        ({"t": (False, 0), "b": (False, 0)}, 1, "redis://127.0.0.1:1", False),
    ],
    ids=["not yet heard", "nothing for it", "there", "a server that outlives us"],
)
def test_an_account_that_was_not_heard_of_is_waited_for(monkeypatch: pytest.MonkeyPatch, nodes, in_use, url, awaits):
    assert bridge_of(monkeypatch, Native(nodes, in_use), url).awaits() is awaits
