"""Latency under a load of a stated rate: from the publish of an event to the entry of its handler, by the wall clock.

The publisher is a task in the bus's own loop. It publishes what is due by the clock, and gives the loop back; how late
it is itself is not counted, how long events wait behind one another is. The load is half of what the same publisher and
handler reach when nothing paces them.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from time import perf_counter_ns

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus

__all__ = ["latencies"]

BURST = 256
TICK = EventType.TICK


async def latencies(events: int) -> tuple[float, list[int]]:
    """The paced rate in events/s, and the latency of each event in nanoseconds."""
    rate = await _saturated(events) / 2
    return rate, await _paced(rate, events)


def _instrumented() -> tuple[MessageBus, Callable[[], None], array[int], array[int]]:
    """A bus with a handler that notes the time, and a publish that does."""
    bus, published, entered = MessageBus(), array("q"), array("q")
    event, emit = Event.create(TICK, "bench", {}), bus.emit

    def handle(_: object) -> None:
        entered.append(perf_counter_ns())

    def publish() -> None:
        published.append(perf_counter_ns())
        if not emit(event):
            raise RuntimeError("the bus is full")

    bus.subscribe(TICK, handle)
    return bus, publish, published, entered


async def _saturated(events: int) -> float:
    bus, publish, _, entered = _instrumented()
    async with bus:
        started = perf_counter_ns()
        for burst in range(1, events // BURST + 1):
            for _ in range(BURST):
                publish()
            while len(entered) < burst * BURST:  # noqa: ASYNC110 - the loop is to be kept busy
                await asyncio.sleep(0)
        return events * 1e9 / (perf_counter_ns() - started)


async def _paced(rate: float, events: int) -> list[int]:
    bus, publish, published, entered = _instrumented()
    async with bus:
        started, done = perf_counter_ns(), 0
        while done < events:
            due = min(int((perf_counter_ns() - started) * rate / 1e9), events, done + BURST)
            for _ in range(due - done):
                publish()
            done = max(due, done)
            await asyncio.sleep(0)
        while len(entered) < events:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)
    return [at - since for since, at in zip(published, entered, strict=True)]
