"""Strategies of this node's accounts that run in other nodes: what happens to their orders when one is no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from libra.core.events import Event

__all__ = ["Outside"]


class Outside(Actor):
    """Listens for the end of strategies elsewhere. One that stopped with its node, in order, has not vanished.

    A node that is silent while the server answers has taken its strategies with it. Should it come back their requests
    stay refused: what became of their orders was decided meanwhile.

    Args:
        strategies: The names of those that run elsewhere.
        hosts: Where, by the names of the nodes.
        vanish: Called with the name of one that failed for good, stopped by itself, or was ended by an operator, who
            may say so again.
        lose: Called with the name of one whose node is no more.
    """

    def __init__(
        self,
        strategies: frozenset[str],
        hosts: Mapping[str, tuple[str, ...]],
        vanish: Callable[[str], None],
        lose: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._strategies = strategies
        self._hosts = hosts
        self._vanish = vanish
        self._lose = lose

    def on_start(self) -> None:
        """Listen."""
        self.subscribe(EventType.STRATEGY_STOPPED, self.learn)
        self.subscribe(EventType.NODE_DOWN, self.lose)

    def learn(self, event: Event) -> None:
        """A strategy has stopped."""
        told = event.payload
        if isinstance(told, Mapping) and told.get("vanished") is True and event.source in self._strategies:
            self._vanish(event.source)

    def lose(self, event: Event) -> None:
        """A node is no more."""
        told = event.payload
        if getattr(told, "kind", None) == "node_down":
            for name in self._hosts.get(told.node, ()):
                self._lose(name)
