"""Handlers that hold the loop for too long: named in a warning, with the line where they stand, and counted.

Nothing of this runs in the loop. A native thread sees that a handler is still running and asks here, from a thread of
its own that waits for the interpreter (``libra-py``, module ``node/witness``).
"""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Blocking", "HandlerTimedOut"]

_log = logging.getLogger(__name__)
_QUIET_S = 5.0
_THREADS = ""
"""Whose warning is of other threads: no actor has that name."""
_NAMED = 4
_LIBRARIES = (
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
    "<frozen ",
    # Libra itself, which is elsewhere where it is installed to be worked on.
    f"{Path(__file__).parents[1]}{os.sep}",
)
"""Where the code of nobody here lies."""


class HandlerTimedOut(BaseException):
    """A handler has held the loop for longer than a live node allows; raised in it, where it stands.

    Not an `Exception`, so that a loop which goes on after any exception ends as well. Code that catches everything, or
    native code that does not return, is not ended by it.
    """


class Blocking:
    """Reports what blocks the loop of the thread that made it.

    Attributes:
        counts: How often each actor has blocked the loop.
        is_watched: The loop tells the guard that it comes round: where it does not, it is held.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.is_watched = False
        self._thread_id = threading.get_ident()
        # With the line, or without one: who was only named may still be shown.
        self._quiet_until: dict[tuple[str, bool], float] = {}

    def look(
        self,
        actor: str | None,
        held_s: float,
        still: bool,  # noqa: FBT001 - called natively
        taken_s: float = 0.0,
    ) -> str | None:
        """Report an actor whose handler has held the loop for so long, or (for None) say where the loop stands.

        Args:
            actor: Whose handler it is; empty where nobody's is.
            held_s: For how long it has held the loop at least.
            still: It still does.
            taken_s: So much of that other threads of the process took from it; 0 where it is the loop's own time.
        """
        if actor is None:
            return self._line()
        if taken_s:
            self._kept_waiting(actor, held_s, taken_s)
            return None
        if not actor:
            self._held_by_nobody(held_s)
            return None
        self.counts[actor] += 1
        line = self._line() if still else None
        if self._is_quiet(actor, shown=line is not None):
            return None
        where = f"at {line}" if line else "in native code that held the interpreter, or it has just ended"
        _log.warning(
            "actor %s has blocked the loop for %d ms, %s (%d so far)", actor, held_s * 1e3, where, self.counts[actor]
        )
        return None

    def _is_quiet(self, actor: str, *, shown: bool) -> bool:
        """Whether as much of an actor was told a moment ago; where it was not, it is now."""
        now = time.monotonic()
        if any(now < self._quiet_until.get((actor, told), now) for told in {shown, True}):
            return True
        self._quiet_until[actor, shown] = now + _QUIET_S
        return False

    def _kept_waiting(self, actor: str, held_s: float, taken_s: float) -> None:
        """Nobody's failure, and nobody knows whose threads they are: their names are all that there is to say."""
        if self._is_quiet(_THREADS, shown=True):
            return
        _log.warning(
            "other threads of this process compute: of the last %d ms they took %d from the loop, %s (%s); "
            "what computes for long belongs into a process of its own",
            *(held_s * 1e3, taken_s * 1e3, f"in a turn of {actor}" if actor else "in nobody's turn", _threads()),
        )

    def _held_by_nobody(self, held_s: float) -> None:
        if self.is_watched:
            line = self._line()
            where = f"at {line}" if line else "in native code"
            _log.warning(
                "the loop has not come round for %d ms, and no actor's handler runs: it is %s", held_s * 1e3, where
            )

    def _line(self) -> str | None:
        frame = sys._current_frames().get(self._thread_id)
        return None if frame is None else _place_of(frame)


def _threads() -> str:
    # What `threading` calls a dummy is native, the caller among them.
    threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    names = [thread.name for thread in threads if not thread.name.startswith("Dummy-")]
    shown = ", ".join(names[:_NAMED]) or "none of Python's own"
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def _place_of(frame: FrameType) -> str:
    """The line, and where that is a library's the nearest line above that is not."""
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_filename.startswith(_LIBRARIES):
        outer = outer.f_back
    if outer is None or outer is frame:
        return _describe(frame)
    return f"{_describe(frame)}, called at {_describe(outer)}"


def _describe(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {getattr(code, 'co_qualname', code.co_name)}"
