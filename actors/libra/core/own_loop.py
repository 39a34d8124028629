"""The event loop of a node with a thread to itself: it goes on to the node's own end, whatever happens to the loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from libra.core.faults import describe
from libra.core.tasks import OwnTask
from libra_core import end_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

__all__ = ["end_undisturbed", "run_on_own_loop"]

_log = logging.getLogger(__name__)
_AT_A_TIME = 256
"""Tasks that are ended together: between them there is a look at the clock."""

T = TypeVar("T")


def run_on_own_loop(
    run: Coroutine[Any, Any, T],
    may_cancel: Callable[[], bool],
    close_within: Callable[[], float],
    on_ended: Callable[[int], None],
    *,
    takes_signals: bool,
) -> T:
    """Run a node to its end on a loop of its own, uvloop where it is to be had.

    Args:
        run: The node's run.
        may_cancel: True for whoever may cancel it.
        close_within: Called when it has ended: how long what is left on the loop may take to end, seconds.
        on_ended: Called when nobody's code runs any more, with how many tasks did not end.
        takes_signals: The node takes SIGINT for itself.
    """
    try:
        import uvloop

        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:  # pragma: no cover - uvloop is a dependency wherever it exists
        loop_factory = None
    # Not by `asyncio.run`, which takes SIGINT for itself, and waits for the threads of `asyncio.to_thread` without end.
    loop = loop_factory() if loop_factory is not None else asyncio.new_event_loop()
    try:
        return _run_to_the_end(loop, run, may_cancel, takes_signals=takes_signals)
    finally:
        _close(loop, close_within(), on_ended)


def _run_to_the_end(
    loop: asyncio.AbstractEventLoop, run: Coroutine[Any, Any, T], may_cancel: Callable[[], bool], *, takes_signals: bool
) -> T:
    """Run the loop until the node has ended in order, whatever somebody's callback does to the loop."""
    task = OwnTask(run, may_cancel, loop=loop, name="libra-node")
    was_stopped, process = False, os.getpid()
    while True:
        try:
            return loop.run_until_complete(task)
        except BaseException as error:
            if os.getpid() != process:
                # A child that somebody's callback or task has forked: the loop is its parent's.
                end_fork(error)
            is_signal = isinstance(error, KeyboardInterrupt) and not takes_signals
            if task.done() or is_signal or not isinstance(error, (SystemExit, KeyboardInterrupt, RuntimeError)):
                raise
            if not was_stopped:
                why = describe(error)
                _log.error("somebody's code stopped the loop: it goes on (%s)", why)
            was_stopped = True


def _close(loop: asyncio.AbstractEventLoop, within_s: float, on_ended: Callable[[int], None]) -> None:
    """End what somebody's code has left on the loop, but threads: whoever ends the process gives these their time.

    The summary of the run waits for this: what does not end in time is left as it is, and told of.
    """
    until = time.monotonic() + within_s
    left = list(asyncio.all_tasks(loop))
    try:
        ended = 0
        while ended < len(left) and time.monotonic() < until:
            some = left[ended : ended + _AT_A_TIME]
            ended += len(some)
            _end(loop, some, until)
        _wait(loop, [loop.create_task(loop.shutdown_asyncgens())], until)
    finally:
        rest = [task for task in left if not task.done()]
        for task in rest:
            # Nobody is told of each when it is thrown away.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        on_ended(len(rest))
        loop.close()


def _end(loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]], until: float) -> None:
    for task in tasks:
        task.cancel()
    _wait(loop, tasks, until)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            told = {"message": "a task failed while the node's loop was closed", "exception": error, "task": task}
            loop.call_exception_handler(told)


def _wait(loop: asyncio.AbstractEventLoop, tasks: list[asyncio.Task[Any]], until: float) -> None:
    loop.run_until_complete(asyncio.wait(tasks, timeout=max(0.0, until - time.monotonic())))


def end_undisturbed(until: float) -> None:
    """The interpreter gives SIGINT back while it ends: a Ctrl-C delivered twice must not change the exit code."""
    if time.monotonic() < until and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
