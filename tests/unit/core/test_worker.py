"""The task of an actor by itself: what it tells of, and what it keeps to itself."""

import asyncio

import pytest

from libra.core.worker import Worker


class Core:
    """A native side with nothing behind it."""

    async def steps(self, slot, awaitable):
        await awaitable

    def resume(self, slot, events):
        return None

    def drop_flight(self, slot):
        pass

    def running(self):
        return None


@pytest.fixture
def told():
    return []


@pytest.fixture
def worker(told):
    def make():
        return Worker(
            Core(),
            0,
            lambda slot, error: told.append(error),
            lambda: None,
            (KeyboardInterrupt,),
            lambda error: told.append(error),
        )

    return make


async def test_a_task_that_is_thrown_away_with_its_loop_tells_of_no_failure(worker, told):
    made = worker()
    made.feed(asyncio.Event().wait())
    await asyncio.sleep(0)
    made._task.get_coro().close()
    await made.close()
    assert told == []


async def test_a_second_handler_is_refused_while_one_is_awaited(worker, told):
    made = worker()
    gate = asyncio.Event()
    made.feed(gate.wait())
    second = gate.wait()
    with pytest.raises(asyncio.InvalidStateError):
        made.feed(second)
    second.close()
    gate.set()
    await asyncio.sleep(0.001)
    assert (made.is_busy, told) == (False, [])
    made.feed(gate.wait())
    await made.close()
    assert told == []


@pytest.mark.parametrize("error", [None, ValueError("no"), KeyboardInterrupt("no")])
async def test_the_node_is_told_how_a_hook_ended(worker, told, error):
    ends = []

    async def hook():
        await asyncio.sleep(0)
        if error is not None:
            raise error

    made = worker()
    made.feed(hook(), ends.append)
    await asyncio.sleep(0.001)
    assert ends == [error is None]
    assert told == [error for error in (error,) if error is not None]
    # It was of that one alone.
    made.feed(asyncio.sleep(0))
    await asyncio.sleep(0.001)
    assert len(ends) == 1
    await made.close()


async def test_what_ends_the_run_may_come_of_what_follows_a_hook(worker, told):
    error = KeyboardInterrupt("no")

    def then(well):
        raise error

    made = worker()
    made.feed(asyncio.sleep(0), then)
    await asyncio.sleep(0.001)
    assert told == [error]
    assert not made.is_busy
    await made.close()


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_hook_that_raises_what_python_ends_coroutines_by_has_failed(worker, told, steps):
    ends = []

    async def hook():
        for _ in range(steps):
            await asyncio.sleep(0)
        raise GeneratorExit

    made = worker()
    made.feed(hook(), ends.append)
    await asyncio.sleep(0.001)
    assert ([type(error) for error in told], ends, made.is_busy) == ([GeneratorExit], [False], False)
    made.feed(asyncio.sleep(0), ends.append)
    await asyncio.sleep(0.001)
    assert ends == [False, True], "its actor goes on"
    await made.close()


async def test_an_actors_task_that_ends_by_itself_is_told_whatever_ended_it(worker, told):
    made = worker()
    await asyncio.sleep(0)
    made._task.end()
    with pytest.raises(asyncio.CancelledError):
        await made._task
    assert [type(error) for error in told] == [asyncio.CancelledError]


def test_a_task_that_is_thrown_away_without_a_loop_tells_of_no_failure(worker, told):
    async def begin():
        made = worker()
        made.feed(asyncio.Event().wait())
        await asyncio.sleep(0)
        return made

    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(begin())
    loop.close()
    made._task.get_coro().close()
    made._task._log_destroy_pending = False
    assert told == []
