"""`libra.core.events` is a public contract: names, signatures and behaviour of design.md, "Events and the bus"."""

import inspect
import itertools
import re
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libra.core import events
from libra.core.events import EVENT_PRIORITY_MAP, Event, EventType, Priority
from libra_core import Bar, BookDelta, Quote, Trade

PROMISED = set(
    "TICK QUOTE TRADE BAR ORDER_BOOK ORDER_NEW ORDER_FILLED ORDER_CANCELLED ORDER_REJECTED POSITION_OPENED"  # noqa: SIM905
    " POSITION_CLOSED POSITION_UPDATED RISK_LIMIT_BREACH DRAWDOWN_WARNING CIRCUIT_BREAKER SIGNAL GATEWAY_CONNECTED"
    " GATEWAY_DISCONNECTED STRATEGY_STARTED STRATEGY_STOPPED".split()
)
ATTRIBUTES = {
    "event_type", "instrument", "parent_span_id", "payload", "priority", "sequence", "source", "span_id", "timestamp",
    "trace_id", "ts_ns",
}  # fmt: skip


class Level(msgspec.Struct):
    price: Decimal
    size: int


def test_the_modules_names():
    assert set(events.__all__) == {"EVENT_PRIORITY_MAP", "Event", "EventType", "Priority"}


def test_event_types_and_their_lanes():
    assert set(EventType.__members__) >= PROMISED
    assert [lane.name for lane in Priority] == ["RISK", "ORDERS", "SIGNALS", "MARKET_DATA"]
    assert sorted(Priority) == [Priority.RISK, Priority.ORDERS, Priority.SIGNALS, Priority.MARKET_DATA]
    assert set(EVENT_PRIORITY_MAP) == set(EventType)
    for event_type, lane in EVENT_PRIORITY_MAP.items():
        name = event_type.name
        if name in {
            "RISK_LIMIT_BREACH",
            "DRAWDOWN_WARNING",
            "CIRCUIT_BREAKER",
            "TRADING_RESUMED",
            "RISK_LIMITS_CHANGED",
            "BRIDGE_GAP",
            "BRIDGE_OVERFLOW",
        }:
            assert lane is Priority.RISK
        elif name.startswith(("ORDER_", "POSITION_", "CANCEL_", "BALANCE_", "VENUE_")) and name != "ORDER_BOOK":
            assert lane is Priority.ORDERS
        elif name in {"SIGNAL", "MESSAGE", "TIMER", "ACTOR_TERMINATED"} or name.startswith(
            ("BRIDGE_", "NODE_", "STRATEGY_")
        ):
            assert lane is Priority.SIGNALS
        else:
            assert lane is Priority.MARKET_DATA
        assert Event.create(event_type, "test").priority is lane


def test_the_priority_map_is_read_only():
    with pytest.raises(TypeError):
        EVENT_PRIORITY_MAP[EventType.TICK] = Priority.RISK


def test_signatures():
    assert list(inspect.signature(Event.create).parameters) == ["event_type", "source", "payload", "parent_trace_id"]
    defaults = [parameter.default for parameter in inspect.signature(Event.create).parameters.values()]
    assert defaults[2:] == [None, None]
    assert list(inspect.signature(Event.child_event).parameters)[-3:] == ["event_type", "source", "payload"]
    assert list(inspect.signature(Event.with_sequence).parameters)[-1:] == ["sequence"]


def test_create_by_keyword_and_by_position():
    event = Event.create(event_type=EventType.TICK, source="feed", payload={"last": 1}, parent_trace_id="ab" * 16)
    assert (event.event_type, event.source, event.payload, event.trace_id) == (
        EventType.TICK, "feed", {"last": 1}, "ab" * 16,
    )  # fmt: skip
    assert Event.create(EventType.TICK, "feed", {"last": 1}, "ab" * 16).trace_id == "ab" * 16


def test_there_is_no_other_way_to_make_one():
    with pytest.raises(TypeError):
        Event()


def test_frozen():
    event = Event.create(EventType.TICK, "test")
    for name in [*ATTRIBUTES, "anything_else"]:
        with pytest.raises(AttributeError):
            setattr(event, name, 1)
    for name in ATTRIBUTES:
        with pytest.raises(AttributeError):
            delattr(event, name)
    assert not hasattr(event, "__dict__")
    with pytest.raises(TypeError):
        type("Mine", (Event,), {})


def test_no_payload_is_an_empty_dict():
    assert Event.create(EventType.TICK, "test").payload == {}
    assert Event.create(EventType.TICK, "test", None).payload == {}
    event = Event.create(EventType.TICK, "test")
    assert event.payload is event.payload
    assert event.payload is not Event.create(EventType.TICK, "test").payload


@pytest.mark.parametrize(
    "payload",
    [{}, {"a": 1}, [], [1, 2], 0, False, "", "text", b"raw", 1.5, Decimal("1.10"), Level(Decimal(1), 2), object(), ()],
    ids=lambda payload: repr(payload)[:20],
)
def test_a_python_payload_travels_by_reference(payload):
    event = Event.create(EventType.SIGNAL, "test", payload)
    assert event.payload is payload
    assert event.with_sequence(7).payload is payload
    assert event.child_event(EventType.SIGNAL, "test", payload).payload is payload


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        (EventType.QUOTE, Quote("BTC/USDT@X", "100.10", "100.20", "1.5", 2, venue_seq=9, ts_venue_ns=5)),
        (EventType.TRADE, Trade("BTC/USDT@X", "100.15", "0.25", aggressor="seller", trade_id=12, ts_venue_ns=5)),
        (EventType.BAR, Bar("BTC/USDT@X", 1, "3.5", "0.5", 2, 10, ts_open_ns=60, interval_ms=1000)),
        (EventType.ORDER_BOOK, BookDelta("BTC/USDT@X", [("1.5", 2)], [("1.6", "0.1")], snapshot=True, last_id=4)),
    ],
    ids=["quote", "trade", "bar", "book"],
)
def test_native_payloads(event_type, payload):
    event = Event.create(event_type, "feed", payload)
    assert event.payload is payload
    assert event.instrument == "BTC/USDT@X"
    assert payload.symbol == "BTC/USDT"
    assert event.child_event(EventType.SIGNAL, "strategy").instrument == "BTC/USDT@X"


