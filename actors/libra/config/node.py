"""`[node]`: the process itself, its clock, its speed and its supervision."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from libra.config.base import Identifier, Real, Section, Whole


def _speed(value: Any) -> float | str:  # noqa: ANN401 - whatever a profile holds
    if value == "max":
        return "max"
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and 0 < value < 1_000_000:
        return float(value)
    raise ValueError('has to be "max" or a number above zero')


Speed = Annotated[
    Literal["max"] | float,
    BeforeValidator(_speed),
    WithJsonSchema({"anyOf": [{"const": "max"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
"""How fast simulated time passes."""


class SupervisionSettings(Section):
    """`[node.supervision]`: how often a failing actor is started again before it is given up."""

    max_restarts: Annotated[Whole, Field(ge=0)] = Field(
        default=3, description="Restarts of one actor allowed within period_s."
    )
    period_s: Annotated[Real, Field(gt=0)] = Field(
        default=60.0, description="The period that restarts are counted in, seconds."
    )
    backoff_s: Annotated[Real, Field(ge=0)] = Field(
        default=0.1, description="Wait before the first restart, seconds; it doubles."
    )
    max_backoff_s: Annotated[Real, Field(ge=0)] = Field(
        default=5.0, description="The longest wait before a restart, seconds."
    )
    jitter: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.2, description="The part of a wait that is drawn at random: 0.2 makes it 80 to 100 % of its length."
    )


class NodeSettings(Section):
    """`[node]`: one operating system process."""

    name: Identifier = Field(default="libra", description="Name of the node in logs and events.")
    clock: Literal["live", "simulated"] = Field(
        default="live",
        description='"live" for the wall clock, "simulated" for a time that follows the data (repeatable runs).',
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = Field(
        default=1, description="Seed of every random generator of the run."
    )
    speed: Speed = Field(
        default=1.0, description='Pace of a simulated clock: "max", 1 for real time, 10 for ten times that.'
    )
    duration_s: Annotated[Real, Field(gt=0)] | None = Field(
        default=None,
        description="The run ends after so many seconds of the node's clock; without it, when the data ends.",
    )
    drain_timeout_s: Annotated[Real, Field(gt=0, le=60)] = Field(
        default=0.8, description="How long a stopping node may take to handle what is queued, seconds."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least urgent log line shown."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description='"console" for people, "json" for machines.'
    )
    spin: bool = Field(
        default=False, description="Spin instead of sleeping: less latency at the price of a whole core."
    )
    control: bool | None = Field(
        default=None,
        description="Listen for operators (libra status, kill-switch...) on a Unix-domain socket; where it is not set, "
        "all runs do but simulated ones at full speed.",
    )
    max_events_per_s: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        default=100_000,
        description="Events that one actor may publish a second, and at once; more is refused. 0 for no limit.",
    )
    slow_handler_ms: Annotated[Real, Field(ge=0)] = Field(
        default=100.0, description="A handler that holds the loop for so long is named in a warning. 0 for never."
    )
    handler_timeout_s: Annotated[Real, Field(ge=0)] = Field(
        default=5.0,
        description="A handler that holds the loop of a live node for so long, seconds, has failed. 0 for never.",
    )
    heartbeat_s: Annotated[Real, Field(ge=0)] = Field(
        default=10.0,
        description="A native thread that gives no sign of life for so long ends the process. 0 for never.",
    )
    max_rss_mb: Annotated[Whole, Field(ge=0, lt=2**24)] = Field(
        default=0, description="The node drains and fails when the process has more memory in use. 0 for no limit."
    )
    max_tasks: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        default=10_000,
        description="Tasks that one actor may have at a time; making one more raises in it. 0 for no limit.",
    )
    max_timers: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        default=10_000,
        description="Timers that one actor may have set at a time; one more raises in it. 0 for no limit.",
    )
    state_dir: str | None = Field(
        default=None,
        description="Folder in which actors that take snapshots leave their state for the next run.",
    )
    supervision: SupervisionSettings = Field(
        default_factory=SupervisionSettings, description="How often a failing actor is started again."
    )
