"""A node: one process with its actors, their supervision, and an orderly end.

A node is started by `Node.run`, which returns when its inputs have ended, its time is over, or a signal asked for a stop:
it stops the sources, lets the actors handle what waits, lane by lane, stops them in the reverse order of their start, and
flushes what must not be lost.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from libra.core.actor import Actor, ActorState
from libra.core.context import ActorContext
from libra.core.engine import LiveEngine, SimulatedEngine
from libra.core.events import EventType, Priority
from libra.core.mail import ActorRef, Ask
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
_PATIENCE, _DEADLINE = 0.6, 0.75
"""Of a drain's time: when handlers that have not ended are cancelled, and when they must have. The rest is the guard's."""
_LEAST_S = 0.1
_SAME_STOP_S = 0.5
_FLUSH_S = 30.0
"""A slow disk is no actor's fault."""


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
        lane_capacity: Events that a lane of an actor's mailbox holds before its type's policy applies; a simulated run
            has no limit.
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
    stop_asked: bool = False


@dataclass(frozen=True, slots=True)
class _Sleeper:
    slot: int
    future: asyncio.Future[Any]
    when_due: BaseException | None = None


class Node:
    """Actors on one event loop.

    Args:
        options: How it runs.
    """

    def __init__(self, options: NodeOptions) -> None:
        self.options = options
        self.core = NodeCore(simulated=options.simulated, lane_capacity=options.lane_capacity)
        self._places: dict[int, _Place] = {}
        self._by_name: dict[str, int] = {}
        self._sleepers: dict[int, _Sleeper] = {}
        self._restart_timers: dict[int, int] = {}
        self._stops: list[int] = []
        self._stop_asked = False
        self._time_is_over = False
        self._has_run = False
        self._is_simulating = False
        self._stopping = False
        self.endless = False
        """True when inputs come from actors: the run ends by a stop only."""
        self._outcome = Outcome()
        self._engine: Engine | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._supervisor = self.core.add_actor(_SUPERVISOR)

    # Building --------------------------------------------------------------------------------------------------------

    def add_actor(self, name: str, factory: Callable[[], Actor], *, decisive: bool = False) -> ActorRef:
        """Add an actor, to be made by ``factory`` at the start and again after each failure.

        A ``decisive`` one decides whether a command (a signal, a request) is taken: it is refused where such a subscriber
        has no room. Any other only misses it.

        Raises:
            ValueError: When there is an actor of that name.
        """
        if name in self._by_name or name == _SUPERVISOR:
            raise ValueError(f"there is an actor named {name!r} already")
        slot = self.core.add_actor(name, decisive=decisive)
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
        """Ask the node to drain and end; from any thread. From now on the drain's time counts."""
        self._stop_asked = True
        self.core.interrupt()
        self.core.begin_drain()
        self.core.interrupt()
        self.core.signal()

    async def run_async(
        self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25
    ) -> Outcome:
        """Run to the end, once. See the module for how it ends."""
        try:
            return await self._run(on_progress, progress_interval_s)
        finally:
            self.core.remove_guard()

    def run_blocking(self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25) -> Outcome:
        """Run to the end on an event loop of its own: uvloop where it is to be had."""
        try:
            import uvloop

            loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
        except ImportError:  # pragma: no cover - uvloop is a dependency wherever it exists
            loop_factory = None
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                # Not by `runner.run`, which takes SIGINT for itself.
                return runner.get_loop().run_until_complete(self._run(on_progress, progress_interval_s))
        finally:
            # Tasks that a user's code has left behind are ended by now, or the guard has ended the process.
            self.core.remove_guard()

    async def _run(self, on_progress: Callable[[], None] | None, progress_interval_s: float) -> Outcome:
        if self._has_run:
            raise RuntimeError("a node runs once: make another one")
        self._has_run = True
        options = self.options
        # From here until `release` the node and its native side hold each other.
        self.core.set_on_failure(self._hook_raised)
        self.core.subscribe(self._supervisor, EventType.TIMER, self._restart_due)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.core.install_guard(options.drain_timeout_s, options.signals and in_main_thread)
        progress = None
        started = time.perf_counter()
        try:
            if options.simulated:
                self.core.enter_simulation(options.seed, self.core.first_input_ns() or 0)
                self._is_simulating = True
            self._open()
            self._engine = self._make_engine()
            await self._start_actors()
            self._opened()
            if on_progress is not None:
                progress = asyncio.create_task(self._tell_progress(on_progress, progress_interval_s))
            try:
                self._outcome.why = await self._engine.run()
            finally:
                await self._drain()
        finally:
            self._outcome.duration_s = time.perf_counter() - started
            if progress is not None:
                progress.cancel()
                await asyncio.gather(progress, return_exceptions=True)
            await self._close()
        if self._time_is_over:
            self._outcome.why = "ended"
        if self.core.stop_signal() is not None and in_main_thread:
            atexit.register(_end_undisturbed, time.monotonic() + _SAME_STOP_S)
        return self._outcome

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
            sleeper = self._sleepers.pop(timer, None)
            if sleeper is None or sleeper.future.done():
                continue
            if sleeper.when_due is None:
                sleeper.future.set_result(None)
            else:
                sleeper.future.set_exception(sleeper.when_due)

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

    def has_sleepers(self) -> bool:
        """True while something is suspended on the clock."""
        return bool(self._sleepers)

    # The actors' switchboard -----------------------------------------------------------------------------------------

    async def sleep(self, slot: int, seconds: float) -> None:
        """Suspend an actor's handler on the node's clock."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._lie_down(_Sleeper(slot, future), seconds)
        try:
            await future
        finally:
            self._get_up(timer)

    async def await_reply(self, letter: Ask, reply: asyncio.Future[Any], sender: int | None, timeout_s: float) -> Any:  # noqa: ANN401
        """Wait for the reply to a letter, on the clock of the actor that waits."""
        if sender is None:
            return await asyncio.wait_for(reply, timeout_s)
        late = TimeoutError(f"no reply within {timeout_s} s")
        timer = self._lie_down(_Sleeper(sender, reply, late), timeout_s)
        letter.settled = lambda: self._get_up(timer)
        try:
            return await reply
        finally:
            self._get_up(timer)

    def _lie_down(self, sleeper: _Sleeper, seconds: float) -> int:
        timer = self.core.set_timer(sleeper.slot, round(seconds * 1e9), 0, True)  # noqa: FBT003
        self._sleepers[timer] = sleeper
        self._changed()
        return timer

    def _get_up(self, timer: int) -> None:
        """What a sleeper waited for is there before its time: it counts as awake at once."""
        sleeper = self._sleepers.pop(timer, None)
        if sleeper is not None:
            self.core.cancel_sleeper(sleeper.slot, timer)

    def _end_timers(self, slot: int) -> None:
        """An instance is no more: its timers end, and tasks that it left sleeping on the clock are cancelled."""
        self.core.cancel_timers(slot)
        for timer, sleeper in list(self._sleepers.items()):
            if sleeper.slot == slot:
                del self._sleepers[timer]
                sleeper.future.cancel()

    def find_slot(self, name: str) -> int:
        """The slot of an actor. KeyError when there is none of that name."""
        return self._by_name[name]

    def state_of(self, slot: int) -> ActorState:
        """Where an actor stands."""
        return self._places[slot].state

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped, when the event that it handles is done."""
        place = self._places[slot]
        if place.stop_asked:
            return
        place.stop_asked = True
        self._stops.append(slot)
        self.core.set_paused(slot, True)  # noqa: FBT003
        self.core.interrupt()
        self._changed()

    # Life cycle ------------------------------------------------------------------------------------------------------

    def _make_engine(self) -> Engine:
        options = self.options
        if not options.simulated:
            if options.duration_s is not None:
                self._alarm = asyncio.get_running_loop().call_later(options.duration_s, self._end_of_time)
            return LiveEngine(self, spin=options.spin)
        until_ns = None
        if options.duration_s is not None:
            until_ns = self.core.now_ns() + round(options.duration_s * 1e9)
        return SimulatedEngine(self, until_ns, options.speed)

    def _end_of_time(self) -> None:
        self._time_is_over = not self.should_stop()
        self.stop()

    async def _start_actors(self) -> None:
        for place in self._places.values():
            self._start(place)

    def _start(self, place: _Place) -> None:
        self._move(place, ActorState.STARTING)
        self.core.note_running_slot(place.slot)
        try:
            place.actor = place.factory()
            place.actor._attach(ActorContext(place.name, place.slot, self, self.options.seed))
            started = place.actor.on_start()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
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
        if place.state is ActorState.STARTING:
            self._started(place)

    def _started(self, place: _Place) -> None:
        self._move(place, ActorState.RUNNING)
        self.core.set_paused(place.slot, place.stop_asked)

    def _move(self, place: _Place, state: ActorState) -> None:
        place.state = state
        self.core.emit(place.slot, EventType.ACTOR_STATE, {"actor": place.name, "state": state.value})

    # Failures --------------------------------------------------------------------------------------------------------

    def _hook_raised(self, slot: int, error: BaseException, event: Event) -> None:
        """A handler raised: called natively. Its event counts as handled and is not delivered again."""
        if slot in self._places:
            self._failed(self._places[slot], error, event)
        else:
            raise error

    def _awaited_raised(self, slot: int, error: BaseException) -> None:
        self._failed(self._places[slot], error, self.core.current(slot))

    def _failed(self, place: _Place, error: BaseException, event: Event | None) -> None:
        self._outcome.errors += 1
        where = f"handling {event.event_type.name}, trace_id={event.trace_id}" if event is not None else place.state
        _log.error("actor %s raised while %s", place.name, where, exc_info=error)
        if self._stopping or place.state not in (ActorState.STARTING, ActorState.RUNNING):
            return
        if place.actor is not None and hasattr(place.actor, "_context"):
            place.actor._context.retire()
        place.actor = None
        self._end_timers(place.slot)
        if place.stop_asked:
            self._move(place, ActorState.STOPPING)
            self._stopped(place)
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
        _log.warning("actor %s is started again", place.name)
        self._start(place)

    def _give_up(self, place: _Place) -> None:
        policy = self.options.restarts
        _log.error(
            "actor %s is given up: more than %d failures within %g s", place.name, policy.max_restarts, policy.period_s
        )
        self._move(place, ActorState.FAILED)
        self._outcome.failed.append(place.name)
        self._remove(place)
        self._actor_given_up(place.name)

    def _remove(self, place: _Place) -> None:
        """The actor is no more; whoever waits for an answer of it learns that."""
        for letter in self.core.remove_actor(place.slot):
            if isinstance(letter, Ask):
                letter.refuse(f"{place.name} is no more")
        self._end_timers(place.slot)

    # The end ---------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Stop sources, handle what waits, stop actors in reverse order, each after what it left is handled, flush."""
        self.core.begin_drain()
        self._stop_sources()
        engine = self._engine
        if engine is None:
            return
        now = asyncio.get_running_loop().time()
        deadline = now + self.options.drain_timeout_s * _DEADLINE
        drained = await self._settle(engine, now + self.options.drain_timeout_s * _PATIENCE)
        self._stopping = True
        for place in reversed(self._places.values()):
            drained &= await self._end_handler(place, engine, deadline)
            if place.state in (ActorState.STARTING, ActorState.RUNNING, ActorState.DEGRADED):
                self._stop_actor(place)
            drained &= await self._settle(engine, deadline)
            drained &= await self._end_handler(place, engine, deadline)
            if place.state is ActorState.STOPPING:
                self._stopped(place)
        self._outcome.drained = drained
        self.core.extend_drain(_FLUSH_S)
        self._flush()
        # Whoever still clings to the loop has what is left of the drain's time.
        left_s = now + self.options.drain_timeout_s - asyncio.get_running_loop().time()
        self.core.extend_drain(max(left_s, _LEAST_S))

    async def _settle(self, engine: Engine, deadline: float) -> bool:
        """Let actors handle what waits. Market data that is left over is no failure: it is best effort, and counted."""
        if await engine.settle(deadline):
            return True
        lanes = self.core.counts()["lanes"]
        urgent = (row["waiting"] for lane, row in lanes.items() if lane != Priority.MARKET_DATA.name)
        return not any(urgent) and not self.core.is_suspended()

    async def _end_handler(self, place: _Place, engine: Engine, deadline: float) -> bool:
        """Cancel a handler that is still suspended: on the clock, where no more time will pass, or for too long."""
        worker = place.worker
        if worker is None or not worker.is_busy or place.state is ActorState.FAILED:
            return True
        asleep = any(sleeper.slot == place.slot for sleeper in self._sleepers.values())
        self.core.set_paused(place.slot, True)  # noqa: FBT003 - what waits behind it is thrown away, and counted
        worker.end_handler()
        await engine.settle(deadline)
        ended = not worker.is_busy
        if asleep and ended:
            return True
        _log.error("actor %s: its handler did not end within the drain's time", place.name)
        if place.name not in self._outcome.failed:
            self._outcome.failed.append(place.name)
        self._move(place, ActorState.FAILED)
        self._remove(place)
        return False

    def _stop_actor(self, place: _Place) -> None:
        actor = place.actor if place.state is ActorState.RUNNING else None
        self._move(place, ActorState.STOPPING)
        if actor is None:
            self._stopped(place)
            return
        self.core.note_running_slot(place.slot)
        try:
            stopping = actor.on_stop()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._failed(place, error, None)
            stopping = None
        finally:
            self.core.note_running_slot(None)
        if stopping is not None:
            self.core.hold(place.slot)
            self.await_for(place.slot, self._stop_later(place, stopping))
        elif not self._stopping:
            self._stopped(place)

    async def _stop_later(self, place: _Place, stopping: Awaitable[None]) -> None:
        try:
            await stopping
        finally:
            if not self._stopping:
                self._stopped(place)

    def _stopped(self, place: _Place) -> None:
        self._move(place, ActorState.STOPPED)
        self._remove(place)

    def _stop_some(self) -> None:
        """Stop the actors that asked for it, each when the handler that is under way has ended."""
        later = []
        for slot in self._stops:
            place = self._places[slot]
            is_busy = place.worker is not None and place.worker.is_busy
            if is_busy or place.state is ActorState.STARTING:
                later.append(slot)
            elif place.state is ActorState.RUNNING:
                self._stop_actor(place)
        self._stops = later

    async def _close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        for place in self._places.values():
            if place.worker is not None:
                # A handler that will not be cancelled is the guard's to name.
                self.core.note_running_slot(place.slot)
                await place.worker.close()
                self.core.note_running_slot(None)
        self.core.stop_feed()
        if self._is_simulating:
            self.core.leave_simulation()
        self.core.release()

    def _changed(self) -> None:
        if self._engine is not None:
            self._engine.changed()

    async def _tell_progress(self, on_progress: Callable[[], None], interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            on_progress()


def _end_undisturbed(until: float) -> None:
    """The interpreter gives SIGINT back while it ends: a Ctrl-C that is delivered twice must not change the exit code."""
    if time.monotonic() < until and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
