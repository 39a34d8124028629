"""Whether a node's loop comes round: it notes the time at a steady pace, and others look at that without it."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from libra.telemetry.metrics.declared import Histogram

__all__ = ["Pulse"]

_EVERY_S: Final = 0.25
_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Pulse:
    """The beats of one loop.

    Args:
        limit_s: The loop may be held for so long; 0 for any time.
        clock: Gives seconds; it never goes back.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._beat_at = clock()
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._total_s = 0.0
        self._next: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to beat, on this loop."""
        self._beat_at = self._clock()
        self._next = loop.call_later(_EVERY_S, self._beat, loop)

    def stop(self) -> None:
        """Beat no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    @property
    def age_s(self) -> float:
        """How long ago the loop came round."""
        return max(0.0, self._clock() - self._beat_at)

    @property
    def is_late(self) -> bool:
        """The loop has been held for longer than it may be."""
        return self.limit_s > 0 and self.age_s - _EVERY_S > self.limit_s

    def lag(self) -> Histogram:
        """By how much each beat came later than it was to."""
        return Histogram(_BOUNDS_S, tuple(self._counts), self._total_s)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock()
        lag_s = max(0.0, now - self._beat_at - _EVERY_S)
        self._counts[bisect_left(_BOUNDS_S, lag_s)] += 1
        self._total_s += lag_s
        self._beat_at = now
        self._next = loop.call_later(_EVERY_S, self._beat, loop)
