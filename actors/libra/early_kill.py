"""The kill switch by a signal, before there is a node that takes it.

From the first line of `libra run` on the kernel keeps a SIGUSR1 that comes, since it is blocked: it is delivered once
the node's guard has taken the signal over, which is before any account is opened, and stops each as it is opened.
Processes that are started meanwhile inherit the block, so they may be signalled before they can do anything about it.

Where a run ends before its accounts are opened, the switch is as final: a marker beside each log, which is what a node
leaves whose loop hangs, makes the next start come up latched. Imports nothing of ours, so that it costs nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["give_up", "hold", "is_pending", "latch_unopened", "passed_on", "release"]

_SWITCH = (signal.SIGUSR1,)
_held = False


def hold() -> None:
    """Keep a signal that comes from now on; in the main thread, which handles signals."""
    global _held
    if threading.current_thread() is threading.main_thread():
        signal.pthread_sigmask(signal.SIG_BLOCK, _SWITCH)
        _held = True


def release() -> bool:
    """Somebody takes the signal now: hand over what came, and let pass what comes. True where it was held."""
    global _held
    was_held, _held = _held, False
    if was_held:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SWITCH)
    return was_held


def is_pending() -> bool:
    """True when the switch was pulled, and nobody has taken it."""
    return _held and signal.SIGUSR1 in signal.sigpending()


def give_up() -> None:
    """The run is over: what comes now stops nothing, and must not end the process in the middle of its last words."""
    if _held and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    release()


@contextmanager
def passed_on() -> Iterator[None]:
    """A process that is started within keeps the signal from its first instant on, until it takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SWITCH)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def latch_unopened(logs: Iterable[tuple[str, str | None]]) -> None:
    """The switch was pulled, and the run ends without having opened these accounts: latch them for the next one.

    Args:
        logs: Each account with the path of its log; None for one in memory.
    """
    told = []
    for account, log in logs:
        if log is None:
            told.append(f"account {account} has no log, so nothing is latched")
            continue
        marker = Path(f"{log}.killed")
        try:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch(mode=0o600)
        except OSError as error:
            told.append(f"account {account} is NOT LATCHED: {error}")
        else:
            told.append(f"account {account} comes up latched ({marker})")
    what = "; ".join(told) or "nothing is latched"
    sys.stderr.write(f"libra: kill switch: it was pulled before this run had opened its accounts: {what}\n")
