"""Supervision groups at work: who is taken down and started again, in which order, and what becomes of their events."""

import asyncio

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy, RestartStrategy

REST = RestartStrategy.REST_FOR_ONE
T0_NS = 1_723_161_600_000_000_000


def policy(restarts, backoff_s=0.5):
    return RestartPolicy(restarts, 3_600, backoff_s, 60, jitter=0)


class Member(Actor):
    """Writes down its life, and fails at the quotes of the seconds that it is given."""

    record: list
    fails_at: dict = {}  # noqa: RUF012 - set by tests

    def on_start(self):
        self.note("start")

    def on_quote(self, quote):
        second = round((quote.ts_ns - T0_NS) / 1e9)
        self.note(second)
        if second in self.fails_at.get(self.name, ()):
            raise ValueError("no")

    def on_stop(self):
        self.note("stop")

    def note(self, what):
        self.record.append((self.name, what))


@pytest.fixture
def member():
    """A class of members with a record of its own."""

    def make(base=Member, **fails_at):
        return type("Made", (base,), {"record": [], "fails_at": fails_at})

    return make


def run(stage, made, names, *, seconds=6, group_policy=None, whole=None, strategy=REST, factories=None):
    set_up = stage(restarts=policy(3))
    set_up.quotes(*range(seconds))
    set_up.node.add_group("g", strategy=strategy, policy=group_policy, whole=whole)
    for name in names:
        set_up.node.add_actor(name, (factories or {}).get(name, made), group="g")
    set_up.add("witness", made)
    outcome = set_up.run()
    assert [what for name, what in made.record if name == "witness"] == ["start", *range(seconds), "stop"]
    return [entry for entry in made.record if entry[0] != "witness"], outcome, set_up


def test_those_behind_the_one_that_failed_stop_in_reverse_order_and_start_in_order(stage, member):
    made = member(b={2})
    record, outcome, set_up = run(stage, made, "abcd")
    until = record.index(("b", 2))
    after = record[until + 1 : record.index(("a", 3))]
    # At the same instant c and d handle the quote no more: they are taken down first.
    assert after == [("d", "stop"), ("c", "stop"), ("b", "start"), ("c", "start"), ("d", "start"), *after[5:]]
    assert sorted(after[5:]) == [("c", 2), ("d", 2)], "what waited for them is handled by the next instances"
    assert ("b", 3) in record
    assert (outcome.errors, outcome.failed) == (1, [])
    assert set(set_up.node.actor_states().values()) == {ActorState.STOPPED}


def test_one_for_one_takes_nobody_along(stage, member):
    made = member(b={2})
    record, _outcome, _set_up = run(stage, made, "abc", strategy=RestartStrategy.ONE_FOR_ONE)
    assert [entry for entry in record if entry[1] == "start"] == [(name, "start") for name in "abcb"]
    assert [entry for entry in record if entry[1] == "stop"] == [(name, "stop") for name in "cba"]


def test_async_hooks_are_waited_for_one_actor_after_the_other(stage, member):
    class Slow(Member):
        async def on_start(self):
            self.note("starts")
            await self.clock.sleep(0.1)
            self.note("start")

        async def on_stop(self):
            self.note("stops")
            await self.clock.sleep(0.1)
            self.note("stop")

    made = member(Slow, a={2})
    set_up = stage(restarts=policy(3))
    set_up.quotes(1, 2, 3, 10)
    set_up.node.add_group("g", strategy=REST)
    for name in "abc":
        set_up.node.add_actor(name, made, group="g")
    assert set_up.run().errors == 1
    record = [entry for entry in made.record if not isinstance(entry[1], int)]
    taken_down = ["c stops", "c stop", "b stops", "b stop"]
    started = ["a starts", "a start", "b starts", "b start", "c starts", "c start"]
    assert [" ".join(entry) for entry in record[6 : 6 + len(taken_down + started)]] == taken_down + started


@pytest.mark.parametrize("simulated", [True, False])
def test_a_handler_that_is_suspended_is_cancelled_and_its_event_is_a_dead_letter(stage, simulated):
    log = []

    class First(Actor):
        def on_start(self):
            self.set_timer("fail", 0.02)

        def on_timer(self, name):
            if not log.count("cancelled"):
                raise ValueError("no")

    class Waits(Actor):
        def on_start(self):
            log.append("start")
            self.ref.tell("go")

        async def on_message(self, message):
            try:
                await asyncio.Event().wait() if not simulated else await self.clock.sleep(3_600)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        def on_stop(self):
            log.append("stop")

    class Ends(Actor):
        def on_start(self):
            self.set_timer("end", 1.0)

        def on_timer(self, name):
            set_up.node.stop()

    set_up = stage(simulated=simulated, restarts=policy(3, 0.01))
    if simulated:
        set_up.quotes(0, 5)
    set_up.node.endless = True
    set_up.node.add_group("g", strategy=REST)
    set_up.node.add_actor("first", First, group="g")
    set_up.node.add_actor("waits", Waits, group="g")
    set_up.add("ends", Ends)
    set_up.run()
    assert log[:4] == ["start", "cancelled", "stop", "start"]
    first = next(letter for letter in set_up.node.dead_letters.last() if letter.reason == "CANCELLED")
    assert (first.actor, first.event_type) == ("waits", EventType.MESSAGE)


