"""What a node tells beside what it does: traces of its events, metrics and health over HTTP.

The notes come from the native rings (`libra_core.EventNote`), never from a handler: nothing here is on the way of an
event. `path` makes the path of one trace of the notes of several nodes, for `libra trace`. `spans` makes
OpenTelemetry's spans of notes, `exporter` sends them from a thread of its own; both need the extra `libra[otel]` and
are loaded only where a profile asks for them.

`endpoint` is a small HTTP server for Prometheus and for probes, in threads of its own. `metrics` declares each metric
and makes rows of what the node counts, `beside` reads that without the loop, and `pulse` notes whether the loop comes
round. What is shown under which path is put together in `libra.assembly.monitoring`.
"""
