"""Batch handlers that are given lists."""

import asyncio

import pytest
from tests.unit.core.bus.tools import TICK, event, until

from libra.core.events import EventType
from libra.core.message_bus import MessageBus


@pytest.mark.parametrize("is_async", [False, True])
def test_batch_handlers(run, is_async):
    async def main():
        bus, batches, single = MessageBus(), [], []

        async def async_handle(events):
            await asyncio.sleep(0)
            batches.append(events)

        bus.subscribe(TICK, async_handle if is_async else batches.append, batch=True)
        bus.subscribe(TICK, lambda event: single.append(event.payload))
        for n in range(1000):
            bus.emit(event(n))
        async with bus:
            await until(lambda: sum(map(len, batches)) == 1000)
            bus.emit(event(1000))
            await until(lambda: len(single) == 1001 and sum(map(len, batches)) == 1001)
        assert all(type(batch) is list and 0 < len(batch) <= 256 for batch in batches)
        flat = [event for batch in batches for event in batch]
        assert [e.payload for e in flat] == single == list(range(1001))
        assert [e.sequence for e in flat] == list(range(1, 1002))
        assert len(batches) < 500, "batches are batches"

    run(main())


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_handler_that_raises(run, caplog, is_async):
    async def main():
        bus = MessageBus()

        def handle(events):
            raise ValueError(len(events))

        async def async_handle(events):
            await asyncio.sleep(0)
            handle(events)

        bus.subscribe(TICK, async_handle if is_async else handle, batch=True)
        sent = [event(n) for n in range(3)]
        async with bus:
            await bus.publish_many(sent)
            await until(lambda: bus.stats["errors"] == 1)
            bus.emit(event())
            await until(lambda: bus.stats["errors"] == 2)
        assert sent[-1].trace_id in caplog.text

    run(main())


def test_a_batch_handler_taken_out_gets_nothing_more(run):
    async def main():
        bus, seen = MessageBus(), []

        def on_signal(event):
            assert bus.unsubscribe(batch)

        batch = bus.subscribe(TICK, seen.append, batch=True)
        bus.subscribe(EventType.QUOTE, on_signal)
        bus.emit(event(1))
        bus.emit(event(2, EventType.QUOTE))
        bus.emit(event(3))
        async with bus:
            await until(lambda: bus.queue_size == 0)
        assert seen == []

    run(main())
