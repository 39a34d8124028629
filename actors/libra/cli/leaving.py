"""The end of the process: a thread that somebody's code has left behind does not hold it up."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Collection

PATIENCE_S = 2.0
"""How long threads may take that are about to end."""
_POOLS = ("concurrent.futures.process", "concurrent.futures.thread")


def leave_threads_behind(code: int, before: Collection[threading.Thread], patience_s: float = PATIENCE_S) -> None:
    """End the process with ``code`` if a thread is left that the interpreter would wait for without end.

    Args:
        code: The exit code.
        before: Threads that are somebody else's, who will see to them.
        patience_s: How long such threads have to end by themselves.
    """
    until = time.monotonic() + patience_s
    left = [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread not in before and thread is not threading.current_thread()
    ]
    if left:
        _tell_pools()
    for thread in left:
        thread.join(max(until - time.monotonic(), 0.0))
    names = ", ".join(thread.name for thread in left if thread.is_alive())
    if not names:
        return
    with contextlib.suppress(OSError):
        sys.stderr.write(f"libra: the process does not wait for threads that somebody's code has left: {names}\n")
    _end_workers()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _tell_pools() -> None:
    """Tell executors that nobody closed to end their threads and processes.

    An interpreter does that when it ends, and then waits as long as it takes: here that is a thread of its own.
    """
    for name in _POOLS:
        end = getattr(sys.modules.get(name), "_python_exit", None)
        if end is not None:
            threading.Thread(target=end, name=f"libra-{name}", daemon=True).start()


def _end_workers() -> None:
    """End what `multiprocessing` ends with its parent, which it does at an exit that is left out here."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.terminate()
