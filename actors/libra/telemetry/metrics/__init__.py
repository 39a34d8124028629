"""Metrics for Prometheus: what a node counts anyway, read when somebody asks.

`declared` is what a metric is (name, type, help, labels) and what is read of it; `node`, `accounts`, `bridge` and
`venues` each declare the metrics of one part of a node and make rows of that part's counts; `collector` is the one
place that knows `prometheus_client`, and is loaded only where a profile asks for metrics.

Rows are made in a thread of their own beside a loop that may be held up. What they are made of is read without it, and
nothing is changed. Labels come from what the profile names (accounts, strategies, venues, nodes) or from fixed lists
(lanes, codes); instruments have rows only where ``telemetry.metrics_symbols`` names them.
"""
