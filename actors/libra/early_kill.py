"""The kill switch by a signal, while there is no node that takes it.

From the first line of `libra run` on the kernel keeps a SIGUSR1 that comes, since it is blocked: it is delivered once
the node's guard has taken the signal over, which is before any account is opened, and stops each as it is opened.
Processes that are started meanwhile inherit the block, so they may be signalled before they can do anything about it.

Where a run ends before that, and from the end of its node to that of the process, the switch is as final: a marker
beside each log, which is what a node leaves whose loop hangs, makes the next start come up latched. A native handler
leaves it, which an interpreter that ends does not take back; so there is no instant in which the signal is nobody's.
Loads the native core for that only once the accounts are known; imports next to nothing else, so that it costs nothing.

What ends a process before it has a node (SIGTERM, a terminal that is closed) is no way round that: it leaves the
markers first, and ends the process as it would have. While nobody knows yet which accounts it is about, an end behind
the switch waits for that; a second one, half a second later, does not.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from libra.stop_signals import SAME_STOP_S, stop_signals

__all__ = ["give_up", "hold", "is_about", "passed_on", "release"]

_SWITCH = (signal.SIGUSR1,)
_BY_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a process."""
_held = False
_accounts: list[tuple[str, str | None]] = []
_are_known = False
_process = 0
_put_off: int | None = None
"""What is to end the process once its accounts are known."""
_put_off_s = 0.0
"""When that came, on the monotonic clock."""
_is_passed_on = False
_sees_forks = False
_forking = threading.local()


def hold() -> None:
    """Keep a signal that comes from now on; in the main thread, which handles signals."""
    global _held, _process, _sees_forks
    if threading.current_thread() is threading.main_thread():
        signal.pthread_sigmask(signal.SIG_BLOCK, _SWITCH)
        _held, _process = True, os.getpid()
        for number in stop_signals():
            _replace(number, signal.SIG_DFL, _end)
        if not _are_known:
            _replace(signal.SIGINT, signal.default_int_handler, _interrupt)
        if not _sees_forks:
            _sees_forks = True
            os.register_at_fork(before=_fork_begins, after_in_parent=_fork_ends, after_in_child=_fork_ends)


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

    Raises:
        KeyboardInterrupt: When Ctrl-C came behind the switch, and had to wait for this.
    """
    global _are_known
    _accounts[:] = accounts
    # A handler cannot import what is half imported. Where it is not there, whoever builds the node says so.
    with suppress(ImportError):
        from libra_core import end_forks_by

        for number in stop_signals():
            # What somebody's code forks has no accounts, and ends as any process does; see `_fork_begins`.
            end_forks_by(number)
    _are_known = True
    if _process == os.getpid():
        _replace(signal.SIGINT, _interrupt, signal.default_int_handler)
        if _put_off is not None:
            os.kill(_process, _put_off)


def give_up(*, interrupts: bool = True) -> None:
    """No node takes the signal any more: what came, and what comes until the process is gone, is for the next start.

    Args:
        interrupts: Ctrl-C ends the process from here on, too. Without it that raises `KeyboardInterrupt` as ever, for
            whoever has something to say yet.
    """
    if _process != os.getpid() or not _hand_over():
        return
    from libra_core import take_kill_switch

    # To the end of the process, which no handler of an interpreter stays to. What came goes by that here.
    ends = (*stop_signals(), *((signal.SIGINT,) if interrupts else ()))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    for number in ends:
        _replace(number, signal.default_int_handler if number == signal.SIGINT else _end, signal.SIG_DFL)
    take_kill_switch(ends=ends)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _hand_over(*, pass_on: bool = False) -> bool:
    """Have the native handler leave what was held here; False where there is none."""
    try:
        from libra_core import name_latches, take_kill_switch
    except ImportError as error:
        # Nothing can have traded. It stays blocked: whoever pulls the switch must not end the last words.
        if _held and signal.SIGUSR1 in signal.sigpending():
            sys.stderr.write(f"libra: kill switch: nothing is latched, since the native core is not there: {error}\n")
        return False
    if _held:
        name_latches(_accounts)
        take_kill_switch(pass_on=pass_on)
        release()
    return True


def _replace(number: int, handler: object, by: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """In its place only: what somebody else has put there stays."""
    if signal.getsignal(number) == handler:
        signal.signal(number, by)


def _end(number: int, _: object) -> None:
    """Something ends the process, and no node takes it."""
    global _is_passed_on
    if _is_passed_on:
        signal.signal(number, signal.SIG_DFL)
    elif _has_to_wait(number):
        return
    elif _held:
        _leave()
    # A guard that came to stand just now has it next; else it comes back here.
    is_last, _is_passed_on = _is_passed_on, True
    os.kill(os.getpid(), number)
    if is_last:
        # The first process of a container has no default effect of a signal.
        os._exit(_BY_SIGNAL + number)


def _fork_begins() -> None:
    """What comes before a child has let the handlers go waits for that: an interpreter forgets what they were told."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals()) if _held else None


def _fork_ends() -> None:
    mask = getattr(_forking, "mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _has_to_wait(number):
        signal.default_int_handler(number, frame)


def _has_to_wait(number: int) -> bool:
    """The switch was pulled, and its accounts are not known yet. Another end behind the first does not wait."""
    global _put_off, _put_off_s
    if _are_known or not _held or signal.SIGUSR1 not in signal.sigpending():
        return False
    if _put_off is None:
        _put_off, _put_off_s = number, time.monotonic()
    return time.monotonic() - _put_off_s < SAME_STOP_S


def _leave() -> None:
    """As `give_up`, by a process that ends at once: a disk gets its time for the markers here."""
    if not _are_known:
        give_up()
    elif _hand_over(pass_on=True):
        from libra_core import tell_latches

        tell_latches()


@contextmanager
def passed_on() -> Iterator[None]:
    """A process that is started within keeps the signal from its first instant on, until it takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SWITCH)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
