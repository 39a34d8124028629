"""Threads of one strategy that compute: what they take from others is nobody's failure, and is told as what it is."""

import pytest
from tests.integration.hostile import run_beside

# Most of them need no interpreter: a machine that other processes keep busy, too, leaves each its part of it, where one
# interpreter gets a part for all.
COMPUTE = """
def on_start(self):
    import threading
    # Who starts a thread waits until it runs, which is long where others compute.
    threading.Thread(target=self.begin, daemon=True).start()

def begin(self):
    import threading
    for number in range(16):
        compute = self.hash if number % 4 else self.compute
        threading.Thread(target=compute, name=f"compute-{number}", daemon=True).start()

def compute(self):
    while True:
        pass

def hash(self):
    import hashlib
    block = bytes(1 << 22)
    while True:
        hashlib.sha256(block)
"""
# 0.2 s of its own, on any machine: with four such threads beside it some 1 s. What a machine that is
# busy with others, too, does not let run between two looks counts as its own, so there is room.
WORKS = """

    def on_timer(self, name):
        import time
        end = time.thread_time() + 0.2
        while time.thread_time() < end:
            pass
        self.log.warning("victim has worked")
"""


@pytest.fixture
def run(shell):
    return run_beside(shell)


def test_who_waits_for_the_threads_of_another_is_not_ended_nor_blamed(run, shell):
    victim = (shell.folder / "victim.py").read_text(encoding="utf-8")
    victim = victim.replace("filled = 0\n", 'filled = 0\n        self.set_timer("work", 1.0)\n')
    (shell.folder / "victim.py").write_text(victim + WORKS, encoding="utf-8")
    node = "handler_timeout_s = 1.0\nslow_handler_ms = 500\ndrain_timeout_s = 10\n"
    ended, _fills = run(COMPUTE, "--duration", "5", clock="live", node=node)
    assert (ended.code, ended.summary["failed"], ended.summary["errors"]) == (0, [], 0), ended.err
    assert "victim has worked" in ended.err
    assert "actor victim has blocked the loop" not in ended.err
    told = [line for line in ended.err.splitlines() if "other threads of this process compute: of the last " in line]
    assert told, ended.err
    assert "compute-0" in told[0]
    assert "what computes for long belongs into a process of its own" in told[0]


def test_who_sleeps_while_threads_compute_is_found_all_the_same(run):
    body = COMPUTE + "\ndef on_quote(self, quote):\n    time.sleep(0.6)\n    raise ValueError('slept')\n"
    node = "slow_handler_ms = 200\ndrain_timeout_s = 10\n[node.supervision]\nmax_restarts = 0\n"
    ended, _fills = run(body.replace("range(16)", "range(2)"), "--duration", "2", clock="live", node=node)
    assert ended.summary["failed"] == ["mine"], ended.err
    assert ended.summary["blocked"]["mine"] >= 1
    assert "actor mine has blocked the loop for " in ended.err
