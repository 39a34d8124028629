"""The loops that drive a node: simulated time pulls its inputs, live time is woken by native threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from libra.core.wake_up import WakeUp

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from libra_core import NodeCore

__all__ = ["Engine", "LiveEngine", "SimulatedEngine"]

_DRAIN_EVENTS = 256
_DRAIN_US = 250
_SIMULATE_US = 5_000
_LONGEST_NAP_S = 0.05
_SAME_TIME_NS = 1_000
_TURNS = 8
"""Turns of the loop that what was woken gets, with the tasks that wait for it, before simulated time goes on."""


class Host(Protocol):
    """What an engine needs of its node."""

    core: NodeCore

    def await_for(self, slot: int, awaitable: Awaitable[object]) -> None:
        """Await what a handler gave, in its actor's task."""

    def wake_sleepers(self, timers: list[int]) -> None:
        """Wake handlers that are suspended on the clock."""

    def should_stop(self) -> bool:
        """True when a stop was asked for."""

    def inputs_ended(self) -> bool:
        """True when nothing will come in any more."""

    def idle(self) -> None:
        """A live loop has done what there was, for now; what waits for an actor that is suspended may still wait."""

    def has_sleepers(self) -> bool:
        """True while something is suspended on the clock."""


class Engine(Protocol):
    """Drives a node.

    Attributes:
        wake_up: What wakes it.
    """

    wake_up: WakeUp

    async def run(self) -> str:
        """Run until a stop is asked for or nothing is left to come; gives which: ``stop`` or ``ended``."""

    async def settle(self, deadline: float) -> bool:
        """Let handlers finish what waits, without new inputs, until the loop's time is ``deadline``. True when done."""

    def changed(self) -> None:
        """Something happened outside the engine: a handler ended, a sleeper lay down."""


class SimulatedEngine:
    """Takes the next input when every mailbox is empty and no handler is suspended except on the clock.

    Args:
        host: The node.
        until_ns: Where the run ends on its own clock; None for the end of its inputs.
        speed: Simulated seconds a second; 0 for as fast as possible.
    """

    def __init__(self, host: Host, until_ns: int | None, speed: float) -> None:
        self._host = host
        self._core = host.core
        self.wake_up = WakeUp(host.core)
        self._until_ns = until_ns
        self._speed = speed
        self._awake = asyncio.Event()

    def changed(self) -> None:
        """A handler ended, or went to sleep on the clock."""
        self._awake.set()

    async def run(self) -> str:
        """See `Engine.run`."""
        self.wake_up.install(self._awake.set)
        try:
            while not self._host.should_stop():
                progress = self._core.simulate(_SIMULATE_US, self._until_ns, self._speed)
                if progress.why == "busy":
                    continue
                for slot, awaitable in progress.suspended:
                    self._host.await_for(slot, awaitable)
                self._host.wake_sleepers(progress.woken)
                if progress.why in ("ended", "until"):
                    if progress.why == "until" and self._until_ns is not None:
                        self._core.set_simulated_time(self._until_ns)
                    return "ended"
                if progress.why == "suspended":
                    await _turns(_TURNS if progress.woken or self._host.has_sleepers() else 2)
                    await self._quiet()
                elif progress.why == "paced":
                    await self._nap(progress.wait_s)
                else:
                    await asyncio.sleep(0)
            return "stop"
        finally:
            self.wake_up.uninstall()

    async def settle(self, deadline: float) -> bool:
        """See `Engine.settle`."""
        loop = asyncio.get_running_loop()
        is_quiet = False
        while loop.time() < deadline:
            # Mailboxes are emptied before tasks get their turn: how long handlers take must decide nothing.
            worked, suspended = self._core.drain(_DRAIN_EVENTS, _SIMULATE_US)
            used = worked
            while used and loop.time() < deadline:
                used, more = self._core.drain(_DRAIN_EVENTS, _SIMULATE_US)
                suspended += more
            if is_quiet and worked == 0:
                return True
            for slot, awaitable in suspended:
                self._host.await_for(slot, awaitable)
            await _turns(_TURNS)
            await self._quiet(deadline)
            is_quiet = not self._core.is_suspended()
        return False

    async def _quiet(self, deadline: float | None = None) -> None:
        """Wait until no handler is suspended on anything but the clock, or a stop is asked for."""
        loop = asyncio.get_running_loop()
        while self._core.is_suspended() and not (deadline is None and self._host.should_stop()):
            left = _LONGEST_NAP_S if deadline is None else min(_LONGEST_NAP_S, deadline - loop.time())
            if left <= 0:
                return
            await self._nap(left)

    async def _nap(self, seconds: float) -> None:
        self._awake.clear()
        handle = asyncio.get_running_loop().call_later(min(seconds, _LONGEST_NAP_S), self._awake.set)
        await self._awake.wait()
        handle.cancel()


