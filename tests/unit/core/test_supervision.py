"""Supervision: what a failing hook does to its actor, and what it does not do to the others."""

import asyncio
import itertools
import sys

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy
from libra.errors import LibraError

T0_NS = 1_723_161_600_000_000_000
NS = 1_000_000_000


def seconds(actor):
    return (actor.clock.now_ns() - T0_NS) / NS


def failing(stage, hook, *, times=10**9, policy=None, quotes=range(60), error=ValueError):
    """A run with an actor whose hook raises the first ``times`` times; gives what it wrote down and how it ended."""
    log = []
    left = [times]

    class Shaky(Actor):
        def __init__(self):
            super().__init__()
            self.handled = 0
            log.append("made")

        def on_start(self):
            log.append(("start", seconds(self)))
            self.set_timer("t", 0.25)
            self.subscribe(EventType.BAR, self.bar)
            if hook == "on_start":
                self.fail()

        async def bar(self, event):
            await self.clock.sleep(0)

        def fail(self):
            if left[0] > 0:
                left[0] -= 1
                raise error("no")

        if hook == "async on_quote":

            async def on_quote(self, quote):
                await self.clock.sleep(0.001)
                self.note(quote)
                await asyncio.sleep(0)
                self.fail()

        else:

            def on_quote(self, quote):
                self.note(quote)
                if hook == "on_quote":
                    self.fail()

        def note(self, quote):
            self.handled += 1
            log.append((str(quote.bid), self.handled))

        def on_timer(self, name):
            if hook == "on_timer":
                self.fail()

        def on_stop(self):
            log.append("stop")

    set_up = stage(
        restarts=policy or RestartPolicy(max_restarts=3, period_s=60, backoff_s=1.5, max_backoff_s=10, jitter=0)
    )
    set_up.quotes(*quotes)
    set_up.add("shaky", Shaky)
    witness = []

    class Witness(Actor):
        def on_quote(self, quote):
            witness.append(quote)

    set_up.add("witness", Witness)
    outcome = set_up.run()
    assert len(witness) == len(quotes), "the run goes on for the others"
    return log, outcome, set_up.node


@pytest.mark.parametrize("hook", ["on_quote", "async on_quote"])
def test_a_failed_actor_is_started_anew_with_a_fresh_instance_and_keeps_what_came_meanwhile(stage, hook):
    log, outcome, _node = failing(stage, hook, times=1, quotes=(0, 1, 2, 3, 4))
    quotes = [entry for entry in log if isinstance(entry, tuple) and entry[0] != "start"][:4]
    assert log.count("made") == 2
    # The quote that failed is not delivered again; the fresh instance begins at the next, and loses none.
    assert quotes == [("100.00", 1), ("101.00", 1), ("102.00", 2), ("103.00", 3)]
    starts = [entry[1] for entry in log if entry[0] == "start"]
    assert starts[0] == 0.0
    assert starts[1] == pytest.approx(1.5, abs=0.01)
    assert log[-1] == "stop"
    assert (outcome.errors, outcome.failed) == (1, [])


@pytest.mark.parametrize("hook", ["on_quote", "async on_quote", "on_start", "on_timer"])
def test_an_actor_that_keeps_failing_is_given_up_and_the_run_goes_on(stage, hook):
    log, outcome, node = failing(stage, hook)
    starts = [round(entry[1], 1) for entry in log if entry[0] == "start"]
    assert len(starts) == 4
    waits = [round(b - a) for a, b in itertools.pairwise(starts)]
    assert waits in ([2, 3, 6], [1, 3, 6], [2, 4, 6], [2, 3, 7], [2, 4, 7]), starts
    assert outcome.errors == 4
    assert outcome.failed == ["shaky"]
    assert node.actor_states()["shaky"] is ActorState.FAILED
    assert "stop" not in log
    assert outcome.why == "ended"


