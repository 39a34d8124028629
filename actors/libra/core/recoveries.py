"""What failures lead to, over time: actors are taken down in reverse order, wait, and are started again in order.

A failure that comes while an earlier one is still being dealt with takes over what that has not done yet.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from libra.core.actor import ActorState
from libra.core.place import Recovery
from libra.core.watching import TerminationReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libra.core.clock import Sleepers
    from libra.core.events import Event
    from libra.core.place import Place
    from libra.core.supervision import Verdict
    from libra.core.worker import Worker
    from libra_core import NodeCore

__all__ = ["Lives", "Recoveries"]

_log = logging.getLogger(__name__)


class Lives(Protocol):
    """What can be done to a single actor."""

    def start(self, place: Place) -> None:
        """Start a fresh instance."""

    def stop(self, place: Place) -> None:
        """Stop the instance in order, or begin to."""

    def drop_instance(self, place: Place) -> None:
        """Leave nothing of the instance that could act."""

    def come_down(self, place: Place, reason: TerminationReason, detail: str) -> None:
        """An instance is no more: the actor waits to be started again, or has ended for good."""

    def cancel_handler(self, place: Place, worker: Worker) -> None:
        """Cancel the handler that is suspended."""


class Recoveries:
    """The failures of a node that are being dealt with.

    Args:
        lives: Starts and stops single actors.
        core: The node's native side.
        sleepers: What the node's actors suspended on the clock.
        places: Its actors, in the order of adding.
        supervisor: The slot in whose name restarts are timed.
        on_given_up: Called with the name of an actor that failed for good.
        on_exhausted: Called with the name of an actor that failed too often, and is started again all the same.
        on_change: Called when there is something to go on with.
    """

    def __init__(
        self,
        lives: Lives,
        core: NodeCore,
        sleepers: Sleepers,
        places: Mapping[int, Place],
        supervisor: int,
        *,
        on_given_up: Callable[[str], None],
        on_exhausted: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._lives = lives
        self._core = core
        self._sleepers = sleepers
        self._places = places
        self._supervisor = supervisor
        self._on_given_up = on_given_up
        self._on_exhausted = on_exhausted
        self._on_change = on_change
        self._recoveries: list[Recovery] = []
        self._restart_timers: dict[int, Recovery] = {}
        self._is_ending = False

    def carry_out(self, verdict: Verdict, failed: Place, detail: str) -> None:
        """Begin what a failure leads to; those that are concerned handle nothing more until it is done."""
        if verdict.why:
            _log.error("actor %s failed: %s", failed.name, verdict.why)
        recovery = Recovery(gives_up=verdict.wait_s is None)
        named = {*verdict.actors}
        for other in list(self._recoveries):
            if any(place.name in named for place in other.places):
                # What it has not done yet is part of this one from now on.
                undone = [place for place in other.places if place.state is not ActorState.RUNNING or not other.is_down]
                named.update(place.name for place in undone)
                recovery.gives_up |= other.gives_up
                self._forget(other)
        for place in self._places.values():
            # One that waits to be stopped is started no more; where it is the one that failed, it is given up here.
            if place.name in named and not place.is_over and (place is failed or not place.stop_asked):
                recovery.places.append(place)
                place.recovery = recovery
                self._core.set_paused(place.slot, True)  # noqa: FBT003
        self._recoveries.append(recovery)
        wait_s = None if recovery.gives_up else verdict.wait_s
        if wait_s is None:
            _log.error("given up: %s", ", ".join(f"actor {place.name}" for place in recovery.places))
        else:
            timer = self._core.set_timer(self._supervisor, round(wait_s * 1e9), 0)
            self._restart_timers[timer] = recovery
        self._lives.come_down(failed, TerminationReason.FAILED, detail)
        if recovery.gives_up:
            # At once, before anyone's `on_stop`: nothing of theirs may leave any more.
            for place in recovery.places:
                self._on_given_up(place.name)
        elif verdict.exhausted:
            for name in verdict.actors:
                self._on_exhausted(name)
        self._core.interrupt()
        self._on_change()

    def restart_due(self, event: Event) -> None:
        """The wait before a restart is over: a timer of the supervisor."""
        recovery = self._restart_timers.pop(event.payload, None)
        if recovery is not None and recovery in self._recoveries:
            recovery.is_due = True
            self._advance(recovery)

    def tend(self) -> None:
        """Between events: go on with those that are taken down or started."""
        for recovery in self._recoveries[:]:
            if recovery in self._recoveries:
                self._advance(recovery)

    def end(self) -> None:
        """The node ends: nobody is started again any more."""
        self._is_ending = True

    def _advance(self, recovery: Recovery) -> None:
        """Go on with taking actors down and starting them again, as far as that goes now."""
        if self._is_ending:
            return
        if not recovery.is_down:
            if not all(self._take_down(place) for place in reversed(recovery.places)):
                return
            recovery.is_down = True
        if recovery.gives_up:
            self._forget(recovery)
        if not recovery.is_due:
            return
        for place in recovery.places:
            if place.stop_asked and place.state is ActorState.DEGRADED:
                # Once its handler has ended, it is stopped.
                continue
            if place.state is ActorState.DEGRADED and self._core.is_held(place.slot):
                # A task of it failed, and its handler, which was cancelled then, still cleans up.
                return
            if place.state is ActorState.DEGRADED:
                _log.warning("actor %s is started again", place.name)
                self._lives.start(place)
            if place.state not in (ActorState.RUNNING, ActorState.STOPPED):
                # It is still starting; or it failed, and what that leads to has taken this over.
                return
        self._forget(recovery)

    def _forget(self, recovery: Recovery) -> None:
        self._recoveries.remove(recovery)
        for place in recovery.places:
            place.recovery = None

    def is_coming_down(self, place: Place) -> bool:
        """True for an actor that is on its way down, and will be started again or given up then."""
        return place.recovery is not None and not place.recovery.is_down and not self._is_ending

    def _take_down(self, place: Place) -> bool:
        """Bring an actor down, in order where it runs; True when it is."""
        gives_up = place.recovery is not None and place.recovery.gives_up
        if place.is_over or (place.is_down and not gives_up):
            return True
        if self._core.is_held(place.slot):
            # One that has not come to its actor's task yet is ended when it has.
            if place.busy_worker is not None and place.state is not ActorState.STOPPING and not place.cancelled:
                place.cancelled = True
                # Simulated time stands still until it has ended.
                self._sleepers.cancel(place.slot)
                self._lives.cancel_handler(place, place.busy_worker)
                self._core.interrupt()
            return False
        if place.state is ActorState.RUNNING:
            self._lives.stop(place)
        else:
            self._lives.drop_instance(place)
            self._lives.come_down(place, TerminationReason.TAKEN_DOWN, "")
        return place.is_down
