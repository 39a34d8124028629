"""An actor's clock: the only place where it gets time from.

In a live node it shows the wall clock; in a simulated one the time of the run, which stands still while handlers run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libra_core import NodeCore

__all__ = ["Clock"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Time as the node has it. Actors find theirs as ``self.clock``.

    Args:
        core: The node's native side.
        sleep: How to suspend on the clock, given seconds.
    """

    __slots__ = ("_core", "_sleep")

    def __init__(self, core: NodeCore, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._core = core
        self._sleep = sleep

    @property
    def is_simulated(self) -> bool:
        """True in a simulated run."""
        return self._core.is_simulated

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._core.now_ns()

    def now(self) -> datetime:
        """The time as an aware datetime in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self._core.now_ns() // 1_000)

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling handler for so long on this clock; events for its actor wait meanwhile."""
        await self._sleep(seconds)
