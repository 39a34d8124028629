"""The end of a node's actors: in the reverse order of their start, each with a part of the drain's time of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from libra.core.actor import ActorState
from libra.core.events import Priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from libra.core.clock import Sleepers
    from libra.core.place import Place
    from libra.core.worker import Worker
    from libra_core import NodeCore

__all__ = ["Ending", "Lives", "unsettled"]

_NAP_S = 0.001
_TURNS = 4
"""Of the loop, in which a handler that is cancelled ends though the time is over: ``on_stop`` took it."""


class Lives(Protocol):
    """What can be done to a single actor."""

    def stop(self, place: Place) -> None:
        """Stop the instance in order, or begin to."""

    def stopped_with_node(self, place: Place) -> None:
        """An instance that was to stop has, or its time is over."""

    def cancel_handler(self, place: Place, worker: Worker) -> None:
        """Cancel the handler that is suspended."""

    def did_not_end(self, place: Place) -> None:
        """Its handler was cancelled and goes on, or was its ``on_stop``."""


class Ending:
    """One end.

    Args:
        lives: Stops single actors.
        core: The node's native side.
        sleepers: What the node's actors suspended on the clock.
        places: Its actors, in the order of adding.
        settle: Lets handlers finish what waits until the loop's time that it is given; True when they did.
    """

    def __init__(
        self,
        lives: Lives,
        core: NodeCore,
        sleepers: Sleepers,
        places: Mapping[int, Place],
        settle: Callable[[float], Awaitable[bool]],
    ) -> None:
        self._lives = lives
        self._core = core
        self._sleepers = sleepers
        self._places = places
        self._settle = settle

    async def stop_all(self, deadline: float) -> bool:
        """Stop the actors, each after what the one before it left is handled.

        Each has a part of the time of its own, of half of it, which no other can use; the rest is for whoever needs it.

        Args:
            deadline: When all has to be done, in the loop's time.

        Returns:
            True when every handler ended in time.
        """
        in_time = is_well = True
        part_s = max(0.0, deadline - asyncio.get_running_loop().time()) / 2 / max(1, len(self._places))
        for behind, place in reversed(tuple(enumerate(self._places.values()))):
            until = deadline - behind * part_s
            if not is_well:
                # What is cancelled for the one before goes out before its gateway stops, in what its own part leaves.
                in_time &= await self._settle(until - part_s)
            in_time &= await self._end_handler(place, until)
            if place.state in (ActorState.STARTING, ActorState.RUNNING, ActorState.DEGRADED):
                self._lives.stop(place)
            in_time &= await self._settle(until)
            await self._let_sleep(place, until)
            in_time &= await self._end_handler(place, until)
            if place.state is ActorState.STOPPING:
                self._lives.stopped_with_node(place)
            is_well = place.stopped_well
        return in_time

    async def _let_sleep(self, place: Place, deadline: float) -> None:
        """A hook that sleeps on a live clock while it stops has until the deadline; a simulated one stands still."""
        loop = asyncio.get_running_loop()
        while not self._core.is_simulated and place.busy_worker is not None and loop.time() < deadline:
            await asyncio.sleep(_NAP_S)
            await self._settle(deadline)

    async def _end_handler(self, place: Place, deadline: float) -> bool:
        """Cancel a handler that is still suspended: on the clock, where no more time will pass, or for too long.

        One that ends by it is followed by its actor's ``on_stop``. Gives False where it was not let end by itself.
        """
        worker = place.busy_worker
        if worker is None or place.state is ActorState.FAILED:
            return True
        is_asleep = self._sleepers.has(place.slot)
        # What waits behind it is thrown away, and counted.
        self._core.set_paused(place.slot, True)  # noqa: FBT003
        is_stop = place.state is ActorState.STOPPING and not place.stopped_well
        self._lives.cancel_handler(place, worker)
        await self._settle(deadline)
        for _ in range(0 if is_stop else _TURNS):
            if worker.is_busy:
                await asyncio.sleep(0)
        if worker.is_busy or (is_stop and not is_asleep):
            self._lives.did_not_end(place)
            return False
        return is_asleep


def unsettled(core: NodeCore, places: Iterable[Place]) -> dict[str, str]:
    """What holds an end up, by actor: for people. Market data that waits does not."""
    waiting, found = core.waiting_s(), {}
    for place in places:
        lanes = [lane for lane in waiting.get(place.name, {}) if lane != Priority.MARKET_DATA.name]
        timers = 0 if place.context is None or place.is_over else place.context.timers
        event = core.current(place.slot)
        why = [f"events of {', '.join(lanes)} wait for it"] if lanes else []
        if event is not None:
            why.append(f"its handler of {event.event_type.name} awaits something")
        if why and timers:
            why.append(f"its timers ({timers}) go on until it has stopped")
        if why:
            found[place.name] = ", ".join(why)
    return found
