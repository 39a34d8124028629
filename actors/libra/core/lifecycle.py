"""The life cycles of a node's actors: each is started, supervised, started anew after a failure, and stopped.

See `libra.core.actor.ActorState` for the states, `libra.core.supervision` for what a failure leads to, and
`libra.core.recoveries` for how that is carried out; `libra.core.ending` has the end of them all.
"""

from __future__ import annotations

import contextvars
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING

from libra.core.actor import ActorState
from libra.core.backlogs import Backlogs
from libra.core.context import ActorContext
from libra.core.ending import Ending, unsettled
from libra.core.events import EventType
from libra.core.faults import log_failure
from libra.core.mail import Ask
from libra.core.own_context import context_for_an_actor
from libra.core.place import Place
from libra.core.recoveries import Recoveries
from libra.core.remains import Remains
from libra.core.snapshots import Snapshots
from libra.core.supervision import SupervisionTree
from libra.core.tasks import Tasks
from libra.core.watching import TerminationReason, Watches
from libra.core.worker import Worker
from libra_core import Mail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from libra.core.actor import Actor
    from libra.core.clock import Sleepers
    from libra.core.context import Switchboard
    from libra.core.events import Event
    from libra.core.faults import Fatal
    from libra.core.supervision import RestartPolicy, RestartStrategy
    from libra_core import NodeVoice

__all__ = ["SUPERVISOR", "Lifecycles"]

SUPERVISOR = "supervisor"
"""The name under which failed actors are started again."""

_log = logging.getLogger(__name__)


