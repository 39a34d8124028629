"""What a node remembers of its events: by its native side, driven step by step."""

from functools import partial

import pytest

from libra.core.events import Event, EventType
from libra_core import Bridge, NodeCore


class Driven:
    """A node's native side with handlers instead of actors."""

    def __init__(self, notes=1_000, **recording):
        self.core = NodeCore(simulated=False)
        self.core.set_on_failure(lambda slot, error, event: None)
        if notes is not None:
            self.core.record(notes, **recording)

    def actor(self, name, event_type, handler=lambda slot, event: None):
        slot = self.core.add_actor(name)
        self.core.subscribe(slot, event_type, partial(handler, slot))
        return slot

    def run(self):
        while self.core.ingest() + self.core.drain(256, 1_000_000)[0]:
            pass

    def notes(self, trace_id):
        return [(note.step, note.event_type, note.actor) for note in self.core.notes_of(trace_id, 100)]


def test_an_event_is_remembered_with_who_handled_it():
    node = Driven()

    def fails(slot, event):
        raise ValueError

    node.actor("good", EventType.SIGNAL)
    node.actor("bad", EventType.SIGNAL, fails)
    event = Event.create(EventType.SIGNAL, "test")
    assert node.core.publish(event)
    node.run()
    assert node.notes(event.trace_id) == [
        ("published", "SIGNAL", ""),
        ("handled", "SIGNAL", "good"),
        ("failed", "SIGNAL", "bad"),
    ]
    published, handled, _ = node.core.notes_of(event.trace_id, 100)
    assert f"{published.trace_id:032x}" == event.trace_id
    assert f"{published.span_id:016x}" == event.span_id
    assert (published.parent_span_id, published.source, published.lane) == (0, "test", "SIGNALS")
    assert published.at_ns <= handled.at_ns <= handled.end_ns
    assert node.core.notes_of(event.trace_id[:6], 2)[1].actor == "good", "a prefix finds it, and a limit holds"


@pytest.mark.parametrize(("ends", "step"), [("well", "handled"), ("badly", "failed")])
def test_a_handler_that_is_awaited_is_remembered_when_it_has_ended(ends, step):
    node = Driven()

    async def later(slot, event):
        pass

    slot = node.actor("slow", EventType.SIGNAL, later)
    event = Event.create(EventType.SIGNAL, "test")
    node.core.publish(event)
    _, [(suspended, awaitable)] = node.core.drain(256, 1_000_000)
    assert suspended == slot
    assert node.notes(event.trace_id) == [("published", "SIGNAL", "")]
    began_ns = node.core.now_ns()
    awaitable.close()
    if ends == "well":
        assert node.core.resume(slot, 10) is None
    else:
        node.core.drop_flight(slot)
    assert node.notes(event.trace_id)[1:] == [(step, "SIGNAL", "slow")]
    note = node.core.notes_of(event.trace_id, 9)[1]
    assert note.at_ns <= began_ns <= note.end_ns, "from the call to the end"


def test_market_data_is_remembered_for_what_came_of_it_only():
    node = Driven()
    made = []
    node.actor("idle", EventType.TRADE)
    node.actor("strategy", EventType.QUOTE, lambda slot, event: made.append(node.core.emit(slot, EventType.SIGNAL)))
    trade, quote = Event.create(EventType.TRADE, "market"), Event.create(EventType.QUOTE, "market")
    for event in (trade, quote):
        node.core.publish(event)
    node.run()
    assert made == [True]
    assert node.notes(trade.trace_id) == []
    assert node.notes(quote.trace_id) == [("cause", "QUOTE", ""), ("published", "SIGNAL", "")]
    cause, signal = node.core.notes_of(quote.trace_id, 100)
    assert signal.parent_span_id == cause.span_id


def test_sampled_market_data_is_remembered_with_what_follows_from_it():
    node = Driven(sample=1.0)
    node.actor("bars", EventType.TRADE, lambda slot, event: node.core.emit(slot, EventType.BAR))
    trade = Event.create(EventType.TRADE, "market")
    node.core.publish(trade)
    node.run()
    assert node.notes(trade.trace_id) == [
        ("published", "TRADE", ""),
        ("published", "BAR", ""),
        ("handled", "TRADE", "bars"),
    ]


