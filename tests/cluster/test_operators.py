"""What operators ask of one node of a run while another one hangs, and what of it comes late."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import BUYER, Joined


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


HOLDS = """
filled = 0

def on_start(self):
    self.set_timer("turn", 0.1, interval_s=0.1)

def on_timer(self, name):
    import pathlib, time
    while pathlib.Path("hangs").exists():
        time.sleep(0.02)
    self.submit(self.symbols[0], OrderSide.BUY, "0.001")

def on_order(self, order):
    print(order.status, order.reason, flush=True)
"""


def test_a_kill_switch_that_was_taken_back_does_not_come_again_from_a_node_that_hung(joined: Joined):
    topology = joined.topology(strategy=joined.strategy(HOLDS), node="handler_timeout_s = 60")
    running = joined.start("run", topology, "--json")
    wait_for_nodes(running, "trading", "strategies")
    running.wait_for("FILLED")
    (hangs := joined.folder / "hangs").touch()
    killed = joined.run("kill-switch", "--reason", "oops")
    # The node that hangs has no account: nothing of it is open, and nobody has to end it.
    assert (killed.code, "kill -9" in killed.out, "strategies" in killed.out) == (0, False, False), killed.out
    assert joined.run("resume", "--yes").code == 0
    filled = running.said.count("FILLED")
    hangs.unlink()
    wait_until(lambda: running.said.count("FILLED") > filled + 5, "it trades again")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["stopped"] == {}
    assert ended.err.count("account paper: kill switch: ") == 1


def test_a_strategy_is_stopped_though_another_node_hangs(joined: Joined):
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["trading"], signal.SIGSTOP)
    for more in (["--node", "strategies"], []):
        stopped = joined.run("stop", "--strategy", "mine", *more)
        assert (stopped.code, "strategy mine is stopped" in stopped.out) == (0, True), stopped.err
    nobody = joined.run("stop", "--strategy", "nobody")
    assert (nobody.code, "node trading" in nobody.err, "did not answer" in nobody.err) == (1, True, True), nobody.err
    os.kill(pids["trading"], signal.SIGCONT)
    running.signal(signal.SIGTERM)
    assert running.end().code == 0
