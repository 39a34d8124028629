"""Spans of notes, and the thread that exports them: to a collector of the test's own, and to one that is gone."""

import logging
import threading
import time

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from tests.otlp import Collector

from libra.core.events import Event, EventType
from libra.telemetry.exporter import TraceExporter, otlp_exporter
from libra.telemetry.spans import SpanMaker, resource_of
from libra_core import NodeCore

IDENTITY = {"node": "here", "version": "1.2.3", "pid": 7}


class Note:
    """A note as the core gives them, made by hand."""

    def __init__(self, step="published", **fields):
        self.step = step
        self.trace_id, self.span_id, self.parent_span_id = 1, 2, 0
        self.event_type, self.lane, self.source, self.instrument, self.actor = "SIGNAL", "SIGNALS", "s", "", ""
        self.sequence, self.at_ns, self.end_ns, self.frame = 5, 10, 10, 0
        self.__dict__.update(fields)


class Kept(SpanExporter):
    """Keeps what it is given; refuses, or waits, where it is told to."""

    def __init__(self, *, fails=False, gate=None):
        self.spans = []
        self.fails = fails
        self.gate = gate
        self.was_shut_down = False

    def export(self, spans):
        if self.gate is not None:
            self.gate.wait()
        if self.fails:
            return SpanExportResult.FAILURE
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.was_shut_down = True


@pytest.fixture
def maker():
    return SpanMaker(resource_of(**IDENTITY), "1.2.3")


def test_an_event_is_a_span_under_its_own_ids(maker):
    (root,) = maker.spans_of([Note(instrument="X/Y@v")])
    assert (root.context.trace_id, root.context.span_id, root.parent) == (1, 2, None)
    assert (root.name, root.kind, root.start_time, root.end_time) == ("create SIGNAL", SpanKind.PRODUCER, 10, 10)
    assert root.attributes["libra.instrument"] == "X/Y@v"
    assert root.resource.attributes["service.name"] == "libra"
    assert root.resource.attributes["service.version"] == "1.2.3"
    assert root.resource.attributes["libra.node"] == "here"
    (child,) = maker.spans_of([Note(span_id=3, parent_span_id=2)])
    assert (child.parent.trace_id, child.parent.span_id) == (1, 2)


def test_handlers_are_spans_below_their_event_and_linked_to_it(maker):
    well, failed = maker.spans_of([Note("handled", actor="risk", end_ns=30), Note("failed", actor="other")])
    for span in (well, failed):
        assert (span.parent.span_id, span.links[0].context.span_id, span.kind) == (2, 2, SpanKind.CONSUMER)
        assert span.context.trace_id == 1
    assert well.context.span_id not in (0, 2, failed.context.span_id)
    assert (well.name, well.attributes["libra.actor"]) == ("process SIGNAL", "risk")
    assert (well.start_time, well.end_time) == (10, 30)
    assert (well.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


def test_a_frame_is_one_span_linked_to_its_events(maker):
    alone, own, mixed = maker.spans_of(
        [
            Note("sent", frame=1),
            Note("sent", frame=2, span_id=3),
            Note("sent", frame=2, span_id=4, end_ns=12),
            Note("sent", frame=3, trace_id=8),
            Note("sent", frame=3, trace_id=9, span_id=5),
        ]
    )
    links = [[link.context.span_id for link in span.links] for span in (alone, own, mixed)]
    assert links == [[2], [3, 4], [2, 5]]
    assert [span.attributes["messaging.batch.message_count"] for span in (alone, own, mixed)] == [1, 2, 2]
    assert [span.name for span in (alone, own)] == ["publish SIGNAL", "publish SIGNALS"]
    assert (alone.parent.span_id, own.parent.span_id, own.context.trace_id) == (2, 3, 1)
    assert mixed.parent is None
    assert mixed.context.trace_id not in (0, 8, 9), "it belongs to none of them more than to another"


def test_what_was_taken_in_is_no_span_of_its_own(maker):
    assert list(maker.spans_of([Note("received")])) == []


def test_all_that_waits_is_exported_at_the_end():
    core = NodeCore(simulated=False)
    core.record(10, export=10_000)
    kept = Kept()
    exporter = TraceExporter(core.take_notes, kept, **IDENTITY)
    exporter.start()
    for _ in range(5_000):
        core.publish(Event.create(EventType.SIGNAL, "test"))
    exporter.close(30.0)
    assert len(kept.spans) == exporter.exported == 5_000
    assert kept.was_shut_down


def test_a_frame_whose_notes_come_in_two_goes_is_still_one_span(maker):
    notes = [Note("sent", frame=1 + number // 3, span_id=1 + number) for number in range(3_000)]
    kept = Kept()

    def take(most):
        taken, notes[:most] = notes[:most], []
        return [taken, []]

    exporter = TraceExporter(take, kept, **IDENTITY)
    exporter.start()
    exporter.close(30.0)
    assert [len(span.links) for span in kept.spans] == [3] * 1_000


def test_a_collector_that_does_not_answer_costs_counted_drops_and_a_bounded_wait():
    core = NodeCore(simulated=False)
    core.record(10, export=100)
    gate = threading.Event()
    exporter = TraceExporter(core.take_notes, Kept(gate=gate), **IDENTITY)
    exporter.start()
    late = threading.Timer(20.0, gate.set)
    try:
        for _ in range(10_000):
            assert core.publish(Event.create(EventType.SIGNAL, "test"))
        assert core.recorded()["not_exported"] >= 10_000 - 3 * 100
        late.start()
        exporter.close(0.05)
        assert not gate.is_set(), "it did not wait for the answer"
    finally:
        late.cancel()
        gate.set()


def test_spans_that_are_not_taken_are_counted_and_told_once(caplog):
    rounds = [[[Note()]] for _ in range(3)]
    kept = Kept(fails=True)
    exporter = TraceExporter(lambda most: rounds.pop() if rounds else [[]], kept, **IDENTITY)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            exporter._export_some()
        kept.fails = False
        exporter._export_some()
    assert (exporter.exported, exporter.failed) == (1, 2)
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in told] == [
        "traces cannot be exported",
        "traces are exported again; 2 spans were not",
    ]


def test_spans_arrive_at_a_collector_as_they_were_made():
    core = NodeCore(simulated=False)
    core.record(10, export=100)
    event = Event.create(EventType.SIGNAL, "test")
    with Collector() as collector:
        exporter = TraceExporter(core.take_notes, otlp_exporter(collector.endpoint), **IDENTITY)
        exporter.start()
        core.publish(event)
        exporter.close(30.0)
    ((resource, span),) = collector.spans
    assert resource["libra.node"] == "here"
    assert (span.trace_id.hex(), span.span_id.hex(), span.name) == (event.trace_id, event.span_id, "create SIGNAL")


def test_a_collector_that_is_gone_holds_nobody_up(caplog):
    with Collector() as collector:
        endpoint = collector.endpoint
    core = NodeCore(simulated=False)
    core.record(10, export=100)
    exporter = TraceExporter(core.take_notes, otlp_exporter(endpoint), **IDENTITY)
    exporter.start()
    core.publish(Event.create(EventType.SIGNAL, "test"))
    with caplog.at_level(logging.WARNING):
        exporter.close(2.0)
        deadline = time.monotonic() + 30
        while exporter._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not exporter._thread.is_alive()
    assert (exporter.exported, exporter.failed) == (0, 1)