def test_failures_that_are_far_apart_never_end_an_actor(stage):
    policy = RestartPolicy(max_restarts=1, period_s=5, backoff_s=0.5, jitter=0)
    _log, outcome, _node = failing(stage, "on_quote", policy=policy, quotes=range(0, 60, 6))
    assert outcome.errors == 10
    assert outcome.failed == []


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, BaseException])
@pytest.mark.parametrize("hook", ["on_quote", "async on_quote", "on_start", "on_timer"])
def test_whatever_a_hook_raises_is_its_own_actors_failure(stage, hook, error):
    log, outcome, _node = failing(stage, hook, times=1, error=error, quotes=(0, 1, 2, 3))
    assert log.count("made") == 2
    assert outcome.errors == 1
    assert outcome.failed == []
    assert log[-1] == "stop"


def test_sys_exit_in_a_handler_does_not_take_the_node_along(stage):
    class Leaver(Actor):
        async def on_quote(self, quote):
            sys.exit(7)

    set_up = stage(restarts=RestartPolicy(max_restarts=0))
    set_up.quotes(0, 1)
    set_up.add("leaver", Leaver)
    outcome = set_up.run()
    assert (outcome.errors, outcome.failed, outcome.drained) == (1, ["leaver"], True)


def test_awaiting_a_task_that_was_cancelled_is_a_failure_and_not_a_hang(stage):
    class Careless(Actor):
        async def on_quote(self, quote):
            task = asyncio.ensure_future(asyncio.sleep(30))
            task.cancel()
            await task

    set_up = stage(restarts=RestartPolicy(max_restarts=0))
    set_up.quotes(0, 1)
    set_up.add("careless", Careless)
    outcome = set_up.run()
    assert (outcome.errors, outcome.failed, outcome.drained) == (1, ["careless"], True)


def test_a_factory_that_raises_is_a_failure_to_start(stage):
    made = []

    def factory():
        made.append(1)
        if len(made) < 3:
            raise RuntimeError("not yet")
        return Actor()

    set_up = stage(restarts=RestartPolicy(max_restarts=5, backoff_s=0.1, jitter=0))
    set_up.quotes(*range(10))
    set_up.add("late", factory)
    outcome = set_up.run()
    assert (outcome.errors, len(made), outcome.failed) == (2, 3, [])
    assert set_up.node.actor_states()["late"] is ActorState.STOPPED


def test_an_on_stop_that_raises_is_counted_and_the_others_are_stopped(stage):
    stopped = []

    class Bad(Actor):
        def on_stop(self):
            raise ValueError("no")

    class BadLater(Actor):
        async def on_stop(self):
            await asyncio.sleep(0)
            raise ValueError("no")

    class Good(Actor):
        def on_stop(self):
            stopped.append(self.name)

    set_up = stage()
    set_up.quotes(0)
    for name, actor in (("first", Good), ("bad", Bad), ("worse", BadLater), ("last", Good)):
        set_up.add(name, actor)
    outcome = set_up.run()
    assert stopped == ["last", "first"]
    assert (outcome.errors, outcome.failed, outcome.drained) == (2, ["worse", "bad"], True)
    states = set_up.node.actor_states()
    assert [name for name, state in states.items() if state is ActorState.STOPPED] == ["first", "last"]
    assert [name for name, state in states.items() if state is ActorState.FAILED] == ["bad", "worse"]


def test_the_life_cycle_of_a_failing_actor_is_published(stage):
    states = []

    class Watcher(Actor):
        def on_start(self):
            self.subscribe(EventType.ACTOR_STATE, lambda event: states.append(tuple(event.payload.values())))

    class Shaky(Actor):
        def on_quote(self, quote):
            raise ValueError("no")

    set_up = stage(restarts=RestartPolicy(max_restarts=1, backoff_s=0.5, jitter=0))
    set_up.quotes(0, 1, 2, 3)
    set_up.add("watcher", Watcher)
    set_up.add("shaky", Shaky)
    set_up.run()
    seen = [state for name, state in states if name == "shaky"]
    assert seen == ["starting", "running", "degraded", "starting", "running", "failed"]


