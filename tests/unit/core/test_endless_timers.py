"""Timers that are due again and again: simulated time goes on all the same, and an end that they hold up says so."""

import pytest

from libra.core import context
from libra.core.actor import Actor
from libra.core.supervision import RestartPolicy


class Endless(Actor):
    left = 10_000

    def note(self):
        """Where nobody ends it, it ends itself: the test has an end."""
        self.left -= 1
        if not self.left:
            raise AssertionError("simulated time stands still")


class SetsAnew(Endless):
    def on_start(self):
        self.set_timer("again", 0)

    def on_timer(self, name):
        self.note()
        self.set_timer("again", 0)


class Nanosecond(Endless):
    def on_start(self):
        self.set_timer("again", 0, interval_s=1e-9)

    def on_timer(self, name):
        self.note()


class OfSnapshots(Endless):
    snapshot_interval_s = 1e-9

    def snapshot(self):
        self.left -= 1
        if not self.left:
            self.stop()


class Sleeps(Endless):
    async def on_quote(self, quote):
        while True:
            self.note()
            await self.clock.sleep(0)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(context, "_MOST_WAKES", 2_000)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("endless", [SetsAnew, Nanosecond, OfSnapshots, Sleeps])
def test_who_lets_simulated_time_stand_still_has_failed(stage, caplog, endless):
    heard = []

    class Other(Actor):
        def on_quote(self, quote):
            heard.append(int(quote.bid))

    set_up = stage(restarts=RestartPolicy(1, 60, backoff_s=0.1, jitter=0))
    set_up.quotes(0, 1, 2)
    set_up.add("other", Other)
    set_up.add("endless", endless)
    outcome = set_up.run()
    assert (heard, outcome.failed, outcome.errors) == ([100, 101, 102], ["endless"], 2)
    assert "the timers and sleeps of actor endless were due 2,000 times within 0.01 s" in caplog.text


@pytest.mark.usefixtures("few")
def test_as_many_with_time_between_them_are_no_failure(stage):
    class Busy(Actor):
        ticks = 0

        def on_start(self):
            self.set_timer("tick", 0, interval_s=1e-5)

        def on_timer(self, name):
            Busy.ticks += 1

    set_up = stage()
    set_up.quotes(0, 0.1)
    set_up.add("busy", Busy)
    outcome = set_up.run()
    assert (outcome.errors, Busy.ticks) == (0, 10_000)


def test_an_end_that_timers_hold_up_says_whose_they_are(stage, caplog, monkeypatch):
    """A live node goes on beside them. Each of them is handled; only the end finds that something waits always."""
    monkeypatch.setattr(context, "_MOST_WAKES", 50)
    monkeypatch.setattr(SetsAnew, "left", -1)

    class Ends(Actor):
        def on_start(self):
            self.set_timer("end", 0.5)

        def on_timer(self, name):
            set_up.node.stop()

    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("endless", SetsAnew)
    set_up.add("ends", Ends)
    outcome = set_up.run()
    assert (outcome.drained, outcome.errors, outcome.failed) == (False, 0, [])
    [told] = [record.getMessage() for record in caplog.records if "drain's time" in record.getMessage()]
    assert told.startswith(
        "not all was handled within the drain's time; actor endless: events of SIGNALS wait for it, "
    )
    assert "its timers (1) go on until it has stopped" in told
    assert "actor ends" not in told


def test_an_end_in_time_says_nothing(stage, caplog):
    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("nanosecond", type("Once", (Actor,), {"on_quote": lambda self, quote: self.set_timer("t", 5)}))
    assert set_up.run().drained
    assert "drain's time" not in caplog.text
