"""Events between two nodes: what crosses and how, what is refused, and when it counts as applied."""

import msgspec
import pytest

from libra.core import codec
from libra.core.events import Event, EventType
from libra.errors import CodecError
from libra_core import Bridge, NodeCore


@codec.register(tag="tests.remote.order")
class Wish(msgspec.Struct, frozen=True):
    """What a node of the tests asks for."""

    text: str
    size: int


def test_an_event_crosses_with_all_that_it_is_and_does_not_come_back(pair):
    two = pair()
    _, back = two.a.actor("one", EventType.ORDER_FILLED)
    slot, seen = two.b.actor("other", EventType.ORDER_FILLED)
    two.join()
    sender, _ = two.a.actor("sender")
    cause = Event.create(EventType.SIGNAL, "elsewhere")
    sent = cause.child_event(EventType.ORDER_FILLED, "sender", {"size": 3})
    assert two.a.core.publish(sent)
    two.settle()
    (came,) = seen
    assert (came.trace_id, came.span_id, came.parent_span_id) == (cause.trace_id, sent.span_id, cause.span_id)
    assert (came.source, came.ts_ns, came.priority, came.payload) == ("sender", sent.ts_ns, sent.priority, {"size": 3})
    assert [event.span_id for event in back] == [sent.span_id], "once, from here"
    assert two.b.bridge.stats()["lanes"]["ORDERS"]["sent"] == 0
    assert (slot, sender) == (0, 1)


def test_python_payloads_cross_as_equal_objects_decoded_once(pair):
    two = pair()
    _, one = two.b.actor("one", EventType.SIGNAL)
    _, other = two.b.actor("other", EventType.SIGNAL)
    two.join()
    sender, _ = two.a.actor("sender")
    wish = Wish("buy", 3)
    assert two.a.core.emit(sender, EventType.SIGNAL, wish)
    two.settle()
    assert one[0].payload == wish
    assert one[0].payload is not wish
    assert one[0].payload is other[0].payload


def test_what_cannot_be_encoded_is_told_to_its_publisher_and_reaches_nobody(pair):
    two = pair()
    _, here = two.a.actor("here", EventType.SIGNAL, EventType.BAR)
    _, there = two.b.actor("there", EventType.SIGNAL)
    two.join()
    with pytest.raises(CodecError, match="cannot be encoded"):
        two.a.core.emit(0, EventType.SIGNAL, object())
    assert two.a.core.emit(0, EventType.BAR, object()), "nobody elsewhere wants it"
    two.settle()
    assert [event.event_type for event in here] == [EventType.BAR]
    assert there == []


def test_a_tag_that_is_unknown_there_fails_whoever_looks(pair):
    two = pair()
    _, blind = two.b.actor("blind", EventType.SIGNAL)
    _, looking = two.b.actor("looking", EventType.SIGNAL, handler=lambda event: event.payload)
    two.join()
    assert two.a.core.emit(two.a.actor("sender")[0], EventType.SIGNAL, Wish("x", 1))
    known = codec._structs.pop("tests.remote.order")
    try:
        two.settle()
    finally:
        codec._structs["tests.remote.order"] = known
    assert len(blind) == 1
    assert [(slot, type(error)) for slot, error, _ in two.b.failures] == [(1, CodecError)]
    assert looking == []
    assert two.a.bridge.stats()["outbox"] == 0, "it was handled, if not well"


def test_market_data_leaves_while_somebody_wants_it(pair):
    two = pair()
    sender, _ = two.a.actor("market")
    two.join()
    assert two.a.core.emit(sender, EventType.TICK, {"price": 1})
    slot, seen = two.b.actor("late", EventType.TICK)
    two.settle()
    assert two.a.core.emit(sender, EventType.TICK, {"price": 2})
    two.settle()
    assert [event.payload for event in seen] == [{"price": 2}]
    two.b.core.unsubscribe_all_handlers(slot)
    two.b.core.remove_actor(slot)
    two.settle()
    assert two.a.core.emit(sender, EventType.TICK, {"price": 3})
    lane = two.a.bridge.stats()["lanes"]["MARKET_DATA"]
    assert (lane["sent"], lane["unwanted"]) == (1, 2)


def test_commands_are_refused_at_full_credit_and_facts_never(pair):
    two = pair(credits=8)
    _, here = two.a.actor("here", EventType.ORDER_REQUEST)
    _, seen = two.b.actor("account", EventType.ORDER_REQUEST, EventType.CANCEL_REQUEST, EventType.ORDER_FILLED)
    # One alone would find its part used up before.
    asking = [two.a.actor(f"asks{n}")[0] for n in range(10)]
    two.join()
    taken = [two.a.core.emit(asking[n], EventType.ORDER_REQUEST, {"n": n}) for n in range(10)]
    assert taken == [True] * 8 + [False] * 2
    assert two.a.core.emit(0, EventType.CANCEL_REQUEST, {}), "a cancel has a reserve"
    assert all(two.a.core.emit(0, EventType.ORDER_FILLED, {"n": n}) for n in range(100))
    assert two.a.core.dead_letter_counts() == [("REFUSED", "asks8", 1), ("REFUSED", "asks9", 1)]
    two.settle()
    assert [event.payload["n"] for event in here] == list(range(8)), "refused as a whole: nobody here saw it either"
    assert [event.payload.get("n") for event in seen] == [*range(8), None, *range(100)]
    stats = two.a.bridge.stats()
    assert (stats["outbox"], stats["credits_in_use"], stats["lanes"]["ORDERS"]["refused"]) == (0, 0, 2)
    assert two.a.core.emit(0, EventType.ORDER_REQUEST, {})


