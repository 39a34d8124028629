"""An actor's clock: the only place where it gets time from.

In a live node it shows the wall clock; in a simulated one the time of the run, which stands still while handlers run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from libra_core import NodeCore

__all__ = ["Clock", "Sleepers", "delay_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_S = 1e9
"""Some thirty years: a delay beyond that is a mistake, and far beyond it nanoseconds do not fit."""


def delay_ns(what: str, seconds: float) -> int:
    """A delay in whole nanoseconds.

    Raises:
        ValueError: For what is none: negative, not a number, or longer than thirty years.
    """
    try:
        # NaN compares as false, and text or a timedelta not at all.
        is_a_time = 0 <= seconds <= _LONGEST_S
    except TypeError:
        is_a_time = False
    if not is_a_time:
        raise ValueError(f"{what} is a number of seconds from 0 to {_LONGEST_S:.0f}, not {seconds!r}")
    return round(seconds * 1e9)


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
        """Suspend the calling handler for so long on this clock; events for its actor wait meanwhile.

        Raises:
            ValueError: For a time that is negative, not a number, or longer than thirty years.
        """
        await self._sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Sleeper:
    slot: int
    future: asyncio.Future[Any]
    when_due: BaseException | None


class Sleepers:
    """What a node's actors have suspended on its clock: handlers that sleep, and those that wait for a reply.

    Args:
        core: The node's native side, which keeps the times.
    """

    def __init__(self, core: NodeCore) -> None:
        self._core = core
        self._by_timer: dict[int, _Sleeper] = {}

    def __bool__(self) -> bool:
        return bool(self._by_timer)

    def has(self, slot: int) -> bool:
        """True while something of this actor sleeps."""
        return any(sleeper.slot == slot for sleeper in self._by_timer.values())

    def lie_down(
        self, slot: int, future: asyncio.Future[Any], seconds: float, when_due: BaseException | None = None
    ) -> int:
        """Wake ``future`` after so many seconds on the clock, by ``when_due`` where that is given. Gives a timer."""
        timer: int = self._core.set_timer(slot, delay_ns("a wait", seconds), 0, True)  # noqa: FBT003
        self._by_timer[timer] = _Sleeper(slot, future, when_due)
        return timer

    def get_up(self, timer: int) -> None:
        """What a sleeper waited for is there before its time: from now on it counts as awake."""
        sleeper = self._by_timer.pop(timer, None)
        if sleeper is not None:
            self._core.cancel_sleeper(sleeper.slot, timer)

    def wake(self, timers: list[int]) -> None:
        """The time of these has come."""
        for timer in timers:
            sleeper = self._by_timer.pop(timer, None)
            if sleeper is None or sleeper.future.done():
                continue
            if sleeper.when_due is None:
                sleeper.future.set_result(None)
            else:
                sleeper.future.set_exception(sleeper.when_due)

    def cancel(self, slot: int) -> None:
        """Cancel whatever of this actor sleeps: from now on it counts as awake, until it has ended."""
        for timer, sleeper in list(self._by_timer.items()):
            if sleeper.slot == slot:
                self.get_up(timer)
                sleeper.future.cancel()
