"""The kill switch where somebody's code has taken every descriptor that the process may have."""

import signal

from tests.cluster.conftest import wait_until
from tests.integration.conftest import LOG

from libra.cli.nodes import running_nodes

TAKES_ALL = """
def on_quote(self, quote):
    import os, resource
    if not hasattr(self, "taken"):
        self.taken = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            self.taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        if not hasattr(self, "told"):
            self.told = print("none left", flush=True)
"""
# Nothing can be raised any more: one descriptor is kept.
TAKES_ALL_FOR_GOOD = TAKES_ALL.replace("resource.getrlimit(resource.RLIMIT_NOFILE)[1]", "128")


def kills_often(shell, strategy: str, **terms: str) -> None:
    """Pulls the switch three times at a run whose strategy takes all, and ends it."""
    running = shell.start("run", shell.profile(shell.strategy(strategy), **terms), "--json")
    running.wait_for("none left")
    wait_until(lambda: [one for one in running_nodes() if one.node.pid == running.process.pid], "it is found")
    for _ in range(3):
        told = shell.run("kill-switch", "--pid", running.process.pid, "--reason", "it leaks")
        assert (told.code, "no new orders leave" in told.out) == (0, True), told.out + running.said
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, "it leaks" in ended.summary["stopped"]["paper"]) == (3, True), ended.err


def test_the_verb_is_confirmed_more_than_once(shell):
    kills_often(shell, TAKES_ALL, account=LOG)
    assert not (shell.folder / "gate.log.killed").exists()


def test_one_is_kept_where_the_limit_cannot_be_raised(shell):
    kills_often(shell, TAKES_ALL_FOR_GOOD)
