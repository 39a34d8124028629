"""The venue's clock: the machine's, which never goes back here, with a skew that a test may set."""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """Nanoseconds since the epoch, by the venue.

    Attributes:
        skew_ns: How far the venue *says* that it is ahead. Its markets run on the true time.
    """

    def __init__(self) -> None:
        self._last_ns = 0
        self.skew_ns = 0

    def now_ns(self) -> int:
        """The time of the markets."""
        self._last_ns = max(self._last_ns, time.time_ns())
        return self._last_ns

    def now_ms(self) -> int:
        """The time that requests are measured by and `serverTime` tells: skewed."""
        return (self.now_ns() + self.skew_ns) // 1_000_000
