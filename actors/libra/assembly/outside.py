"""Strategies of this node's accounts that run in other nodes: what happens to their orders when one is no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from libra.core.events import Event

__all__ = ["Outside"]

_LOOK_AGAIN_S = 0.25


class Outside(Actor):
    """Listens for the end of strategies elsewhere. One that stopped with its node, in order, has not vanished.

    A node that is silent while the server answers has taken its strategies with it. Should it come back their requests
    stay refused: what became of their orders was decided meanwhile.

    What is said of a strategy holds for the life of its node that said it. A durable word may come to an account that
    was started again meanwhile, and then to another life of the strategy, which trades: for that one nothing is done.

    Args:
        strategies: The names of those that run elsewhere.
        hosts: Where, by the names of the nodes.
        vanish: Called with the name of one that failed for good, stopped by itself, or was ended by an operator, who
            may say so again.
        lose: Called with the name of one whose node is no more.
        miss: Called with the name of one of whose node nothing came here while this one ran, or that ended with its
            node and left things to its policy: the log may know of it.
        life_of: Gives the life of a node as it is known now; None while it has not been heard of.
    """

    def __init__(
        self,
        strategies: frozenset[str],
        hosts: Mapping[str, tuple[str, ...]],
        vanish: Callable[[str], None],
        lose: Callable[[str], None],
        miss: Callable[[str], None],
        life_of: Callable[[str], int | None],
    ) -> None:
        super().__init__()
        self._strategies = strategies
        self._hosts = hosts
        self._vanish = vanish
        self._lose = lose
        self._miss = miss
        self._life_of = life_of
        self._nodes = {strategy: node for node, names in hosts.items() for strategy in names}
        self._undecided: dict[str, tuple[int, Callable[[str], None]]] = {}

    def on_start(self) -> None:
        """Listen."""
        self.subscribe(EventType.STRATEGY_STOPPED, self.learn)
        self.subscribe(EventType.NODE_DOWN, self.lose)

    def learn(self, event: Event) -> None:
        """A strategy has stopped."""
        told = event.payload
        if isinstance(told, Mapping) and told.get("vanished") is True and event.source in self._strategies:
            life = told.get("life")
            end = self._miss if told.get("with_node") is True else self._vanish
            if isinstance(life, int) and event.source in self._nodes:
                self._decide(event.source, life, end)
            else:
                end(event.source)

    def on_timer(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Look again whose life it was that a word came from."""
        undecided, self._undecided = self._undecided, {}
        for strategy, (life, end) in undecided.items():
            self._decide(strategy, life, end)

    def _decide(self, strategy: str, life: int, end: Callable[[str], None]) -> None:
        now = self._life_of(self._nodes[strategy])
        if now == life:
            end(strategy)
        elif now is not None and life < now:
            self.log.warning(
                "strategy %s ended in an earlier life of its node, which was not known here: of the one that runs now "
                "nothing is cancelled or closed",
                strategy,
            )
        else:
            # Its node has not been heard of, or not of that life yet.
            self._undecided[strategy] = life, end
            self.set_timer("lives", _LOOK_AGAIN_S)

    def lose(self, event: Event) -> None:
        """A node is no more."""
        told = event.payload
        ended = {"node_down": self._lose, "node_replaced": self._miss, "node_missing": self._miss}
        if (end := ended.get(getattr(told, "kind", ""))) is not None:
            for name in self._hosts.get(told.node, ()):
                end(name)
