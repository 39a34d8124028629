"""`libra.core.message_bus` is a public contract: design.md, "Events and the bus". On asyncio and on uvloop."""

import asyncio
import gc
import inspect
import logging
import sys
import threading
import time
import uuid
import weakref
from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest
import uvloop

from libra.core import message_bus
from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra_core import Bar, BookDelta, Quote, Trade

TICK, SIGNAL, ORDER, RISK = EventType.TICK, EventType.SIGNAL, EventType.ORDER_NEW, EventType.RISK_LIMIT_BREACH


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine in a fresh loop; a test that hangs fails after ten seconds."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run_one(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, 10))

    return run_one


def event(payload=None, event_type=TICK):
    return Event.create(event_type, "test", payload)


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions are any, and the wait is bounded
            await asyncio.sleep(0.001)


# The face of it


def test_names_and_signatures():
    assert message_bus.__all__ == ["MessageBus"]
    parameters = inspect.signature(MessageBus).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "max_queue_size": 100_000,
        "max_handlers_per_type": 100,
    }
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    with pytest.raises(TypeError):
        MessageBus(10)
    subscribe = list(inspect.signature(MessageBus.subscribe).parameters)
    assert subscribe[1:4] == ["event_type", "handler", "filter_fn"]
    assert inspect.signature(MessageBus.subscribe).parameters["filter_fn"].default is None
    assert inspect.signature(MessageBus.stop).parameters["drain_timeout"].default == 5.0
    for name in ("publish", "publish_many", "start", "stop"):
        assert inspect.iscoroutinefunction(getattr(MessageBus, name))
    assert not inspect.iscoroutinefunction(MessageBus.emit)


def test_sizes_of_nothing_are_refused():
    for name in ("max_queue_size", "max_handlers_per_type"):
        with pytest.raises(ValueError, match=name):
            MessageBus(**{name: 0})


def test_subscription_ids_are_uuids():
    bus = MessageBus()
    ids = [bus.subscribe(TICK, print) for _ in range(50)]
    assert all(isinstance(one, str) and str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)
    assert len(set(ids)) == 50


def test_max_handlers():
    bus = MessageBus(max_handlers_per_type=2)
    first = bus.subscribe(TICK, print)
    bus.subscribe(TICK, print)
    with pytest.raises(RuntimeError, match="Max handlers"):
        bus.subscribe(TICK, print)
    bus.subscribe(SIGNAL, print)
    assert bus.unsubscribe(first)
    bus.subscribe(TICK, print)
    assert bus.stats["handlers"] == 3


def test_what_may_be_subscribed():
    bus = MessageBus()
    with pytest.raises(TypeError, match="callable"):
        bus.subscribe(TICK, "not callable")
    with pytest.raises(TypeError, match="EventType"):
        bus.subscribe("TICK", print)
    with pytest.raises(TypeError):
        bus.subscribe(TICK, print, None, ["BTC/USDT@X"])


def test_unsubscribe():
    bus = MessageBus()
    one = bus.subscribe(TICK, print)
    assert bus.unsubscribe(one) is True
    assert bus.unsubscribe(one) is False
    assert bus.unsubscribe("nonsense") is False
    assert bus.stats["handlers"] == 0


def test_unsubscribe_handler():
    class Actor:
        def on_tick(self, event): ...

    bus, actor, other = MessageBus(), Actor(), Actor()
    bus.subscribe(TICK, actor.on_tick)
    bus.subscribe(TICK, actor.on_tick)
    bus.subscribe(SIGNAL, actor.on_tick)
    assert bus.unsubscribe_handler(TICK, other.on_tick) is False
    assert bus.unsubscribe_handler(ORDER, actor.on_tick) is False
    assert bus.unsubscribe_handler(TICK, actor.on_tick) is True
    assert bus.unsubscribe_handler(TICK, actor.on_tick) is False
    assert bus.stats["handlers"] == 1
    assert bus.unsubscribe_handler(SIGNAL, actor.on_tick) is True


