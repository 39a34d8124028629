"""Watching: who learns of whose end, when, and how often."""

import pytest

from libra.core import codec
from libra.core.actor import Actor
from libra.core.supervision import RestartPolicy, RestartStrategy
from libra.core.watching import Terminated, TerminationReason


class Watcher(Actor):
    record: list
    watched: str = "other"

    def on_start(self):
        self.watch(self.watched)

    def on_message(self, message):
        self.record.append(message)

    def on_terminated(self, terminated):
        self.record.append(terminated)


@pytest.fixture
def watch(stage):
    """Runs a watcher beside another actor; gives what it learnt."""

    def run(other, *, watcher=Watcher, seconds=6, restarts=None, before=False):
        record = []
        set_up = stage(restarts=restarts or RestartPolicy(max_restarts=1, backoff_s=0.5, jitter=0))
        set_up.quotes(*range(seconds))
        made = type("Made", (watcher,), {"record": record})
        actors = [("watcher", made), ("other", other)]
        for name, factory in reversed(actors) if before else actors:
            set_up.add(name, factory)
        outcome = set_up.run()
        return record, outcome, set_up

    return run


class Failing(Actor):
    def on_quote(self, quote):
        self.actor("watcher").tell("last words")
        raise ValueError("no")


def test_each_instances_death_is_told_after_its_last_words_and_the_last_ends_the_watch(watch):
    record, _outcome, _set_up = watch(Failing)
    assert record == [
        "last words",
        Terminated("other", TerminationReason.FAILED, "ValueError: no", comes_back=True),
        "last words",
        Terminated("other", TerminationReason.FAILED, "ValueError: no", comes_back=False),
    ]


def test_an_actor_that_stops_is_told_as_well(watch):
    class Brief(Actor):
        def on_quote(self, quote):
            self.stop()

    assert watch(Brief)[0] == [Terminated("other", TerminationReason.STOPPED)]


def test_the_end_of_the_node_is_told_to_those_that_stop_later(watch):
    assert watch(Actor)[0] == [Terminated("other", TerminationReason.STOPPED)]
    assert watch(Actor, before=True)[0] == [], "the watcher has stopped before"


def test_one_that_fails_after_it_asked_to_stop_says_so(watch):
    class Both(Actor):
        def on_quote(self, quote):
            self.stop()
            raise ValueError("no")

    assert watch(Both)[0] == [Terminated("other", TerminationReason.FAILED, "ValueError: no")]


def test_watching_one_that_is_gone_tells_at_once(watch):
    class Late(Watcher):
        def on_start(self):
            pass

        def on_quote(self, quote):
            if quote.bid == 103:
                self.watch(self.actor("other"))

    record, _outcome, _set_up = watch(Failing, watcher=Late)
    assert [entry for entry in record if entry != "last words"] == [Terminated("other", TerminationReason.GONE)]


def test_unwatch_takes_back_even_what_waits(watch):
    class Fickle(Watcher):
        def on_message(self, message):
            self.record.append(self.unwatch("other"))
            self.record.append(self.unwatch(self.actor("other")))

    # The last words come first, and the death right behind them.
    assert watch(Failing, watcher=Fickle)[0] == [True, False, False, False]


def test_a_watch_is_the_instances_that_asked_for_it(watch):
    class Forgetful(Watcher):
        lives = 0

        def on_start(self):
            Forgetful.lives += 1
            if Forgetful.lives == 1:
                self.watch("other")

        def on_quote(self, quote):
            if Forgetful.lives == 1:
                raise RuntimeError("once")

    class Later(Actor):
        def on_quote(self, quote):
            if quote.bid == 103:
                self.stop()

    record, _outcome, set_up = watch(Later, watcher=Forgetful)
    assert record == []
    assert "ACTOR_TERMINATED" not in set_up.node.core.counts()["events"], "nothing is even sent"


def test_watching_each_other_and_oneself_harms_nobody(stage):
    told = []

    class Mutual(Actor):
        def on_start(self):
            for name in ("a", "b"):
                self.watch(name)

        def on_quote(self, quote):
            if self.name == "a" and quote.bid == 101:
                raise ValueError("no")

        def on_terminated(self, terminated):
            told.append((self.name, terminated.name, terminated.reason.value))

    set_up = stage(restarts=RestartPolicy(backoff_s=0.5))
    set_up.quotes(*range(5))
    set_up.add("a", Mutual)
    set_up.add("b", Mutual)
    outcome = set_up.run()
    assert told == [("b", "a", "failed"), ("a", "b", "stopped")]
    assert outcome.failed == []


def test_being_taken_down_is_a_reason_of_its_own(stage):
    record = []

    class FailsOnce(Actor):
        def on_quote(self, quote):
            if quote.bid == 101:
                raise ValueError("no")

    set_up = stage()
    set_up.quotes(*range(5))
    set_up.add("watcher", type("Made", (Watcher,), {"record": record, "watched": "second"}))
    set_up.node.add_group("g", strategy=RestartStrategy.REST_FOR_ONE)
    set_up.node.add_actor("first", FailsOnce, group="g")
    set_up.node.add_actor("second", Actor, group="g")
    set_up.run()
    assert record[0] == Terminated("second", TerminationReason.TAKEN_DOWN, comes_back=True)


def test_an_unknown_actor_cannot_be_watched(stage):
    errors = []

    class Curious(Actor):
        def on_start(self):
            for attempt in (lambda: self.watch("nobody"), lambda: self.unwatch("nobody")):
                try:
                    attempt()
                except KeyError as error:
                    errors.append(error)

    set_up = stage()
    set_up.quotes(0)
    set_up.add("curious", Curious)
    set_up.run()
    assert len(errors) == 2


def test_what_is_told_may_leave_the_process():
    told = Terminated("other", TerminationReason.FAILED, "ValueError: no", comes_back=True)
    assert codec.decode(*codec.encode(told)) == told


def test_without_the_hook_nothing_happens(watch):
    class Deaf(Watcher):
        on_terminated = Actor.on_terminated

    assert watch(Failing, watcher=Deaf)[0] == ["last words", "last words"]
