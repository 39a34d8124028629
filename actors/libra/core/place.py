"""An actor's place in its node: what outlives its instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libra.core.actor import ActorState

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.core.actor import Actor
    from libra.core.context import ActorContext
    from libra.core.worker import Worker

__all__ = ["Place", "Recovery"]


@dataclass(slots=True, eq=False)
class Place:
    """Where an actor stands.

    Attributes:
        name: Its name.
        slot: Its place in the node's native side.
        factory: Makes an instance.
        max_timers: Timers that it may have set at a time; 0 for no limit.
        actor: The running instance, or the last one that stopped; None after a failure.
        context: What the node gave that instance. Not by what the instance says: it may have put something else there.
        life: Counts its instances, and those that its constructor did not come to.
        keeps_tasks: Its tasks go on when it has failed.
        state: Where it stands in its life cycle.
        worker: The task that awaits its handlers, once it has had an async one.
        stop_asked: It asked to be stopped.
        stopped_well: Its ``on_stop`` has ended as it should.
        stop_raised: Its ``on_stop`` raised.
        recovery: It is on its way down, or waits to be started again.
        cancelled: Its handler was cancelled, to take it down.
        stop_timer: Of the time within which its ``on_stop`` has to end; None while it awaits nothing in there.
    """

    name: str
    slot: int
    factory: Callable[[], Actor]
    max_timers: int = 0
    actor: Actor | None = None
    context: ActorContext | None = None
    life: int = 0
    keeps_tasks: bool = False
    state: ActorState = ActorState.CREATED
    worker: Worker | None = None
    stop_asked: bool = False
    stopped_well: bool = False
    stop_raised: bool = False
    recovery: Recovery | None = None
    cancelled: bool = False
    stop_timer: int | None = None

    @property
    def busy_worker(self) -> Worker | None:
        """The task, while it awaits a handler."""
        return self.worker if self.worker is not None and self.worker.is_busy else None

    @property
    def is_over(self) -> bool:
        """True when no instance will follow."""
        return self.state in (ActorState.STOPPED, ActorState.FAILED)

    @property
    def is_down(self) -> bool:
        """True when no instance is there now."""
        return self.state is ActorState.DEGRADED or self.is_over

    def set_snapshot_timer(self) -> None:
        """Have snapshots taken as the instance says; in its turn, since that is its author's code."""
        interval_s = None if self.actor is None else self.actor.snapshot_interval_s
        if interval_s and self.context is not None:
            self.context.set_snapshot_timer(interval_s)


@dataclass(slots=True, eq=False)
class Recovery:
    """Actors that one failure concerns: they are taken down in reverse order, then started in order, or given up.

    Attributes:
        places: In the order of their start.
        gives_up: They are not started again.
        is_due: The wait is over.
        is_down: All of them are down.
    """

    places: list[Place] = field(default_factory=list)
    gives_up: bool = False
    is_due: bool = False
    is_down: bool = False
