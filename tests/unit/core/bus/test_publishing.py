"""Publishing: what is taken, when, and what arrives."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from tests.unit.core.bus.tools import ORDER, RISK, SIGNAL, TICK, event, until

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra_core import Bar, BookDelta, Quote, Trade


def test_only_events_are_published():
    bus = MessageBus()
    for thing in (None, {}, "TICK", TICK, Event):
        with pytest.raises(TypeError, match="Event"):
            bus.emit(thing)
    assert bus.queue_size == 0


def test_the_limit_holds_over_all_lanes_together(run):
    async def main():
        bus = MessageBus(max_queue_size=4)
        taken = await bus.publish_many([event(n, kind) for n, kind in enumerate((TICK, ORDER, SIGNAL, RISK, RISK))])
        assert taken == 4
        assert bus.emit(event(9, RISK)) is False
        assert await bus.publish(event(9, RISK)) is False
        return bus

    bus = run(main())
    assert bus.queue_size == 4


def test_publish_many_takes_any_iterable(run):
    async def main():
        bus = MessageBus()
        return await bus.publish_many(event(n) for n in range(7)), await bus.publish_many([])

    assert run(main()) == (7, 0)


def test_events_published_before_start_wait(run):
    async def main():
        bus, seen = MessageBus(), []
        for n in range(1000):
            assert bus.emit(event(n))
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        await asyncio.sleep(0.01)
        assert seen == []
        async with bus:
            await until(lambda: len(seen) == 1000)
        assert seen == list(range(1000))

    run(main())


def test_the_published_object_does_not_change(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, seen.append)
        bus.subscribe(TICK, seen.append)
        one, two = event({"n": 1}), event({"n": 2})
        async with bus:
            for each in (one, two, one):
                bus.emit(each)
        assert [e.sequence for e in (one, two)] == [0, 0]
        assert [e.sequence for e in seen] == [1, 1, 2, 2, 3, 3]
        assert seen[0] is seen[1], "one object for all handlers of an event"
        assert seen[0].payload is one.payload
        assert (seen[0].trace_id, seen[0].span_id, seen[0].ts_ns) == (one.trace_id, one.span_id, one.ts_ns)

    run(main())


def test_a_kept_event_stays_as_it_was(run):
    """A bus may use an event's memory again only when nobody kept the event."""

    async def main():
        bus, kept = MessageBus(), []
        bus.subscribe(TICK, lambda event: kept.append(event) if event.payload % 3 == 0 else None)
        async with bus:
            for n in range(1000):
                bus.emit(event(n))
        assert [(e.payload, e.sequence) for e in kept] == [(n, n + 1) for n in range(0, 1000, 3)]
        assert len({id(e) for e in kept}) == len(kept)

    run(main())


class Level(msgspec.Struct):
    price: Decimal


PAYLOADS = [
    {"a": [1]},
    [1, {"b": 2}],
    Level(Decimal("1.1")),
    "text",
    0,
    object(),
]
NATIVE = [
    (EventType.QUOTE, Quote("BTC/USDT@X", "100.1", "100.2", 1, 2)),
    (EventType.TRADE, Trade("BTC/USDT@X", "100.15", "0.25", aggressor="buyer", trade_id=7)),
    (EventType.BAR, Bar("BTC/USDT@X", 1, "3.5", "0.5", 2, 10, ts_open_ns=60, interval_ms=1000)),
    (EventType.ORDER_BOOK, BookDelta("BTC/USDT@X", [("1.5", 2)], [("1.6", "0.1")], snapshot=True)),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: type(payload).__name__)
def test_objects_stay_the_same_object(run, payload):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        async with bus:
            bus.emit(event(payload))
        assert len(seen) == 1
        assert seen[0] is payload

    run(main())


def test_no_payload_arrives_as_an_empty_dict(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        async with bus:
            bus.emit(event())
        assert seen == [{}]

    run(main())


@pytest.mark.parametrize(("event_type", "payload"), NATIVE, ids=[kind.name for kind, _ in NATIVE])
def test_native_payloads_arrive_with_their_numbers(run, event_type, payload):
    def numbers(of):
        names = [name for name in dir(of) if not name.startswith("_") and name != "ts_ns"]
        return {name: value for name in names if not callable(value := getattr(of, name))}

    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(event_type, seen.append)
        sent = event(payload, event_type)
        async with bus:
            bus.emit(sent)
        got = seen[0]
        assert type(got.payload) is type(payload)
        assert numbers(got.payload) == numbers(payload)
        assert got.payload is got.payload
        assert got.payload.ts_ns == got.ts_ns == sent.ts_ns
        assert got.instrument == payload.instrument

    run(main())


def test_one_object_on_two_buses_and_again_has_a_number_on_each(run):
    async def main():
        first, second, seen = MessageBus(), MessageBus(), []
        first.subscribe(TICK, lambda got: seen.append(("first", got)))
        second.subscribe(TICK, lambda got: seen.append(("second", got)))
        second.emit(event("before"))
        first.emit(event("before"))
        first.emit(event("before"))
        sent = event({"a": 1})
        for bus in (first, second, first):
            assert bus.emit(sent)
        del sent
        async with first, second:
            pass
        numbers = {(name, got.sequence) for name, got in seen if got.payload == {"a": 1}}
        assert numbers == {("first", 3), ("second", 2), ("first", 4)}
        assert len({id(got.payload) for _, got in seen if got.payload == {"a": 1}}) == 1

    run(main())


def test_a_received_event_is_published_on(run):
    async def main():
        first, second, kept, seen = MessageBus(), MessageBus(), [], []
        second.emit(event())
        first.subscribe(TICK, kept.append)
        first.subscribe(TICK, second.emit)
        second.subscribe(TICK, seen.append)
        sent = event([1])
        first.emit(sent)
        first.emit(event([2]))
        async with first:
            pass
        async with second:
            pass
        assert [(got.sequence, got.payload) for got in kept] == [(1, [1]), (2, [2])]
        assert [(got.sequence, got.payload) for got in seen[1:]] == [(2, [1]), (3, [2])]
        assert [got.trace_id for got in seen[1:]] == [got.trace_id for got in kept]
        assert sent.sequence == 0
        again = seen[1].with_sequence(9)
        assert (again.sequence, seen[1].sequence, again.payload is sent.payload) == (9, 2, True)

    run(main())


def test_a_batch_of_one_published_object_has_a_number_each(run):
    async def main():
        bus, got, sent = MessageBus(), [], event("same")
        bus.subscribe(TICK, got.extend, batch=True)
        for _ in range(5):
            bus.emit(sent)
        del sent
        bus.emit(event("last"))
        async with bus:
            pass
        assert [(event.sequence, event.payload) for event in got] == [(n, "same") for n in range(1, 6)] + [(6, "last")]

    run(main())
