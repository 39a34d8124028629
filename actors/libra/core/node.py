"""A node: one process with its actors, their supervision, and an orderly end.

A node is started by `Node.run_blocking`, which returns when its inputs have ended, its time is over, or a signal asked
for a stop: it stops the sources, lets the actors handle what waits, lane by lane, stops them in the reverse order of
their start, and flushes what must not be lost.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from libra import early_kill
from libra.core.blocking import Blocking, HandlerTimedOut
from libra.core.clock import Sleepers
from libra.core.dead_letters import DeadLetters
from libra.core.engine import LiveEngine, SimulatedEngine
from libra.core.events import Priority
from libra.core.faults import fatal_errors
from libra.core.lifecycle import Lifecycles
from libra.core.mail import ActorRef
from libra.core.options import NodeOptions, Outcome
from libra.core.own_loop import end_undisturbed, run_on_own_loop
from libra.core.post import Post
from libra.core.supervision import RestartPolicy, RestartStrategy
from libra.core.surroundings import Surroundings
from libra.core.tasks import OwnTask
from libra.stop_signals import SAME_STOP_S
from libra_core import NodeCore, PanicException, name_latches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from libra.core.actor import Actor, ActorState
    from libra.core.engine import Engine
    from libra.core.mail import Ask
    from libra.core.watching import Terminated

__all__ = ["Node", "NodeOptions", "Outcome"]

_log = logging.getLogger(__name__)

_ANSWERS, _PATIENCE, _DEADLINE = 0.55, 0.6, 0.75
"""Of a drain's time: until when somebody outside is waited for, so that what he has said by then is handled; when
handlers that have not ended are cancelled; when handlers must have ended, and the guard acts."""
_OWN, _AGAIN = 0.15, 0.5
"""Where a step of the end took longer, since the loop is slow: the part of a drain's time that actors have to stop all
the same, and that the guard waits for each further step. A loop that does not come back has the drain's time alone."""
_LEAST_S = 0.1
_BEATS = 2
"""How often the loop beats in the time that a handler may take."""
_NAP_S = 0.001
_FLUSH_S = 30.0
_SNAPSHOTS_S = 5.0
"""A slow disk is no actor's fault. What orders need has more time than what can be computed again."""


