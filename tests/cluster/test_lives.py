"""Two runs over one server of the operator's: what an earlier life said does nothing to a later one."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.topology import Server
from tests.cluster.conftest import TWO_NODES, wait_for_nodes, wait_until
from tests.cluster.test_joined import BUYER, Joined

from libra.cli.nodes import running_nodes
from libra.control.client import NodeClient


class Lives(Joined):
    """Topologies over a server that outlives them."""

    server: Server

    def topology(self, more: str = "", **profile: str) -> str:
        name = self.profile(**profile)
        path = self.folder / name
        bridge = f'\n[bridge]\nurl = "{self.server.url}"\n'
        path.write_text(path.read_text(encoding="utf-8") + TWO_NODES + bridge + more, encoding="utf-8")
        return name


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    made = Lives(tmp_path)
    # A socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="lv-"))
    made.server = Server(folder, appendonly=True)
    try:
        made.server.start()
        yield made
    finally:
        made.close()
        made.server.close()
        shutil.rmtree(folder)


def client(name: str) -> NodeClient:
    [found] = [node for node in running_nodes() if node.node.name == name]
    return found


def test_a_strategy_that_ended_in_an_earlier_run_trades_in_this_one(lives: Lives):
    profile = lives.topology(strategy=lives.strategy(BUYER))
    running = lives.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    wait_until(lambda: client("trading").ask("status")["accounts"][0]["positions"], "it trades")
    # Its account does not hear that it ends, and dies.
    os.kill(pids["trading"], signal.SIGSTOP)
    assert client("strategies").ask("stop_strategy", strategy="mine")["strategy"] == "mine"
    sent = "libra:libra:chan:RISK:all:strategies"
    wait_until(lambda: "top" in lives.server.ask(f"HGETALL {sent}"), "its end is with the server")
    os.kill(pids["trading"], signal.SIGKILL)
    running.end()

    ended = lives.run("run", profile, "--duration", "4", "--json")
    assert ended.summary["vanished"] == []
    assert ended.summary["rejections"] == {}
    assert ended.summary["fills"] > 0
    assert "strategy mine ended in an earlier life of its node" in ended.err
    assert ended.code == 0, ended.err
