"""One long-lived task an actor awaits its async handlers: no task is made for an event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libra_core import NodeCore

__all__ = ["Worker"]

_RESUME_EVENTS = 256


class Worker:
    """The task of one actor.

    While a handler is suspended, the native side leaves the actor alone; when it ends, the worker lets the native side go
    on with the actor until the next handler suspends or nothing waits.

    Args:
        core: The node's native side.
        slot: The actor's place.
        on_failure: Called with (slot, exception) when an awaited handler raised.
        on_idle: Called when the actor is the node's own loop's again.
    """

    def __init__(
        self,
        core: NodeCore,
        slot: int,
        on_failure: Callable[[int, Exception], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._core = core
        self._slot = slot
        self._on_failure = on_failure
        self._on_idle = on_idle
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[Awaitable[object]] | None = None

    def feed(self, awaitable: Awaitable[object]) -> None:
        """Await what a handler gave, in the actor's task."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(awaitable), name=f"libra-actor-{self._slot}")
        elif self._wake is not None:
            self._wake.set_result(awaitable)
        else:
            raise AssertionError("an actor's handlers are awaited one at a time")

    async def close(self) -> None:
        """End the task, and with it a handler that is suspended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, first: Awaitable[object]) -> None:
        awaitable: Awaitable[object] | None = first
        while True:
            while awaitable is not None:
                try:
                    await awaitable
                except Exception as error:
                    self._on_failure(self._slot, error)
                    self._core.drop_flight(self._slot)
                awaitable = self._core.resume(self._slot, _RESUME_EVENTS)
            self._wake = asyncio.get_running_loop().create_future()
            self._on_idle()
            awaitable = await self._wake
            self._wake = None