class Node:
    """Actors on one event loop.

    Args:
        options: How it runs.
    """

    def __init__(self, options: NodeOptions) -> None:
        self.options = options
        self.core = NodeCore(simulated=options.simulated, lane_capacity=options.lane_capacity)
        self._voice = self.core.take_voice()
        self.post = Post(self)
        """Messages to and from actors of other nodes."""
        self._sleepers = Sleepers(self.core)
        # Its writer, and who reads it behind a failure, must find it whoever leaves this folder.
        state_dir = None if options.state_dir is None else options.state_dir.absolute()
        self._actors = Lifecycles(
            self,
            self._voice,
            self._sleepers,
            options.restarts,
            options.seed,
            state_dir,
            options.keep_up_s,
            fatal_errors(takes_signals=options.signals),
            max_tasks=options.max_tasks,
            max_timers=options.max_timers,
            on_given_up=self._actor_given_up,
            on_exhausted=self._actor_exhausted,
            on_stopped=self._has_stopped,
            on_left=self._left_behind,
            on_change=self._changed,
            on_fatal=self._fatal_error,
            look=self._look,
        )
        self.core.set_publish_limit(options.publish_limit)
        self.dead_letters = DeadLetters(self.core)
        """What could not be delivered, or was not handled to its end."""
        self.blocking = Blocking()
        """Handlers that held the loop for too long."""
        self._fatal: BaseException | None = None
        self._stop_asked = False
        self._is_draining = False
        self._asked_by = ""
        self._time_is_over = False
        self._memory_is_over = False
        self._has_run = False
        self._is_simulating = False
        self._answers_until = math.inf
        self._ends_at = 0.0
        self.endless = False
        """True when inputs come from actors: the run ends by a stop only."""
        self._outcome = Outcome()
        self._late: dict[str, str] = {}
        self._engine: Engine
        self._surroundings: Surroundings | None = None
        self._look_if_due: Callable[[], None] = lambda: None
        self._alarm: asyncio.TimerHandle | None = None

    # Building --------------------------------------------------------------------------------------------------------

    def add_group(
        self,
        name: str,
        *,
        strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE,
        policy: RestartPolicy | None = None,
        whole: RestartPolicy | None = None,
        parent: str | None = None,
    ) -> None:
        """Add a supervision group; its terms are those of `libra.core.supervision.SupervisionTree.add_group`.

        Raises:
            ValueError: When there is a group of that name.
            KeyError: When there is no group ``parent``.
        """
        self._actors.add_group(name, strategy, policy, whole, parent)

    def add_actor(
        self,
        name: str,
        factory: Callable[[], Actor],
        *,
        decisive: bool = False,
        account: str | None = None,
        group: str | None = None,
        policy: RestartPolicy | None = None,
    ) -> ActorRef:
        """Add an actor, to be made by ``factory`` at the start and again after each failure.

        Args:
            name: Its name.
            factory: Makes an instance.
            decisive: It decides whether a command (a signal, a request) is taken: that is refused where such a
                subscriber has no room. Any other only misses it.
            account: It is one of this account's own: while it cannot keep up with facts, the account makes no new
                orders. Any other that cannot is given up.
            group: The supervision group that it stands in, behind those that were added before.
            policy: How often it is started again; by default the node's, and in a group only the group's counts.

        Raises:
            ValueError: When there is an actor of that name.
            KeyError: When there is no such group.
        """
        slot = self._actors.add(name, factory, decisive=decisive, account=account, group=group, policy=policy)
        return ActorRef(name, slot, self)

    def ref(self, name: str) -> ActorRef:
        """The address of an actor; ``NODE/ACTOR`` may be on another node. KeyError when there is none of that name."""
        return self.post.ref(name, None)

    def actor_named(self, name: str) -> Actor | None:
        """The running instance of an actor, for those that assemble a node; None while there is none."""
        return self._actors.actor_of(name)

    @property
    def errors(self) -> int:
        """What hooks raised so far, counted."""
        return self._actors.errors

    @property
    def failed(self) -> list[str]:
        """Actors that were given up so far."""
        return self._actors.failed

    @property
    def snapshot_errors(self) -> int:
        """Snapshots that could not be taken, restored, read or written so far, counted."""
        return self._actors.snapshots.errors

    @property
    def is_draining(self) -> bool:
        """True from the moment on at which somebody asked for the end, or nothing more comes; from any thread."""
        return self._is_draining or self._stop_asked or self.core.stop_signal() is not None

    def actor_states(self) -> dict[str, ActorState]:
        """Where each actor stands, by name."""
        return self._actors.states()

    def actor_loads(self) -> dict[str, tuple[int, int]]:
        """Tasks that have not ended and timers that are set, by actor."""
        return self._actors.loads()

    # Running ---------------------------------------------------------------------------------------------------------

    def stop(self, by: str = "Node.stop") -> None:
        """Ask the node to drain and end; from any thread. From now on the drain's time counts.

        Args:
            by: Who asks, for the log and the summary; the first one counts.
        """
        if not self._stop_asked:
            self._asked_by = by
        self._stop_asked = True
        self.core.interrupt()
        self.core.begin_drain()
        self.core.signal()

    async def run_async(
        self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25
    ) -> Outcome:
        """Run to the end, once. See the module for how it ends."""
        try:
            return await self._run(on_progress, progress_interval_s)
        finally:
            self._actors.let_all_go()
            self.core.remove_guard()

    def run_blocking(self, on_progress: Callable[[], None] | None = None, progress_interval_s: float = 0.25) -> Outcome:
        """Run to the end on an event loop of its own: uvloop where it is to be had."""
        try:
            return run_on_own_loop(
                self._run(on_progress, progress_interval_s),
                self.only_node(),
                self._close_within,
                self._loop_has_ended,
                takes_signals=self.options.signals,
            )
        finally:
            # Tasks that a user's code has left behind are ended or left by now, or the guard has ended the process.
            self._actors.let_all_go()
            self.core.remove_guard()

    def _loop_has_ended(self, left: int) -> None:
        """Nobody's code runs any more. What was left is thrown away, and the run is told of: no more can be done."""
        self.core.extend_drain(_FLUSH_S)
        if left:
            self._outcome.drained = False
            _log.error("%d tasks that somebody's code has left on the loop did not end in time", left)

    def _close_within(self) -> float:
        """How long the end of what somebody's code has left on the loop may take, seconds; the guard waits for it."""
        left_s = max(self._ends_at - time.monotonic(), _LEAST_S)
        self.core.extend_drain(left_s + self.options.drain_timeout_s * _AGAIN)
        return left_s

    def _let_go_on(self) -> None:
        """The loop has come back: the guard waits for the next step of the end, also where the drain's time is over."""
        self.core.extend_drain(max(self._ends_at - time.monotonic(), self.options.drain_timeout_s * _AGAIN))

    def only_node(self) -> Callable[[], bool]:
        """Who may cancel a task of the node's own: for `libra.core.tasks.OwnTask`."""
        return self._actors.tasks.guard(None)

    async def _run(self, on_progress: Callable[[], None] | None, progress_interval_s: float) -> Outcome:
        if self._has_run:
            raise RuntimeError("a node runs once: make another one")
        self._has_run = True
        options = self.options
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.blocking = Blocking()
        self.core.install_guard(
            options.drain_timeout_s,
            options.signals and in_main_thread,
            look=self.blocking.look,
            slow_handler_s=options.slow_handler_s,
            handler_timeout_s=options.handler_timeout_s,
            timeout_error=None if options.simulated else HandlerTimedOut,
            heartbeat_s=options.heartbeat_s,
            max_rss_bytes=options.max_rss_bytes,
        )
        if options.signals and in_main_thread:
            # Behind the guard, which takes the signal: of what no node answers these come up latched.
            name_latches(self._switch_is_about())
            early_kill.release()
        policy = options.restarts
        self.core.set_native_restarts(policy.max_restarts, policy.period_s, policy.backoff_s, policy.max_backoff_s)
        progress = None
        started = time.perf_counter()
        try:
            if options.simulated:
                self.core.enter_simulation(options.seed, self.core.first_input_ns() or 0)
                self._is_simulating = True
            self._open()
            engine = self._engine = self._make_engine()
            # From here until `release` the node and its native side hold each other.
            self.core.set_on_answer(self.post.answered)
            self._actors.tasks.install()
            self._surroundings = Surroundings(lambda: self._actors.tasks.look() + engine.wake_up.look())
            self._look_if_due = self._surroundings.look_if_due
            if not options.simulated and options.slow_handler_s > 0:
                self.blocking.is_watched = True
                self._beat(asyncio.get_running_loop(), options.slow_handler_s / _BEATS)
            self._actors.start_all()
            self._opened()
            if on_progress is not None:
                telling = self._tell_progress(on_progress, progress_interval_s)
                loop = asyncio.get_running_loop()
                progress = OwnTask(telling, self.only_node(), loop=loop, name="libra-progress")
            try:
                self._outcome.why = await engine.run()
                self._note_who_asked()
            except PanicException as error:
                self._fatal = error
                raise
            finally:
                # After a panic nobody knows what is half done: nothing more is handled, and what was written is kept.
                if isinstance(self._fatal, PanicException):
                    self._keep_logs()
                else:
                    await self._drain(engine)
            if self._fatal is not None:
                # An async handler met it during the drain.
                raise self._fatal
        finally:
            self._outcome.duration_s = time.perf_counter() - started
            self._outcome.errors, self._outcome.failed = self._actors.errors, self._actors.failed
            if progress is not None:
                progress.end()
                await asyncio.gather(progress, return_exceptions=True)
            await self._close()
        if self._time_is_over:
            self._outcome.why = "ended"
        elif self._memory_is_over:
            self._outcome.why = "memory"
        if self.core.stop_signal() is not None and in_main_thread:
            atexit.register(end_undisturbed, time.monotonic() + SAME_STOP_S)
        return self._outcome

    def _note_who_asked(self) -> None:
        if self._outcome.why != "stop" or self._time_is_over or self._memory_is_over:
            return
        number = self.core.stop_signal()
        self._outcome.asked_by = self._asked_by if number is None else signal.Signals(number).name
        _log.info("the node stops: %s", self._outcome.asked_by)

    def _keep_logs(self) -> None:
        if not self.core.flush_logs():
            _log.critical("the disk did not flush the order log")

    # What a subclass adds --------------------------------------------------------------------------------------------

    def _switch_is_about(self) -> list[tuple[str, str | None]]:
        """The accounts that the kill switch stops, each with the path of its log; None for one in memory."""
        return []

    def _open(self) -> None:
        """Before the actors start: open what they need."""

    def _opened(self) -> None:
        """The actors have been started."""

    def _stop_sources(self) -> None:
        """The drain begins: nothing new comes in."""

    def _awaits_answers(self) -> bool:
        """True while a draining node should wait for somebody outside."""
        return False

    def _actor_given_up(self, name: str) -> None:
        """An actor failed for good."""

    def _actor_exhausted(self, name: str) -> None:
        """An actor failed too often, and is started again all the same, after a long wait."""

    def _actor_stopped(self, name: str) -> None:
        """An actor has stopped for good, while the others go on."""

    def _actor_left(self, name: str, why: str) -> None:
        """An actor has ended with the node, and had no ``on_stop`` that did its work."""

    def _flush(self) -> None:
        """The end: everything that was handled is made durable."""

    def _idle(self) -> None:
        """Nothing waits for any actor, for now."""

    # The engine's host -----------------------------------------------------------------------------------------------

    def await_for(self, slot: int, awaitable: Awaitable[object]) -> None:
        """Await what a handler gave, in its actor's task."""
        self._actors.await_for(slot, awaitable)

    def wake_sleepers(self, timers: list[int]) -> None:
        """Wake handlers that are suspended on the clock."""
        self._sleepers.wake(timers)

    def should_stop(self) -> bool:
        """True when a signal, `stop` or a limit asked for the end."""
        if self._fatal is not None:
            raise self._fatal
        # In the middle of an instant of simulated time it would depend on how fast the machine is.
        if not self.core.is_mid_drain:
            self._actors.tend()
            self._look_around()
        self.dead_letters.log_news(time.monotonic_ns())
        return self._stop_asked or self.core.stop_signal() is not None or self._has_too_much_memory()

    def _has_too_much_memory(self) -> bool:
        used = self.core.too_much_memory() if self.options.max_rss_bytes else None
        if used is not None and not self._memory_is_over:
            self._memory_is_over = True
            limit = self.options.max_rss_bytes
            _log.error("the node ends: %d MB of memory are in use, and %d MB are allowed", used >> 20, limit >> 20)
        return used is not None

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
        timer = self._sleepers.lie_down(slot, future, seconds)
        self._changed()
        try:
            await future
        finally:
            self._sleepers.get_up(timer)

    async def await_reply(self, letter: Ask, reply: asyncio.Future[Any], sender: int | None, timeout_s: float) -> Any:  # noqa: ANN401
        """Wait for the reply to a letter, on the clock of the actor that waits."""
        if sender is None:
            return await asyncio.wait_for(reply, timeout_s)
        late = TimeoutError(f"no reply within {timeout_s} s")
        timer = self._sleepers.lie_down(sender, reply, timeout_s, late)
        letter.settled = lambda: self._sleepers.get_up(timer)
        self._changed()
        try:
            return await reply
        finally:
            self._sleepers.get_up(timer)

    def find_slot(self, name: str) -> int:
        """The slot of an actor. KeyError when there is none of that name."""
        return self._actors.slot_of(name)

    def state_of(self, slot: int) -> ActorState:
        """Where an actor stands."""
        return self._actors.state_of(slot)

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped, when the event that it handles is done."""
        self._actors.request_stop(slot)

    def make_task(self, name: str, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of an actor, whoever's code runs now."""
        return self._actors.tasks.make(name, coro)

    def watch(self, watcher: int | str, watched: int) -> None:
        """An actor wants to learn of each end of another one."""
        self._actors.watches.add(watcher, watched)

    def unwatch(self, watcher: int | str, watched: int) -> bool:
        """It does not want to any more; False when it did not."""
        return self._actors.watches.remove(watcher, watched)

    def tell_end(self, watcher: int, told: Terminated) -> None:
        """Tell an actor of the end of one that it watches."""
        self._actors.watches.tell_end(watcher, told)

    def take_snapshot(self, slot: int) -> None:
        """Take a snapshot of an actor, between two of its events."""
        self._actors.take_snapshot(slot)

    # Beginning and end -----------------------------------------------------------------------------------------------

    def _make_engine(self) -> Engine:
        options = self.options
        if not options.simulated:
            if options.duration_s is not None:
                self._alarm = asyncio.get_running_loop().call_later(options.duration_s, self._end_of_time)
                # The alarm rings in the loop, which somebody may hold for ever.
                self.core.end_run_in(options.duration_s)
            return LiveEngine(self, spin=options.spin)
        until_ns = None
        if options.duration_s is not None:
            until_ns = self.core.now_ns() + round(options.duration_s * 1e9)
        return SimulatedEngine(self, until_ns, options.speed)

    def _beat(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        """The loop comes round. The guard looks for turns of handlers; a callback that holds the loop has none."""
        if self.blocking.is_watched:
            self.core.beat()
            self._look_around()
            loop.call_later(interval_s, self._beat, loop, interval_s)

    def _look_around(self) -> None:
        """Between two events: nobody's code runs."""
        self._actors.let_go()
        self._look_if_due()

    def _look(self, who: str | None) -> None:
        """This actor's code may have changed what belongs to the process."""
        if self._surroundings is not None:
            self._surroundings.look(who)

    def _end_of_time(self) -> None:
        self._time_is_over = not self.should_stop()
        self.stop()

    async def _drain(self, engine: Engine) -> None:
        """Stop sources, handle what waits, stop actors in reverse order, each after what it left is handled, flush."""
        # First, so that whoever sends work here learns of it before anything is stopped.
        self._is_draining = True
        self.core.begin_drain()
        # A stop must not overtake the kill switch that was pulled before it.
        self.core.catch_up_with_signals()
        self._stop_sources()
        now = asyncio.get_running_loop().time()
        self._ends_at = time.monotonic() + self.options.drain_timeout_s
        self._answers_until = now + self.options.drain_timeout_s * _ANSWERS

        async def settle(until: float) -> bool:
            return await self._settle(engine, until)

        drained = await settle(now + self.options.drain_timeout_s * _PATIENCE)
        self._let_go_on()
        own = asyncio.get_running_loop().time() + self.options.drain_timeout_s * _OWN
        until = max(now + self.options.drain_timeout_s * _DEADLINE, own)
        if not drained:
            # Cancels of an `on_stop` behind a late handler leave only now.
            self._answers_until = math.inf
        drained &= await self._actors.stop_all(settle, until)
        self._outcome.drained = drained
        if not drained:
            late = [f"; actor {name}: {why}" for name, why in self._late.items()]
            _log.error("not all was handled within the drain's time%s", "".join(late))
        self.core.extend_drain(_FLUSH_S)
        self._flush()
        # Behind the order logs: their disk may be another one, and must not wait for this one.
        self.core.extend_drain(_SNAPSHOTS_S + _LEAST_S)
        self._actors.snapshots.save(_SNAPSHOTS_S)
        self.dead_letters.log_news(time.monotonic_ns(), at_once=True)
        # Whoever still clings to the loop has what is left of the drain's time.
        self._let_go_on()

    def _has_stopped(self, name: str) -> None:
        if self._ends_at:
            # It stopped itself while the node drains: what is cancelled for it has what is left of that.
            self._answers_until = math.inf
        self._actor_stopped(name)

    def _left_behind(self, name: str, why: str) -> None:
        # What is cancelled for it leaves only now, too.
        self._answers_until = math.inf
        self._actor_left(name, why)

    async def _settle(self, engine: Engine, deadline: float) -> bool:
        """Let actors handle what waits, and what is answered meanwhile.

        Market data that is left over is no failure: it is best effort, and counted. Nor is an answer that did not come.
        """
        loop = asyncio.get_running_loop()
        settled = await engine.settle(deadline)
        while self._awaits_answers() and loop.time() < min(deadline, self._answers_until):
            await asyncio.sleep(_NAP_S)
            settled = await engine.settle(deadline)
        if settled:
            return True
        lanes = self.core.counts()["lanes"]
        urgent = (row["waiting"] for lane, row in lanes.items() if lane != Priority.MARKET_DATA.name)
        if not any(urgent) and not self.core.is_suspended():
            return True
        self._late.update(self._actors.unsettled())
        return False

    async def _close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self.blocking.is_watched = False
        await self._actors.close()
        self._look(None)
        self._actors.tasks.uninstall()
        self.core.stop_feed()
        if self._is_simulating:
            self.core.leave_simulation()
        self.core.release()

    def _fatal_error(self, error: BaseException) -> None:
        """An actor's task met what no supervisor deals with: the engine ends the run."""
        self._fatal = error
        self.core.interrupt()
        self._changed()

    def _changed(self) -> None:
        self._engine.changed()

    async def _tell_progress(self, on_progress: Callable[[], None], interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            on_progress()
