"""What a strategy puts into its own attributes: whatever that is, it is at most its own failure."""

from datetime import timedelta

import pytest

from libra.core.actor import Actor
from libra.core.supervision import RestartPolicy


@pytest.fixture
def run(stage):
    """Runs an actor beside one that hears four quotes; gives what the others did and the outcome."""

    def run(made, *, restarts=1):
        heard = []

        class Other(Actor):
            def on_quote(self, quote):
                heard.append(int(quote.bid))

        set_up = stage(restarts=RestartPolicy(restarts, 60, backoff_s=0.1, jitter=0))
        set_up.quotes(0, 1, 2, 3)
        set_up.add("other", Other)
        set_up.add("odd", made)
        outcome = set_up.run()
        assert heard == [100, 101, 102, 103]
        return outcome

    return run


class Odd(Actor):
    value: object

    def on_start(self):
        self.snapshot_interval_s = self.value


class OddLater(Odd):
    async def on_start(self):
        await self.clock.sleep(0.1)
        self.snapshot_interval_s = self.value


@pytest.mark.parametrize("base", [Odd, OddLater])
@pytest.mark.parametrize("value", [-1, float("nan"), "5", timedelta(seconds=5), 1e12])
def test_an_interval_of_snapshots_that_is_none_is_a_failure_while_it_starts(run, caplog, base, value):
    outcome = run(type("Made", (base,), {"value": value}))
    assert (outcome.failed, outcome.errors) == (["odd"], 2)
    failures = [record.getMessage() for record in caplog.records if "raised" in record.getMessage()]
    assert failures == ["actor odd raised while starting"] * 2
    assert f"ValueError: snapshot_interval_s is a number of seconds from 0 to 1000000000, not {value!r}" in caplog.text


@pytest.mark.parametrize("reads", [1, 2, 3])
def test_an_interval_that_raises_when_it_is_read_is_a_failure_whenever_that_is(run, reads):
    asked = []

    class Raises(Actor):
        @property
        def snapshot_interval_s(self):
            asked.append(self)
            if len(asked) >= reads:
                raise LookupError("no")
            return 0.5

        def snapshot(self):
            return 1

    outcome = run(Raises)
    assert (outcome.failed, outcome.errors) == (["odd"], 2)


@pytest.mark.parametrize("value", [{"mine": 1}, None])
def test_the_node_asks_no_instance_for_what_it_gave_it(run, value):
    """A name of the base class's own is soon taken for one's own."""
    starts = []

    class Takes(Actor):
        def on_start(self):
            starts.append(self)
            self._context = self._keeps_tasks = value

        def on_quote(self, quote):
            raise ValueError("no")

    outcome = run(Takes, restarts=2)
    assert (len(starts), outcome.failed, outcome.errors) == (3, ["odd"], 3)
