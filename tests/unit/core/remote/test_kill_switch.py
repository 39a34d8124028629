"""The kill switch as an event in joined nodes: nothing that somebody says with it keeps it from being set."""

import pytest
from tests.unit.core.remote.test_account import opened

from libra.core.events import Event, EventType


class Speechless:
    def __repr__(self):
        raise RuntimeError("it says nothing")


@pytest.mark.parametrize("reason", [RuntimeError("the feed lies"), Speechless(), {"why": object()}, "a word", None])
@pytest.mark.parametrize("says", ["emit", "publish"])
def test_a_kill_switch_with_any_reason_latches_here_and_there(pair, reason, says):
    two = pair()
    one, other = opened(two.a.core, "one"), opened(two.b.core, "other")
    slot, _ = two.a.actor("strategy")
    two.b.actor("told", EventType.CIRCUIT_BREAKER)
    two.join()
    if says == "emit":
        assert two.a.core.emit(slot, EventType.CIRCUIT_BREAKER, reason)
    else:
        assert two.a.core.publish(Event.create(EventType.CIRCUIT_BREAKER, "strategy", reason))
    assert one.is_killed, "before anybody else has heard of it"
    two.settle()
    assert other.is_killed
