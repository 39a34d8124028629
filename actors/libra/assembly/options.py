"""Settings as the options of a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from libra.core.node import NodeOptions
from libra.core.supervision import RestartPolicy

if TYPE_CHECKING:
    from libra.config import Settings

__all__ = ["node_options"]


def node_options(settings: Settings) -> NodeOptions:
    """How the node that settings describe runs."""
    node = settings.node
    supervision = node.supervision
    return NodeOptions(
        name=node.name,
        simulated=node.clock == "simulated",
        seed=node.seed,
        speed=0.0 if isinstance(node.speed, str) else node.speed,
        duration_s=node.duration_s,
        drain_timeout_s=node.drain_timeout_s,
        spin=node.spin,
        restarts=RestartPolicy(
            supervision.max_restarts,
            supervision.period_s,
            supervision.backoff_s,
            supervision.max_backoff_s,
            supervision.jitter,
        ),
        publish_limit=node.max_events_per_s,
        slow_handler_s=node.slow_handler_ms / 1_000,
        handler_timeout_s=node.handler_timeout_s,
        heartbeat_s=node.heartbeat_s,
        max_rss_bytes=node.max_rss_mb << 20,
        max_tasks=node.max_tasks,
        max_timers=node.max_timers,
        state_dir=None if node.state_dir is None else Path(node.state_dir),
    )
