"""The life cycles of a node's actors: each is started, supervised, started anew after a failure, and stopped.

See `libra.core.actor.ActorState` for the states, and `libra.core.supervision` for how often an actor is started again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from libra.core.actor import ActorState
from libra.core.context import ActorContext
from libra.core.events import EventType
from libra.core.mail import Ask
from libra.core.supervision import RestartPolicy, Restarts
from libra.core.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libra.core.actor import Actor
    from libra.core.clock import Sleepers
    from libra.core.context import Switchboard
    from libra.core.events import Event

__all__ = ["SUPERVISOR", "Lifecycles"]

SUPERVISOR = "supervisor"
"""The name under which failed actors are started again."""

_log = logging.getLogger(__name__)
_NAP_S = 0.001


@dataclass(slots=True)
class _Place:
    name: str
    slot: int
    factory: Callable[[], Actor]
    restarts: Restarts
    actor: Actor | None = None
    state: ActorState = ActorState.CREATED
    worker: Worker | None = None
    stop_asked: bool = False

    @property
    def is_busy(self) -> bool:
        return self.worker is not None and self.worker.is_busy


class Lifecycles:
    """The actors of a node, by their slots.

    Args:
        switchboard: The node.
        sleepers: What its actors suspended on the clock.
        policy: How often a failing actor is started again.
        seed: The seed of the run.
        on_given_up: Called with the name of an actor that failed for good.
        on_change: Called when a handler ended, or an actor asked for something.

    Attributes:
        errors: What hooks raised so far, counted.
        failed: Actors that were given up.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        sleepers: Sleepers,
        policy: RestartPolicy,
        seed: int,
        *,
        on_given_up: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self.errors = 0
        self.failed: list[str] = []
        self._switchboard = switchboard
        self._core = switchboard.core
        self._sleepers = sleepers
        self._policy = policy
        self._seed = seed
        self._on_given_up = on_given_up
        self._on_change = on_change
        self._places: dict[int, _Place] = {}
        self._by_name: dict[str, int] = {}
        self._restart_timers: dict[int, int] = {}
        self._stops: list[int] = []
        self._is_ending = False
        self._supervisor = self._core.add_actor(SUPERVISOR)

    def add(self, name: str, factory: Callable[[], Actor], *, decisive: bool) -> int:
        """Add an actor; gives its slot.

        Raises:
            ValueError: When there is an actor of that name.
        """
        if name in self._by_name or name == SUPERVISOR:
            raise ValueError(f"there is an actor named {name!r} already")
        slot: int = self._core.add_actor(name, decisive=decisive)
        self._places[slot] = _Place(name, slot, factory, Restarts(self._policy))
        self._by_name[name] = slot
        return slot

    def slot_of(self, name: str) -> int:
        """The slot of an actor. KeyError when there is none of that name."""
        return self._by_name[name]

    def actor_of(self, name: str) -> Actor | None:
        """The running instance of an actor; None while there is none."""
        return self._places[self._by_name[name]].actor if name in self._by_name else None

    def state_of(self, slot: int) -> ActorState:
        """Where an actor stands."""
        return self._places[slot].state

    def states(self) -> dict[str, ActorState]:
        """Where each actor stands, by name."""
        return {place.name: place.state for place in self._places.values()}

    # Starting --------------------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Start the actors, in the order of adding, and supervise them from now on."""
        self._core.set_on_failure(self._hook_raised)
        self._core.subscribe(self._supervisor, EventType.TIMER, self._restart_due)
        for place in self._places.values():
            self._start(place)

    def await_for(self, slot: int, awaitable: Awaitable[object]) -> None:
        """Await what a handler gave, in its actor's task."""
        place = self._places[slot]
        if place.worker is None:
            place.worker = Worker(self._core, slot, self._awaited_raised, self._on_change)
        place.worker.feed(awaitable)

    def _start(self, place: _Place) -> None:
        self._move(place, ActorState.STARTING)
        self._core.note_running_slot(place.slot)
        try:
            place.actor = place.factory()
            place.actor._attach(ActorContext(place.name, place.slot, self._switchboard, self._seed))
            started = place.actor.on_start()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._failed(place, error, None)
            return
        finally:
            self._core.note_running_slot(None)
        if started is None:
            self._started(place)
        else:
            self._core.hold(place.slot)
            self.await_for(place.slot, self._start_later(place, started))

    async def _start_later(self, place: _Place, started: Awaitable[None]) -> None:
        await started
        if place.state is ActorState.STARTING:
            self._started(place)

    def _started(self, place: _Place) -> None:
        self._move(place, ActorState.RUNNING)
        self._core.set_paused(place.slot, place.stop_asked)

    def _move(self, place: _Place, state: ActorState) -> None:
        place.state = state
        self._core.emit(place.slot, EventType.ACTOR_STATE, {"actor": place.name, "state": state.value})

    # Failing ---------------------------------------------------------------------------------------------------------

    def _hook_raised(self, slot: int, error: BaseException, event: Event) -> None:
        """A handler raised: called natively. Its event counts as handled and is not delivered again."""
        if slot not in self._places:
            raise error
        self._failed(self._places[slot], error, event)

    def _awaited_raised(self, slot: int, error: BaseException) -> None:
        self._failed(self._places[slot], error, self._core.current(slot))

    def _failed(self, place: _Place, error: BaseException, event: Event | None) -> None:
        self.errors += 1
        where = f"handling {event.event_type.name}, trace_id={event.trace_id}" if event is not None else place.state
        _log.error("actor %s raised while %s", place.name, where, exc_info=error)
        if self._is_ending or place.state not in (ActorState.STARTING, ActorState.RUNNING):
            return
        if place.actor is not None and hasattr(place.actor, "_context"):
            place.actor._context.retire()
        place.actor = None
        self._end_timers(place)
        if place.stop_asked:
            self._move(place, ActorState.STOPPING)
            self._stopped(place)
            return
        wait_s = place.restarts.next_wait_s(self._core.now_ns())
        if wait_s is None:
            self._give_up(place)
            return
        self._move(place, ActorState.DEGRADED)
        self._core.set_paused(place.slot, True)  # noqa: FBT003
        self._core.unsubscribe_all_handlers(place.slot)
        timer = self._core.set_timer(self._supervisor, round(wait_s * 1e9), 0)
        self._restart_timers[timer] = place.slot

    def _restart_due(self, event: Event) -> None:
        slot = self._restart_timers.pop(event.payload, None)
        if slot is None or self._is_ending or self._places[slot].state is not ActorState.DEGRADED:
            return
        place = self._places[slot]
        _log.warning("actor %s is started again", place.name)
        self._start(place)

    def _give_up(self, place: _Place) -> None:
        policy = self._policy
        _log.error(
            "actor %s is given up: more than %d failures within %g s", place.name, policy.max_restarts, policy.period_s
        )
        self._end_as_failed(place)
        self._on_given_up(place.name)

    def _end_as_failed(self, place: _Place) -> None:
        self._move(place, ActorState.FAILED)
        self.failed.append(place.name)
        self._remove(place)

    def _remove(self, place: _Place) -> None:
        """The actor is no more; whoever waits for an answer of it learns that."""
        for letter in self._core.remove_actor(place.slot):
            if isinstance(letter, Ask):
                letter.refuse(f"{place.name} is no more")
        self._end_timers(place)

    def _end_timers(self, place: _Place) -> None:
        """An instance is no more: its timers end, and tasks that it left sleeping on the clock are cancelled."""
        self._core.cancel_timers(place.slot)
        self._sleepers.cancel(place.slot)

    # Stopping --------------------------------------------------------------------------------------------------------

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped, when the event that it handles is done. It gets no other."""
        place = self._places[slot]
        if place.stop_asked:
            return
        place.stop_asked = True
        self._stops.append(slot)
        self._core.set_paused(slot, True)  # noqa: FBT003
        self._core.interrupt()
        self._on_change()

    def stop_those_that_asked(self) -> None:
        """Stop the actors that asked for it, each when the handler that is under way has ended."""
        later = []
        for slot in self._stops:
            place = self._places[slot]
            if place.is_busy or place.state is ActorState.STARTING:
                later.append(slot)
            elif place.state is ActorState.RUNNING:
                self._stop(place)
        self._stops = later

    async def stop_all(self, settle: Callable[[float], Awaitable[bool]], deadline: float) -> bool:
        """Stop the actors in the reverse order of their start, each after what the one before it left is handled.

        Args:
            settle: Lets handlers finish what waits until the loop's time that it is given; True when they did.
            deadline: When all has to be done, in the loop's time.

        Returns:
            True when every handler ended in time.
        """
        self._is_ending = True
        in_time = True
        for place in reversed(self._places.values()):
            in_time &= await self._end_handler(place, settle, deadline)
            if place.state in (ActorState.STARTING, ActorState.RUNNING, ActorState.DEGRADED):
                self._stop(place)
            in_time &= await settle(deadline)
            await self._let_sleep(place, settle, deadline)
            in_time &= await self._end_handler(place, settle, deadline)
            if place.state is ActorState.STOPPING:
                self._stopped(place)
        return in_time

    async def close(self) -> None:
        """End the actors' tasks. A handler that will not be cancelled holds this up: the guard names it."""
        for place in self._places.values():
            if place.worker is not None:
                self._core.note_running_slot(place.slot)
                await place.worker.close()
                self._core.note_running_slot(None)

    def _stop(self, place: _Place) -> None:
        actor = place.actor if place.state is ActorState.RUNNING else None
        self._move(place, ActorState.STOPPING)
        if actor is None:
            self._stopped(place)
            return
        self._core.note_running_slot(place.slot)
        try:
            stopping = actor.on_stop()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._failed(place, error, None)
            stopping = None
        finally:
            self._core.note_running_slot(None)
        if stopping is not None:
            self._core.hold(place.slot)
            self.await_for(place.slot, self._stop_later(place, stopping))
        elif not self._is_ending:
            self._stopped(place)

    async def _stop_later(self, place: _Place, stopping: Awaitable[None]) -> None:
        try:
            await stopping
        finally:
            if not self._is_ending:
                self._stopped(place)

    def _stopped(self, place: _Place) -> None:
        self._move(place, ActorState.STOPPED)
        self._remove(place)

    async def _let_sleep(self, place: _Place, settle: Callable[[float], Awaitable[bool]], deadline: float) -> None:
        """A hook that sleeps on a live clock while it stops has until the deadline; a simulated one stands still."""
        loop = asyncio.get_running_loop()
        while not self._core.is_simulated and place.is_busy and loop.time() < deadline:
            await asyncio.sleep(_NAP_S)
            await settle(deadline)

    async def _end_handler(self, place: _Place, settle: Callable[[float], Awaitable[bool]], deadline: float) -> bool:
        """Cancel a handler that is still suspended: on the clock, where no more time will pass, or for too long."""
        worker = place.worker
        if worker is None or not worker.is_busy or place.state is ActorState.FAILED:
            return True
        is_asleep = self._sleepers.has(place.slot)
        # What waits behind it is thrown away, and counted.
        self._core.set_paused(place.slot, True)  # noqa: FBT003
        worker.end_handler()
        await settle(deadline)
        if is_asleep and not worker.is_busy:
            return True
        _log.error("actor %s: its handler did not end within the drain's time", place.name)
        self._end_as_failed(place)
        return False
