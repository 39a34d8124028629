"""A strategy that takes every reader of the loop back: the node's own stays, and a second strategy trades on."""

import signal

import pytest
from tests.integration.hostile import run_beside

REMOVES = """
def on_start(self):
    self.set_timer("go", 0.3)

def on_timer(self, name):
    loop = asyncio.get_running_loop()
    for fd in range(3, 200):
        try:
            CALL
            loop.remove_writer(fd)
        except RuntimeError:
            pass
    self.log.warning("all are removed")
"""


@pytest.mark.parametrize("call", ["loop.remove_reader(fd)", "type(loop).remove_reader(loop, fd)"])
def test_the_reader_that_wakes_the_node_stays(shell, call):
    ended, fills = run_beside(shell)(REMOVES.replace("CALL", call), "--duration", "3", clock="live")
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    assert "all are removed" in ended.err
    told = ended.err.count("actor mine calls remove_reader for the descriptor that wakes the node: it does nothing")
    assert told == (call == "loop.remove_reader(fd)")
    assert len(fills) >= 6


def test_an_operator_is_heard_all_the_same(shell):
    """The loop itself waits for the node's control socket."""
    profile = shell.profile(shell.strategy(REMOVES.replace("CALL", "loop.remove_reader(fd)")))
    running = shell.start("run", profile, "--json")
    running.wait_for("all are removed")
    asked = shell.start("kill-switch", "--pid", str(running.process.pid)).end()
    assert asked.code == 0, asked.err
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert "KILL" in ended.out, ended.err
