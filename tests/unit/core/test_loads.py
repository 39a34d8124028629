"""Tasks and timers that one actor leaks: bounded, told with its name, and nothing of the others' orderly end."""

import asyncio
import collections.abc
import contextlib
import inspect
import time
from types import SimpleNamespace

import pytest

from libra.core import own_loop
from libra.core.actor import Actor
from libra.core.own_loop import _close
from libra.core.supervision import RestartPolicy
from libra.errors import TooManyError

ONCE = RestartPolicy(max_restarts=0)


async def rests():
    await asyncio.sleep(3600)


@pytest.mark.parametrize("simulated", [True, False])
def test_one_task_more_than_an_actor_may_have_is_its_failure(stage, caplog, simulated):
    made = []

    class Leaks(Actor):
        def on_start(self):
            self.set_timer("leak", 0.05, interval_s=0.05)

        def on_timer(self, name):
            for _ in range(4):
                made.append(asyncio.get_running_loop().create_task(rests()))

    class Fine(Actor):
        def on_start(self):
            self.watch("leaks")

        def on_terminated(self, terminated):
            made.append(terminated.detail)
            set_up.node.stop()

    set_up = stage(simulated=simulated, max_tasks=10, restarts=ONCE)
    set_up.quotes(0, 1) if simulated else setattr(set_up.node, "endless", True)
    set_up.add("fine", Fine)
    set_up.add("leaks", Leaks)
    outcome = set_up.run()
    *tasks, detail = made
    assert len(tasks) == 10
    assert "actor leaks has 10 tasks that have not ended, as many as node.max_tasks allows" in caplog.text
    assert detail.startswith("TooManyError: actor leaks has 10 tasks")
    assert (outcome.failed, outcome.drained) == (["leaks"], True)
    assert all(task.cancelled() for task in tasks)


class OfItsOwn(collections.abc.Coroutine):
    """What a task may run, and no coroutine of Python's."""

    def send(self, _value):
        raise AssertionError("no task was made of it")

    def throw(self, *_what):
        raise AssertionError("nor ended")

    def __await__(self):
        raise AssertionError("nor awaited")


def test_whatever_a_task_would_have_run_is_refused_where_there_are_too_many(stage):
    refused = []

    class Leaks(Actor):
        def on_start(self):
            loop = asyncio.get_running_loop()
            self.made = [loop.create_task(rests()) for _ in range(5)]
            for what in (rests(), OfItsOwn()):
                with pytest.raises(TooManyError, match=r"as many as node.max_tasks allows"):
                    self.made.append(loop.create_task(what))
                refused.append(what)

    set_up = stage(max_tasks=5)
    set_up.quotes(0)
    set_up.add("leaks", Leaks)
    assert set_up.run().errors == 0
    assert len(refused) == 2
    assert inspect.getcoroutinestate(refused[0]) == inspect.CORO_CLOSED


def test_tasks_that_have_ended_do_not_count_and_those_of_an_instance_before_do(stage):
    record = []

    async def clings(until):
        while not until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    class Works(Actor):
        ends: list

        def on_start(self):
            record.append(set_up.node.actor_loads()["works"])
            if len(record) == 1:
                self.ref.tell("go")
            else:
                set_up.node.stop()

        async def on_message(self, message):
            # Kept, so that they are counted by whether they go on and not by whether somebody knows them.
            kept = []
            for _ in range(5):
                kept += [asyncio.create_task(asyncio.sleep(0)) for _ in range(4)]
                await asyncio.gather(*kept)
            self.ends = ends
            kept += [asyncio.create_task(clings(ends)) for _ in range(3)]
            await asyncio.sleep(0.01)
            record.append(set_up.node.actor_loads()["works"])
            kept += [asyncio.create_task(rests()) for _ in range(3)]

        def on_stop(self):
            ends.append(True)

    ends = []
    set_up = stage(simulated=False, max_tasks=5, restarts=RestartPolicy(backoff_s=0.01))
    set_up.node.endless = True
    set_up.add("works", Works)
    outcome = set_up.run()
    assert outcome.errors == 1
    assert record[:2] == [(0, 0), (3, 0)]
    assert record[2][0] >= 3, "a fresh instance has what the one before could not be made to end"


