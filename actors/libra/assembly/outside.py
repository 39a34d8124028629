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

    Args:
        strategies: The names of those that run elsewhere.
        vanish: Called with the name of one that failed for good, or was ended by an operator.
    """

    def __init__(self, strategies: frozenset[str], vanish: Callable[[str], None]) -> None:
        super().__init__()
        self._strategies = strategies
        self._vanish = vanish

    def on_start(self) -> None:
        """Listen."""
        self.subscribe(EventType.STRATEGY_STOPPED, self.learn)

    def learn(self, event: Event) -> None:
        """A strategy has stopped."""
        told = event.payload
        if isinstance(told, Mapping) and told.get("vanished") is True and event.source in self._strategies:
            self._vanish(event.source)
