"""What a strategy carries over when its process is killed, and when another one of its node leaks to the end."""

import json
import re
import signal

import pytest
from tests.integration.hostile import run_beside

CARRIES = """\
from libra.strategies import Strategy


class Victim(Strategy):
    \"\"\"Leaves a state behind an orderly end.\"\"\"

    snapshot_interval_s = 0.0

    def on_stop(self):
        self.log.warning("victim stops in order")

    def snapshot(self):
        return 1
"""

COUNTS = """
snapshot_interval_s = 0.1

def on_start(self):
    self.count = getattr(self, "count", 0)
    self.log.warning("starts with %d", self.count)

def on_quote(self, quote):
    self.count += 1
    if self.count in (100, 300):
        self.log.warning("has %d", self.count)

def snapshot(self):
    return {"count": self.count}

def restore(self, state):
    self.count = state["count"]
"""


def test_a_killed_process_leaves_its_last_snapshot_to_the_next(shell):
    state = f'state_dir = "{shell.folder / "state"}"'
    profile = shell.profile(shell.strategy(COUNTS), clock="live", node=state)
    counts = []
    for heard in ("has 100", "has 300"):
        running = shell.start("run", profile)
        running.wait_for("starts with")
        running.wait_for(heard)
        running.signal(signal.SIGKILL)
        ended = running.end()
        counts.append(int(re.search(r"starts with (\d+)", ended.err)[1]))
        assert ("goes on with its snapshot of" in ended.err) == (len(counts) == 2)
    # Of some hundred quotes a second those of the last snapshots may be missing, and no others.
    assert counts[0] == 0
    assert 30 <= counts[1] <= 300


LEAKS_TASKS = """
snapshot_interval_s = 0.0

async def rest(self):
    import asyncio
    await asyncio.sleep(3600)

def on_quote(self, quote):
    import asyncio
    for _ in range(500):
        asyncio.get_running_loop().create_task(self.rest())
"""

LEAKS_TIMERS = """
def on_start(self):
    for number in range(200_000):
        self.set_timer(f"t{number}", 0.5, interval_s=0.001)
"""


@pytest.mark.parametrize(("body", "what"), [(LEAKS_TASKS, "tasks"), (LEAKS_TIMERS, "timers")])
def test_one_that_leaks_is_named_and_the_others_end_in_order(shell, body, what):
    run = run_beside(shell)
    (shell.folder / "victim.py").write_text(CARRIES, encoding="utf-8")
    node = f'state_dir = "{shell.folder / "state"}"\nsupervision.max_restarts = 0'
    ended, fills = run(body, "--duration", "6", clock="live", node=node)
    assert ended.code == 1
    assert f"actor mine has 10000 {what}" in ended.err
    assert ended.summary["failed"] == ["mine"]
    assert "victim stops in order" in ended.err
    assert (shell.folder / "state" / "victim.snapshot").exists()
    assert fills is not None


HAS_SOME = """
async def rest(self):
    import asyncio
    await asyncio.sleep(3600)

def on_start(self):
    import asyncio
    for number in range(3):
        self.set_timer(f"t{number}", 3600)
    for _ in range(2):
        asyncio.get_running_loop().create_task(self.rest())
    self.log.warning("ready")
"""


def test_status_tells_of_each_actor_what_it_has(shell):
    running = shell.start("run", shell.profile(shell.strategy(HAS_SOME), clock="live"))
    running.wait_for("ready")
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    assert node["load"] == {"mine": {"tasks": 2, "timers": 3}}
    running.signal(signal.SIGINT)
    assert running.end().code == 0
