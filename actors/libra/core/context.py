"""What a node gives an actor: its place, its clock, its timers."""

from __future__ import annotations

import logging
import random
import sys
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from libra.core.clock import Clock, delay_ns
from libra.core.events import EventType
from libra.core.mail import ActorRef
from libra.core.watching import Terminated, TerminationReason
from libra.errors import LibraError, TooManyError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from libra.core.actor import ActorState
    from libra.core.events import Event
    from libra.core.mail import Ask, Tell
    from libra.core.post import Post
    from libra_core import Mail, NodeCore

__all__ = ["ActorContext", "Switchboard"]

_MOST_WAKES = 1_000_000
_WITHIN_NS = 10_000_000
"""An actor whose timers are due so often within so little of simulated time would hold that up for ever."""


class Switchboard(Protocol):
    """What actors and addresses need of their node."""

    core: NodeCore
    post: Post

    async def await_reply(self, letter: Ask, reply: asyncio.Future[Any], sender: int | None, timeout_s: float) -> Any:  # noqa: ANN401
        """Wait for the reply to a letter, on the clock of the actor that waits."""

    async def sleep(self, slot: int, seconds: float) -> None:
        """Suspend an actor's handler on the node's clock."""

    def find_slot(self, name: str) -> int:
        """The slot of an actor. KeyError when there is none of that name."""

    def state_of(self, slot: int) -> ActorState:
        """Where an actor stands."""

    def request_stop(self, slot: int) -> None:
        """An actor asks to be stopped."""

    def make_task(self, name: str, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of an actor, whoever's code runs now."""

    def watch(self, watcher: int | str, watched: int) -> None:
        """An actor wants to learn of each end of another one."""

    def unwatch(self, watcher: int | str, watched: int) -> bool:
        """It does not want to any more; False when it did not."""

    def tell_end(self, watcher: int, told: Terminated) -> None:
        """Tell an actor of the end of one that it watches."""

    def take_snapshot(self, slot: int) -> None:
        """Take a snapshot of an actor."""


class ActorContext:
    """An actor's side of its node. One for each instance: a restarted actor gets a fresh one.

    Args:
        name: The actor's name.
        slot: Its place in the node's native side.
        switchboard: The node.
        seed: The seed of the run.
        most_timers: How many may be set at a time; 0 for no limit.
    """

    def __init__(self, name: str, slot: int, switchboard: Switchboard, seed: int, most_timers: int = 0) -> None:
        self.name = name
        self.slot = slot
        self.core = switchboard.core
        self.log = logging.getLogger(f"libra.actor.{name}")
        # Text seeds are hashed with SHA-512, which does not depend on PYTHONHASHSEED.
        self.random = random.Random(f"{seed}/{name}")  # noqa: S311 - a simulation's randomness, not a secret's
        self.clock = Clock(self.core, self._sleep)
        self.ref = ActorRef(name, slot, switchboard, slot)
        self._switchboard = switchboard
        self._timers: dict[str, int] = {}
        self._most_timers = most_timers or sys.maxsize
        self._names: dict[int, tuple[str, bool]] = {}
        self._watched: set[str] = set()
        self._hears_of_nodes = False
        self._snapshot_timer: int | None = None
        self._wakes = 0
        self._wakes_since_ns = self.core.now_ns()
        self.missed_ticks = 0

    @property
    def state(self) -> ActorState:
        """Where the actor stands in its life cycle."""
        return self._switchboard.state_of(self.slot)

    def retire(self) -> None:
        """The instance has failed: a task that it left behind must not act any more beside its successor."""
        self.core = cast("NodeCore", _Retired(self.name))

    def make_task(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of this actor, also where the code of another one, or the node's, asks for it."""
        return self._switchboard.make_task(self.name, coro)

    def find(self, name: str) -> ActorRef:
        """The address of another actor, with this one as the sender; ``NODE/ACTOR`` may be on another node."""
        return self._switchboard.post.ref(name, self.slot)

    def open_mail(self, mail: Mail) -> Ask | Tell | None:
        """What came from an actor of another node; None for what has been dealt with."""
        return self._switchboard.post.opened(mail, self.slot)

    def request_stop(self) -> None:
        """The actor asks to be stopped."""
        self._switchboard.request_stop(self.slot)

    def watch(self, name: str) -> None:
        """Learn of each end of another actor, of another node too."""
        local, remote = self._switchboard.post.resolve(name)
        if remote is None:
            slot = self._switchboard.find_slot(local)
            self._watched.add(local)
            self._switchboard.watch(self.slot, slot)
            return
        if not self._hears_of_nodes:
            self._hears_of_nodes = True
            self.core.subscribe(self.slot, EventType.NODE_DOWN, self._node_is_down)
        self._watched.add(remote)
        self._switchboard.post.watch(self.slot, remote)

    def _node_is_down(self, event: Event) -> None:
        """Whoever was watched there is no more, or cannot be heard of."""
        news = event.payload
        node, detail = getattr(news, "node", None), str(getattr(news, "detail", ""))
        for name in sorted(self._watched):
            if node is not None and name.startswith(f"{node}/"):
                told = Terminated(name, TerminationReason.NODE_DOWN, detail)
                self._switchboard.tell_end(self.slot, told)

    def unwatch(self, name: str) -> bool:
        """Learn nothing more of it, not even what waits in the mailbox."""
        local, remote = self._switchboard.post.resolve(name)
        if remote is None:
            self._switchboard.unwatch(self.slot, self._switchboard.find_slot(local))
        else:
            self._switchboard.post.unwatch(self.slot, remote)
        was_watched = (remote or local) in self._watched
        self._watched.discard(remote or local)
        return was_watched

    def is_watched(self, told: Terminated) -> bool:
        """True for news of an actor that is still watched; the last of it ends the watch."""
        is_watched = told.name in self._watched
        if not told.comes_back:
            self._watched.discard(told.name)
        return is_watched

    def set_snapshot_timer(self, interval_s: float) -> None:
        """Have a snapshot taken every so many seconds, between two events."""
        interval = delay_ns("snapshot_interval_s", interval_s)
        self._snapshot_timer = self.core.set_timer(self.slot, interval, interval)

    def _look_at_time(self) -> None:
        """After very many timers: has time gone on?"""
        now_ns = self.core.now_ns()
        if self.core.is_simulated and now_ns - self._wakes_since_ns < _WITHIN_NS:
            raise TooManyError(
                f"the timers and sleeps of actor {self.name} were due {_MOST_WAKES:,} times within "
                f"{_WITHIN_NS / 1e9:g} s: simulated time would stand still"
            )
        self._wakes, self._wakes_since_ns = 0, now_ns

    def take_snapshot_if_due(self, timer: int) -> bool:
        """Take a snapshot, if this timer is for that."""
        self._wakes += 1
        if self._wakes >= _MOST_WAKES:
            self._look_at_time()
        if timer != self._snapshot_timer:
            return False
        self._switchboard.take_snapshot(self.slot)
        return True

    def set_timer(self, name: str, delay_s: float, interval_s: float) -> None:
        """Set the timer ``name``, anew where it was set."""
        delay, interval = delay_ns("delay_s", delay_s), delay_ns("interval_s", interval_s)
        if not self.cancel_timer(name) and len(self._timers) >= self._most_timers:
            raise TooManyError(
                f"actor {self.name} has {len(self._timers)} timers set, as many as node.max_timers allows"
            )
        timer = self.core.set_timer(self.slot, delay, interval)
        self._timers[name] = timer
        self._names[timer] = (name, interval_s > 0)

    def cancel_timer(self, name: str) -> bool:
        """Take the timer ``name`` back."""
        timer = self._timers.pop(name, None)
        if timer is None:
            return False
        self._names.pop(timer, None)
        return self.core.cancel_timer(timer)

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._timers)

    def timer_name(self, timer: int) -> str | None:
        """The name of a timer that is due; None when it was taken back meanwhile."""
        name, repeats = self._names.get(timer, (None, False))
        if name is not None and not repeats:
            del self._names[timer], self._timers[name]
        return name

    async def _sleep(self, seconds: float) -> None:
        self._wakes += 1
        if self._wakes >= _MOST_WAKES:
            self._look_at_time()
        await self._switchboard.sleep(self.slot, seconds)


class _Retired:
    """In the place of the node, for an instance that has failed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        raise LibraError(f"this instance of {self._name} has failed: only the one that is started next may act")
