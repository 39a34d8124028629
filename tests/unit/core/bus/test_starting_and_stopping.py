"""Starting and stopping: the drain, its time, and who is cut short."""

import asyncio
import time
from contextlib import suppress

import pytest
from tests.unit.core.bus.tools import SIGNAL, TICK, event, until

from libra.core.message_bus import MessageBus


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


def test_a_bus_is_started_by_a_task(run):
    async def main():
        loop, failed = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def start_outside_of_any_task():
            coroutine = MessageBus().start()
            try:
                coroutine.send(None)
            except RuntimeError as error:
                failed.set_result(str(error))

        loop.call_soon(start_outside_of_any_task)
        assert await failed == "a bus is started by a task"

    run(main())


def test_leaving_without_having_entered(run):
    async def main():
        bus = MessageBus()
        bus.emit(event())
        await bus.__aexit__(None, None, None)
        assert bus.queue_size == 0
        assert not bus.is_running

    run(main())


def test_the_background_task_is_cancelled_inside_the_body(run):
    async def main():
        bus = MessageBus()
        async with bus:
            (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "libra-bus")
            task.cancel()
        assert task.cancelled()
        assert not bus.is_running
        async with bus:
            assert await bus.publish(event())

    run(main())