def test_a_request_without_room_there_waits_and_the_kill_switch_does_not(pair):
    two = pair(lane_capacity=2)
    two.b.actor("risk", EventType.ORDER_REQUEST, decisive=True)
    _, killed = two.b.actor("watch", EventType.CIRCUIT_BREAKER)
    two.join()
    two.b.core.set_paused(0, True)
    sender, _ = two.a.actor("sender")
    assert all(two.a.core.emit(sender, EventType.ORDER_REQUEST, {"n": n}) for n in range(5))
    assert two.a.core.emit(sender, EventType.CIRCUIT_BREAKER, {"reason": "test"})
    two.settle()
    stats = two.b.bridge.stats()
    assert (stats["stuck"], stats["unapplied"], len(killed)) == (1, 2, 1)
    assert two.a.bridge.stats()["outbox"] == 5
    two.b.core.set_paused(0, False)
    two.settle()
    assert two.a.bridge.stats()["outbox"] == 0
    assert two.b.core.counts()["lanes"]["ORDERS"]["refused"] == 0


def test_a_place_is_applied_when_an_async_handler_has_ended(pair):
    two = pair()
    suspended = []

    async def handle(event):
        suspended.append(event)

    slot, _ = two.b.actor("slow", EventType.ORDER_FILLED, handler=handle)
    two.join()
    sender, _ = two.a.actor("sender")
    for n in range(2):
        assert two.a.core.emit(sender, EventType.ORDER_FILLED, {"n": n})
    two.settle()
    ((held, awaitable),) = two.b.suspended
    assert (held, two.a.bridge.stats()["outbox"], two.b.bridge.stats()["unapplied"]) == (slot, 2, 2)
    for left in (1, 0):
        awaitable.close()
        awaitable = two.b.core.resume(slot, 256)
        two.settle()
        assert two.a.bridge.stats()["outbox"] == left
    assert awaitable is None


def test_a_handler_that_was_dropped_or_an_actor_that_is_gone_holds_nothing_back(pair):
    two = pair()

    async def handle(event):
        pass

    for name in ("dropped", "removed"):
        two.b.actor(name, EventType.ORDER_FILLED, handler=handle)
    two.join()
    assert two.a.core.emit(two.a.actor("sender")[0], EventType.ORDER_FILLED, {})
    two.settle()
    for _, awaitable in two.b.suspended:
        awaitable.close()
    two.b.core.drop_flight(0)
    two.settle()
    assert two.a.bridge.stats()["outbox"] == 1
    two.b.core.remove_actor(1)
    two.settle()
    assert two.a.bridge.stats()["outbox"] == 0


def test_an_event_whose_handlers_are_gone_is_applied(pair):
    two = pair()
    slot, seen = two.b.actor("restarting", EventType.ORDER_FILLED)
    two.join()
    assert two.a.core.emit(two.a.actor("sender")[0], EventType.ORDER_FILLED, {})
    two.a.bridge.pump()
    two.b.core.unsubscribe_all_handlers(slot)
    two.settle()
    assert (seen, two.a.bridge.stats()["outbox"]) == ([], 0)


def test_the_node_is_told_of_its_peers(pair):
    two = pair()
    _, news = two.a.actor("watch", EventType.NODE_UP)
    two.join()
    (told,) = [event.payload for event in news]
    assert (told.kind, told.node, two.a.bridge.stats()["peers"]) == ("node_up", "b", ["b"])
    assert "node_up" in repr(told)


def test_who_cannot_be_joined_is_told_so(pair):
    two = pair().join()
    fresh = NodeCore(simulated=False)
    with pytest.raises(ValueError, match="has a bridge already"):
        Bridge.pair(two.a.core, fresh)
    with pytest.raises(ValueError, match="simulated time"):
        Bridge.pair(fresh, NodeCore(simulated=True))
    with pytest.raises(ValueError, match="another one"):
        Bridge.pair(fresh, fresh)
    with pytest.raises(ValueError, match="publisher"):
        Bridge.pair(fresh, NodeCore(simulated=False), ("a b", "c"))
    with pytest.raises(ValueError, match="at least one event"):
        Bridge.pair(fresh, NodeCore(simulated=False), credits=0)


def test_a_bridge_that_has_stopped_carries_nothing(pair):
    two = pair()
    _, seen = two.b.actor("there", EventType.ORDER_FILLED)
    two.join()
    sender, _ = two.a.actor("sender")
    assert two.a.core.emit(sender, EventType.ORDER_FILLED, {})
    assert two.a.bridge.stop()["outbox"] == 1
    assert two.a.core.emit(sender, EventType.ORDER_FILLED, {})
    assert two.a.core.node_name is None
    two.settle()
    assert len(seen) == 1