def test_an_async_start_that_is_under_way_is_cancelled_too(stage):
    log = []

    class First(Actor):
        def on_start(self):
            self.set_timer("fail", 1.0)

        def on_timer(self, name):
            if len(log) == 1:
                raise ValueError("no")

    class Starting(Actor):
        async def on_start(self):
            log.append("start")
            await self.clock.sleep(100 if len(log) == 1 else 0.1)
            log.append("started")

    set_up = stage(restarts=policy(3))
    set_up.quotes(*range(9))
    set_up.node.add_group("g", strategy=REST)
    set_up.node.add_actor("first", First, group="g")
    set_up.node.add_actor("starting", Starting, group="g")
    outcome = set_up.run()
    assert log == ["start", "start", "started"]
    assert (outcome.errors, outcome.failed, outcome.drained) == (1, [], True)


def test_a_member_that_fails_while_the_group_comes_up_is_tried_again_and_the_running_ones_stay(stage, member):
    tries = []

    class Shaky(Member):
        def on_start(self):
            tries.append(1)
            self.note("start")
            if len(tries) in (2, 3):
                raise ConnectionError("refused")

    made = member(a={1})
    shaky = member(Shaky)
    shaky.record = made.record
    record, outcome, _set_up = run(stage, made, "abc", group_policy=policy(5), factories={"b": shaky})
    starts = [name for name, what in record if what == "start"]
    assert starts == ["a", "b", "c", "a", "b", "b", "b", "c"]
    assert (outcome.errors, outcome.failed) == (3, [])


def test_a_group_that_fails_too_often_is_started_anew_as_a_whole_and_then_given_up(stage, member, caplog):
    made = member(b=set(range(100)))
    given_up = []
    set_up = stage(restarts=policy(3))
    set_up.node._actors._recoveries._on_given_up = given_up.append
    set_up.quotes(*range(40))
    set_up.node.add_group("g", policy=policy(1), whole=policy(1))
    for name in "abc":
        set_up.node.add_actor(name, made, group="g")
    set_up.add("witness", made)
    outcome = set_up.run()
    starts = [name for name, what in made.record if what == "start" and name != "witness"]
    # b alone, then the group, b alone, then the end.
    assert starts == list("abcbabcb")
    assert given_up == ["a", "b", "c"]
    assert sorted(outcome.failed) == ["a", "b", "c"]
    states = set_up.node.actor_states()
    assert {states[name] for name in "abc"} == {ActorState.FAILED}
    assert states["witness"] is ActorState.STOPPED
    assert "given up: actor a, actor b, actor c" in caplog.text
    # Those that had not failed were stopped in order.
    assert [name for name, what in made.record if what == "stop"][-3:] == ["c", "a", "witness"]


def test_what_is_given_up_is_told_before_anyone_is_stopped(stage, member):
    """So that nothing which their `on_stop` would still send can leave."""
    made = member(a={1})
    set_up = stage(restarts=policy(3))
    set_up.node._actors._recoveries._on_given_up = lambda name: made.record.append((name, "given up"))
    set_up.quotes(*range(3))
    set_up.node.add_group("g", strategy=REST, policy=policy(0), whole=policy(0))
    for name in "ab":
        set_up.node.add_actor(name, made, group="g")
    set_up.run()
    ends = [entry for entry in made.record if entry[1] in ("given up", "stop")]
    assert ends == [("a", "given up"), ("b", "given up"), ("b", "stop")]


def test_two_members_that_fail_at_one_instant_are_one_recovery(stage, member):
    made = member(a={2}, b={2}, c={2})
    record, outcome, _set_up = run(stage, made, "abc", group_policy=policy(5), strategy=RestartStrategy.ONE_FOR_ONE)
    assert [name for name, what in record if what == "start"] == ["a", "b", "c", "a", "b", "c"]
    assert (outcome.errors, outcome.failed) == (3, [])