def test_stats_and_size(run):
    async def main():
        bus = MessageBus(max_queue_size=3)
        assert bus.stats == {"published": 0, "dispatched": 0, "pending": 0, "errors": 0, "handlers": 0}
        bus.subscribe(TICK, lambda event: 1 / event.payload["n"])
        assert [await bus.publish(event({"n": n})) for n in (0, 1, 2, 3)] == [True, True, True, False]
        assert (bus.queue_size, bus.is_running) == (3, False)
        assert bus.stats == {"published": 3, "dispatched": 0, "pending": 3, "errors": 0, "handlers": 1}
        async with bus:
            assert bus.is_running
            await until(lambda: bus.queue_size == 0)
        assert not bus.is_running
        assert bus.stats == {"published": 3, "dispatched": 3, "pending": 0, "errors": 1, "handlers": 1}

    run(main())


# Publishing


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


# Order


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


# Handlers that do things to their bus


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


# Failures


def test_exceptions_are_counted_and_logged_with_the_trace_id(run, caplog):
    async def main():
        bus, seen = MessageBus(), []

        def sync_fails(tick):
            raise ValueError("sync")

        async def fails_at_once(tick):
            raise ValueError("at once")

        async def fails_later(tick):
            await asyncio.sleep(0)
            raise ValueError("later")

        for handler in (sync_fails, fails_at_once, fails_later, lambda tick: seen.append(tick.payload)):
            bus.subscribe(TICK, handler)
        one = event(1)
        async with bus:
            bus.emit(one)
            bus.emit(event(2))
        assert seen == [1, 2]
        assert bus.stats["errors"] == 6
        records = [record for record in caplog.records if one.trace_id in record.getMessage()]
        assert [str(record.exc_info[1]) for record in records] == ["sync", "at once", "later"]
        assert all(record.levelno == logging.ERROR and record.name == "libra.core.message_bus" for record in records)

    run(main())


def test_a_handler_that_awaits_what_was_cancelled_fails_alone(run):
    async def main():
        bus, seen = MessageBus(), []

        async def handle(tick):
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        def sync_handle(tick):
            raise asyncio.CancelledError

        bus.subscribe(TICK, handle)
        bus.subscribe(TICK, lambda tick: seen.append(tick.payload))
        async with bus:
            bus.emit(event(1))
            bus.emit(event(2))
            await until(lambda: len(seen) == 2)
            bus.subscribe(SIGNAL, sync_handle)
            bus.emit(event(3, SIGNAL))
            await until(lambda: bus.stats["errors"] == 3)
            assert bus.is_running

    run(main())


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_interrupt_in_a_handler_ends_the_bus(interrupt, is_async, factory):
    bus, seen = MessageBus(), []

    def handle(tick):
        seen.append(tick.payload)
        raise interrupt

    async def async_handle(tick):
        handle(tick)

    async def main():
        bus.subscribe(TICK, async_handle if is_async else handle)
        bus.emit(event(1))
        bus.emit(event(2))
        await bus.start()

    with pytest.raises(interrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert seen == [1]
    assert not bus.is_running


def test_an_async_handler_may_use_what_tasks_have(run):
    async def main():
        bus, seen = MessageBus(), []

        async def double(n):
            await asyncio.sleep(0)
            return 2 * n

        async def handle(tick):
            assert asyncio.current_task() is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(5)
                raise AssertionError("the timeout has to come")
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(double(n)) for n in range(3)]
            seen.append([task.result() for task in tasks])
            async with asyncio.timeout(5):
                seen.append(await asyncio.gather(double(5), double(6)))
            with pytest.raises(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.wait_for(asyncio.sleep(5), 0.001))

        bus.subscribe(TICK, handle)
        async with bus:
            bus.emit(event())
            await until(lambda: len(seen) == 2 or bus.stats["errors"])
        assert bus.stats["errors"] == 0
        assert seen == [[0, 2, 4], [10, 12]]

    run(main())


