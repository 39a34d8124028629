"""What is measured of the bus in this process: each case gives nanoseconds an event, of the thread's own CPU time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import uvloop
from asyncio_bus import AsyncioBus, PlainEvent
from peers import DictBus

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra.model import Quote

__all__ = ["BURST", "LOOPS", "cases", "in_loop"]

now_ns = time.thread_time_ns
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TICK, QUOTE = EventType.TICK, EventType.QUOTE
PAYLOAD = {"bid": 100.0, "ask": 100.1}
BURST = 256
PEERS = {
    "asyncio, a task a call": partial(AsyncioBus, per_task=True),
    "asyncio, awaited in place": partial(AsyncioBus, per_task=False),
}
FEW, MANY = 10, 10_000
BLOCKS = (16, 64, 256)

Bus = Any
Case = Callable[[], "float | dict[str, float]"]


class Counter:
    """A handler of each kind, which counts."""

    count = 0

    def sync(self, _: object) -> None:
        """Handles one event."""
        self.count += 1

    async def asynchronous(self, _: object) -> None:
        """Handles one event, and could suspend."""
        self.count += 1


def nothing(_: object) -> None:
    """A handler that does nothing."""


async def nothing_async(_: object) -> None:
    """An async handler that does nothing."""


def in_loop(loop: str, measured: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:  # noqa: ANN401
    """Runs a measurement in a fresh loop of a kind."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(measured(*arguments))


async def flow(make_bus: Callable[[], Bus], make: Callable[[], Any], kind: str, events: int) -> float:
    """Publishes in bursts while the bus runs: from the first publish to the last handler."""
    bus, counter = make_bus(), Counter()
    bus.subscribe(TICK, counter.sync if kind == "sync" else counter.asynchronous)
    async with bus:
        started = now_ns()
        for burst in range(1, events // BURST + 1):
            for _ in range(BURST):
                await bus.publish(make())
            while counter.count < burst * BURST:  # noqa: ASYNC110 - a poll costs all alike, and once a burst
                await asyncio.sleep(0)
        return (now_ns() - started) / events


async def whole_way(make_bus: Callable[[], Bus], make: Callable[[], Any], kind: str, events: int) -> float:
    """Events are made on the way."""
    return await flow(make_bus, make, kind, events)


async def bus_alone(make_bus: Callable[[], Bus], make: Callable[[], Any], kind: str, events: int) -> float:
    """One event is published again and again."""
    event = make()
    return await flow(make_bus, lambda: event, kind, events)


async def emit_and_dispatch(kind: str, events: int) -> dict[str, float]:
    """Into the queue, and from there to a handler that does nothing, apart."""
    bus, emitting, dispatching = MessageBus(), 0, 0
    bus.subscribe(TICK, nothing_async if kind == "async" else nothing, batch=kind == "list of 256")
    event, emit = Event.create(TICK, "bench", PAYLOAD), bus.emit
    async with bus:
        for _ in range(events // BURST):
            started = now_ns()
            for _ in range(BURST):
                emit(event)
            emitted = now_ns()
            while bus.queue_size:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
            emitting, dispatching = emitting + emitted - started, dispatching + now_ns() - emitted
    parts = {f"dispatch {kind}": dispatching / events}
    return parts if kind != "sync" else parts | {"emit": emitting / events - loop_ns(BURST)}


async def blocks(size: int, events: int) -> dict[str, float]:
    """From the queue to a handler of NumPy blocks, so many events each."""
    bus, dispatching, got = MessageBus(), 0, 0

    def count(block: Any) -> None:  # noqa: ANN401
        nonlocal got
        got += len(block)

    bus.subscribe(QUOTE, count, batch="block")
    event = Event.create(QUOTE, "bench", Quote("BTC/USDT@X", "100.1", "100.2", 1, 2))
    async with bus:
        for burst in range(1, events // size + 1):
            for _ in range(size):
                bus.emit(event)
            started = now_ns()
            while got < burst * size:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
            dispatching += now_ns() - started
    return {f"dispatch block of {size}": dispatching / events}


async def publish(events: int) -> dict[str, float]:
    """`await bus.publish(event)` less the bare loop; nothing is dispatched meanwhile."""
    bus, event = MessageBus(max_queue_size=events), Event.create(TICK, "bench", PAYLOAD)
    started = now_ns()
    for _ in range(events):
        await bus.publish(event)
    return {"await publish": (now_ns() - started) / events - loop_ns(events)}


async def instruments(count: int, events: int) -> dict[str, float]:
    """From the queue to one of so many handlers, each of one instrument; the instruments take turns."""
    bus = MessageBus(max_handlers_per_type=count)
    names = [f"I{number}/USDT@X" for number in range(count)]
    for name in names:
        bus.subscribe(QUOTE, nothing, instruments=[name])
    published = [Event.create(QUOTE, "bench", Quote(name, 1, 2, 1, 1)) for name in names]
    dispatching = 0
    async with bus:
        for burst in range(events // BURST):
            for number in range(burst * BURST, (burst + 1) * BURST):
                bus.emit(published[number % count])
            started = now_ns()
            while bus.queue_size:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
            dispatching += now_ns() - started
    return {f"{count} instruments": dispatching / events}


def dict_bus(events: int) -> dict[str, float]:
    """The floor: publish and handle, on the spot."""
    bus, event = DictBus(), PlainEvent.create(TICK, "bench", PAYLOAD)
    bus.subscribe(TICK, nothing)
    started = now_ns()
    for _ in range(events):
        bus.emit(event)
    return {"a dict of handlers": (now_ns() - started) / events - loop_ns(events)}


def create(events: int) -> dict[str, float]:
    """Making an event with a dict and letting it go, less the bare loop."""
    make = Event.create
    started = now_ns()
    for _ in range(events):
        make(TICK, "bench", PAYLOAD)
    return {"create": (now_ns() - started) / events - loop_ns(events)}


def loop_ns(count: int) -> float:
    """What a turn of a loop costs that does nothing."""
    started = now_ns()
    for _ in range(count):
        pass
    return (now_ns() - started) / count


def cases(*, quick: bool) -> dict[str, Case]:
    """Everything that is measured in this process, by name."""
    slow, fast = (2_560, 25_600) if quick else (12_800, 128_000)

    def plain() -> PlainEvent:
        return PlainEvent.create(TICK, "bench", PAYLOAD)

    def native() -> Event:
        return Event.create(TICK, "bench", PAYLOAD)

    found: dict[str, Case] = {}
    for loop in LOOPS:
        for way_name, way in (("whole way", whole_way), ("bus alone", bus_alone)):
            for kind in ("sync", "async"):
                for peer, bus in PEERS.items():
                    found[f"{loop}/{way_name}/{kind}/{peer}"] = partial(in_loop, loop, way, bus, plain, kind, slow)
                found[f"{loop}/{way_name}/{kind}/libra"] = partial(in_loop, loop, way, MessageBus, native, kind, fast)
    for kind in ("sync", "async", "list of 256"):
        found[f"parts/{kind}"] = partial(in_loop, "uvloop", emit_and_dispatch, kind, fast)
    for size in BLOCKS:
        found[f"parts/block of {size}"] = partial(in_loop, "uvloop", blocks, size, fast)
    for count in (FEW, MANY):
        found[f"parts/{count} instruments"] = partial(in_loop, "uvloop", instruments, count, fast)
    found["parts/publish"] = partial(in_loop, "uvloop", publish, fast)
    found["parts/create"] = partial(create, fast)
    found["peers/dict"] = partial(dict_bus, fast)
    return found
