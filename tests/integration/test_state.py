"""What a strategy carries over when its process is killed, and when another one of its node leaks to the end."""

import re
import signal

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
