"""Actors that do not keep up with facts: given up alone, with what waits for them; bursts are none of that."""

import asyncio

import pytest

from libra.core.actor import Actor
from libra.core.backlogs import Backlogs
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy, RestartStrategy


class Core:
    def __init__(self):
        self.full = []

    def overfull(self):
        return self.full


def test_only_what_became_no_less_within_the_patience_is_stuck():
    core = Core()
    backlogs = Backlogs(core, 5.0)

    def look(now_s, *full):
        core.full = list(full)
        return backlogs.stuck(now_s)

    assert look(0.0) == []
    assert look(1.0, (3, 90)) == []
    assert look(5.9, (3, 99)) == []
    assert look(6.0, (3, 99), (4, 80)) == [(3, 99)]
    # Told once; the next one has its own time.
    assert look(10.9, (4, 80)) == []
    assert look(11.0, (4, 79)) == [], "it works through a burst"
    assert look(15.9, (4, 79)) == []
    assert look(16.0, (4, 79)) == [(4, 79)]
    # One that was through in between begins anew.
    assert look(20.0, (5, 90)) == []
    assert look(21.0) == []
    assert look(30.0, (5, 90)) == []
    assert look(35.0, (5, 90)) == [(5, 90)]


@pytest.mark.parametrize(("group", "asks_to_stop"), [(None, False), ("g", False), (None, True)])
def test_one_that_awaits_for_ever_is_given_up_and_frees_its_mailbox(stage, caplog, group, asks_to_stop):
    """Facts of a node's actors that any may publish: `CIRCUIT_BREAKER`, on the lane of RISK."""
    seen = []

    class Hung(Actor):
        def on_start(self):
            self.subscribe(EventType.CIRCUIT_BREAKER, self.hang)

        async def hang(self, event):
            if asks_to_stop:
                self.stop()
            await asyncio.Event().wait()

    class Listens(Actor):
        def on_start(self):
            self.subscribe(EventType.CIRCUIT_BREAKER, seen.append)

    class Storms(Actor):
        def on_start(self):
            self.set_timer("tick", 0.005)

        def on_timer(self, name):
            self.emit(EventType.CIRCUIT_BREAKER, {})
            if "hung" in set_up.node.failed and len(seen) > 100:
                set_up.node.stop()
            else:
                self.set_timer("tick", 0.005)

    set_up = stage(simulated=False, lane_capacity=20, keep_up_s=0.1, duration_s=60)
    if group is not None:
        set_up.node.add_group("g", strategy=RestartStrategy.ONE_FOR_ONE)
    set_up.node.add_actor("hung", Hung, group=group)
    set_up.node.add_actor("listens", Listens, group=group)
    set_up.add("storms", Storms)
    set_up.node.endless = True
    outcome = set_up.run()
    assert outcome.failed == ["hung"]
    assert (outcome.why, outcome.errors, outcome.drained) == ("stop", 1, True)
    assert len(seen) > 100, "the others go on"
    letters = set_up.node.dead_letters.counts()
    assert letters["CANCELLED"] == {"hung": 1}
    assert 16 <= letters["LEFT"]["hung"] < len(seen)
    assert "given up: actor hung" in caplog.text
    assert "actor hung failed: it does not keep up, awaiting in its handler of CIRCUIT_BREAKER" in caplog.text
    assert set_up.node.core.overfull() == []


def test_one_of_an_account_is_not_given_up(stage):
    failed = []

    class Hung(Actor):
        async def on_timer(self, name):
            await asyncio.Event().wait()

        def on_start(self):
            self.subscribe(EventType.CIRCUIT_BREAKER)
            self.set_timer("hang", 0.0)

    class Storms(Actor):
        def on_start(self):
            self.left = 100
            self.set_timer("tick", 0.005)

        def on_timer(self, name):
            self.emit(EventType.CIRCUIT_BREAKER, {})
            self.left -= 1
            if self.left:
                self.set_timer("tick", 0.005)
            else:
                failed.extend(set_up.node.failed)
                set_up.node.stop()

    set_up = stage(simulated=False, lane_capacity=20, keep_up_s=0.1)
    set_up.node.add_actor("paper.gateway", Hung, account="paper")
    set_up.add("storms", Storms)
    set_up.node.endless = True
    outcome = set_up.run()
    assert (failed, outcome.drained) == ([], False), "it stands there to the end"


def test_one_that_waits_for_its_restart_is_given_up_too(stage):
    """Whoever else is to be told of what waits for it cannot wait for half a minute."""

    class Fails(Actor):
        def on_start(self):
            self.subscribe(EventType.CIRCUIT_BREAKER, self.fail)

        def fail(self, event):
            raise ValueError("no")

    class Storms(Actor):
        def on_start(self):
            self.set_timer("tick", 0.005, interval_s=0.005)

        def on_timer(self, name):
            self.emit(EventType.CIRCUIT_BREAKER, {})
            if "fails" in set_up.node.failed:
                set_up.node.stop()

    set_up = stage(
        simulated=False, lane_capacity=20, keep_up_s=0.1, duration_s=60, restarts=RestartPolicy(3, 3_600, 30.0, 60)
    )
    set_up.add("fails", Fails)
    set_up.add("storms", Storms)
    set_up.node.endless = True
    outcome = set_up.run()
    assert (outcome.failed, outcome.why) == (["fails"], "stop")


def test_what_is_over_is_not_given_up(stage, monkeypatch):
    class Sits(Actor):
        pass

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("sits", Sits)
    nobody = 999
    monkeypatch.setattr(Backlogs, "stuck", lambda *_: [(nobody, 70_000)])
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == ([], 0)


def test_nobody_is_given_up_for_what_waits_while_the_node_ends(stage, monkeypatch):
    """The alarm of a run's duration looks at the node in the middle of its drain, too."""
    looks, during = [], []

    class Ends(Actor):
        def on_stop(self):
            before = len(looks)
            set_up.node.should_stop()
            during.append(len(looks) - before)

    set_up = stage()
    set_up.quotes(1)
    set_up.add("ends", Ends)
    monkeypatch.setattr(set_up.node._actors, "_give_up_those_behind", lambda: looks.append(1))
    set_up.run()
    assert (during, bool(looks)) == ([0], True)
