"""Who watches whom: a watcher learns of the end of each instance of an actor, in order with its other messages.

As Erlang's monitors, with one difference: an address stays valid over restarts, so a watch does too, until the actor
ends for good. A watch is the watching instance's: the next one begins without.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from libra.core import codec
from libra.core.events import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.core.place import Place
    from libra.core.post import Post
    from libra_core import NodeCore

__all__ = ["Ended", "Terminated", "TerminationReason", "WatchRequest", "Watches"]


class TerminationReason(StrEnum):
    """Why an instance of an actor ended."""

    STOPPED = "stopped"
    """In order: it asked to be stopped, or its node ends."""
    FAILED = "failed"
    """A hook raised."""
    TAKEN_DOWN = "taken_down"
    """Another one of its group failed."""
    GONE = "gone"
    """It had ended before it was watched, or there is none of that name."""
    NODE_DOWN = "node_down"
    """Its node is no more, or cannot be reached."""


@codec.register(tag="libra.terminated")
class Terminated(msgspec.Struct, frozen=True):
    """An instance of a watched actor has ended. Nothing in it is of one process only.

    Attributes:
        name: The actor's name; ``NODE/ACTOR`` of an actor of another node.
        reason: Why.
        detail: What was raised, as text; empty where nothing was.
        comes_back: A fresh instance follows; False is the end of the watch.
    """

    name: str
    reason: TerminationReason
    detail: str = ""
    comes_back: bool = False


@codec.register(tag="libra.watch")
class WatchRequest(msgspec.Struct, frozen=True):
    """An actor of another node wants to learn of each end of the one that it is sent to, or not any more."""

    wants: bool = True


@codec.register(tag="libra.ended")
class Ended(msgspec.Struct, frozen=True):
    """What a node tells a watcher elsewhere."""

    told: Terminated


class Watches:
    """The watches of a node, by slots; a watcher elsewhere by its address.

    Args:
        core: The node's native side.
        post: What goes to other nodes.
        places: The node's actors.
        teller: The slot in whose name they are told.
    """

    def __init__(self, core: NodeCore, post: Post, places: Mapping[int, Place], teller: int) -> None:
        self._core = core
        self._post = post
        self._places = places
        self._teller = teller
        self._watchers: dict[int, dict[int | str, None]] = {}

    def add(self, watcher: int | str, watched: int) -> None:
        """``watcher`` learns of each end of ``watched`` from now on; of one that is over at once."""
        place = self._places[watched]
        if place.is_over:
            self.tell_end(watcher, Terminated(place.name, TerminationReason.GONE))
        else:
            self._watchers.setdefault(watched, {})[watcher] = None

    def remove(self, watcher: int | str, watched: int) -> bool:
        """It does not any more; False when it did not."""
        return self._watchers.get(watched, {}).pop(watcher, 0) is None

    def forget(self, watcher: int) -> None:
        """An instance that watched has ended."""
        for watchers in self._watchers.values():
            watchers.pop(watcher, None)

    def of(self, watched: int, *, for_good: bool) -> list[int | str]:
        """Who watches an actor that has just ended, in the order of watching."""
        watchers = self._watchers.pop(watched, {}) if for_good else self._watchers.get(watched, {})
        return list(watchers)

    def tell(self, place: Place, reason: TerminationReason, detail: str, *, comes_back: bool) -> None:
        """An instance has ended: its watchers learn that."""
        told = Terminated(place.name, reason, detail, comes_back)
        for watcher in self.of(place.slot, for_good=not comes_back):
            self.tell_end(watcher, told)

    def tell_end(self, watcher: int | str, told: Terminated) -> None:
        """Tell a watcher of an end, in order with its other messages."""
        if isinstance(watcher, str):
            self._post.tell_end(watcher, told)
        elif not self._places[watcher].is_over:
            self._core.send(watcher, EventType.ACTOR_TERMINATED, self._teller, told)
