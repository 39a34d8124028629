"""A node: one process with its actors, their supervision, and an orderly end.

A node is started by `Node.run`, which returns when its inputs have ended, its time is over, or a signal asked for a stop:
it stops the sources, lets the actors handle what waits, lane by lane, stops them in the reverse order of their start, and
flushes what must not be lost.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from libra.core.actor import Actor, ActorState
from libra.core.context import ActorContext
from libra.core.engine import LiveEngine, SimulatedEngine
from libra.core.events import EventType
from libra.core.mail import ActorRef
from libra.core.supervision import RestartPolicy, Restarts
from libra.core.worker import Worker
from libra_core import NodeCore

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from libra.core.engine import Engine
    from libra.core.events import Event

__all__ = ["Node", "NodeOptions", "Outcome"]

_log = logging.getLogger(__name__)
_SUPERVISOR = "supervisor"


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
        restarts: How often a failing actor is started again.
        signals: Take over SIGINT and SIGTERM while running; only possible in the main thread.
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


@dataclass(slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        why: ``ended`` (inputs or time are over) or ``stop`` (a signal, or `Node.stop`).
        duration_s: Seconds by the wall clock, from the first input to the end of the drain.
        errors: What hooks raised, counted.
        failed: Actors that were given up.
        drained: False when the drain ran out of time.
    """

    why: str = "ended"
    duration_s: float = 0.0
    errors: int = 0
    failed: list[str] = field(default_factory=list)
    drained: bool = True


@dataclass(slots=True)
class _Place:
    name: str
    slot: int
    factory: Callable[[], Actor]
    restarts: Restarts
    actor: Actor | None = None
    state: ActorState = ActorState.CREATED
    worker: Worker | None = None