class Lifecycles:
    """The actors of a node, by their slots.

    Args:
        switchboard: The node.
        voice: Says what becomes of its actors.
        sleepers: What its actors suspended on the clock.
        policy: How often a failing actor is started again, where nothing else is said.
        seed: The seed of the run.
        state_dir: Where snapshots outlive the process.
        keep_up_s: How long an actor may have too many events waiting, and no fewer in the end; and how long its
            ``on_stop`` may take while the others go on.
        fatal: What ends the run instead of the actor that raised it.
        max_tasks: Tasks that one actor may have at a time, but for those of accounts; 0 for no limit.
        max_timers: The same of timers.
        on_given_up: Called with the name of an actor that failed for good.
        on_exhausted: Called with the name of an actor that failed too often, and is started again all the same.
        on_stopped: Called with the name of an actor that has stopped, well or not, while the others go on.
        on_left: Called with the name of an actor that ended with the node and had no ``on_stop`` that did its work, and
            with why.
        on_change: Called when a handler ended, or an actor asked for something.
        on_fatal: Called with what must end the run.
        look: Called with the name of an actor whose code may have changed what belongs to the process.

    Attributes:
        errors: What hooks raised so far, counted.
        failed: Actors that were given up.
        snapshots: What actors carry over.
        tasks: What actors made beside their handlers.
        watches: Who learns of their ends.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        voice: NodeVoice,
        sleepers: Sleepers,
        policy: RestartPolicy,
        seed: int,
        state_dir: Path | None,
        keep_up_s: float,
        fatal: Fatal,
        *,
        max_tasks: int,
        max_timers: int,
        on_given_up: Callable[[str], None],
        on_exhausted: Callable[[str], None],
        on_stopped: Callable[[str], None],
        on_left: Callable[[str, str], None],
        on_change: Callable[[], None],
        on_fatal: Callable[[BaseException], None],
        look: Callable[[str | None], None],
    ) -> None:
        self.errors = 0
        self.failed: list[str] = []
        self.snapshots = Snapshots(state_dir, fatal, at_once=not switchboard.core.is_simulated)
        self.tasks = Tasks(switchboard.core, self.owner_of, self.task_raised, fatal, on_fatal, max_tasks)
        self._remains = Remains(switchboard.core, fatal)
        self._fatal = fatal
        self._switchboard = switchboard
        self._core = switchboard.core
        self._voice = voice
        self._sleepers = sleepers
        self._seed = seed
        self._context = contextvars.copy_context()
        self._max_timers = max_timers
        self._on_stopped = on_stopped
        self._on_left = on_left
        self._on_change = on_change
        self._on_fatal = on_fatal
        self._look = look
        self._tree = SupervisionTree(policy, self._jitter)
        self._places: dict[int, Place] = {}
        self._by_name: dict[str, int] = {}
        self._stops: list[int] = []
        self._is_ending = False
        self._backlogs = Backlogs(self._core, keep_up_s)
        self._keep_up_s = keep_up_s
        self._stop_timers: dict[int, Place] = {}
        self._supervisor = self._core.add_actor(SUPERVISOR)
        self.watches = Watches(self._core, switchboard.post, self._places, self._supervisor)
        self._recoveries = Recoveries(
            self,
            self._core,
            sleepers,
            self._places,
            self._supervisor,
            on_given_up=on_given_up,
            on_exhausted=on_exhausted,
            on_change=on_change,
        )

    def add_group(
        self,
        name: str,
        strategy: RestartStrategy,
        policy: RestartPolicy | None,
        whole: RestartPolicy | None,
        parent: str | None,
    ) -> None:
        """Add a supervision group: see `SupervisionTree.add_group`."""
        self._tree.add_group(name, strategy=strategy, policy=policy, whole=whole, parent=parent)

    def add(
        self,
        name: str,
        factory: Callable[[], Actor],
        *,
        decisive: bool,
        account: str | None = None,
        group: str | None = None,
        policy: RestartPolicy | None = None,
    ) -> int:
        """Add an actor; gives its slot.

        Raises:
            ValueError: When there is an actor of that name.
            KeyError: When there is no such group.
        """
        if name in self._by_name or name == SUPERVISOR:
            raise ValueError(f"there is an actor named {name!r} already")
        self._tree.add_actor(name, group=group, policy=policy)
        slot: int = self._core.add_actor(name, decisive=decisive, account=account)
        self._places[slot] = Place(name, slot, factory, 0 if account is not None else self._max_timers)
        if account is not None:
            # What strategies ask of it is bounded elsewhere, and must not take it from them all.
            self.tasks.allow_any(slot)
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

    def loads(self) -> dict[str, tuple[int, int]]:
        """Tasks that have not ended and timers that are set, by actor."""
        return {
            place.name: (
                self.tasks.alive(place.slot),
                place.context.timers if place.context is not None and not place.is_over else 0,
            )
            for place in self._places.values()
        }

    def take_snapshot(self, slot: int) -> None:
        """Take a snapshot of an actor, between two of its events, while its turn lasts."""
        place = self._places[slot]
        if place.actor is not None:
            self.snapshots.take(place.name, place.actor, self._core.now_ns())

    def _take_last_snapshot(self, place: Place) -> None:
        """That of an actor which has stopped."""
        try:
            self._core.turn(place.slot, self.take_snapshot, place.slot)
        except self._fatal:
            raise
        except BaseException as error:
            self._failed(place, error, None)

    # Starting --------------------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Start the actors, in the order of adding, and supervise them from now on."""
        self._context = contextvars.copy_context()
        self._core.set_on_failure(self._hook_raised)
        self._core.subscribe(self._supervisor, EventType.TIMER, self._timer_due)
        for place in self._places.values():
            self.start(place)

    def await_for(self, slot: int, awaitable: Awaitable[object], then: Callable[[bool], None] | None = None) -> None:
        """Await what a handler gave, in its actor's task; ``then``, of the node's own, is told how that ended."""
        place = self._places[slot]
        if place.worker is None:
            place.worker = Worker(
                *(self._core, slot, self._awaited_raised, self._on_change, self._fatal, self._on_fatal),
                may_cancel=self.tasks.guard(place.name),
            )
        place.worker.feed(awaitable, then)
        if place.actor is None:
            # Its instance has failed since it was called, by what it had published.
            self.cancel_handler(place, place.worker)

    def start(self, place: Place) -> None:
        """Start a fresh instance of an actor."""
        place.cancelled = place.stopped_well = place.stop_raised = False
        self._move(place, ActorState.STARTING)
        self._core.set_context(place.slot, context_for_an_actor(self._context))
        try:
            started = self._core.turn(place.slot, self._make_and_start, place)
        except self._fatal:
            raise
        except BaseException as error:
            self._failed(place, error, None)
            return
        self._look(place.name)
        if started is None:
            self._started(place)
        else:
            self._core.hold(place.slot)
            self.await_for(place.slot, _end_of(started), partial(self._start_has_ended, place))

    def _make_and_start(self, place: Place) -> Awaitable[None] | None:
        actor = place.actor = self._make(place)
        return actor.on_start()

    def _make(self, place: Place) -> Actor:
        """A fresh instance, with the state of the last one where that is to be had."""
        place.actor = actor = self._attached(place)
        snapshot = self.snapshots.find(place.name, actor)
        if snapshot is not None and not self.snapshots.restore(snapshot, actor, self._core.now_ns()):
            # Half restored it is worth nothing.
            self.drop_instance(place)
            self._core.unsubscribe_all_handlers(place.slot)
            actor = self._attached(place)
        elif snapshot is not None:
            self._core.digest_blob(snapshot.data)
        return actor

    def _attached(self, place: Place) -> Actor:
        actor = place.factory()
        place.context = ActorContext(place.name, place.slot, self._switchboard, self._seed, place.max_timers)
        place.keeps_tasks = actor._keeps_tasks
        actor._attach(place.context)
        return actor

    def _start_has_ended(self, place: Place, well: bool) -> None:  # noqa: FBT001 - a worker says so
        if well and place.state is ActorState.STARTING:
            self._started(place)

    def _started(self, place: Place) -> None:
        try:
            self._core.turn(place.slot, place.set_snapshot_timer)
        except self._fatal:
            raise
        except BaseException as error:
            self._failed(place, error, None)
            return
        self._move(place, ActorState.RUNNING)
        self._core.set_paused(place.slot, place.stop_asked or self._recoveries.is_coming_down(place))
        if place.recovery is not None:
            self._core.interrupt()

    def _move(self, place: Place, state: ActorState) -> None:
        place.state = state
        self._voice.announce(place.slot, EventType.ACTOR_STATE, {"actor": place.name, "state": state.value})

    # Failing ---------------------------------------------------------------------------------------------------------

    def _hook_raised(self, slot: int, error: BaseException, event: Event | None) -> None:
        """A handler raised: called natively. Its event counts as handled and is not delivered again.

        None for an event: what it has published did not end in time.
        """
        if slot not in self._places:
            raise error
        place = self._places[slot]
        if event is None and place.actor is not None:
            self._fails_beside_its_handler(place, error)
        else:
            self._failed(place, error, event)

    def _awaited_raised(self, slot: int, error: BaseException) -> None:
        place = self._places[slot]
        # Behind an `on_stop` that has done its work it was a handler's.
        place.stop_raised = place.state is ActorState.STOPPING and not place.stopped_well
        self._failed(place, error, self._core.current(slot))

    def _failed(self, place: Place, error: BaseException, event: Event | None) -> None:
        self.errors += 1
        self._remains.keep(place.slot, error)
        # Before it is told: the log itself may have been turned off.
        self._look(place.name)
        where = f"handling {event.event_type.name}, trace_id={event.trace_id}" if event is not None else place.state
        detail = self._report(place, where, error)
        if event is not None:
            self._core.note_dead(place.slot, "RAISED", event)
        if self._is_ending or place.state not in (ActorState.STARTING, ActorState.RUNNING):
            return
        self.drop_instance(place)
        if place.stop_asked:
            self._move(place, ActorState.STOPPING)
            self.stopped(place, TerminationReason.FAILED, detail)
        elif self._recoveries.is_coming_down(place):
            self.come_down(place, TerminationReason.FAILED, detail)
        else:
            self._recoveries.carry_out(self._tree.decide(place.name, self._core.now_ns()), place, detail)

    def _report(self, place: Place, where: str, error: BaseException) -> str:
        """Log a failure, and say it in short. What an exception says of itself is its author's code: it has a turn."""
        self._core.leave_fork(error)
        told = partial(log_failure, _log, "actor %s raised while %s", error=error, fatal=self._fatal)
        return self._core.turn(place.slot, told, place.name, where)

    def task_raised(self, slot: int, life: object, error: BaseException) -> None:
        """A task that an actor has made raised. One of an instance that is no more is told of, and that is all."""
        place = self._places[slot]
        if place.actor is None or (life is not None and place.life != life):
            self.errors += 1
            self._remains.keep(slot, error)
            self._report(place, "it was gone already, in a task", error)
            return
        self._fails_beside_its_handler(place, error)

    def _fails_beside_its_handler(self, place: Place, error: BaseException) -> None:
        """An instance fails by what is not its handler, which may be suspended: that ends with it."""
        if place.busy_worker is not None and not self._is_ending:
            self.cancel_handler(place, place.busy_worker)
        self._failed(place, error, None)

    def _give_up_those_behind(self) -> None:
        """What waits for an actor that cannot keep up must neither grow for ever nor hold up anyone else."""
        for slot, waiting in self._backlogs.stuck(time.monotonic()):
            place = self._places.get(slot)
            if place is None or place.is_over:
                continue
            self.errors += 1
            event = self._core.current(slot)
            handles = "" if event is None else f", awaiting in its handler of {event.event_type.name}"
            detail = f"it does not keep up{handles}: {waiting} events wait for it, no fewer with time, and are dropped"
            self._give_up(place, detail)

    def _give_up(self, place: Place, detail: str) -> None:
        if place.busy_worker is not None:
            self.cancel_handler(place, place.busy_worker)
        self.drop_instance(place)
        self._recoveries.carry_out(self._tree.give_up(place.name, detail), place, detail)

    def owner_of(self, name: str) -> tuple[int, object] | None:
        """Slot of an actor whose code runs, and which life it is; None for one that is not of this node."""
        slot = self._by_name.get(name)
        return None if slot is None else (slot, self._places[slot].life)

    def come_down(self, place: Place, reason: TerminationReason, detail: str) -> None:
        """An instance is no more: the actor waits to be started again, or has ended for good."""
        recovery = place.recovery
        if recovery is None or recovery.gives_up:
            self._end_as_failed(place, reason, detail)
            return
        self.drop_instance(place)
        self._move(place, ActorState.DEGRADED)
        self._core.set_paused(place.slot, True)  # noqa: FBT003
        self._core.unsubscribe_all_handlers(place.slot)
        self.watches.tell(place, reason, detail, comes_back=True)

    def _end_as_failed(self, place: Place, reason: TerminationReason, detail: str) -> None:
        self._move(place, ActorState.FAILED)
        self.failed.append(place.name)
        self.watches.tell(place, reason, detail, comes_back=False)
        self._remove(place)

    def _remove(self, place: Place) -> None:
        """The actor is no more; whoever waits for an answer of it learns that."""
        for letter in self._core.remove_actor(place.slot):
            if isinstance(letter, Mail):
                letter = self._switchboard.post.opened(letter, None)
            if isinstance(letter, Ask):
                letter.refuse(f"{place.name} is no more")
        self._end_timers(place)

    def drop_instance(self, place: Place) -> None:
        """An instance has failed, or makes room for the next: what is left of it must not act any more."""
        (actor, context), (place.actor, place.context) = (place.actor, place.context), (None, None)
        if context is not None:
            context.retire()
        # A constructor that raised leaves tasks, and no instance.
        tasks = [] if place.keeps_tasks else self.tasks.cancel(place.slot)
        place.life += 1
        if actor is not None or tasks:
            self._remains.keep(place.slot, actor, tasks)
        self.watches.forget(place.slot)
        self._end_timers(place)

    def _end_timers(self, place: Place) -> None:
        """An instance is no more: its timers end, and tasks that it left sleeping on the clock are cancelled."""
        self._core.cancel_timers(place.slot)
        self._sleepers.cancel(place.slot)

    def _jitter(self, name: str) -> Callable[[], float]:
        """Draws for the waits of one member: repeatable in simulated time, different in every live process."""
        seed = f"{self._seed}/supervisor/{name}" if self._core.is_simulated else None
        return random.Random(seed).random  # noqa: S311 - spreads restarts, keeps no secret

    # Stopping --------------------------------------------------------------------------------------------------------

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped, when the event that it handles is done. It gets no other."""
        place = self._places[slot]
        # One that is being stopped with its node ends with that.
        if place.stop_asked or place.is_over or (self._is_ending and place.state is ActorState.STOPPING):
            return
        place.stop_asked = True
        _log.info("actor %s is asked to stop", place.name)
        self._stops.append(slot)
        self._core.set_paused(slot, True)  # noqa: FBT003
        self._core.interrupt()
        self._on_change()

    def tend(self) -> None:
        """Between events: stop the actors that asked for it, and go on with those that are taken down or started."""
        if self._stops:
            self._stop_those_that_asked()
        if not self._is_ending:
            self._give_up_those_behind()
        self._recoveries.tend()

    def _stop_those_that_asked(self) -> None:
        """Each when the handler that is under way has ended; one that waits to be started again as well."""
        asked, self._stops = self._stops, []
        for slot in asked:
            place = self._places[slot]
            if self._core.is_held(slot) or place.state in (ActorState.CREATED, ActorState.STARTING):
                self._stops.append(slot)
            elif place.state in (ActorState.RUNNING, ActorState.DEGRADED):
                self.stop(place)

    async def stop_all(self, settle: Callable[[float], Awaitable[bool]], deadline: float) -> bool:
        """The node ends, and so do its actors: see `Ending.stop_all`."""
        self._is_ending = True
        self._recoveries.end()
        return await Ending(self, self._core, self._sleepers, self._places, settle).stop_all(deadline)

    def unsettled(self) -> dict[str, str]:
        """Who has something to handle yet, and what: see `libra.core.ending.unsettled`."""
        return unsettled(self._core, self._places.values())

    async def close(self) -> None:
        """End the actors' tasks. A handler that will not be cancelled holds this up: the guard names it."""
        for place in self._places.values():
            if place.worker is not None:
                self._core.note_running_slot(place.slot)
                await place.worker.close()
                self._core.note_running_slot(None)

    def let_go(self) -> None:
        """Between events: what is left of instances that are no more ends here, each in a turn of its actor."""
        self._remains.let_go()

    def let_all_go(self) -> None:
        """The run is over, and nobody's code runs: instances end here, each in a turn of its actor."""
        for place in self._places.values():
            if place.actor is not None:
                self._remains.keep(place.slot, place.actor)
            place.actor = place.worker = None
        self._remains.let_go(at_once=True)

    def stop(self, place: Place) -> None:
        """Stop the instance in order, or begin to."""
        actor = place.actor if place.state is ActorState.RUNNING else None
        why_none = "it waited to be started again" if place.state is ActorState.DEGRADED else "it had not started"
        place.stopped_well = place.stop_raised = False
        self._move(place, ActorState.STOPPING)
        if actor is None:
            self.stopped(place)
            if self._is_ending:
                self._on_left(place.name, why_none)
            return
        try:
            stopping = self._core.turn(place.slot, actor.on_stop)
            place.stopped_well = stopping is None
        except self._fatal:
            raise
        except BaseException as error:
            place.stop_raised = True
            self._failed(place, error, None)
            stopping = None
        self._look(place.name)
        if stopping is not None:
            self._core.hold(place.slot)
            if not self._is_ending:
                place.stop_timer = self._core.set_timer(self._supervisor, round(self._keep_up_s * 1e9), 0)
                self._stop_timers[place.stop_timer] = place
            self.await_for(place.slot, _end_of(stopping), partial(self._stop_has_ended, place))
        elif not self._is_ending:
            self.stopped(place)

    def _stop_has_ended(self, place: Place, well: bool) -> None:  # noqa: FBT001 - a worker says so
        place.stopped_well = well
        if not self._is_ending and place.state is ActorState.STOPPING:
            self.stopped(place)

    def _timer_due(self, event: Event) -> None:
        """A wait is over: that before a restart, or the time of an ``on_stop``."""
        place = self._stop_timers.pop(event.payload, None)
        if place is None:
            self._recoveries.restart_due(event)
        elif place.stop_timer == event.payload and place.state is ActorState.STOPPING and not self._is_ending:
            # Nobody would ever learn that it is gone, and what it left would stay.
            self.errors += 1
            self._give_up(place, f"its on_stop has not ended within {self._keep_up_s:g} s")

    def _end_stop_timer(self, place: Place) -> None:
        if place.stop_timer is not None:
            self._stop_timers.pop(place.stop_timer, None)
            self._core.cancel_timer(place.stop_timer)
            place.stop_timer = None

    def stopped(self, place: Place, reason: TerminationReason = TerminationReason.STOPPED, detail: str = "") -> None:
        """An instance that was to stop has, or its time is over."""
        self._end_stop_timer(place)
        if place.stopped_well:
            self._take_last_snapshot(place)
        given_up = place.recovery is not None and place.recovery.gives_up
        if (given_up or self._recoveries.is_coming_down(place)) and not place.stop_asked:
            self.come_down(place, TerminationReason.TAKEN_DOWN, "")
            return
        self._move(place, ActorState.STOPPED)
        self.watches.tell(place, reason, detail, comes_back=False)
        self._remove(place)
        if place.stop_asked or not self._is_ending:
            self._on_stopped(place.name)

    def stopped_with_node(self, place: Place) -> None:
        """An instance that was to stop since the node ends has, or its time is over."""
        if place.stop_raised:
            self._end_with_node_as_failed(place, "its on_stop raised")
            return
        self.stopped(place)
        if not place.stopped_well:
            self._on_left(place.name, "its on_stop was cut short")

    def did_not_end(self, place: Place) -> None:
        """Its handler was cancelled and goes on, or was its ``on_stop``."""
        _log.error("actor %s: its handler did not end within the drain's time", place.name)
        self._end_with_node_as_failed(place, "its handler did not end")

    def _end_with_node_as_failed(self, place: Place, why: str) -> None:
        self._end_as_failed(place, TerminationReason.FAILED, why)
        # What an `on_stop` that has done its work left, it left on purpose.
        if not place.stopped_well:
            self._on_left(place.name, why)

    def cancel_handler(self, place: Place, worker: Worker) -> None:
        """Cancel the handler that is suspended; its event is a dead letter."""
        event = self._core.current(place.slot)
        if event is not None:
            self._core.note_dead(place.slot, "CANCELLED", event)
        worker.end_handler()


async def _end_of(hook: Awaitable[None]) -> None:
    """What an async hook gave, awaited from its first step on in its actor's turns."""
    await hook