def test_what_handlers_return_is_not_looked_at_unless_it_can_be_awaited(run):
    async def main():
        bus, seen = MessageBus(), []

        async def later(payload):
            await asyncio.sleep(0)
            seen.append(payload)

        class Awaitable:
            def __await__(self):
                seen.append("own")
                yield from later("inside").__await__()

        for result in (1, "text", object(), asyncio.Future, (x for x in [1])):
            bus.subscribe(TICK, lambda tick, result=result: result)
        bus.subscribe(TICK, lambda tick: later("lambda"))
        bus.subscribe(TICK, lambda tick: asyncio.ensure_future(later("task")))
        bus.subscribe(TICK, lambda tick: Awaitable())
        async with bus:
            bus.emit(event())
        assert bus.stats["errors"] == 0
        assert seen == ["lambda", "task", "own", "inside"]

    run(main())


# Filters and batches


def test_filter_fn(run, caplog):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload), filter_fn=lambda event: event.payload % 2)
        bus.subscribe(TICK, lambda event: seen.append(-event.payload), lambda event: 10 // (event.payload - 3) > 0)
        async with bus:
            for n in range(6):
                bus.emit(event(n))
        assert seen == [1, 3, -4, 5, -5]
        assert bus.stats["errors"] == 1, "a filter that raises counts, and its handler is not called"
        assert "ZeroDivisionError" in caplog.text

    run(main())


def test_instruments_are_filtered(run):
    async def main():
        bus, seen = MessageBus(), []

        def add(name):
            return lambda event: seen.append((name, event.instrument))

        bus.subscribe(EventType.QUOTE, add("btc"), instruments=["BTC/USDT@X"])
        bus.subscribe(EventType.QUOTE, add("both"), instruments=["BTC/USDT@X", "ETH/USDT@X"])
        bus.subscribe(EventType.QUOTE, add("all"))
        async with bus:
            for name in ("BTC/USDT@X", "ETH/USDT@X", "SOL/USDT@X"):
                bus.emit(event(Quote(name, 1, 2, 1, 1), EventType.QUOTE))
            bus.emit(event({}, EventType.QUOTE))
        btc, eth, sol = "BTC/USDT@X", "ETH/USDT@X", "SOL/USDT@X"
        assert seen == [
            ("btc", btc), ("both", btc), ("all", btc), ("both", eth), ("all", eth), ("all", sol), ("all", None),
        ]  # fmt: skip

    run(main())


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


# Starting and stopping


def test_start_runs_until_stopped_and_only_once(run):
    async def main():
        bus = MessageBus()
        task = asyncio.create_task(bus.start())
        await asyncio.sleep(0.01)
        assert bus.is_running
        with pytest.raises(RuntimeError, match="running"):
            await bus.start()
        with pytest.raises(RuntimeError, match="running"):
            async with bus:
                pass
        assert bus.is_running
        assert not task.done()
        assert await bus.stop() == 0
        await asyncio.wait_for(task, 1)
        assert not bus.is_running

    run(main())


def test_stop_drains(run):
    async def main():
        bus, seen = MessageBus(), []

        async def slow(event):
            await asyncio.sleep(0.001)
            seen.append(event.payload)

        bus.subscribe(TICK, slow)
        async with bus:
            await bus.publish_many([event(n) for n in range(20)])
            stopping = asyncio.create_task(bus.stop())
            await asyncio.sleep(0)
            assert not await bus.publish(event(99)), "a bus that stops takes nothing in"
            assert await stopping == 0
        assert seen == list(range(20))

    run(main())


def test_stop_gives_up_after_the_drain_timeout(run):
    async def main():
        bus, seen = MessageBus(), []

        async def slow(event):
            seen.append(event.payload)
            await asyncio.sleep(0.02)

        bus.subscribe(TICK, slow)
        async with bus:
            await bus.publish_many([event(n) for n in range(50)])
            await until(lambda: seen)
            began = time.monotonic()
            dropped = await bus.stop(drain_timeout=0.1)
            assert time.monotonic() - began < 1.0
        assert dropped == 50 - len(seen) > 0
        assert bus.stats["dispatched"] == len(seen)
        assert (bus.queue_size, bus.is_running) == (0, False)

    run(main())


def test_stop_gives_up_on_sync_handlers_between_two_drains(run):
    async def main():
        bus, seen = MessageBus(), []

        def slow(event):
            seen.append(event.payload)
            time.sleep(0.001)

        bus.subscribe(TICK, slow)
        async with bus:
            await bus.publish_many([event(n) for n in range(2000)])
            dropped = await bus.stop(drain_timeout=0.05)
        assert dropped == 2000 - len(seen) > 0

    run(main())


def test_a_hanging_handler_is_cancelled_at_stop(run):
    async def main():
        bus, log = MessageBus(), []

        async def hangs(tick):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        bus.subscribe(TICK, hangs)
        task = asyncio.create_task(bus.start())
        bus.emit(event())
        bus.emit(event())
        await asyncio.sleep(0.01)
        assert await bus.stop(drain_timeout=0.05) == 1, "the one that ran is not dropped, the one that waited is"
        await task
        assert log == ["cancelled"]
        assert not bus.is_running

    run(main())


def test_a_handler_that_swallows_its_cancellation(run):
    async def main():
        bus, log = MessageBus(), []

        async def stubborn(tick):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.sleep(0.01)
            log.append(asyncio.current_task().cancelling())

        bus.subscribe(TICK, stubborn)
        bus.emit(event())
        bus.emit(event())

        async def main_task():
            await bus.start()
            async with asyncio.timeout(1):
                await asyncio.sleep(0.001)
            return asyncio.current_task().cancelling()

        task = asyncio.create_task(main_task())
        await asyncio.sleep(0.01)
        assert await bus.stop(drain_timeout=0.01) == 1
        assert await task == 0, "the task that started the bus is not left half cancelled"
        assert log == [1]

    run(main())


def test_stop_without_time(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        async with bus:
            assert await bus.stop(drain_timeout=0) == 0
        async with bus:
            await bus.publish_many([event(n) for n in range(100_000)])
            dropped = await bus.stop(drain_timeout=-1)
        assert dropped + len(seen) == 100_000
        assert seen == list(range(len(seen)))

    run(main())


def test_stop_of_a_bus_that_was_never_started(run):
    async def main():
        bus = MessageBus()
        assert await bus.stop() == 0
        assert not bus.emit(event())
        bus = MessageBus()
        await bus.publish_many([event(n) for n in range(3)])
        assert await bus.stop() == 3
        assert await bus.stop() == 0
        assert bus.queue_size == 0

    run(main())


def test_several_stops_at_once_agree(run):
    async def main():
        bus, log = MessageBus(), []

        async def slow(tick):
            await asyncio.sleep(1)

        bus.subscribe(TICK, slow)
        async with bus:
            await bus.publish_many([event(n) for n in range(5)])
            await asyncio.sleep(0)
            log = await asyncio.gather(bus.stop(5), bus.stop(0.03), bus.stop(3))
        assert log == [4, 4, 4], "the shortest time holds"

    run(main())


def test_restart_after_stop(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append((event.payload, event.sequence)))
        for turn in range(3):
            task = asyncio.create_task(bus.start())
            await asyncio.sleep(0)
            assert bus.emit(event(turn))
            assert await bus.stop() == 0
            await task
            assert not bus.emit(event("between"))
        async with bus:
            bus.emit(event(3))
        assert seen == [(0, 1), (1, 2), (2, 3), (3, 4)]
        assert bus.stats["published"] == bus.stats["dispatched"] == 4

    run(main())


def test_nothing_of_a_cut_batch_comes_after_a_restart(run):
    async def main():
        bus, batches = MessageBus(), []

        async def hangs(event):
            await asyncio.sleep(60)

        bus.subscribe(TICK, batches.append, batch=True)
        bus.subscribe(SIGNAL, batches.append, batch=True)
        hanging = bus.subscribe(TICK, hangs)
        async with bus:
            bus.emit(event("old", SIGNAL))
            bus.emit(event("old"))
            await asyncio.sleep(0.01)
            assert await bus.stop(0.01) == 2, "what had been gathered and was not handed over is dropped"
        bus.unsubscribe(hanging)
        async with bus:
            bus.emit(event("new"))
        assert [[e.payload for e in batch] for batch in batches] == [["new"]]

    run(main())


def test_a_cancelled_start(run):
    async def main():
        bus, seen = MessageBus(), []

        async def hangs(tick):
            seen.append(tick.payload)
            await asyncio.Event().wait()

        hanging = bus.subscribe(TICK, hangs)
        for is_busy in (False, True):
            task = asyncio.create_task(bus.start())
            await asyncio.sleep(0)
            if is_busy:
                bus.emit(event(1))
                bus.emit(event(2))
                await until(lambda: seen)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not bus.is_running
            assert bus.queue_size == 0
            assert not bus.emit(event())
        bus.unsubscribe(hanging)
        bus.subscribe(TICK, lambda tick: seen.append(tick.payload))
        async with bus:
            bus.emit(event(3))
        assert seen == [1, 3]

    run(main())


def test_a_cancel_from_outside_wins_over_a_stop(run):
    async def main():
        bus = MessageBus()

        async def hangs(tick):
            try:
                await asyncio.Event().wait()
            finally:
                task.cancel()

        bus.subscribe(TICK, hangs)
        bus.emit(event())
        task = asyncio.create_task(bus.start())
        await asyncio.sleep(0.01)
        await bus.stop(drain_timeout=0.01)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_async_with_stops_on_an_exception_in_its_body(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))

        async def body():
            async with bus:
                bus.emit(event(1))
                raise ValueError("body")

        with pytest.raises(ValueError, match="body"):
            await body()
        assert seen == [1]
        assert not bus.is_running
        assert len(asyncio.all_tasks()) <= 2

    run(main())


# The loop


def test_a_long_queue_leaves_the_loop_to_others(run):
    async def main():
        bus, others, most = MessageBus(), 0, 0
        done = 0

        def handle(event):
            nonlocal done
            done += 1

        async def other():
            nonlocal others, most
            while done < 50_000:
                before = done
                await asyncio.sleep(0)
                others, most = others + 1, max(most, done - before)

        bus.subscribe(TICK, handle)
        await bus.publish_many([event(n) for n in range(50_000)])
        async with bus:
            await other()
        assert others >= 50_000 / 512
        assert most <= 512, "a drain is bounded"

    run(main())


def test_emit_from_another_thread_wakes_the_loop(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append((event.payload, threading.get_ident())))

        def produce():
            for n in range(200):
                time.sleep(0.0002 if n % 3 else 0)
                assert bus.emit(event(n))

        async with bus:
            await asyncio.sleep(0.01)
            thread = threading.Thread(target=produce)
            thread.start()
            await until(lambda: len(seen) == 200)
            thread.join()
        assert [n for n, _ in seen] == list(range(200))
        assert {ident for _, ident in seen} == {threading.get_ident()}, "handlers run in the loop's thread"

    run(main())


def test_many_threads_lose_nothing(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        begin = threading.Barrier(4)

        def produce(who):
            begin.wait()
            for n in range(2000):
                assert bus.emit(event((who, n)))

        async with bus:
            threads = [threading.Thread(target=produce, args=(who,)) for who in range(4)]
            for thread in threads:
                thread.start()
            await until(lambda: len(seen) == 8000)
        for who in range(4):
            assert [n for w, n in seen if w == who] == list(range(2000))

    run(main())


def test_a_parked_loop_costs_nothing(run):
    async def main():
        bus = MessageBus()
        async with bus:
            await asyncio.sleep(0.02)
            before = time.thread_time()
            await asyncio.sleep(0.2)
            return time.thread_time() - before

    assert run(main()) < 0.05


# Memory


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
