"""An account that is stopped again behind the operator's look is not resumed by what he decided on it."""

import signal
from typing import Any

import pytest
from tests.cluster.conftest import wait_until

from libra.cli.nodes import running_nodes
from libra.control.client import NodeClient
from libra.errors import ControlError

PULLS = """
pulls = 0

def on_start(self):
    self.set_timer("look", 0.05, interval_s=0.05)

def on_timer(self, name):
    import pathlib
    if len(list(pathlib.Path(".").glob("pull-*"))) > self.pulls:
        self.pulls += 1
        self.emit(EventType.CIRCUIT_BREAKER, {"why": "my model is broken"})
        print(f"pulled {self.pulls}", flush=True)
"""


@pytest.fixture
def node(shell) -> Any:
    running = shell.start("run", shell.profile(shell.strategy(PULLS), account='log = { path = "gate.log" }'), "--json")
    found: list[NodeClient] = []

    def is_there() -> bool:
        found[:] = [client for client in running_nodes() if client.node.pid == running.process.pid]
        return bool(found)

    wait_until(is_there, "it runs")
    return running, found[0]


def look(client: NodeClient) -> dict[str, str]:
    return {row["name"]: row["latch"] for row in client.ask("status")["accounts"]}


def test_each_stop_behind_the_look_is_another_one(shell, node):
    running, client = node

    def actor_pulls() -> None:
        count = len(list(shell.folder.glob("pull-*"))) + 1
        (shell.folder / f"pull-{count}").touch()
        running.wait_for(f"pulled {count}")

    stops = {
        "command": lambda: client.ask("kill", reason="first"),
        "signal": lambda: running.signal(signal.SIGUSR1),
        "actor": actor_pulls,
        "the same actor": actor_pulls,
    }
    client.ask("kill", reason="first")
    for how, stop in stops.items():
        seen = look(client)
        assert look(client) == seen, "to look changes nothing"
        stop()
        with pytest.raises(ControlError) as refused:
            client.ask("resume", latches=seen)
        assert refused.value.code == "CHANGED", how
    [row] = client.ask("status")["accounts"]
    assert "set by mine; before: set by a signal to the process; before: libra kill-switch by" in row["killed"]
    client.ask("resume", latches=look(client))
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, ended.summary["stopped"]) == (0, {}), ended.err
