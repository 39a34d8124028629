"""One order's trace over two nodes: whole in `libra trace`, and whole at a collector."""

import json
import signal

from tests.cluster.conftest import wait_until
from tests.cluster.test_joined import BUYER, Joined, joined
from tests.otlp import Collector, attributes_of

__all__ = ["joined"]

ORDER = ["ORDER_REQUEST", "ORDER_APPROVED", "ORDER_NEW", "ORDER_SUBMITTED", "ORDER_ACCEPTED", "ORDER_FILLED"]


def happened(events, event_type):
    """What became of the first event of a type: steps with their nodes and actors."""
    (event, *_) = (event for event in events if event["event_type"] == event_type)
    return [(row["step"], row["node"], row["actor"]) for row in event["happenings"]]


def is_whole(events) -> bool:
    filled = [event for event in events if event["event_type"] == "ORDER_FILLED"]
    handled = [(row["step"], row["actor"]) for event in filled for row in event["happenings"]]
    return ("handled", "mine") in handled and events[0]["event_type"] == "TIMER"


def test_the_trace_of_an_order_is_whole_over_both_nodes_and_at_a_collector(joined: Joined):
    found: dict[str, list] = {}

    def a_whole_one() -> bool:
        listed = joined.run("trace", "--last", "5", "--json")
        for row in json.loads(listed.out)["traces"] if listed.code == 0 else ():
            shown = joined.run("trace", row["trace_id"], "--json")
            if shown.code == 0 and is_whole(events := json.loads(shown.out)["events"]):
                found[row["trace_id"]] = events
        return bool(found)

    with Collector() as collector:
        more = f'\n[telemetry]\ntraces = "otlp"\nendpoint = "{collector.endpoint}"\n'
        running = joined.start("run", joined.topology(more, strategy=joined.strategy(BUYER)))
        wait_until(a_whole_one, "a whole trace")
        ((trace_id, events),) = list(found.items())[:1]
        short = joined.run("trace", trace_id[:12])
        assert short.code == 0, short.err
        assert f"trace {trace_id}" in short.out
        assert "trading: handled by paper.risk" in short.out
        unknown = joined.run("trace", "0" * 32)
        assert unknown.code == 1
        assert "trading remembers everything since its start" in unknown.err
        running.signal(signal.SIGINT)
        ended = running.end()
    assert ended.code == 0, ended.err
    assert "traces" not in ended.err, "nothing was left behind, nothing failed"

    types = [event["event_type"] for event in events]
    assert [name for name in types if name in ORDER] == ORDER
    asked = happened(events, "ORDER_REQUEST")
    assert asked[0] == ("published", "strategies", "")
    for step in (("sent", "strategies", ""), ("received", "trading", ""), ("handled", "trading", "paper.risk")):
        assert step in asked
    filled = happened(events, "ORDER_FILLED")
    assert filled[0] == ("published", "trading", "")
    for step in (("sent", "trading", ""), ("received", "strategies", ""), ("handled", "strategies", "mine")):
        assert step in filled
    by_span = {event["span_id"]: event for event in events}
    assert [event["event_type"] for event in events if event["parent_span_id"] not in by_span] == ["TIMER"]

    spans = [(of, span) for of, span in collector.spans if span.trace_id.hex() == trace_id]
    created = {span.span_id.hex(): (of["libra.node"], span) for of, span in spans if span.name.startswith("create ")}
    assert set(by_span) <= set(created), "every event has its span, under its own id"
    for span_id, event in by_span.items():
        node, span = created[span_id]
        assert span.parent_span_id.hex() == event["parent_span_id"]
        assert (span.name, node) == (f"create {event['event_type']}", event["happenings"][0]["node"])
    processed = {
        (of["libra.node"], attributes_of(span)["libra.actor"], span.parent_span_id.hex())
        for of, span in spans
        if span.name.startswith("process ") and span.links[0].span_id == span.parent_span_id
    }
    handled = {
        (row["node"], row["actor"], event["span_id"])
        for event in events
        for row in event["happenings"]
        if row["step"] == "handled"
    }
    assert handled <= processed
    linked = {
        (of["libra.node"], link.span_id.hex())
        for of, span in collector.spans
        if span.name.startswith("publish ")
        for link in span.links
    }
    sent = {(row["node"], event["span_id"]) for event in events for row in event["happenings"] if row["step"] == "sent"}
    assert sent <= linked, "each event that left is linked by the span of its frame"