def test_timers_and_tasks_of_an_instance_end_with_it(stage):
    log = []

    class Shaky(Actor):
        instances = 0

        def on_start(self):
            Shaky.instances += 1
            self.number = Shaky.instances
            self.set_timer(f"of {self.number}", 2.0, interval_s=2.0)

        async def on_quote(self, quote):
            if self.number == 1:
                self.task = asyncio.create_task(self.background())
                await asyncio.sleep(0)
                raise ValueError("no")

        async def background(self):
            try:
                await self.clock.sleep(3)
                log.append("a task of an instance that is no more")
            except asyncio.CancelledError:
                log.append("cancelled")
                try:
                    self.emit(EventType.BAR)
                except LibraError as error:
                    log.append(str(error))
                raise

        def on_timer(self, name):
            log.append(name)

    set_up = stage(restarts=RestartPolicy(backoff_s=0.5, jitter=0))
    set_up.quotes(0, *range(1, 8))
    set_up.add("shaky", Shaky)
    outcome = set_up.run()
    assert outcome.errors == 1
    assert log == [
        "cancelled",
        "this instance of shaky has failed: only the one that is started next may act",
        "of 2",
        "of 2",
        "of 2",
    ]
    counts = set_up.node.core.counts()["events"]
    assert "BAR" not in counts
    # Three of the second instance, and the one that started it.
    assert counts["TIMER"] == 4


def test_an_actor_that_fails_after_it_asked_to_stop_is_stopped_and_not_started_again(stage):
    log = []

    class Both(Actor):
        def on_start(self):
            log.append("start")

        def on_quote(self, quote):
            self.stop()
            raise ValueError("no")

    set_up = stage()
    set_up.quotes(*range(5))
    set_up.add("both", Both)
    outcome = set_up.run()
    assert log == ["start"]
    assert outcome.errors == 1
    assert set_up.node.actor_states() == {"both": ActorState.STOPPED}


def test_what_failed_is_named_with_its_trace_and_no_other_actor_is_touched(stage, caplog):
    _log, _outcome, node = failing(stage, "on_quote", times=1, quotes=(0, 5))
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "actor shaky raised while handling QUOTE, trace_id=" in record.getMessage()
    assert record.exc_info[1].args == ("no",)
    assert node.actor_states()["witness"] is ActorState.STOPPED


def test_a_failure_of_an_async_start_is_tried_again(stage):
    tries = []

    class Slow(Actor):
        async def on_start(self):
            tries.append(seconds(self))
            await self.clock.sleep(1)
            if len(tries) < 3:
                raise ConnectionError("refused")

        def on_quote(self, quote):
            tries.append("quote")

    set_up = stage(restarts=RestartPolicy(backoff_s=1, jitter=0))
    set_up.quotes(*range(12))
    set_up.add("slow", Slow)
    outcome = set_up.run()
    assert tries[:3] == [0.0, 2.0, 5.0]
    assert tries.count("quote") == 12
    assert (outcome.errors, outcome.failed) == (2, [])


def test_one_that_throws_away_all_that_it_has_is_given_up_like_any_other(stage):
    heard = []

    class Clears(Actor):
        def on_start(self):
            vars(self).clear()
            raise ValueError("no")

    class Fine(Actor):
        def on_quote(self, quote):
            heard.append(quote)

    set_up = stage(restarts=RestartPolicy(max_restarts=0))
    set_up.quotes(0, 1, 2)
    set_up.add("clears", Clears)
    set_up.add("fine", Fine)
    outcome = set_up.run()
    assert (outcome.failed, len(heard)) == (["clears"], 3)


def test_an_on_stop_that_does_not_end_while_the_node_does_has_the_drains_time(stage, caplog):
    """Its own is over meanwhile: that is for a node which goes on."""

    class Slow(Actor):
        def on_start(self):
            self.stop()

        async def on_stop(self):
            await asyncio.Event().wait()

    class Ends(Actor):
        def on_start(self):
            self.set_timer("end", 0.05)

        def on_timer(self, name):
            set_up.node.stop()

    set_up = stage(simulated=False, keep_up_s=1.0, drain_timeout_s=1.5)
    set_up.node.endless = True
    set_up.add("slow", Slow)
    set_up.add("ends", Ends)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors, outcome.drained) == (["slow"], 0, False)
    assert "actor slow: its handler did not end within the drain's time" in caplog.text
    assert "its on_stop has not ended" not in caplog.text
