"""The path of one trace over nodes: its events, each below what caused it, with what became of it where and when.

It is made of plain rows, as they come over the nodes' control sockets, so whoever asks needs nothing native. A trace
may be thousands of events deep (two actors that answer each other), so nothing here recurs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Happening", "TracedEvent", "path_of"]

_BEGINS = ("cause", "published")
"""Steps that tell of an event at the place where it came to be."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What became of an event at one place.

    Attributes:
        step: ``published``, ``cause``, ``sent``, ``received``, ``handled`` or ``failed``.
        node: Which node says so.
        actor: Whose handlers; empty where no actor had a part.
        at_ns: When it happened or began, on that node's clock.
        end_ns: When it ended.
        sequence: The event's number in that node's process.
    """

    step: str
    node: str
    actor: str
    at_ns: int
    end_ns: int
    sequence: int


@dataclass(slots=True)
class TracedEvent:
    """One event of a trace.

    Attributes:
        span_id: Its span, 16 hexadecimal digits.
        parent_span_id: The span of what caused it; empty for a root.
        event_type: What happened.
        source: Who says so.
        instrument: What it is about, or empty.
        depth: How many of the events that led to it are known.
        happenings: What became of it: where it came to be, then the earliest first.
    """

    span_id: str
    parent_span_id: str
    event_type: str
    source: str
    instrument: str
    depth: int = 0
    happenings: list[Happening] = field(default_factory=list)

    @property
    def at_ns(self) -> int:
        """When it came to be; where that is not known any more, the first that is known of it."""
        return self.happenings[0].at_ns


def path_of(notes: Iterable[Mapping[str, Any]]) -> list[TracedEvent]:
    """The events of one trace as a tree.

    Args:
        notes: Rows as a node's verb ``trace`` gives them, each with the ``node`` that it came from.

    Returns:
        Each event behind the one that caused it, depth first, the earliest first. Those without a parent, and those
        whose parent nobody remembers, have depth 0.
    """
    events = _events(notes)
    children: dict[str, list[TracedEvent]] = {}
    roots = []
    # Latest first, since a stack gives back what was put on it last; of the same time, the later note first.
    ordered = sorted(events.values(), key=lambda event: event.at_ns)
    for event in reversed(ordered):
        if event.parent_span_id in events:
            children.setdefault(event.parent_span_id, []).append(event)
        else:
            roots.append(event)
    path: list[TracedEvent] = []
    left = dict(events)
    while left:
        # Parents that a publisher made up may close a circle, which no root leads to: the earliest of it comes first.
        waiting = roots or [min(left.values(), key=lambda event: event.at_ns)]
        roots = []
        while waiting:
            event = waiting.pop()
            if left.pop(event.span_id, None) is None:
                continue
            path.append(event)
            for child in children.get(event.span_id, ()):
                if child.span_id in left:
                    child.depth = event.depth + 1
                    waiting.append(child)
    return path


def _events(notes: Iterable[Mapping[str, Any]]) -> dict[str, TracedEvent]:
    events: dict[str, TracedEvent] = {}
    for note in notes:
        event = events.get(note["span_id"])
        if event is None:
            event = events[note["span_id"]] = TracedEvent(
                note["span_id"], note["parent_span_id"], note["event_type"], note["source"], note["instrument"]
            )
        event.happenings.append(
            Happening(note["step"], note["node"], note["actor"], note["at_ns"], note["end_ns"], note["sequence"])
        )
    for event in events.values():
        # Clocks of two hosts may differ: nothing happens to an event before it is there.
        event.happenings.sort(key=lambda happening: (happening.step not in _BEGINS, happening.at_ns))
    return events
