"""OpenTelemetry's spans of what nodes note about their events, after its conventions for messaging.

- An event is a message. That it was created is a ``create`` span (of kind producer) with the event's *own* trace and
  span id, below that of the event which caused it; so parents are right across nodes, whoever exports first.
- A frame of the bridge is one ``publish`` span with a link to each event in it.
- What an actor's handlers did is a ``process`` span (of kind consumer) below the event's, and linked to it.

Needs the extra ``libra[otel]``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from libra_core import EventNote

__all__ = ["SpanMaker", "resource_of"]

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def resource_of(node: str, version: str, pid: int) -> Resource:
    """What all spans of a node say about where they come from.

    Args:
        node: The node's name.
        version: The version of Libra.
        pid: Its process.
    """
    return Resource.create(
        {
            "service.name": "libra",
            "service.version": version,
            "service.instance.id": f"{node}-{pid}",
            "libra.node": node,
            "process.pid": pid,
        }
    )


class SpanMaker:
    """Makes spans of notes.

    Args:
        resource: Where they come from.
        version: The version of Libra.
    """

    def __init__(self, resource: Resource, version: str) -> None:
        self._resource = resource
        self._scope = InstrumentationScope("libra", version)
        # Not the seeded generators, which decide what a simulated run does.
        self._random = random.SystemRandom()

    def spans_of(self, notes: Iterable[EventNote]) -> Iterator[ReadableSpan]:
        """The spans of one writer's notes, in their order.

        Args:
            notes: In the order in which they were taken out; the notes of a frame stand together.
        """
        for frame, of_frame in groupby(notes, key=lambda note: note.frame):
            if frame:
                yield self._publish(list(of_frame))
            else:
                for note in of_frame:
                    if note.step in ("published", "cause"):
                        yield self._create(note)
                    elif note.step in ("handled", "failed"):
                        yield self._process(note)

    def _create(self, note: EventNote) -> ReadableSpan:
        parent = _context(note.trace_id, note.parent_span_id) if note.parent_span_id else None
        return self._span("create", note, _context(note.trace_id, note.span_id), parent, SpanKind.PRODUCER)

    def _process(self, note: EventNote) -> ReadableSpan:
        event = _context(note.trace_id, note.span_id)
        own = _context(note.trace_id, self._new_span_id())
        status = Status(StatusCode.ERROR, "a handler raised") if note.step == "failed" else Status()
        return self._span("process", note, own, event, SpanKind.CONSUMER, (Link(event),), status)

    def _publish(self, notes: Sequence[EventNote]) -> ReadableSpan:
        """A frame: below its event where it has one, in a trace of its own where it has events of several."""
        first = notes[0]
        events = [_context(note.trace_id, note.span_id) for note in notes]
        traces = {note.trace_id for note in notes}
        trace_id = first.trace_id if len(traces) == 1 else self._random.getrandbits(128) or 1
        parent = events[0] if len(traces) == 1 else None
        own = _context(trace_id, self._new_span_id())
        return self._span("publish", first, own, parent, SpanKind.PRODUCER, tuple(map(Link, events)), of=len(notes))

    def _span(
        self,
        operation: str,
        note: EventNote,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        links: Sequence[Link] = (),
        status: Status | None = None,
        *,
        of: int | None = None,
    ) -> ReadableSpan:
        # The bridge sends frames of one lane; what is said of a single event has its type.
        about = note.event_type if of is None or of == 1 else note.lane
        attributes: dict[str, str | int] = {
            "messaging.system": "libra",
            "messaging.operation.name": operation,
            "messaging.operation.type": "send" if operation == "publish" else operation,
            "messaging.destination.name": about,
            "libra.lane": note.lane,
        }
        if of is not None:
            attributes["messaging.batch.message_count"] = of
        else:
            attributes["libra.source"] = note.source
            attributes["libra.sequence"] = note.sequence
            if note.instrument:
                attributes["libra.instrument"] = note.instrument
            if note.actor:
                attributes["libra.actor"] = note.actor
        return ReadableSpan(
            name=f"{operation} {about}",
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            links=links,
            kind=kind,
            status=status or Status(),
            start_time=note.at_ns,
            end_time=note.end_ns,
            instrumentation_scope=self._scope,
        )

    def _new_span_id(self) -> int:
        return self._random.getrandbits(64) or 1


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)
