"""What a node tells of its events beside what it does: traces.

The notes come from the native rings (`libra_core.EventNote`), never from a handler: nothing here is on the way of an
event. `path` makes the path of one trace of the notes of several nodes, for `libra trace`. `spans` makes
OpenTelemetry's spans of notes, `exporter` sends them from a thread of its own; both need the extra `libra[otel]` and
are loaded only where a profile asks for them.
"""
