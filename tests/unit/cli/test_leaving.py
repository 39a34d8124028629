"""The end of a process in which executors are left."""

import concurrent.futures
import concurrent.futures.process as pools
import os
import threading

from libra.cli import leaving


def test_a_pool_that_ends_at_the_same_moment_keeps_no_other_from_its_end(monkeypatch):
    failed = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    # It says that pools have ended for good.
    monkeypatch.setattr(pools, "_global_shutdown", False)
    before = set(pools._threads_wakeups)
    executors = [concurrent.futures.ProcessPoolExecutor(1) for _ in range(2)]
    for executor in executors:
        executor.submit(os.getpid).result()
    managers = [thread for thread in pools._threads_wakeups if thread not in before]
    first = pools._threads_wakeups[managers[0]]
    wakes, closes = first.wakeup, [OSError("handle is closed")]

    def wakeup():
        if closes:
            raise closes.pop()
        wakes()

    monkeypatch.setattr(first, "wakeup", wakeup)
    leaving._tell_pools()
    for manager in managers:
        manager.join(20)
        assert not manager.is_alive()
    assert failed == []
