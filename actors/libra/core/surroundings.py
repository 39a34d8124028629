"""What belongs to the whole process, and one actor's code may change for all: it is put back, and told.

A node depends on some of it: with another switch interval nobody who never returns is ended, a timer's signal ends the
process or is raised in somebody else's code, a folder that was left takes files with it. Each is as it was when the run
began, at each look: between two events every 50 ms, and by name behind what an actor's start, stop or failure has done.
Who starts the process decides what that is; what is put right by nobody is listed in docs/actors.md.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from libra.core.faults import log_failure, whose_doing
from libra.core.log_lines import LogLines

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Surroundings"]

_log = logging.getLogger(__name__)
_EVERY_NS = 50_000_000
_TIMERS = {
    "ITIMER_REAL": signal.ITIMER_REAL,
    "ITIMER_VIRTUAL": signal.ITIMER_VIRTUAL,
    "ITIMER_PROF": signal.ITIMER_PROF,
}
_SWITCH_S = 0.005
"""The interpreter's own; whoever starts the process may have a longer one."""


class Surroundings:
    """What a process was like when its node's run began.

    Args:
        look_at_loop: Looks at what somebody may have done to the loop: gives what was put back.
    """

    def __init__(self, look_at_loop: Callable[[], list[str]]) -> None:
        self._log_lines = LogLines()
        self._switch_s = max(sys.getswitchinterval(), _SWITCH_S)
        self._recursion = sys.getrecursionlimit()
        self._timers = [name for name, timer in _TIMERS.items() if signal.getitimer(timer)[0] == 0]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._folder = _folder()
        self._look_at_loop = look_at_loop
        self._told: set[tuple[str | None, str]] = set()
        self._next_ns = 0

    def look_if_due(self) -> None:
        """Look, where the last time was 50 ms ago; between two events, so it is nobody's doing for sure."""
        now_ns = time.monotonic_ns()
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + _EVERY_NS
            self.look(None)

    def look(self, who: str | None) -> None:
        """Put back what is not as it was.

        Args:
            who: The actor whose code has just run; None where that is not known.
        """
        try:
            found = self._put_back()
        except Exception as error:
            # Somebody has put there what nobody foresaw; what the node does besides has to go on.
            log_failure(_log, "what belongs to the whole process could not be put back", error=error)
            return
        for what in found:
            self._tell(who, what)

    def _put_back(self) -> list[str]:
        # First of all: what is told of the others has to be heard.
        found = self._log_lines.look() + self._look_at_loop()
        if sys.getswitchinterval() > self._switch_s:
            sys.setswitchinterval(self._switch_s)
            found.append("sys.setswitchinterval")
        if sys.getrecursionlimit() < self._recursion:
            sys.setrecursionlimit(self._recursion)
            found.append("sys.setrecursionlimit")
        for name in self._timers:
            if signal.getitimer(_TIMERS[name])[0]:
                signal.setitimer(_TIMERS[name], 0)
                found.append(f"signal.setitimer({name})")
        if os.umask(self._umask) != self._umask:
            found.append("os.umask")
        if self._folder is not None and _folder() != self._folder:
            found.append(_return_to(self._folder))
        return found

    def _tell(self, who: str | None, what: str) -> None:
        if (who, what) not in self._told:
            self._told.add((who, what))
            _log.error(
                "%s changed what belongs to the whole process: %s; the node puts it back, and does not tell it again",
                *(whose_doing(who), what),
            )


def _folder() -> str | None:
    """Where relative paths begin; None where there is no such folder any more."""
    try:
        return os.getcwd()  # noqa: PTH109 - as plain as it is cheap
    except OSError:
        return None


def _return_to(folder: str) -> str:
    try:
        os.chdir(folder)
    except OSError as error:
        return f"os.chdir (there is no way back: {error.strerror})"
    return "os.chdir"