def test_an_event_without_an_instrument():
    assert Event.create(EventType.TICK, "test", {"instrument": "no"}).instrument is None


def test_a_payload_is_released_with_its_event():
    class Box:
        pass

    box = Box()
    gone = weakref.ref(box)
    event = Event.create(EventType.TICK, "test", box)
    copy = event.with_sequence(1)
    del box, event
    assert gone() is not None
    del copy
    assert gone() is None


def test_ids():
    event = Event.create(EventType.TICK, "test")
    assert re.fullmatch("[0-9a-f]{32}", event.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", event.span_id)
    assert int(event.trace_id, 16)
    assert int(event.span_id, 16)
    assert event.parent_span_id is None
    many = [Event.create(EventType.TICK, "test") for _ in range(10_000)]
    assert len({e.trace_id for e in many}) == len({e.span_id for e in many}) == len(many)


@pytest.mark.parametrize("bad", ["", "ab", "0" * 32, "g" * 32, "ab" * 17, "é" * 16, "+" + "a" * 31, " " * 32])
def test_a_bad_trace_id_is_refused(bad):
    with pytest.raises(ValueError, match="parent_trace_id"):
        Event.create(EventType.TICK, "test", None, bad)


def test_a_trace_id_is_given_back_in_lower_case():
    assert Event.create(EventType.TICK, "test", parent_trace_id="AB" * 16).trace_id == "ab" * 16


@pytest.mark.parametrize("bad", [1, "TICK", None, Priority.RISK, EventType])
def test_a_bad_event_type_is_refused(bad):
    with pytest.raises(TypeError, match="EventType"):
        Event.create(bad, "test")


def test_a_source_is_text():
    with pytest.raises(TypeError):
        Event.create(EventType.TICK, 7)


def test_child_event():
    root = Event.create(EventType.QUOTE, "feed", {"bid": 1})
    child = root.child_event(EventType.SIGNAL, "strategy", {"long": 1})
    assert child.trace_id == root.trace_id
    assert child.span_id != root.span_id
    assert child.parent_span_id == root.span_id
    assert (child.event_type, child.source, child.payload) == (EventType.SIGNAL, "strategy", {"long": 1})
    assert root.child_event(EventType.SIGNAL, "strategy").payload == {}
    grandchild = child.child_event(EventType.ORDER_NEW, "portfolio")
    assert (grandchild.trace_id, grandchild.parent_span_id) == (root.trace_id, child.span_id)


def test_with_sequence_is_a_copy():
    event = Event.create(EventType.TICK, "test", {"a": 1})
    copy = event.with_sequence(41)
    assert (event.sequence, copy.sequence) == (0, 41)
    assert copy is not event
    for name in ATTRIBUTES - {"sequence"}:
        assert getattr(copy, name) == getattr(event, name)
    assert copy.with_sequence(2**64 - 1).sequence == 2**64 - 1
    for bad in (-1, 2**64):
        with pytest.raises(OverflowError):
            event.with_sequence(bad)


def test_the_timestamp_is_aware():
    before = datetime.now(UTC)
    event = Event.create(EventType.TICK, "test")
    after = datetime.now(UTC)
    assert before - timedelta(microseconds=1) <= event.timestamp <= after
    assert event.timestamp.tzinfo is UTC
    assert event.timestamp == datetime.fromtimestamp(0, UTC) + timedelta(microseconds=event.ts_ns // 1000)


def test_order_of_a_few():
    market = Event.create(EventType.TICK, "test").with_sequence(1)
    risk = Event.create(EventType.CIRCUIT_BREAKER, "test").with_sequence(9)
    order = Event.create(EventType.ORDER_NEW, "test").with_sequence(3)
    assert sorted([market, risk, order]) == [risk, order, market]
    assert risk < order < market
    assert market > order >= order
    assert not risk > market
    with pytest.raises(TypeError):
        assert risk < 1
    assert risk != 1


@given(st.lists(st.tuples(st.sampled_from(sorted(EventType)), st.integers(0, 2**64 - 1)), max_size=30))
def test_events_sort_by_lane_then_sequence(keys):
    made = [Event.create(event_type, "test").with_sequence(sequence) for event_type, sequence in keys]
    assert [(e.priority, e.sequence) for e in sorted(made)] == sorted((e.priority, e.sequence) for e in made)
    for a, b in itertools.pairwise(made):
        assert (a < b) == ((a.priority, a.sequence) < (b.priority, b.sequence))
        assert (a <= b) == ((a.priority, a.sequence) <= (b.priority, b.sequence))


def test_equality_and_hash():
    event = Event.create(EventType.TICK, "test", {"unhashable": []})
    same = event.with_sequence(0)
    assert event == same
    assert hash(event) == hash(same)
    assert event != event.with_sequence(1)
    assert event != Event.create(EventType.TICK, "test", {"unhashable": []})
    assert len({event, same, event.with_sequence(1)}) == 2


def test_repr_says_what_it_is():
    event = Event.create(EventType.TICK, "feed", {"a": 1}).with_sequence(3)
    text = repr(event)
    for part in ("TICK", "feed", "{'a': 1}", event.trace_id, "sequence=3"):
        assert part in text
