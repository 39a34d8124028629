"""Handlers that raise, are cancelled, or use what tasks have."""

import asyncio
import logging
from contextlib import suppress

import pytest
import uvloop
from tests.unit.core.bus.tools import SIGNAL, TICK, event, until

from libra.core.message_bus import MessageBus


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


def test_a_handler_whose_future_is_cancelled_while_it_is_suspended_fails_alone(run, caplog):
    async def main():
        bus, seen, futures = MessageBus(), [], []

        async def handle(tick):
            futures.append(asyncio.get_running_loop().create_future())
            await futures[-1]

        bus.subscribe(TICK, handle)
        bus.subscribe(TICK, lambda tick: seen.append(tick.payload))
        sent = event(1)
        async with bus:
            bus.emit(sent)
            await until(lambda: futures)
            futures[0].cancel()
            await until(lambda: seen == [1])
            assert bus.stats["errors"] == 1
            assert bus.is_running
            assert sent.trace_id in caplog.text

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