@pytest.mark.parametrize("simulated", [True, False])
def test_one_timer_more_than_an_actor_may_have_raises_and_one_set_anew_is_none_more(stage, simulated):
    record = []

    class Sets(Actor):
        def on_start(self):
            for number in range(10):
                self.set_timer(f"t{number}", 60)
            self.set_timer("t3", 50)
            self.set_timer("t3", 0.01)
            with pytest.raises(TooManyError, match=r"actor sets has 10 timers set, as many as node.max_timers allows"):
                self.set_timer("one more", 0.01)
            record.append(set_up.node.actor_loads()["sets"])
            self.cancel_timer("t5")
            self.set_timer("instead", 60)

        def on_timer(self, name):
            # It was due, so it is none any more.
            self.set_timer("again", 60)
            record.append((name, set_up.node.actor_loads()["sets"]))
            set_up.node.stop()

    set_up = stage(simulated=simulated, max_timers=10)
    set_up.quotes(0, 1) if simulated else setattr(set_up.node, "endless", True)
    set_up.add("sets", Sets)
    assert set_up.run().errors == 0
    assert record == [(0, 10), ("t3", (0, 10))]
    assert set_up.node.actor_loads()["sets"] == (0, 0)


def test_an_accounts_own_actor_and_one_without_a_limit_have_as_many_as_they_need(stage):
    class Needs(Actor):
        def on_start(self):
            self.tasks = [asyncio.get_running_loop().create_task(rests()) for _ in range(20)]
            for number in range(20):
                self.set_timer(f"t{number}", 60)

    for options, account in (({"max_tasks": 5, "max_timers": 5}, "paper"), ({"max_tasks": 0, "max_timers": 0}, None)):
        set_up = stage(**options)
        set_up.quotes(0)
        set_up.node.add_actor("needs", Needs, account=account)
        assert set_up.run().errors == 0


def test_an_end_that_takes_too_long_leaves_the_others_their_part(stage, caplog):
    ended = []

    class Tidy(Actor):
        async def on_stop(self):
            await self.clock.sleep(0.01)
            ended.append(self.name)

    class Hangs(Actor):
        def on_start(self):
            self.set_timer("stop", 0.05)

        def on_timer(self, name):
            set_up.node.stop()

        async def on_stop(self):
            await self.clock.sleep(60)

    set_up = stage(simulated=False, drain_timeout_s=3.0)
    set_up.node.endless = True
    for name in ("first", "second"):
        set_up.add(name, Tidy)
    # Added last, so stopped first.
    set_up.add("hangs", Hangs)
    set_up.add("hangs too", Hangs)
    outcome = set_up.run()
    assert ended == ["second", "first"]
    assert not outcome.drained
    assert outcome.failed == ["hangs too", "hangs"]
    assert "actor hangs: its handler did not end within the drain's time" in caplog.text


def test_tasks_that_nobody_can_end_in_time_are_left():
    ended, left = [], []

    async def ends_slowly():
        try:
            await rests()
        finally:
            time.sleep(0.002)
            ended.append(True)

    async def main():
        kept.extend(asyncio.get_running_loop().create_task(ends_slowly()) for _ in range(2_000))
        await asyncio.sleep(0)

    kept = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    _close(loop, 0.1, left.append)
    assert loop.is_closed()
    assert 0 < len(ended) < 2_000
    assert left == [2_000 - len(ended)]


def test_one_that_swallows_its_end_is_left_and_makes_the_run_fail(stage, caplog):
    async def clings():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    class Leaks(Actor):
        def on_start(self):
            self.task = asyncio.get_running_loop().create_task(clings())
            self.ref.tell("stop")

        def on_message(self, message):
            set_up.node.stop()

    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("leaks", Leaks)
    outcome = set_up.run()
    assert not outcome.drained
    assert "1 tasks that somebody's code has left on the loop did not end in time" in caplog.text


def test_a_child_that_was_forked_in_the_loop_goes_no_further_in_it(monkeypatch):
    """What it raises comes out of the loop, which is its parent's."""
    ended = []

    class EndedError(Exception):
        pass

    def end(error):
        ended.append(error)
        raise EndedError

    async def forks():
        raise ValueError("a child")

    pids = iter((1, 2))
    monkeypatch.setattr(own_loop, "os", SimpleNamespace(getpid=lambda: next(pids)))
    monkeypatch.setattr(own_loop, "end_fork", end)
    loop = asyncio.new_event_loop()
    with contextlib.closing(loop), pytest.raises(EndedError):
        own_loop._run_to_the_end(loop, forks(), lambda: True, takes_signals=False)
    assert [str(error) for error in ended] == ["a child"]


def test_a_task_that_fails_while_the_loop_is_closed_is_told():
    told = []

    async def clings():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("at the end") from None

    async def leaves():
        task = asyncio.get_running_loop().create_task(clings())
        await asyncio.sleep(0)
        return task

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, what: told.append((what["message"], str(what["exception"]))))
    task = loop.run_until_complete(leaves())
    _close(loop, 5.0, lambda _left: None)
    assert told == [("a task failed while the node's loop was closed", "at the end")]
    assert loop.is_closed()
    assert task.done()
