"""From `[telemetry]` to a node that remembers its events and, where that is asked for, exports them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import libra
from libra.errors import ConfigError

if TYPE_CHECKING:
    from libra.config import Settings
    from libra.telemetry.exporter import TraceExporter
    from libra_core import NodeCore

__all__ = ["listens", "record_events"]


def listens(settings: Settings) -> bool:
    """True when operators may ask the node: all do but simulated runs at full speed, where nothing else is said."""
    node = settings.node
    return node.control if node.control is not None else node.clock == "live" or node.speed != "max"


def record_events(core: NodeCore, settings: Settings) -> TraceExporter | None:
    """Have a node remember what becomes of its events, where anyone may ask for it.

    Args:
        core: The node's native side, without a bridge yet.
        settings: What the node runs.

    Returns:
        What exports it, to be started; None where nothing is exported.

    Raises:
        ConfigError: When traces are to be exported, and what that needs is not installed.
    """
    telemetry = settings.telemetry
    exports = telemetry.traces != "none"
    if exports or (telemetry.recent_events and listens(settings)):
        core.record(telemetry.recent_events, sample=telemetry.sample, export=telemetry.queue if exports else 0)
    if not exports:
        return None
    try:
        from libra.telemetry.exporter import TraceExporter, console_exporter, otlp_exporter

        exporter = console_exporter() if telemetry.traces == "console" else otlp_exporter(telemetry.endpoint)
    except ImportError as error:
        raise ConfigError(
            f'telemetry.traces = "{telemetry.traces}" needs OpenTelemetry, and {error.name} is not installed:'
            ' pip install "libra[otel]"'
        ) from None
    name = settings.node.name
    return TraceExporter(core.take_notes, exporter, node=name, version=libra.__version__, pid=os.getpid())
