"""A message bus on its own: four strict priorities, first in first out within one, handlers in one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, Self

from libra.core.faults import log_failure
from libra.core.handlers import check_handler
from libra_core import BusCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from libra.core.events import Event, EventType

__all__ = ["MessageBus"]

_log = logging.getLogger(__name__)


class MessageBus(BusCore):
    """Publishes events to handlers, the most urgent lane first.

    Args:
        max_queue_size: An event is refused, in every lane, when so many wait in all lanes together.
        max_handlers_per_type: ``subscribe`` raises RuntimeError beyond so many handlers of one event type.

    A handler may be sync or async; handlers of one event run in the order of subscription, and the next event waits
    for them. A handler that raises is counted and logged with the trace id, and the bus goes on. While it runs a
    handler may publish, subscribe, unsubscribe, or ask the bus to stop.

    Example:
        >>> import asyncio
        >>> from libra.core.events import Event, EventType
        >>> async def main():
        ...     async with MessageBus() as bus:
        ...         bus.subscribe(EventType.TICK, lambda event: print(event.payload))
        ...         await bus.publish(Event.create(EventType.TICK, "example", {"last": 7}))
        >>> _ = asyncio.run(main())
        {'last': 7}
    """

    _runner: asyncio.Task[object] | None = None
    _background: asyncio.Task[None] | None = None
    _finished: asyncio.Future[int] | None = None
    _deadline: float | None = None
    _alarm: asyncio.TimerHandle | None = None
    _cancels_at_cut: int | None = None

    @property
    def is_running(self) -> bool:
        """True from `start` until the bus has stopped."""
        return self._runner is not None

    def subscribe(
        self,
        event_type: EventType,
        handler: Callable[..., Any],
        filter_fn: Callable[[Event], Any] | None = None,
        *,
        instruments: Sequence[str] = (),
        batch: bool | Literal["block"] | None = None,
    ) -> str:
        """See `libra_core.BusCore.subscribe`. TypeError for a handler with a ``yield`` in it, which would never run."""
        check_handler(handler)
        return super().subscribe(event_type, handler, filter_fn, instruments=instruments, batch=batch)

    async def publish_many(self, events: Iterable[Event]) -> int:
        """Publish several; gives how many were taken."""
        return sum(map(self.emit, events))

    async def start(self) -> None:
        """Dispatch until stopped.

        Raises:
            RuntimeError: When the bus runs already.
        """
        if self._runner is not None:
            raise RuntimeError("the bus is running already")
        loop = asyncio.get_running_loop()
        runner = asyncio.current_task()
        if runner is None:
            raise RuntimeError("a bus is started by a task")
        self._runner = runner
        self._finished = loop.create_future()
        self._deadline, self._alarm, self._cancels_at_cut = None, None, None
        self._accept(accepting=True)
        dropped = 0
        try:
            await self._run(loop, runner)
        except asyncio.CancelledError:
            # The bus cut its own task short: that is how `stop` ends, not a cancellation of the caller.
            if self._cancels_at_cut is None or runner.cancelling() > self._cancels_at_cut + 1:
                raise
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            if self._cancels_at_cut is not None:
                runner.uncancel()
            self._accept(accepting=False)
            dropped = self._abandon()
            self._runner = None
            self._finished.set_result(dropped)

    async def stop(self, drain_timeout: float = 5.0) -> int:
        """Take in nothing more, dispatch what waits for at most ``drain_timeout`` seconds, and end.

        A handler that is suspended when the time is over is cancelled. Called by a handler of this bus, `stop` is a
        request: it returns 0 at once, and the bus ends when it has drained or the time is over.

        Returns:
            How many events were dropped because time ran out (or because the bus was never started).
        """
        self._accept(accepting=False)
        runner, finished = self._runner, self._finished
        if runner is None or finished is None:
            return self._abandon()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(drain_timeout, 0.0)
        if self._deadline is None or deadline < self._deadline:
            if self._alarm is not None:
                self._alarm.cancel()
            self._deadline, self._alarm = deadline, loop.call_at(deadline, self._cut_short, runner)
        if asyncio.current_task() is runner:
            return 0
        await asyncio.wait([finished])
        return finished.result()

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the bus is running already")
        self._background = asyncio.create_task(self.start(), name="libra-bus")
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        background, self._background = self._background, None
        if background is not None:
            await asyncio.wait([background])
            if not background.cancelled():
                background.result()

    async def _run(self, loop: asyncio.AbstractEventLoop, runner: asyncio.Task[object]) -> None:
        sleeper: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not sleeper.done():
                sleeper.set_result(None)

        fd = self._fileno()
        loop.add_reader(fd, wake)
        self._wake_by(wake)
        try:
            while True:
                for awaitable in self._drain():
                    cancels = runner.cancelling()
                    try:
                        await awaitable
                    except asyncio.CancelledError as error:
                        if runner.cancelling() > cancels:
                            raise
                        self._failed(error, self._current())  # It awaited something that was cancelled; we were not.
                    except Exception as error:
                        self._failed(error, self._current())
                    if self._is_over(loop):
                        return
                if not self._accepts() and (self.queue_size == 0 or self._is_over(loop)):
                    return
                sleeper = loop.create_future()
                if self._park():
                    await sleeper
                    self._unpark()
                else:
                    await asyncio.sleep(0)
        finally:
            self._wake_by(None)
            loop.remove_reader(fd)

    def _is_over(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._deadline is not None and loop.time() >= self._deadline

    def _cut_short(self, runner: asyncio.Task[object]) -> None:
        """The time of `stop` is over: whatever a handler awaits is given up with the rest. It happens once a run."""
        self._cancels_at_cut = runner.cancelling()
        runner.cancel()

    def _failed(self, error: BaseException, event: Event | None) -> None:
        """Count and log what a handler raised."""
        self._count_error()
        trace_id = event.trace_id if event is not None else "-"
        log_failure(_log, "a handler of the bus raised, trace_id=%s", trace_id, error=error)
