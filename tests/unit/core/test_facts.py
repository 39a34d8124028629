"""What only an account's desk can know, nobody else publishes: it would be believed."""

import pytest

from libra.core.events import Event, EventType
from libra_core import NodeCore

REFUSED = {
    name
    for name in EventType.__members__
    if name.startswith(("POSITION_", "BALANCE_"))
    or (name.startswith("ORDER_") and name not in ("ORDER_REQUEST", "ORDER_BOOK"))
} | {"VENUE_REPORT", "RISK_LIMIT_BREACH", "DRAWDOWN_WARNING", "TRADING_RESUMED", "RISK_LIMITS_CHANGED"}
NEWS = {
    *("BRIDGE_CONNECTED", "BRIDGE_DISCONNECTED", "BRIDGE_GAP", "BRIDGE_OVERFLOW", "NODE_UP", "NODE_DOWN"),
    *("STRATEGY_STARTED", "STRATEGY_STOPPED", "ACTOR_STATE", "DEAD_LETTER"),
}
ADDRESSED = {"TIMER", "ACTOR_TERMINATED"}


@pytest.fixture
def core():
    return NodeCore(simulated=False)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_fact_of_an_account_is_refused_and_reaches_nobody(core, name):
    event_type, slot = EventType[name], core.add_actor("forger")
    other = core.add_actor("other")
    core.subscribe(other, event_type, print)
    core.reserve_facts()
    for publish in (
        lambda: core.emit(slot, event_type, {}),
        lambda: core.publish(Event.create(event_type, "paper.execution", {})),
    ):
        with pytest.raises(ValueError, match=f"^{name} is a fact of an account, which its order gate alone publishes"):
            publish()
    assert core.waiting(other) == 0
    assert core.counts()["events"] == {}


@pytest.mark.parametrize("name", sorted(set(EventType.__members__) - REFUSED - ADDRESSED - NEWS))
def test_everything_else_is_published_by_anyone_the_kill_switch_too(core, name):
    slot = core.add_actor("one")
    core.reserve_facts()
    assert core.emit(slot, EventType[name], {})
    assert core.publish(Event.create(EventType[name], "two", {}))


@pytest.mark.parametrize("name", sorted(NEWS))
def test_news_of_the_node_is_no_actors_to_tell(core, name):
    event_type, slot, other = EventType[name], core.add_actor("forger"), core.add_actor("other")
    core.subscribe(other, event_type, print)
    with pytest.raises(ValueError, match=f"^{name} is news of the node, which it alone publishes"):
        core.emit(slot, event_type, {})
    assert core.waiting(other) == 0
    # The node itself tells of itself, and of its actors.
    core.announce(slot, event_type, {"state": "running"})
    assert core.publish(Event.create(event_type, "node", {}))
    assert core.waiting(other) == 2


def test_without_accounts_every_type_is_free(core):
    assert core.emit(core.add_actor("one"), EventType.ORDER_FILLED, {})
