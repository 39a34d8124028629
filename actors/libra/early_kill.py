"""The kill switch by a signal, while there is no node that takes it.

From the first line of `libra run` on the kernel keeps a SIGUSR1 that comes, since it is blocked: it is delivered once
the node's guard has taken the signal over, which is before any account is opened, and stops each as it is opened.
Processes that are started meanwhile inherit the block, so they may be signalled before they can do anything about it.

Where a run ends before that, and from the end of its node to that of the process, the switch is as final: a marker
beside each log, which is what a node leaves whose loop hangs, makes the next start come up latched. A native handler
leaves it, which an interpreter that ends does not take back; so there is no instant in which the signal is nobody's.
Loads the native core for that only where no node has; imports nothing else of ours, so that it costs nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["give_up", "hold", "is_about", "passed_on", "release"]

_SWITCH = (signal.SIGUSR1,)
_held = False
_accounts: list[tuple[str, str | None]] = []


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


def is_about(accounts: Iterable[tuple[str, str | None]]) -> None:
    """These are latched should no node come to take the signal.

    Args:
        accounts: Each with the path of its log; None for one in memory.
    """
    _accounts[:] = accounts


def give_up() -> None:
    """No node takes the signal any more: what came, and what comes until the process is gone, is for the next start."""
    if not _held:
        return
    try:
        from libra_core import name_latches, take_kill_switch
    except ImportError as error:
        # Nothing can have traded. It stays blocked: whoever pulls the switch must not end the last words.
        if signal.SIGUSR1 in signal.sigpending():
            sys.stderr.write(f"libra: kill switch: nothing is latched, since the native core is not there: {error}\n")
        return
    name_latches(_accounts)
    take_kill_switch()
    release()


@contextmanager
def passed_on() -> Iterator[None]:
    """A process that is started within keeps the signal from its first instant on, until it takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SWITCH)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