class LiveEngine:
    """Runs handlers when native threads, timers or handlers themselves have something for them.

    Args:
        host: The node.
        spin: Never sleep: less latency for a whole core.
    """

    def __init__(self, host: Host, *, spin: bool) -> None:
        self._host = host
        self._core = host.core
        self.wake_up = WakeUp(host.core)
        self._spin = spin
        self._scheduled = False
        self._draining = False
        self._worked = True
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ns = 0
        self._over = asyncio.Event()
        self._failure: BaseException | None = None

    def changed(self) -> None:
        """A handler ended, or went to sleep on the clock."""
        self._over.set()

    async def run(self) -> str:
        """See `Engine.run`."""
        self.wake_up.install(self._woken)
        self._wake()
        try:
            while True:
                self._over.clear()
                await self._over.wait()
                if self._failure is not None:
                    raise self._failure
                if self._host.should_stop():
                    return "stop"
                if self._host.inputs_ended():
                    if self._core.park():
                        self._core.signal()
                        return "ended"
                    # Looking for an end may have taken a wake-up away.
                    self._wake()
        finally:
            self.wake_up.uninstall()
            self._draining = True
            if self._timer is not None:
                self._timer.cancel()

    async def settle(self, deadline: float) -> bool:
        """See `Engine.settle`."""
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:
            worked = self._step()
            await _turns(_TURNS)
            if worked == 0 and self._step() == 0 and not self._core.is_suspended():
                return True
            if self._core.is_suspended():
                await asyncio.sleep(0.001)
        return False

    def _wake(self) -> None:
        if not self._scheduled and not self._draining:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _woken(self) -> None:
        """The loop slept: handlers run right here, not a turn of the loop later."""
        if not self._scheduled:
            self._pump()

    def _pump(self) -> None:
        self._scheduled = False
        if self._draining:
            return
        try:
            self._core.unpark()
            worked = self._step() != 0
            if self._host.should_stop():
                self._over.set()
            elif self._spin:
                if self._worked and not worked:
                    self._look_around()
                self._worked = worked
                self._wake()
            elif not self._rest():
                self._wake()
        except BaseException as error:
            # A callback of the loop has nobody to raise to: the waiting run raises it.
            self._failure = error
            self._over.set()

    def _step(self) -> int:
        taken = self._core.ingest()
        used, suspended = self._core.drain(_DRAIN_EVENTS, _DRAIN_US)
        for slot, awaitable in suspended:
            self._host.await_for(slot, awaitable)
        if self._core.until_timer_ns() == 0:
            self._host.wake_sleepers(self._core.fire_timers())
            used += 1
        return taken + used

    def _rest(self) -> bool:
        """Sleep until something comes; False when something has come already, or is left."""
        self._look_around()
        self._arm_timer()
        return self._core.park()

    def _look_around(self) -> None:
        """What is done when there was work, and may be no more."""
        self._host.idle()
        if self._host.inputs_ended():
            self._over.set()

    def _arm_timer(self) -> None:
        left_ns = self._core.until_timer_ns()
        due_ns = None if left_ns is None else self._core.now_ns() + left_ns
        if self._timer is not None:
            if due_ns is not None and abs(due_ns - self._timer_due_ns) < _SAME_TIME_NS:
                return
            self._timer.cancel()
            self._timer = None
        if left_ns is not None and due_ns is not None:
            self._timer_due_ns = due_ns
            self._timer = asyncio.get_running_loop().call_later(left_ns / 1e9, self._timer_is_due)

    def _timer_is_due(self) -> None:
        self._timer = None
        self._woken()


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