def test_the_ring_is_bounded_and_says_how_far_it_reaches():
    node = Driven(notes=4)
    events = [Event.create(EventType.SIGNAL, "test") for _ in range(10)]
    for event in events:
        node.core.publish(event)
    assert [bool(node.notes(event.trace_id)) for event in events] == [False] * 6 + [True] * 4
    recorded = node.core.recorded()
    assert (recorded["notes"], recorded["overwritten"]) == (4, 6)
    assert recorded["since_ns"] == node.core.notes_of(events[6].trace_id, 1)[0].at_ns


@pytest.mark.parametrize("notes", [None, 0])
def test_a_node_that_is_not_asked_remembers_nothing(notes):
    node = Driven(notes=notes)
    event = Event.create(EventType.SIGNAL, "test")
    node.core.publish(event)
    assert node.notes(event.trace_id) == []
    assert node.core.recorded() == {"notes": 0, "overwritten": 0, "since_ns": None, "not_exported": 0}
    assert node.core.latest_orders(5) == []


def test_the_latest_orders_come_first():
    node = Driven()
    orders = [Event.create(EventType.ORDER_NEW, "test") for _ in range(3)]
    for event in (*orders, Event.create(EventType.SIGNAL, "test")):
        node.core.publish(event)
    latest = [f"{note.trace_id:032x}" for note in node.core.latest_orders(2)]
    assert latest == [orders[2].trace_id, orders[1].trace_id]


@pytest.mark.parametrize("prefix", ["", "xyz", "0" * 33, "0x12", "é"])
def test_what_is_no_trace_id_is_refused(prefix):
    with pytest.raises(ValueError, match="1 to 32 hexadecimal digits"):
        Driven().core.notes_of(prefix, 5)


@pytest.mark.parametrize("sample", [-0.1, 1.1, float("nan")])
def test_what_is_no_part_is_refused(sample):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Driven(sample=sample)


def test_notes_are_handed_out_once_and_what_nobody_takes_is_counted():
    node = Driven(export=2)
    for _ in range(3):
        node.core.publish(Event.create(EventType.SIGNAL, "test"))
    assert [len(notes) for notes in node.core.take_notes(1)] == [1]
    assert [len(notes) for notes in node.core.take_notes(9)] == [1]
    assert node.core.take_notes(9) == [[]]
    assert node.core.recorded()["not_exported"] == 1
    assert node.core.recorded()["notes"] == 3, "the ring has them all the same"


@pytest.mark.parametrize(
    ("event_type", "rates"),
    [(EventType.SIGNAL, (0.0, 0.0)), (EventType.QUOTE, (1.0, 0.0))],
    ids=["urgent", "sampled where it comes from"],
)
def test_a_trace_is_one_over_two_nodes(event_type, rates):
    a, b = (Driven(sample=rate) for rate in rates)
    b.actor("theirs", event_type)
    bridges = Bridge.pair(a.core, b.core)
    event = Event.create(event_type, "test")

    def settle():
        moved = 1
        while moved:
            a.run()
            b.run()
            moved = bridges[0].pump()

    settle()
    assert a.core.publish(event)
    settle()
    assert a.notes(event.trace_id) == [("published", event_type.name, "")]
    assert b.notes(event.trace_id) == [("received", event_type.name, ""), ("handled", event_type.name, "theirs")]
    (here,), (there, _) = (node.core.notes_of(event.trace_id, 9) for node in (a, b))
    assert (here.span_id, here.trace_id) == (there.span_id, there.trace_id)
    for bridge in bridges:
        bridge.stop()


def test_a_simulated_run_is_the_same_run_whether_it_is_remembered_or_not():
    def digest(notes):
        core = NodeCore(simulated=True)
        if notes is not None:
            core.record(notes, sample=0.5, export=64)
        core.enter_simulation(7, 1_000)
        try:
            slot = core.add_actor("strategy")
            core.subscribe(slot, EventType.QUOTE, lambda event: core.emit(slot, EventType.SIGNAL))
            for _ in range(20):
                core.publish(Event.create(EventType.QUOTE, "market"))
            core.simulate(1_000_000)
            return core.digest()
        finally:
            core.leave_simulation()

    assert digest(None) == digest(1_000) == digest(3)
