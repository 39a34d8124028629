"""Timers and sleep, on the simulated clock where promises are exact, and live where they are not broken."""

import asyncio

import pytest

from libra.core.actor import Actor
from libra.core.clock import Sleepers

T0_NS = 1_723_161_600_000_000_000


class Timed(Actor):
    """Writes down when its timers are due, in seconds of the run."""

    def __init__(self, log, begin):
        super().__init__()
        self.record, self.begin = log, begin

    def on_start(self):
        self.begin(self)

    def at(self):
        return (self.clock.now_ns() - T0_NS) / 1e9

    def on_timer(self, name):
        self.record.append((name, self.at()))


def run(stage, begin, *, until=10, cls=Timed, simulated=True):
    log = []
    set_up = stage()
    set_up.quotes(*range(until + 1))
    set_up.add("timed", lambda: cls(log, begin))
    outcome = set_up.run()
    assert outcome.errors == 0
    return log


def test_a_timer_is_due_once(stage):
    assert run(stage, lambda actor: actor.set_timer("t", 2.5)) == [("t", 2.5)]


def test_an_interval_repeats_from_its_first_time(stage):
    log = run(stage, lambda actor: actor.set_timer("t", 0.5, interval_s=3))
    assert log == [("t", 0.5), ("t", 3.5), ("t", 6.5), ("t", 9.5)]


def test_of_an_interval_one_event_waits_at_most_and_the_next_one_tells_of_the_others(stage):
    class Busy(Timed):
        async def on_timer(self, name):
            self.record.append((name, self.at(), self.missed_ticks))
            if len(self.record) == 1:
                await self.clock.sleep(5.5)

    def begin(actor):
        actor.set_timer("t", 1.0, interval_s=1.0)
        actor.set_timer("other", 1.5, interval_s=2.0)

    log = run(stage, begin, cls=Busy)
    # Both wait since their first time behind 1.0; what was due until 6.5 beside these is told by the ones behind them.
    assert log[:3] == [("t", 1.0, 0), ("other", 6.5, 0), ("t", 6.5, 0)]
    assert log[3:] == [("t", 7.0, 4), ("other", 7.5, 2), ("t", 8.0, 0), ("t", 9.0, 0), ("other", 9.5, 0)]


def test_an_actor_that_hangs_has_few_timer_events_waiting(stage):
    waiting = []

    class Hung(Timed):
        async def on_timer(self, name):
            await self.clock.sleep(9.0)
            waiting.append(self._context.core.waiting(self._context.slot))

    run(stage, lambda actor: actor.set_timer("t", 0.001, interval_s=0.001), cls=Hung)
    assert waiting == [1], "of nine thousand"


def test_a_timer_that_is_set_anew_forgets_its_first_time(stage):
    def begin(actor):
        actor.set_timer("t", 2.5)
        actor.set_timer("t", 4.5)
        actor.set_timer("other", 1.0)

    assert run(stage, begin) == [("other", 1.0), ("t", 4.5)]


def test_a_timer_can_be_set_and_taken_back_in_its_own_hook(stage):
    class Chain(Timed):
        def on_timer(self, name):
            super().on_timer(name)
            if name == "chain" and len(self.record) < 3:
                self.set_timer("chain", 1.0)
            if name == "tick" and len(self.record) == 5:
                assert self.cancel_timer("tick")
                assert not self.cancel_timer("tick")

    def begin(actor):
        actor.set_timer("chain", 1.0)

    assert run(stage, begin, cls=Chain) == [("chain", 1.0), ("chain", 2.0), ("chain", 3.0)]
    log = run(stage, lambda actor: actor.set_timer("tick", 1.0, interval_s=0.5), cls=Chain)
    assert [at for _, at in log] == [1.0, 1.5, 2.0, 2.5, 3.0]


def test_a_timer_that_was_taken_back_while_it_waited_in_the_mailbox_is_not_heard(stage):
    """Both are due at one instant; the first takes the second back."""

    class Rival(Timed):
        def on_timer(self, name):
            super().on_timer(name)
            self.cancel_timer("b" if name == "a" else "a")

    def begin(actor):
        actor.set_timer("a", 1.0)
        actor.set_timer("b", 1.0)

    assert run(stage, begin, cls=Rival) == [("a", 1.0)]


def test_a_name_that_is_not_set_cannot_be_taken_back(stage):
    run(stage, lambda actor: actor.cancel_timer("nobody"))


def test_a_timer_of_no_delay_is_due_at_once(stage):
    assert run(stage, lambda actor: actor.set_timer("now", 0.0)) == [("now", 0.0)]


@pytest.mark.parametrize("seconds", [-1e-9, -5, float("nan"), float("inf"), -float("inf"), 1.1e9, 1e300])
def test_what_is_no_delay_is_refused_and_changes_nothing(stage, seconds):
    seen = []

    class Refused(Timed):
        async def on_message(self, message):
            for wait in (self.clock.sleep(seconds), self.ref.ask("never sent", timeout=seconds)):
                with pytest.raises(ValueError, match="is a number of seconds from 0 to 1000000000, not"):
                    await wait
            seen.append(message)

    def begin(actor):
        actor.set_timer("t", 2.5)
        for arguments in ({"delay_s": seconds}, {"delay_s": 1, "interval_s": seconds}):
            with pytest.raises(ValueError, match=f"^{list(arguments)[-1]} is a number of seconds from 0 to 1000000000"):
                actor.set_timer("t", **arguments)
        actor.ref.tell("go")

    assert run(stage, begin, cls=Refused) == [("t", 2.5)], "the timer that was set stays"
    assert seen == ["go"]


