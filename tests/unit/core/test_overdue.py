"""What an actor has published does not end in time: its instance ends as by any failure, whatever it is about."""

import asyncio

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy


class Bad:
    """Closes its connection, to a peer that does not answer."""

    def __del__(self):
        while True:
            pass


@pytest.fixture
def run(stage):
    """Runs an actor beside one that hears what it publishes; gives the outcome and where it stood at the end."""

    def run(publisher, *, restarts):
        states = []

        class Hears(Actor):
            def on_start(self):
                self.subscribe(EventType.BAR, lambda event: None)
                self.set_timer("end", 1.5)

            def on_timer(self, name):
                states.append(set_up.node._actors.states()["bad"])
                set_up.node.stop()

        policy = RestartPolicy(restarts, 60, backoff_s=0.05, jitter=0)
        set_up = stage(simulated=False, restarts=policy, handler_timeout_s=0.3, slow_handler_s=0.1)
        set_up.node.endless = True
        set_up.add("hears", Hears)
        set_up.add("bad", publisher)
        outcome = set_up.run()
        return outcome, states, set_up.node.dead_letters.counts()

    return run


class Publishes(Actor):
    """Publishes it once, in its first life."""

    record: list

    def on_start(self):
        self.record.append("starts")
        self.subscribe(EventType.SIGNAL, self.heard)
        if self.record == ["starts"]:
            self.set_timer("publish", 0.05)

    async def heard(self, event):
        raise AssertionError("its instance is no more")


class WhileItAwaits(Publishes):
    async def on_timer(self, name):
        self.emit(EventType.BAR, Bad())
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            self.record.append("cancelled")
            raise


class BeforeItBegins(Publishes):
    """The next handler has been called by then, and its actor's task has not come to it."""

    def on_timer(self, name):
        self.emit(EventType.BAR, Bad())
        self.emit(EventType.SIGNAL, {})


# What ended its `__del__` is raised there, where nobody can take it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("restarts", "ends"), [(1, ActorState.RUNNING), (0, ActorState.FAILED)])
@pytest.mark.parametrize(("base", "between"), [(WhileItAwaits, ["cancelled"]), (BeforeItBegins, [])])
def test_a_handler_that_is_suspended_meanwhile_is_cancelled_and_its_actor_goes_on(run, base, between, restarts, ends):
    record = []
    outcome, states, dead = run(type("Made", (base,), {"record": record}), restarts=restarts)
    assert states == [ends]
    assert record == ["starts", *between, *(["starts"] * restarts)]
    assert (outcome.errors, outcome.failed) == (1, [] if restarts else ["bad"])
    assert dead == {"CANCELLED": {"bad": 1}}
