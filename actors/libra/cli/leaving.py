"""The end of the process: what comes to it from here on is for the next one, and no thread that is left holds it up."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection

from libra import early_kill

_PATIENCE_S = 2.0
"""How long threads may take that are about to end."""
_NAP_S = 0.01
_POOLS = ("concurrent.futures.process", "concurrent.futures.thread")


def run_and_leave(run: Callable[[], int]) -> int:
    """Do what a process is there for.

    Args:
        run: That; gives the exit code.

    Returns:
        The code, unless a thread of it is left that the interpreter would wait for without end: that ends the process.
    """
    before = threading.enumerate()
    try:
        code = run()
    finally:
        early_kill.give_up()
    _leave_threads_behind(code, before)
    return code


def _leave_threads_behind(code: int, before: Collection[threading.Thread]) -> None:
    """End the process with ``code`` where threads do not end by themselves; those of ``before`` are somebody else's."""
    until = time.monotonic() + _PATIENCE_S
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
            threading.Thread(target=_tell, args=(end,), name=f"libra-{name}", daemon=True).start()


def _tell(end: Callable[[], None]) -> None:
    """Again where it failed: a pool that ends just now has closed what it is woken by, and others wait behind it."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            end()
            break
        time.sleep(_NAP_S)


def _end_workers() -> None:
    """End what `multiprocessing` ends with its parent, which it does at an exit that is left out here."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.terminate()
