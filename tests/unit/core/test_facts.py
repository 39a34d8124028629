"""What only an account's desk can know, nobody else publishes: it would be believed."""

import pytest

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.core.node import Node, NodeOptions
from libra_core import NodeCore

REFUSED = {
    name
    for name in EventType.__members__
    if name.startswith(("POSITION_", "BALANCE_"))
    or (name.startswith("ORDER_") and name not in ("ORDER_REQUEST", "ORDER_BOOK"))
} | {"VENUE_REPORT", "RISK_LIMIT_BREACH", "DRAWDOWN_WARNING", "TRADING_RESUMED", "RISK_LIMITS_CHANGED"}
NEWS = {
    *("BRIDGE_CONNECTED", "BRIDGE_DISCONNECTED", "BRIDGE_GAP", "BRIDGE_OVERFLOW", "NODE_UP", "NODE_DOWN"),
    *("STRATEGY_STARTED", "STRATEGY_STOPPED", "ACTOR_STATE", "DEAD_LETTER", "JOURNAL_STATE"),
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
        lambda: core.send(other, event_type, slot, {}),
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
    voice = core.take_voice()
    for publish in (
        lambda: core.emit(slot, event_type, {}),
        lambda: core.publish(Event.create(event_type, "node", {})),
        lambda: core.send(other, event_type, slot, {}),
        lambda: core.send(other, event_type, None, {}),
    ):
        with pytest.raises(ValueError, match=f"^{name} is news of the node, which it alone publishes"):
            publish()
    assert core.waiting(other) == 0
    # The node itself tells of itself, and of its actors.
    voice.announce(slot, event_type, {"state": "running"})
    assert voice.publish(Event.create(event_type, "node", {}))
    assert core.waiting(other) == 2


def test_a_node_has_its_voice_alone():
    node = Node(NodeOptions(name="alone", signals=False))
    with pytest.raises(RuntimeError, match="the node that is built on this core has its voice"):
        node.core.take_voice()


def test_not_even_the_node_says_what_an_account_or_nobody_says(core):
    slot, voice = core.add_actor("one"), core.take_voice()
    core.reserve_facts()
    for name, why in {"ORDER_FILLED": "is a fact of an account", "TIMER": "is sent to one actor"}.items():
        with pytest.raises(ValueError, match=f"^{name} {why}"):
            voice.announce(slot, EventType[name], {})
        with pytest.raises(ValueError, match=f"^{name} {why}"):
            voice.publish(Event.create(EventType[name], "node", {}))
    with pytest.raises(TypeError, match="an Event is published, not 7"):
        voice.publish(7)


def test_an_actor_that_takes_the_core_says_nothing_for_its_node(stage):
    told = []

    class Forges(Actor):
        def on_quote(self, quote):
            core = self._context.core
            for say in (core.publish, lambda event: core.send(self._context.slot, event.event_type, None, {})):
                try:
                    say(Event.create(EventType.STRATEGY_STOPPED, "fine", {"strategy": "fine", "vanished": True}))
                except ValueError as error:
                    told.append(str(error))

    class Fine(Actor):
        def on_start(self):
            self.subscribe(EventType.STRATEGY_STOPPED, told.append)

    set_up = stage()
    set_up.quotes(0)
    set_up.add("fine", Fine)
    set_up.add("forges", Forges)
    set_up.run()
    assert told == ["STRATEGY_STOPPED is news of the node, which it alone publishes"] * 2


def test_without_accounts_every_type_is_free(core):
    assert core.emit(core.add_actor("one"), EventType.ORDER_FILLED, {})
