"""Order: strict by lane, first in first out within one, handlers in the order of subscription."""

import asyncio

from tests.unit.core.bus.tools import ORDER, RISK, SIGNAL, TICK, event, until

from libra.core.events import EventType
from libra.core.message_bus import MessageBus


def test_lanes_then_first_in_first_out(run):
    async def main():
        bus, seen = MessageBus(), []
        for kind in EventType:
            bus.subscribe(kind, lambda event: seen.append((event.priority, event.payload)))
        kinds = list(EventType) * 20
        for n, kind in enumerate(kinds):
            bus.emit(event(n, kind))
        async with bus:
            await until(lambda: len(seen) == len(kinds))
        assert seen == sorted(seen)
        assert sorted(n for _, n in seen) == list(range(len(kinds)))

    run(main())


def test_what_is_urgent_goes_first_between_two_events(run):
    async def main():
        bus, seen = MessageBus(), []

        def on_tick(tick):
            seen.append(tick.payload)
            if tick.payload == 1:
                bus.emit(event("order", ORDER))
                bus.emit(event("risk", RISK))

        bus.subscribe(TICK, on_tick)
        bus.subscribe(ORDER, lambda event: seen.append(event.payload))
        bus.subscribe(RISK, lambda event: seen.append(event.payload))
        for n in range(4):
            bus.emit(event(n))
        async with bus:
            await until(lambda: len(seen) == 6)
        assert seen == [0, 1, "risk", "order", 2, 3]

    run(main())


def test_handlers_run_in_the_order_of_subscription_and_the_next_event_waits(run):
    async def main():
        bus, seen = MessageBus(), []

        def sync_handler(name):
            return lambda event: seen.append((event.payload, name))

        def async_handler(name, seconds):
            async def handle(event):
                await asyncio.sleep(seconds)
                seen.append((event.payload, name))

            return handle

        bus.subscribe(TICK, sync_handler("a"))
        bus.subscribe(TICK, async_handler("b", 0.01))
        bus.subscribe(TICK, sync_handler("c"))
        bus.subscribe(TICK, async_handler("d", 0))
        bus.subscribe(RISK, sync_handler("risk"))
        async with bus:
            bus.emit(event(1))
            bus.emit(event(2))
            await asyncio.sleep(0.005)
            bus.emit(event(3, RISK))
            await until(lambda: len(seen) == 9)
        order = [(1, name) for name in "abcd"] + [(3, "risk")] + [(2, name) for name in "abcd"]
        assert seen == order, "an urgent event waits for the suspended handler, then goes first"

    run(main())


def test_two_buses_in_one_loop(run):
    async def main():
        left, right, seen = MessageBus(), MessageBus(), []

        async def slow(event):
            await asyncio.sleep(0.05)
            seen.append(("left", event.payload))

        left.subscribe(TICK, slow)
        left.subscribe(SIGNAL, lambda event: 1 / 0)
        right.subscribe(TICK, lambda event: seen.append(("right", event.payload)))
        async with left, right:
            left.emit(event(1))
            left.emit(event(2, SIGNAL))
            for n in range(3):
                right.emit(event(n))
            await until(lambda: len(seen) == 4)
            assert seen == [("right", 0), ("right", 1), ("right", 2), ("left", 1)]
            await right.stop()
            assert left.is_running
            assert right.stats["errors"] == 0
            assert left.emit(event(3))
            assert not right.emit(event(3))
        assert seen[-1] == ("left", 3)

    run(main())


def test_a_ping_pong_of_two_buses(run):
    async def main():
        left, right = MessageBus(), MessageBus()
        count = 0

        def bounce(to):
            def handle(ball):
                nonlocal count
                count += 1
                if count < 2000:
                    to.emit(event())

            return handle

        left.subscribe(TICK, bounce(right))
        right.subscribe(TICK, bounce(left))
        async with left, right:
            left.emit(event())
            await until(lambda: count == 2000)

    run(main())