def test_sleep_takes_its_time_on_the_clock_and_others_go_on(stage):
    log = []

    class Sleeper(Actor):
        async def on_start(self):
            for _ in range(3):
                await self.clock.sleep(1.5)
                log.append(("slept", self.clock.now_ns() - T0_NS))

        def on_quote(self, quote):
            log.append(("late quote", self.clock.now_ns() - T0_NS))

    class Other(Actor):
        def on_quote(self, quote):
            log.append(("quote", self.clock.now_ns() - T0_NS))

    set_up = stage()
    set_up.quotes(0, 1, 2, 5)
    set_up.add("sleeper", Sleeper)
    set_up.add("other", Other)
    assert set_up.run().errors == 0
    assert [ns / 1e9 for what, ns in log if what == "slept"] == [1.5, 3.0, 4.5]
    assert [ns / 1e9 for what, ns in log if what == "late quote"] == [4.5, 4.5, 4.5, 5.0]
    assert [ns / 1e9 for what, ns in log if what == "quote"] == [0.0, 1.0, 2.0, 5.0]


def test_many_sleeps_of_one_handler_run_side_by_side(stage):
    log = []

    class Many(Actor):
        async def on_quote(self, quote):
            if not log:
                await asyncio.gather(*(self.one(n) for n in range(50)))
                log.append("all")

        async def one(self, n):
            await self.clock.sleep(1 + n % 5)
            await asyncio.sleep(0)
            await self.clock.sleep(0.25)
            log.append((self.clock.now_ns() - T0_NS) / 1e9)

    set_up = stage()
    set_up.quotes(0, *range(1, 20))
    set_up.add("many", Many)
    assert set_up.run().errors == 0
    assert log[:50] == [at for at in (1.25, 2.25, 3.25, 4.25, 5.25) for _ in range(10)]
    assert log[50] == "all"


def test_a_run_ends_with_its_inputs_whoever_still_sleeps(stage):
    log = []

    class Endless(Actor):
        async def on_start(self):
            try:
                while True:
                    await self.clock.sleep(1)
                    log.append("tick")
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        async def on_stop(self):
            log.append("on_stop")

    set_up = stage()
    set_up.quotes(0, 2.5)
    set_up.add("endless", Endless)
    outcome = set_up.run()
    assert (outcome.errors, outcome.drained, outcome.failed) == (0, True, [])
    assert log == ["tick", "tick", "cancelled"]


def test_a_handler_that_sleeps_when_the_run_ends_is_cancelled_before_on_stop(stage):
    log = []

    class Sleepy(Actor):
        async def on_quote(self, quote):
            try:
                await self.clock.sleep(1000)
            finally:
                log.append("cleaned up")

        async def on_stop(self):
            log.append("on_stop")

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("sleepy", Sleepy)
    outcome = set_up.run()
    assert log == ["cleaned up", "on_stop"]
    assert (outcome.errors, outcome.drained, outcome.failed) == (0, True, [])


def test_live_timers_are_due_in_order_and_not_too_early(stage):
    log = []

    class Live(Actor):
        def on_start(self):
            self.begin = self.clock.now_ns()
            self.set_timer("b", 0.04)
            self.set_timer("a", 0.02)
            self.set_timer("never", 30)
            self.set_timer("tick", 0.01, interval_s=0.01)
            assert self.cancel_timer("never")

        async def on_timer(self, name):
            log.append((name, (self.clock.now_ns() - self.begin) / 1e9))
            if name == "b":
                await self.clock.sleep(0.02)
                log.append(("slept", (self.clock.now_ns() - self.begin) / 1e9))
                set_up.node.stop()

    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("live", Live)
    assert set_up.run().errors == 0
    at = {}
    for name, seconds in log:
        at.setdefault(name, seconds)
    assert at["a"] >= 0.02
    assert at["b"] >= 0.04
    assert at["slept"] >= at["b"] + 0.02
    names = [name for name, _ in log]
    assert names.index("a") < names.index("b")
    assert names.count("tick") >= 2


def test_times_that_make_no_sense_are_the_actors_failure(stage):
    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("timed", lambda: Timed([], lambda actor: actor.set_timer("t", float("nan"))))
    outcome = set_up.run()
    assert outcome.errors >= 1


@pytest.mark.parametrize("speed", [0.0, 200.0])
def test_the_clock_stands_still_while_handlers_run(stage, speed):
    seen = []

    class Slow(Actor):
        async def on_quote(self, quote):
            first = self.clock.now_ns()
            await asyncio.sleep(0.002)
            seen.append((first == self.clock.now_ns() == quote.ts_ns, self.clock.now().timestamp()))

    set_up = stage(speed=speed)
    set_up.quotes(0, 0.5, 1)
    set_up.add("slow", Slow)
    set_up.run()
    assert seen == [(True, T0_NS / 1e9), (True, T0_NS / 1e9 + 0.5), (True, T0_NS / 1e9 + 1)]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_clock_says_what_kind_it_is(stage, simulated):
    said = []

    class Asks(Actor):
        def on_start(self):
            said.append(self.clock.is_simulated)

    set_up = stage(simulated=simulated)
    set_up.add("asks", Asks)
    set_up.run()
    assert said == [simulated]


async def test_a_sleeper_that_was_cancelled_when_its_time_came_is_left_alone(stage):
    core = stage().node.core
    sleepers = Sleepers(core)
    future = asyncio.get_running_loop().create_future()
    timer = sleepers.lie_down(core.add_actor("sleeps"), future, 0.0)
    future.cancel()
    sleepers.wake([timer])
    assert future.cancelled()
    assert not sleepers
    sleepers.wake([timer])
