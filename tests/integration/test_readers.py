"""A strategy that takes every reader of the loop back: the node's own stays, and a second strategy trades on."""

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
