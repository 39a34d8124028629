"""Memory: nothing is kept, doubled or leaked."""

import asyncio
import gc
import logging
import sys
import weakref

import pytest
from tests.unit.core.bus.tools import SIGNAL, TICK, event, until

from libra.core.events import EventType
from libra.core.message_bus import MessageBus


class Box:
    pass


@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_is_kept_after_dispatch(run, is_async):
    async def main():
        bus, alive = MessageBus(), []

        def handle(tick):
            alive.append(weakref.ref(tick.payload))
            alive.append(weakref.ref(tick.payload["box"]))

        async def async_handle(tick):
            await asyncio.sleep(0)
            handle(tick)

        class Payload(dict):
            pass

        def publish():
            for _ in range(5):
                bus.emit(event(Payload(box=Box())))

        bus.subscribe(TICK, async_handle if is_async else handle)
        bus.subscribe(TICK, lambda tick: 1 / 0)
        bus.subscribe(TICK, lambda events: None, batch=True)
        logging.getLogger("libra.core.message_bus").disabled = True
        try:
            async with bus:
                publish()
                await until(lambda: len(alive) == 10 and bus.queue_size == 0)
                await asyncio.sleep(0.01)
                assert [ref() for ref in alive] == [None] * 10, "released while the bus still runs"
        finally:
            logging.getLogger("libra.core.message_bus").disabled = False

    run(main())


def test_reference_counts_return_to_where_they_were(run):
    payload, handler_of = {"a": 1}, Box()

    async def main():
        bus = MessageBus()
        handler_of.count = 0

        def handle(tick):
            handler_of.count += 1

        def filter_fn(tick):
            return True

        async with bus:
            subscription = bus.subscribe(TICK, handle, filter_fn)
            things = (payload, handle, filter_fn, TICK)
            before = [sys.getrefcount(thing) for thing in things]
            for _ in range(1000):
                bus.emit(event(payload))
            await until(lambda: handler_of.count == 1000)
            await asyncio.sleep(0.01)
            assert [sys.getrefcount(thing) for thing in things] == before
            bus.unsubscribe(subscription)
            after = [sys.getrefcount(thing) for thing in things]
            assert [a - b for a, b in zip(after, before, strict=True)] == [0, -1, -1, 0]

    run(main())


def test_dropped_events_are_released(run):
    async def main():
        bus, box = MessageBus(), Box()
        gone = weakref.ref(box)
        bus.emit(event(box))
        del box
        assert gone() is not None
        assert await bus.stop() == 1
        assert gone() is None

    run(main())


def test_a_finaliser_may_come_back_to_the_bus(run):
    async def main():
        bus, log = MessageBus(), []

        class Last:
            def __del__(self):
                log.append((bus.queue_size, bus.emit(event("from a finaliser", SIGNAL))))

        bus.subscribe(SIGNAL, lambda event: log.append(event.payload))
        bus.subscribe(TICK, lambda event: None)
        async with bus:
            bus.emit(event(Last()))
            bus.emit(event(Last(), EventType.QUOTE))
            await until(lambda: log.count("from a finaliser") == 2)
            bus.emit(event(Last()))
            bus.emit(event(Last()))
            await bus.stop(0)
        assert bus.stats["errors"] == 0

    run(main())


def test_a_bus_whose_handler_belongs_to_its_owner_is_collected():
    class Owner:
        def __init__(self):
            self.bus = MessageBus()
            self.bus.subscribe(TICK, self.on_tick, self.accepts)
            self.bus.subscribe(TICK, self.on_tick, batch=True)

        def on_tick(self, event): ...
        def accepts(self, event): ...

    gone = weakref.ref(Owner())
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("waits", [False, True])
def test_an_event_whose_payload_leads_to_its_keeper_is_collected(run, waits):
    class Keeper:
        def __init__(self):
            self.bus, self.last = MessageBus(), None
            self.bus.subscribe(TICK, self.keep)

        def keep(self, event):
            self.last = (event, event.with_sequence(7))

    async def trade():
        keeper = Keeper()
        keeper.bus.emit(event({"keeper": keeper}))
        if not waits:
            async with keeper.bus:
                await until(lambda: keeper.last)
        return weakref.ref(keeper)

    async def main():
        gone = await trade()
        await asyncio.sleep(0.01)
        gc.collect()
        return gone()

    assert run(main()) is None
