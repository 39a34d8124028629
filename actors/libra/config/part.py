"""What of a profile one node builds, where its topology has several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.config.settings import Settings

__all__ = ["NodePart"]


@dataclass(frozen=True, slots=True)
class NodePart:
    """The share of one node. Every node knows the whole profile, and builds this.

    Attributes:
        market: It has the source of market data.
        accounts: It has the account groups: their gates take requests of all strategies of the profile, wherever
            they run.
        strategies: The names of the strategies that run in it.
        elsewhere: Those of each other node, by its name.
        request_deadline_ms: How old what its strategies ask for may be when an account of another node acts on it,
            where they do not say; 0 for any age.
    """

    market: bool
    accounts: bool
    strategies: tuple[str, ...]
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    request_deadline_ms: int = 0

    @property
    def roles(self) -> tuple[str, ...]:
        """What it builds, in words: "market", "accounts", "strategies"."""
        having = {"market": self.market, "accounts": self.accounts, "strategies": bool(self.strategies)}
        return tuple(role for role, has in having.items() if has)

    @staticmethod
    def whole(settings: Settings) -> NodePart:
        """All of it: one process."""
        return NodePart(market=True, accounts=True, strategies=tuple(entry.name for entry in settings.strategies))