def test_a_failure_before_one_that_waits_takes_it_over(stage, member):
    """b would be due at 2.5 s; a fails before that, so all of them come up together, behind its longer wait."""
    made = member(a={2}, b={1})
    record, outcome, _set_up = run(stage, made, "abc", seconds=9, group_policy=policy(5, 1.5))
    assert [name for name, what in record if what == "start"] == ["a", "b", "c", "a", "b", "c"]
    assert (outcome.errors, outcome.failed) == (2, [])


def test_a_member_that_asked_to_be_stopped_may_end_what_it_does(stage, member):
    log = []

    class Leaves(Member):
        async def on_quote(self, quote):
            self.stop()
            await self.clock.sleep(1.5)
            log.append("done")

    made = member(a={1})
    leaves = member(Leaves)
    leaves.record = made.record
    set_up = stage(restarts=policy(3))
    set_up.quotes(0, 1, 4)
    set_up.node.add_group("g", strategy=REST)
    set_up.node.add_actor("a", made, group="g")
    set_up.node.add_actor("b", leaves, group="g")
    assert set_up.run().errors == 1
    assert log == ["done"]
    assert [what for name, what in made.record if name == "b"] == ["start", "stop"]
    assert set_up.node.actor_states()["b"] is ActorState.STOPPED


def test_a_member_that_stopped_by_itself_stays_out(stage, member):
    class Brief(Member):
        def on_quote(self, quote):
            super().on_quote(quote)
            self.stop()

    made = member(a={2})
    brief = member(Brief)
    brief.record = made.record
    record, _outcome, set_up = run(stage, made, "abc", factories={"b": brief})
    assert [what for name, what in record if name == "b"] == ["start", 0, "stop"]
    assert set_up.node.actor_states()["b"] is ActorState.STOPPED


def test_the_end_of_a_run_ends_a_recovery_too(stage, member):
    made = member(a={5})
    record, outcome, set_up = run(stage, made, "abc")
    assert [entry for entry in record if entry[1] == "start"] == [(name, "start") for name in "abc"]
    assert set(set_up.node.actor_states().values()) == {ActorState.STOPPED}
    assert (outcome.errors, outcome.failed, outcome.drained) == (1, [], True)


def test_an_on_stop_that_raises_or_never_ends_does_not_keep_the_group_down(stage, member):
    class Bad(Member):
        def on_stop(self):
            self.note("stop")
            raise ValueError("no")

    class BadLater(Member):
        async def on_stop(self):
            self.note("stop")
            await asyncio.sleep(0)
            raise ValueError("no")

    made = member(a={2})
    factories = {"b": member(Bad), "c": member(BadLater)}
    for factory in factories.values():
        factory.record = made.record
    record, outcome, _set_up = run(stage, made, "abc", factories=factories)
    assert [name for name, what in record if what == "start"] == ["a", "b", "c"] * 2
    # At the node's end nobody comes behind it.
    assert (outcome.errors, outcome.failed) == (1 + 2 + 2, ["c", "b"])


def test_the_same_seed_gives_the_same_waits_and_another_one_others(stage, member):
    def times(seed):
        made = member(a={1}, b={3})
        starts = []

        class Timed(made):
            def on_start(self):
                starts.append(self.clock.now_ns())

        set_up = stage(seed=seed, restarts=RestartPolicy(backoff_s=0.5, jitter=0.5))
        set_up.quotes(*range(8))
        set_up.node.add_group("g", strategy=REST)
        for name in "ab":
            set_up.node.add_actor(name, Timed, group="g")
        set_up.run()
        return starts, set_up.node.core.digest()

    assert times(1) == times(1)
    assert times(1)[0] != times(2)[0]


def test_a_deadlocked_take_down_is_ended_by_the_drain(stage):
    """A handler that will not be cancelled holds its group up; the drain names it."""

    class First(Actor):
        def on_start(self):
            self.set_timer("fail", 0.02)

        def on_timer(self, name):
            raise ValueError("no")

    class Stubborn(Actor):
        def on_start(self):
            self.ref.tell("go")

        async def on_message(self, message):
            self.refusals = 0
            while self.refusals < 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.refusals += 1

    class Ends(Actor):
        def on_start(self):
            self.set_timer("end", 0.1)

        def on_timer(self, name):
            set_up.node.stop()

    set_up = stage(simulated=False, restarts=policy(3, 0.01))
    set_up.node.endless = True
    set_up.node.add_group("g", strategy=REST)
    set_up.node.add_actor("first", First, group="g")
    set_up.node.add_actor("stubborn", Stubborn, group="g")
    set_up.add("ends", Ends)
    outcome = set_up.run()
    assert outcome.failed == ["stubborn"]
    assert outcome.why == "stop"