class Node:
    """Actors on one event loop.

    Args:
        options: How it runs.
    """

    def __init__(self, options: NodeOptions) -> None:
        self.options = options
        self.core = NodeCore(simulated=options.simulated)
        self.core.set_on_failure(self._hook_raised)
        self._places: dict[int, _Place] = {}
        self._by_name: dict[str, int] = {}
        self._sleepers: dict[int, asyncio.Future[None]] = {}
        self._restart_timers: dict[int, int] = {}
        self._stops: list[int] = []
        self._stop_asked = False
        self._stopping = False
        self.endless = False
        """True when inputs come from actors: the run ends by a stop only."""
        self._outcome = Outcome()
        self._engine: Engine | None = None
        self._supervisor = self.core.add_actor(_SUPERVISOR)
        self.core.subscribe(self._supervisor, EventType.TIMER, self._restart_due)

    # Building --------------------------------------------------------------------------------------------------------

    def add_actor(self, name: str, factory: Callable[[], Actor]) -> ActorRef:
        """Add an actor, to be made by ``factory`` at the start and again after each failure.

        Raises:
            ValueError: When there is an actor of that name.
        """
        if name in self._by_name or name == _SUPERVISOR:
            raise ValueError(f"there is an actor named {name!r} already")
        slot = self.core.add_actor(name)
        self._places[slot] = _Place(name, slot, factory, Restarts(self.options.restarts))
        self._by_name[name] = slot
        return ActorRef(name, slot, self)

    def ref(self, name: str) -> ActorRef:
        """The address of an actor. KeyError when there is none of that name."""
        return ActorRef(name, self._by_name[name], self)

    def actor_named(self, name: str) -> Actor | None:
        """The running instance of an actor, for those that assemble a node; None while there is none."""
        return self._places[self._by_name[name]].actor if name in self._by_name else None

    @property
    def errors(self) -> int:
        """What hooks raised so far, counted."""
        return self._outcome.errors

    def actor_states(self) -> dict[str, ActorState]:
        """Where each actor stands, by name."""
        return {place.name: place.state for place in self._places.values()}

    # Running ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask the node to drain and end; from any thread."""
        self._stop_asked = True
        self.core.signal()

    async def run_async(
        self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25
    ) -> Outcome:
        """Run to the end. See the module for how it ends."""
        options = self.options
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.core.install_guard(options.drain_timeout_s, options.signals and in_main_thread)
        if options.simulated:
            self.core.enter_simulation(options.seed, self.core.first_input_ns() or 0)
        progress = None
        started = time.perf_counter()
        try:
            self._open()
            self._engine = self._make_engine()
            await self._start_actors()
            self._opened()
            if on_progress is not None:
                progress = asyncio.create_task(self._tell_progress(on_progress, progress_interval_s))
            self._outcome.why = await self._engine.run()
            await self._drain()
        finally:
            self._outcome.duration_s = time.perf_counter() - started
            if progress is not None:
                progress.cancel()
                await asyncio.gather(progress, return_exceptions=True)
            await self._close()
        return self._outcome

    def run_blocking(self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25) -> Outcome:
        """Run to the end on an event loop of its own: uvloop where it is to be had."""
        try:
            import uvloop

            loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
        except ImportError:  # pragma: no cover - uvloop is a dependency wherever it exists
            loop_factory = None
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(self.run_async(on_progress, progress_interval_s))

    # What a subclass adds --------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Before the actors start: open what they need."""

    def _opened(self) -> None:
        """The actors have been started."""

    def _stop_sources(self) -> None:
        """The drain begins: nothing new comes in."""

    def _actor_given_up(self, name: str) -> None:
        """An actor failed for good."""

    def _flush(self) -> None:
        """The end: everything that was handled is made durable."""

    def _idle(self) -> None:
        """Nothing waits for any actor, for now."""

    # The engine's host -----------------------------------------------------------------------------------------------

    def await_for(self, slot: int, awaitable: Awaitable[object]) -> None:
        """Await what a handler gave, in its actor's task."""
        place = self._places[slot]
        if place.worker is None:
            place.worker = Worker(self.core, slot, self._awaited_raised, self._changed)
        place.worker.feed(awaitable)

    def wake_sleepers(self, timers: list[int]) -> None:
        """Wake handlers that are suspended on the clock."""
        for timer in timers:
            future = self._sleepers.pop(timer, None)
            if future is not None and not future.done():
                future.set_result(None)

    def should_stop(self) -> bool:
        """True when a signal or `stop` asked for the end."""
        if self._stops:
            self._stop_some()
        return self._stop_asked or self.core.stop_signal() is not None

    def inputs_ended(self) -> bool:
        """True when nothing will come in any more."""
        return not self.endless and self.core.feed_ended()

    def idle(self) -> None:
        """Nothing waits for any actor."""
        self._idle()

    # The actors' switchboard -----------------------------------------------------------------------------------------

    async def sleep(self, slot: int, seconds: float) -> None:
        """Suspend an actor's handler on the node's clock."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.core.set_timer(slot, round(seconds * 1e9), 0, True)  # noqa: FBT003
        self._sleepers[timer] = future
        self._changed()
        try:
            await future
        finally:
            if self._sleepers.pop(timer, None) is not None:
                self.core.cancel_sleeper(slot, timer)

    async def await_reply(self, reply: asyncio.Future[Any], sender: int | None, timeout_s: float) -> Any:  # noqa: ANN401
        """Wait for a reply, on the clock of the actor that waits."""
        if sender is None:
            return await asyncio.wait_for(reply, timeout_s)
        sleeper = asyncio.ensure_future(self.sleep(sender, timeout_s))
        try:
            await asyncio.wait([reply, sleeper], return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                return reply.result()
            raise TimeoutError(f"no reply within {timeout_s} s")
        finally:
            reply.cancel()
            sleeper.cancel()
            await asyncio.gather(sleeper, return_exceptions=True)

    def find_slot(self, name: str) -> int:
        """The slot of an actor. KeyError when there is none of that name."""
        return self._by_name[name]

    def state_of(self, slot: int) -> ActorState:
        """Where an actor stands."""
        return self._places[slot].state

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped, when the event that it handles is done."""
        self._stops.append(slot)
        self.core.signal()

    # Life cycle ------------------------------------------------------------------------------------------------------

    def _make_engine(self) -> Engine:
        options = self.options
        if not options.simulated:
            if options.duration_s is not None:
                asyncio.get_running_loop().call_later(options.duration_s, self.stop)
            return LiveEngine(self, spin=options.spin)
        until_ns = None
        if options.duration_s is not None:
            until_ns = self.core.now_ns() + round(options.duration_s * 1e9)
        return SimulatedEngine(self, until_ns, options.speed)

    async def _start_actors(self) -> None:
        for place in self._places.values():
            self._start(place)

    def _start(self, place: _Place) -> None:
        self._move(place, ActorState.STARTING)
        self.core.note_running_slot(place.slot)
        try:
            place.actor = place.factory()
            place.actor._attach(ActorContext(place.name, place.slot, self, self.options.seed))  # noqa: SLF001
            started = place.actor.on_start()
        except Exception as error:
            self._failed(place, error, None)
            return
        finally:
            self.core.note_running_slot(None)
        if started is None:
            self._started(place)
        else:
            self.core.hold(place.slot)
            self.await_for(place.slot, self._start_later(place, started))

    async def _start_later(self, place: _Place, started: Awaitable[None]) -> None:
        await started
        self._started(place)

    def _started(self, place: _Place) -> None:
        self._move(place, ActorState.RUNNING)
        self.core.set_paused(place.slot, False)  # noqa: FBT003

    def _move(self, place: _Place, state: ActorState) -> None:
        place.state = state
        self.core.emit(place.slot, EventType.ACTOR_STATE, {"actor": place.name, "state": state.value})

    # Failures --------------------------------------------------------------------------------------------------------

    def _hook_raised(self, slot: int, error: Exception, event: Event) -> None:
        """A handler raised: called natively. Its event counts as handled and is not delivered again."""
        if slot in self._places:
            self._failed(self._places[slot], error, event)
        else:
            raise error

    def _awaited_raised(self, slot: int, error: Exception) -> None:
        self._failed(self._places[slot], error, self.core.current(slot))

    def _failed(self, place: _Place, error: Exception, event: Event | None) -> None:
        self._outcome.errors += 1
        where = f"handling {event.event_type.name}, trace_id={event.trace_id}" if event is not None else "starting"
        _log.error("actor %s raised while %s", place.name, where, exc_info=error)
        if self._stopping or place.state is ActorState.FAILED:
            return
        wait_s = place.restarts.next_wait_s(self.core.now_ns())
        if wait_s is None:
            self._give_up(place)
            return
        self._move(place, ActorState.DEGRADED)
        self.core.set_paused(place.slot, True)  # noqa: FBT003
        self.core.unsubscribe_all_handlers(place.slot)
        timer = self.core.set_timer(self._supervisor, round(wait_s * 1e9), 0)
        self._restart_timers[timer] = place.slot

    def _restart_due(self, event: Event) -> None:
        slot = self._restart_timers.pop(event.payload, None)
        if slot is None or self._stopping or self._places[slot].state is not ActorState.DEGRADED:
            return
        place = self._places[slot]
        self.core.cancel_timers(slot)
        _log.warning("actor %s is started again", place.name)
        self._start(place)

    def _give_up(self, place: _Place) -> None:
        policy = self.options.restarts
        _log.error(
            "actor %s is given up: more than %d failures within %g s", place.name, policy.max_restarts, policy.period_s
        )
        self._move(place, ActorState.FAILED)
        self._outcome.failed.append(place.name)
        self.core.remove_actor(place.slot)
        self._actor_given_up(place.name)

    # The end ---------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Stop sources, handle what waits, stop actors in reverse order, handle what they left, flush."""
        self.core.begin_drain()
        deadline = asyncio.get_running_loop().time() + self.options.drain_timeout_s
        self._stop_sources()
        engine = self._engine
        if engine is None:
            return
        drained = await engine.settle(deadline)
        self._stopping = True
        for place in reversed(self._places.values()):
            if place.state in (ActorState.RUNNING, ActorState.DEGRADED, ActorState.STARTING):
                self._stop_actor(place)
        drained &= await engine.settle(deadline)
        for place in self._places.values():
            if place.state is ActorState.STOPPING:
                self._move(place, ActorState.STOPPED)
        drained &= await engine.settle(deadline)
        self._outcome.drained = drained
        self._flush()

    def _stop_actor(self, place: _Place) -> None:
        running = place.state is ActorState.RUNNING
        self._move(place, ActorState.STOPPING)
        if place.actor is None or not running:
            return
        self.core.note_running_slot(place.slot)
        try:
            stopping = place.actor.on_stop()
        except Exception as error:
            self._failed(place, error, None)
            return
        finally:
            self.core.note_running_slot(None)
        if stopping is not None:
            self._when_free(place, stopping)

    def _when_free(self, place: _Place, stopping: Awaitable[None]) -> None:
        """An async hook runs in the actor's own task, after a handler that is still suspended there."""
        if self.core.hold(place.slot):
            self.await_for(place.slot, stopping)
        else:
            _log.warning("actor %s: on_stop is not awaited, a handler is still suspended", place.name)
            if asyncio.iscoroutine(stopping):
                stopping.close()

    def _stop_some(self) -> None:
        for slot in self._stops:
            place = self._places[slot]
            if place.state is ActorState.RUNNING:
                self._stop_actor(place)
                self._move(place, ActorState.STOPPED)
                self.core.remove_actor(slot)
        self._stops.clear()

    async def _close(self) -> None:
        for place in self._places.values():
            if place.worker is not None:
                await place.worker.close()
        if self.options.simulated:
            self.core.leave_simulation()
        self.core.remove_guard()

    def _changed(self) -> None:
        if self._engine is not None:
            self._engine.changed()

    async def _tell_progress(self, on_progress: Callable[[], None], interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            on_progress()
