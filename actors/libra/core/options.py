"""How a node runs, and how a run of it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libra.core.supervision import RestartPolicy

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NodeOptions", "Outcome"]


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node runs.

    Attributes:
        name: The node's name.
        simulated: True for simulated time: inputs are pulled, and a run done twice is the same run.
        seed: Seeds ids and the actors' randomness in a simulated run.
        speed: Simulated seconds a second; 0 for as fast as possible.
        duration_s: The run ends after so many seconds of its clock; None for the end of its inputs.
        drain_timeout_s: How long a stopping node may take.
        spin: A live node never sleeps.
        restarts: How often a failing actor is started again, where it has no policy of its own; native threads too.
        signals: Take over SIGINT, SIGTERM and SIGHUP while running (SIGHUP unless it is ignored); only possible in the
            main thread.
        lane_capacity: Events that a lane of an actor's mailbox holds before its type's policy applies; a simulated run
            has no limit.
        keep_up_s: An actor of no account whose facts fill most of a lane is given up where, after so many seconds, no
            fewer of them wait.
        publish_limit: Events a second of its clock that an actor may publish, and at once; 0 for no limit.
        slow_handler_s: A handler that holds the loop for so long is named in a warning; 0 for never.
        handler_timeout_s: A handler that holds the loop of a live node for so long fails: `HandlerTimedOut` is raised
            in it. 0 for never; a simulated node never does, since how fast the machine is must decide nothing there.
        heartbeat_s: A native thread that is silent for so long ends the process; 0 for never.
        max_rss_bytes: The node drains and ends when the process has more memory in use; 0 for no limit.
        max_tasks: Tasks that one actor may have at a time, but for those of accounts; 0 for no limit.
        max_timers: The same of timers.
        state_dir: Where actors' snapshots outlive the process; None for nowhere.
    """

    name: str = "libra"
    simulated: bool = False
    seed: int = 1
    speed: float = 0.0
    duration_s: float | None = None
    drain_timeout_s: float = 0.8
    spin: bool = False
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    signals: bool = True
    lane_capacity: int = 65_536
    keep_up_s: float = 5.0
    publish_limit: int = 100_000
    slow_handler_s: float = 0.1
    handler_timeout_s: float = 5.0
    heartbeat_s: float = 10.0
    max_rss_bytes: int = 0
    max_tasks: int = 10_000
    max_timers: int = 10_000
    state_dir: Path | None = None


@dataclass(slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        why: ``ended`` (inputs or time are over), ``stop`` (a signal, or `Node.stop`) or ``memory`` (over its limit).
        asked_by: Who asked for a stop: a signal's name, or what `Node.stop` was told; None where nobody did.
        duration_s: Seconds by the wall clock, from the first input to the end of the drain.
        errors: What hooks raised, counted.
        failed: Actors that were given up.
        drained: False when the drain ran out of time.
    """

    why: str = "ended"
    asked_by: str | None = None
    duration_s: float = 0.0
    errors: int = 0
    failed: list[str] = field(default_factory=list)
    drained: bool = True
