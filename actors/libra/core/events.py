"""Events: what they are, their types and their priorities.

An `Event` is a native frozen object. Its ``sequence`` is given once, when a bus or the router accepts it; the published
object never changes, handlers see a numbered view of it.
"""

from libra_core import EVENT_PRIORITY_MAP, Event, EventType, Priority

__all__ = ["EVENT_PRIORITY_MAP", "Event", "EventType", "Priority"]
