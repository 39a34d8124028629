"""The path of a trace: a tree of plain rows, whatever the rows are."""

from hypothesis import given
from hypothesis import strategies as st

from libra.telemetry.path import path_of


def note(span, parent="", *, step="published", node="a", at_ns=0, end_ns=None, actor="", event_type="SIGNAL"):
    return {
        "span_id": span,
        "parent_span_id": parent,
        "event_type": event_type,
        "source": "s",
        "instrument": "",
        "step": step,
        "node": node,
        "actor": actor,
        "at_ns": at_ns,
        "end_ns": at_ns if end_ns is None else end_ns,
        "sequence": 1,
    }


def shape(events):
    return [(event.span_id, event.depth) for event in events]


def test_each_event_stands_behind_what_caused_it():
    notes = [
        note("c", "a", at_ns=30),
        note("d", "b", at_ns=40, node="b"),
        note("a", at_ns=10),
        note("b", "a", at_ns=20),
        note("e", at_ns=5),
    ]
    assert shape(path_of(notes)) == [("e", 0), ("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    same_time = [note("a"), note("b", "a"), note("c", "a"), note("d", "a")]
    assert shape(path_of(same_time)) == [("a", 0), ("b", 1), ("c", 1), ("d", 1)], "as they were noted"


def test_what_became_of_an_event_begins_where_it_came_to_be():
    notes = [
        note("a", step="received", node="b", at_ns=8),
        note("a", step="handled", node="b", actor="risk", at_ns=9, end_ns=11),
        note("a", step="sent", at_ns=12),
        note("a", at_ns=10),
    ]
    (event,) = path_of(notes)
    assert [(happening.step, happening.node) for happening in event.happenings] == [
        ("published", "a"),
        ("received", "b"),
        ("handled", "b"),
        ("sent", "a"),
    ], "the other host's clock is behind"
    assert event.at_ns == 10


def test_an_event_whose_parent_nobody_remembers_is_a_root():
    assert shape(path_of([note("b", "a"), note("c", "b", at_ns=1)])) == [("b", 0), ("c", 1)]


def test_a_circle_of_parents_is_shown_once():
    notes = [note("a", "c", at_ns=2), note("b", "a", at_ns=1), note("c", "b", at_ns=3), note("x", "x", at_ns=9)]
    assert shape(path_of(notes)) == [("b", 0), ("c", 1), ("a", 2), ("x", 0)]


def test_a_trace_may_be_deep():
    deep = [note(str(number), str(number - 1) if number else "", at_ns=number) for number in range(20_000)]
    assert shape(path_of(deep))[-1] == ("19999", 19_999)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), max_size=30))
def test_every_event_is_shown_exactly_once_and_never_before_its_parent(drawn):
    notes = [note(str(span), str(parent), at_ns=at_ns) for span, parent, at_ns in drawn]
    events = path_of(notes)
    assert sorted(event.span_id for event in events) == sorted({row["span_id"] for row in notes})
    shown = {event.span_id: place for place, event in enumerate(events)}
    for event in events:
        if event.depth:
            assert shown[event.parent_span_id] < shown[event.span_id]
    assert sum(len(event.happenings) for event in events) == len(notes)
