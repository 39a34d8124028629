"""Strategies that are no more: whose they were, what their accounts do about it, and the way back."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from libra.assembly.vanished import VanishedReport, not_flat, vanished_rows
from libra.core.events import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.assembly.trading_node import TradingNode
    from libra.config.strategies import StrategySettings

__all__ = ["EndedStrategies"]

_log = logging.getLogger(__name__)

_STRANGERS = "cancel"
"""What becomes of the orders of a strategy that is in the profile no more: the default of `on_vanish`."""


class EndedStrategies:
    """The strategies of a node, and of its accounts, that are no more.

    Args:
        node: The node.
        life: Tells this life of the node apart from others of its name, where it is joined with others.
    """

    def __init__(self, node: TradingNode, life: int | None) -> None:
        self._node = node
        self._life = {} if life is None else {"life": life}
        self._report = VanishedReport()
        self._has_vanished = False
        self._own: set[str] = set()
        self._elsewhere: deque[str] = deque()
        self._judged: set[str] = set()
        self._lost: set[str] = set()
        self.left: list[str] = []
        """Strategies that ended with the node, left something behind, and had no `on_stop` that did its work."""

    def __contains__(self, name: object) -> bool:
        """True for a strategy of this node that was ended before the node itself."""
        return name in self._own

    def end(self, name: str, **more: bool) -> None:
        """A strategy of this node is no more; its account may be in another one, and learns it by the event."""
        self._own.add(name)
        # Good for this life of the strategy: its event may come to an account whose node was started again meanwhile.
        self._node.tell_strategy(EventType.STRATEGY_STOPPED, name, vanished=True, **more, **self._life)
        self.vanish(name)

    def leave(self, name: str, why: str) -> None:
        """A strategy of this node ends with it, and has had no `on_stop` that did its work: its policy applies."""
        strategy = next(strategy for strategy in self._node.settings.strategies if strategy.name == name)
        account = self._node.accounts.get(strategy.account)
        if account is None:
            # Whether it left anything is for the account's node to find, and to tell.
            _log.warning(
                "strategy %s ends with the node: %s; should it leave anything, account %s does what on_vanish says: %s",
                *(name, why, strategy.account, strategy.on_vanish),
            )
        else:
            open_orders, holds = account.left_by(name)
            if not _needs_policy(strategy, open_orders, holds=holds):
                return
            self.left.append(name)
            _log.error(
                "strategy %s ends with the node and leaves %d open order%s%s: %s,"
                " so its on_vanish says what becomes of that: %s",
                *(name, open_orders, "" if open_orders == 1 else "s", " and a position" if holds else ""),
                *(why, strategy.on_vanish),
            )
        # Elsewhere it counts as one that went with its node, which may be started again.
        self.end(name, with_node=True)

    def vanish(self, name: str) -> None:
        """A strategy is no more, and has said so, or an operator has: its account does what its policy says."""
        self._judged.add(name)
        self._lost.discard(name)
        for strategy in self._node.settings.strategies:
            if strategy.name == name and (account := self._node.accounts.get(strategy.account)) is not None:
                self._has_vanished = True
                self._report.begin_again(name)
                self._node.cancel_outside(account, account.vanish(name, strategy.on_vanish))

    def lose(self, name: str) -> None:
        """A strategy went with its node; what was decided of it before stands."""
        if name not in self._judged:
            _log.error("strategy %s is gone with its node: what it asks for is refused, should it come back", name)
            self._node.bridge_end.lost_strategies.append(name)
            self.vanish(name)
            self._lost.add(name)

    def miss(self, name: str) -> None:
        """The node of a strategy is not there, or another life of it is: what the log has of it is nobody's."""
        for strategy in self._node.settings.strategies:
            if strategy.name == name and (account := self._node.accounts.get(strategy.account)) is not None:
                open_orders, holds = account.left_by(name)
                if _needs_policy(strategy, open_orders, holds=holds):
                    self.lose(name)

    def note_lost(self, names: Iterable[str]) -> None:
        """Strategies that run elsewhere went with their node; from any thread, for `take_in`."""
        self._elsewhere.extend(names)

    def take_in(self) -> None:
        """Deal with what was noted."""
        while self._elsewhere:
            self.lose(self._elsewhere.popleft())

    def end_strangers(self) -> None:
        """Strategies that left the profile, and orders or positions behind: nobody else will look after these."""
        for account in self._node.accounts.values():
            for name, open_orders, nets in account.strangers():
                held = ", ".join(f"{net} {instrument}" for instrument, net in nets)
                _log.warning(
                    "account %s: strategy %s is in the profile no more, but in the account's log: %s and %s",
                    *(account.name, name),
                    f"{open_orders} open orders are cancelled" if open_orders else "no order is open",
                    f"it holds {held}, which stays" if held else "it holds nothing",
                )
                self._has_vanished = True
                self._node.tell_strategy(EventType.STRATEGY_STOPPED, name, vanished=True)
                self._node.cancel_outside(account, account.vanish(name, _STRANGERS))

    def readmit(self, name: str) -> str:
        """Let in a strategy again that went with its node, which is there again.

        Returns:
            The account that it trades for.

        Raises:
            ValueError: With why not; nothing has changed then.
        """
        node = self._node
        strategy = next((strategy for strategy in node.settings.strategies if strategy.name == name), None)
        if strategy is None or strategy.account not in node.accounts:
            raise ValueError("no account of this node has such a strategy")
        if name not in self._lost:
            over = "it has ended, by itself or by an operator: start its account's node again"
            raise ValueError(over if name in self._judged else "it is not gone")
        host = next((host for host, names in node.part.elsewhere.items() if name in names), "")
        peers = (node.bridge_row() or {"peers": ()})["peers"]
        if not any(peer["node"] == host and peer["up"] for peer in peers):
            raise ValueError(f"its node {host} is not there")
        node.accounts[strategy.account].readmit(name)
        self._lost.discard(name)
        self._judged.discard(name)
        self._report.begin_again(name)
        return strategy.account

    def rows(self) -> list[dict[str, Any]]:
        """A row for each, with whether an operator can let it in again: one that went with its node, and no other."""
        rows = vanished_rows(self._node.accounts)
        return [{**row, "can_resume": row["strategy"] in self._lost} for row in rows]

    def not_flat(self) -> list[tuple[str, str, str, str]]:
        """What nobody closes any more once the node has stopped; see `libra.assembly.vanished.not_flat`."""
        return not_flat(self._node.accounts)

    def tell_left(self) -> None:
        """Log what nobody closes any more, now that the node stops."""
        text = "account %s: strategy %s is gone, its %s is not flat, and the node stops: position left open%s"
        for row in self.not_flat():
            _log.error(text, *row)

    def tell(self) -> None:
        """Log how far the accounts are with it."""
        if self._has_vanished:
            self._report.tell(self._node.accounts)


def _needs_policy(strategy: StrategySettings, open_orders: int, *, holds: bool) -> bool:
    """Whether its `on_vanish` has anything to do about what a strategy has left."""
    return open_orders > 0 or (holds and strategy.on_vanish == "flatten")
