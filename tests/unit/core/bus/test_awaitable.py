"""What `publish` gives: done already, and as good as a coroutine wherever one is taken."""

import asyncio
from collections.abc import Awaitable, Coroutine

import pytest
from tests.unit.core.bus.tools import TICK, event

from libra.core.message_bus import MessageBus


def test_the_event_waits_before_the_answer_is_awaited(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        first, second = bus.publish(event(1)), bus.publish(event(2))
        assert bus.queue_size == 2
        assert (await second, await first) == (True, True)
        async with bus:
            assert await bus.publish(event(3))
        assert seen == [1, 2, 3]
        assert await bus.publish(event(4)) is False, "stopped"

    run(main())


def test_whatever_takes_a_coroutine_takes_it(run):
    async def main():
        bus = MessageBus(max_queue_size=4)
        assert isinstance(bus.publish(event()), Coroutine)
        assert isinstance(bus.publish(event()), Awaitable)
        assert asyncio.iscoroutine(bus.publish(event()))
        answers = await asyncio.gather(*(bus.publish(event()) for _ in range(3)))
        assert answers == [True, False, False]
        assert await asyncio.create_task(bus.publish(event())) is False
        assert await asyncio.wait_for(bus.publish(event()), 1) is False
        async with asyncio.TaskGroup() as group:
            task = group.create_task(bus.publish(event()))
        assert task.result() is False
        assert [answer async for answer in each(bus)] == [False, False]

    async def each(bus):
        for _ in range(2):
            yield await bus.publish(event())

    run(main())


def test_asyncio_run_takes_it():
    assert asyncio.run(MessageBus().publish(event())) is True


def test_a_task_that_is_cancelled_before_its_first_step(run):
    async def main():
        bus = MessageBus()
        task = asyncio.create_task(bus.publish(event()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bus.queue_size == 1, "what was published stays published"

    run(main())


def test_driven_by_hand():
    bus = MessageBus()
    for start in (lambda done: done.send(None), lambda done: next(iter(done)), lambda done: next(done.__await__())):
        with pytest.raises(StopIteration) as stopped:
            start(bus.publish(event()))
        assert stopped.value.value is True
    done = bus.publish(event())
    assert done.close() is None
    with pytest.raises(ValueError, match=r"^given$"):
        done.throw(ValueError("given"))
    with pytest.raises(ValueError, match=r"^typed$"):
        done.throw(ValueError, ValueError("typed"), None)
    with pytest.raises(ValueError, match=r"^made$"):
        done.throw(ValueError, "made")
    with pytest.raises(KeyError):
        done.throw(KeyError)
    with pytest.raises(TypeError):
        done.throw()
    with pytest.raises(TypeError):
        done.throw(7)
    with pytest.raises(TypeError):
        type(done)()
