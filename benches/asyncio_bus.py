"""The peer: a message bus as it is usually written on asyncio, with a `PriorityQueue` and Python objects.

It is written to be fair: slots, no logging, no timeout around the queue, no lock. `per_task` runs each handler call in
a task of its own, so that one handler cannot hold up another, as such buses do; without it, each call is awaited in
place.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libra.core.events import EVENT_PRIORITY_MAP, EventType

__all__ = ["AsyncioBus", "PlainEvent"]


@dataclass(frozen=True, slots=True)
class PlainEvent:
    """An event as a dataclass, with the same contents as Libra's."""

    event_type: EventType
    source: str
    payload: object
    priority: int
    sequence: int = 0
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    trace_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    span_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    @classmethod
    def create(cls, event_type: EventType, source: str, payload: object = None) -> PlainEvent:
        """A new event in a new trace."""
        return cls(event_type, source, {} if payload is None else payload, EVENT_PRIORITY_MAP[event_type])


class AsyncioBus:
    """Publishes events to handlers, by priority and then in order."""

    def __init__(self, *, per_task: bool, max_queue_size: int = 100_000) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, int, PlainEvent]] = asyncio.PriorityQueue(max_queue_size)
        self._handlers: dict[EventType, list[Callable[[Any], Any]]] = {}
        self._numbers = itertools.count(1)
        self._dispatch = self._in_tasks if per_task else self._in_place

    def subscribe(self, event_type: EventType, handler: Callable[[Any], Any]) -> None:
        """Adds a handler."""
        self._handlers.setdefault(event_type, []).append(handler)

    async def publish(self, event: PlainEvent) -> bool:
        """Puts an event into the queue; False when that is full."""
        try:
            self._queue.put_nowait((event.priority, next(self._numbers), event))
        except asyncio.QueueFull:
            return False
        return True

    async def __aenter__(self) -> AsyncioBus:
        self._runner = asyncio.create_task(self._run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._runner.cancel()
        with suppress(asyncio.CancelledError):
            await self._runner

    async def _run(self) -> None:
        while True:
            _, _, event = await self._queue.get()
            await self._dispatch(event)

    async def _in_tasks(self, event: PlainEvent) -> None:
        tasks = [asyncio.create_task(_call(handler, event)) for handler in self._handlers.get(event.event_type, ())]
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if error is not None:
                raise error

    async def _in_place(self, event: PlainEvent) -> None:
        for handler in self._handlers.get(event.event_type, ()):
            result = handler(event)
            if inspect.isawaitable(result):
                await result


async def _call(handler: Callable[[Any], Any], event: PlainEvent) -> None:
    result = handler(event)
    if inspect.isawaitable(result):
        await result
