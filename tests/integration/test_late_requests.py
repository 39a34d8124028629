"""Requests of operators who were told that they had failed: a node that comes back does none of them later."""

import json
import os
import signal
from pathlib import Path

import pytest

from libra.control.client import NodeClient
from libra.control.folder import find_nodes
from libra.errors import ControlError

QUOTES = """
def on_quote(self, quote):
    if not hasattr(self, "quoted"):
        self.quoted = True
        self.log.warning("it trades")
"""


@pytest.fixture
def hung(shell):
    """A node that trades, and a way to ask it while it is stopped; gives how it stands behind that."""
    running = shell.start("run", shell.profile(shell.strategy(QUOTES)), "--json")
    running.wait_for("it trades")
    [node] = find_nodes(Path(os.environ["LIBRA_RUN_DIR"]))
    client = NodeClient(node, Path(os.environ["LIBRA_RUN_DIR"]))

    def asked(op, *, meanwhile=lambda: None, **arguments):
        os.kill(node.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ControlError) as told:
                client.ask(op, **arguments)
            assert told.value.code == "SILENT"
            meanwhile()
        finally:
            os.kill(node.pid, signal.SIGCONT)
        # Asked behind it: connections are taken in their order.
        [row] = json.loads(shell.run("status", "--json").out)["nodes"]
        return row

    yield shell, running, asked
    running.signal(signal.SIGTERM)
    running.end()


def test_a_resume_that_failed_does_not_undo_a_kill_switch_that_was_pulled_behind_it(hung):
    shell, running, asked = hung
    assert shell.run("kill-switch", "--reason", "first").code == 0
    pull = lambda: running.signal(signal.SIGUSR1)  # noqa: E731
    row = asked("resume", reason="it looked fine", meanwhile=pull)
    assert row["accounts"][0]["killed"] is not None
    running.wait_for("resume by ")
    assert "came too late, and is not done" in running.said
    assert shell.run("resume", "--yes").code == 0, "asked again it resumes"


def test_looser_limits_and_the_end_of_a_strategy_that_failed_do_not_come_later(hung):
    _, running, asked = hung
    row = asked("set_limits", changes={"max_order_notional": "90000"}, confirmed=True)
    assert row["accounts"][0]["limits_version"] == 1
    row = asked("stop_strategy", strategy="mine")
    assert [strategy["state"] for strategy in row["strategies"]] == ["running"]
    assert running.said.count("came too late, and is not done") == 2


def test_a_kill_switch_is_pulled_however_late(hung):
    _, _, asked = hung
    assert asked("kill", reason="at once")["accounts"][0]["killed"].endswith("at once")
