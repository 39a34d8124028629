"""Handlers that do things to their bus while it runs them."""

import asyncio

from tests.unit.core.bus.tools import SIGNAL, TICK, event, until

from libra.core.message_bus import MessageBus


def test_a_handler_publishes(run):
    async def main():
        bus, seen = MessageBus(), []

        async def again(tick):
            seen.append(tick.payload)
            if tick.payload < 50:
                assert await bus.publish(event(tick.payload + 1))

        def also(tick):
            if tick.payload < 50:
                assert bus.emit(event(tick.payload, SIGNAL))

        bus.subscribe(TICK, again)
        bus.subscribe(TICK, also)
        bus.subscribe(SIGNAL, lambda event: seen.append(-event.payload))
        async with bus:
            bus.emit(event(0))
            await until(lambda: len(seen) == 101)
        assert seen == [x for n in range(50) for x in (n, -n)] + [50]

    run(main())


def test_a_handler_subscribes(run):
    async def main():
        bus, seen = MessageBus(), []

        def first(tick):
            seen.append(("first", tick.payload))
            if tick.payload == 0:
                bus.subscribe(TICK, lambda tick: seen.append(("late", tick.payload)))

        bus.subscribe(TICK, first)
        async with bus:
            bus.emit(event(0))
            bus.emit(event(1))
        assert seen == [("first", 0), ("first", 1), ("late", 1)], "a new handler sees the next event, not this one"

    run(main())


def test_a_handler_unsubscribes_itself_and_others(run):
    async def main():
        bus, seen = MessageBus(), []

        def once(tick):
            seen.append(("once", tick.payload))
            assert bus.unsubscribe(ids["once"])
            assert bus.unsubscribe(ids["victim"])

        async def async_once(tick):
            await asyncio.sleep(0)
            seen.append(("async", tick.payload))
            assert bus.unsubscribe_handler(TICK, async_once)

        ids = {"once": bus.subscribe(TICK, once)}
        ids["victim"] = bus.subscribe(TICK, lambda tick: seen.append(("victim", tick.payload)))
        bus.subscribe(TICK, async_once)
        bus.subscribe(TICK, lambda tick: seen.append(("stays", tick.payload)))
        async with bus:
            for n in range(3):
                bus.emit(event(n))
        assert seen == [("once", 0), ("async", 0), ("stays", 0), ("stays", 1), ("stays", 2)]

    run(main())


def test_a_handler_is_not_called_after_it_was_taken_out_while_another_is_suspended(run):
    async def main():
        bus, seen, gate = MessageBus(), [], asyncio.Event()

        async def suspended(tick):
            await gate.wait()

        bus.subscribe(TICK, suspended)
        victim = bus.subscribe(TICK, lambda tick: seen.append("victim"))
        async with bus:
            bus.emit(event())
            await asyncio.sleep(0.01)
            bus.unsubscribe(victim)
            gate.set()
        assert seen == []

    run(main())


def test_a_sync_handler_stops_the_bus(run):
    async def main():
        bus, seen, tasks = MessageBus(), [], []

        def handle(tick):
            seen.append(tick.payload)
            if tick.payload == 1:
                tasks.append(asyncio.create_task(bus.stop()))

        bus.subscribe(TICK, handle)
        for n in range(5):
            bus.emit(event(n))
        await bus.start()
        assert seen == [0, 1, 2, 3, 4], "what waited is drained"
        assert await tasks[0] == 0
        assert not bus.is_running
        assert not bus.emit(event())

    run(main())


def test_an_async_handler_stops_the_bus(run):
    async def main():
        bus, seen = MessageBus(), []

        async def handle(tick):
            if tick.payload == 1:
                assert await bus.stop() == 0, "a request: it does not wait for itself"
                assert not await bus.publish(event(9))
                await asyncio.sleep(0)
            seen.append(tick.payload)

        bus.subscribe(TICK, handle)
        for n in range(5):
            bus.emit(event(n))
        await bus.start()
        assert seen == [0, 1, 2, 3, 4]
        assert not bus.is_running

    run(main())


def test_an_async_handler_that_asked_for_a_stop_and_then_hangs_is_cut(run):
    async def main():
        bus = MessageBus()

        async def handle(tick):
            await bus.stop(drain_timeout=0.02)
            await asyncio.Event().wait()

        bus.subscribe(TICK, handle)
        bus.emit(event())
        await bus.start()
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_stop_in_a_handler_without_time_drops_the_rest(run):
    async def main():
        bus, seen = MessageBus(), []

        async def handle(tick):
            seen.append(tick.payload)
            await bus.stop(drain_timeout=0)

        bus.subscribe(TICK, handle)
        for n in range(5):
            bus.emit(event(n))
        await bus.start()
        assert seen == [0]
        assert bus.queue_size == 0

    run(main())
