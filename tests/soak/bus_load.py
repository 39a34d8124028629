"""The load of bare buses: every kind of handler, every end of an event, other threads, and buses that come and go."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

from tests.soak.probe import Sample, begin, take

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra.model import Quote
from libra_core import release_on_native_thread

SAMPLES = 40
EVENTS_A_ROUND = 900
INSTRUMENTS = [f"S{number}/USDT@soak" for number in range(50)]


class Load:
    """What the handlers of one bus do."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.last: Any = None

    def keep(self, event: Event) -> None:
        self.last = event

    def keep_batch(self, events: list[Event]) -> None:
        self.last = events

    async def suspend(self, event: Event) -> None:
        await asyncio.sleep(0)

    async def fail(self, event: Event) -> None:
        raise RuntimeError("a handler that fails")

    def publish_more(self, event: Event) -> None:
        self.bus.emit(Event.create(EventType.BAR, "soak", {"caused by": event.sequence}))


async def _one_round(bus: MessageBus, load: Load, number: int) -> int:
    """Events that were published, refused ones too."""
    ids = [
        bus.subscribe(EventType.QUOTE, load.keep, instruments=INSTRUMENTS[number % 50 :]),
        bus.subscribe(EventType.QUOTE, load.keep_batch, batch=True),
        bus.subscribe(EventType.QUOTE, load.keep_batch, batch="block"),
        bus.subscribe(EventType.SIGNAL, load.suspend),
        bus.subscribe(EventType.TICK, load.publish_more, lambda event: event.payload["n"] % 4 == 0),
        bus.subscribe(EventType.TRADE, load.fail),
    ]
    for n in range(EVENTS_A_ROUND // 3):
        instrument = INSTRUMENTS[n % 50]
        quote = Quote(instrument, bid="1.00", ask="1.01", bid_size="1", ask_size="1")
        bus.emit(Event.create(EventType.QUOTE, "soak", quote))
        await bus.publish(Event.create(EventType.TICK, "soak", {"n": n, "held": [n]}))
        bus.emit(Event.create(EventType.SIGNAL if n % 3 else EventType.TRADE, "soak", {"cycle": ids}))
    while bus.queue_size:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for subscription in ids[number % 2 :]:
        bus.unsubscribe(subscription)
    bus.unsubscribe(ids[0])
    return EVENTS_A_ROUND


async def _another_bus(number: int) -> int:
    """A bus that refuses, is stopped with events in it, and is dropped with a cycle through its handler."""
    bus = MessageBus(max_queue_size=50)
    load = Load(bus)
    bus.subscribe(EventType.TICK, load.keep)
    events = [Event.create(EventType.TICK, "soak", {"n": n}) for n in range(60)]
    await bus.publish_many(events)
    if number % 2:
        async with bus:
            await asyncio.sleep(0)
    await bus.stop(0)
    return len(events)


def _from_another_thread(count: int) -> None:
    """Events that are made in another thread of Python's, and dropped in one that Python does not know."""
    events = [Event.create(EventType.TICK, "soak", {"n": n, "list": [n]}) for n in range(count)]
    release_on_native_thread([event.payload for event in events])


def run(tell: Callable[[Sample], None], *, rounds: int) -> dict[str, Any]:
    """Run so many rounds; gives counts."""
    logging.disable(logging.CRITICAL)

    async def main() -> dict[str, Any]:
        events = 0
        async with MessageBus(max_queue_size=100_000) as bus:
            load = Load(bus)
            for number in range(rounds):
                events += await _one_round(bus, load, number)
                events += await _another_bus(number)
                thread = threading.Thread(target=_from_another_thread, args=(40,))
                thread.start()
                thread.join()
                events += 40
                if (number + 1) % max(rounds // SAMPLES, 1) == 0:
                    tell(take((number + 1) / rounds, events))
            return {"events": events, **bus.stats}

    begin()
    return asyncio.run(main())
