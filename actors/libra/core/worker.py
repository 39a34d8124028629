"""One long-lived task an actor awaits its async handlers: no task is made for an event."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from libra.core.tasks import OwnTask
from libra_core import PanicException

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libra.core.faults import Fatal
    from libra_core import NodeCore

__all__ = ["Worker"]

_RESUME_EVENTS = 256


class Worker:
    """The task of one actor.

    While a handler is suspended, the native side leaves the actor alone; when it ends, the worker goes on with the
    actor for a bounded number of events, then the node's own loop has it back.

    Args:
        core: The node's native side.
        slot: The actor's place.
        on_failure: Called with (slot, exception) when an awaited handler raised.
        on_idle: Called when the actor is the node's own loop's again.
        fatal: What is no actor's failure and ends the run.
        on_fatal: Called with that.
        may_cancel: Asked whether whoever runs now may cancel the handler.
    """

    def __init__(
        self,
        core: NodeCore,
        slot: int,
        on_failure: Callable[[int, BaseException], None],
        on_idle: Callable[[], None],
        fatal: Fatal,
        on_fatal: Callable[[BaseException], None],
        may_cancel: Callable[[], bool] = lambda: True,
    ) -> None:
        self._core = core
        self._slot = slot
        self._on_failure = on_failure
        self._on_idle = on_idle
        self._fatal = fatal
        self._on_fatal = on_fatal
        self._current: Awaitable[object] | None = None
        self._then: Callable[[bool], None] | None = None
        self._has_begun = False
        self._ending_handler = False
        self._closing = False
        loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[Awaitable[object]] = loop.create_future()

        def may_cancel_now() -> bool:
            # Between two handlers it is the node's own, whatever its actor cancels.
            return may_cancel() and (self._has_begun or core.running() is None)

        self._task = OwnTask(self._run(), may_cancel_now, loop=loop, name=f"libra-actor-{slot}")

    def feed(self, awaitable: Awaitable[object], then: Callable[[bool], None] | None = None) -> None:
        """Await what a handler gave, in the actor's task: one at a time, a second one is an `InvalidStateError`.

        Its steps are turns of the actor, in the actor's context; the task itself, and ``then``, are the node's.

        Args:
            awaitable: What it gave.
            then: Called when that has ended, with whether it ended well; not where it was never begun.
        """
        self._wake.set_result(awaitable)
        self._current, self._then = awaitable, then

    @property
    def is_busy(self) -> bool:
        """True while a handler is awaited."""
        return self._current is not None

    def end_handler(self) -> None:
        """Cancel the handler that is awaited; its actor goes on. The handler gets its turn to clean up."""
        self._ending_handler = True
        if self._has_begun:
            self._task.end()

    async def close(self) -> None:
        """End the task, and with it a handler that is suspended."""
        self._closing = True
        self._task.end()
        await asyncio.gather(self._task, return_exceptions=True)
        if inspect.iscoroutine(self._current):
            self._current.close()

    async def _run(self) -> None:
        try:
            await self._work()
        except BaseException as error:
            # What handlers raise does not come here: it is a fault of ours, and an actor whose task is gone must not
            # stand still unnoticed.
            if not self._closing and not self._is_thrown_away():
                self._on_fatal(error)
            raise

    async def _work(self) -> None:
        while True:
            awaitable: Awaitable[object] | None = await self._wake
            budget = _RESUME_EVENTS
            while awaitable is not None:
                self._current = awaitable
                then, self._then = self._then, None
                well = await self._await(awaitable)
                if then is not None and well is not None:
                    self._tell(then, well=well)
                self._current = None
                if self._closing:
                    # A handler that swallowed its cancellation must not keep its actor's task alive.
                    return
                # An event's further handlers are awaited even when the budget is spent.
                budget = max(budget - 1, 0)
                try:
                    awaitable = self._core.resume(self._slot, budget)
                except self._fatal as error:
                    self._end_run(error)
                    awaitable = None
            self._wake = asyncio.get_running_loop().create_future()
            self._on_idle()

    async def _await(self, awaitable: Awaitable[object]) -> bool | None:
        """Await one handler. Whatever it raises is its actor's failure, but for a cancellation that was asked for.

        Returns:
            Whether it ended well; None where it was not begun.
        """
        if self._ending_handler:
            # It was cancelled before its first step: a task that has not come here yet must not be.
            self._ending_handler = False
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            self._core.drop_flight(self._slot)
            return None
        self._has_begun = True
        try:
            await self._core.steps(self._slot, awaitable)
            return True
        except self._fatal as error:
            self._end_run(error)
        except asyncio.CancelledError as error:
            if self._closing:
                raise
            if self._ending_handler:
                self._task.uncancel()
            else:
                self._on_failure(self._slot, error)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and self._is_thrown_away():
                raise
            self._on_failure(self._slot, error)
        finally:
            self._ending_handler = self._has_begun = False
        self._core.drop_flight(self._slot)
        return False

    def _is_thrown_away(self) -> bool:
        """True where Python ends the task, with its loop: it does not run. Where it does, the handler has raised."""
        try:
            return asyncio.current_task() is not self._task
        except RuntimeError:
            return True

    def _tell(self, then: Callable[[bool], None], *, well: bool) -> None:
        try:
            then(well)
        except self._fatal as error:
            self._end_run(error)

    def _end_run(self, error: BaseException) -> None:
        """Told and not raised: what leaves a task may stop the loop in its tracks, with nothing drained."""
        # After a panic nothing more is handled.
        self._closing |= isinstance(error, PanicException)
        self._on_fatal(error)
