"""What a node asks of a strategy, for those that do not derive from `libra.strategies.Strategy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from libra.core.context import ActorContext
    from libra.strategies.scope import Scope

__all__ = ["StrategyProtocol"]


@runtime_checkable
class StrategyProtocol(Protocol):
    """An actor that is told which instruments of which account it trades."""

    params: dict[str, Any]

    def on_start(self) -> Awaitable[None] | None:
        """The strategy starts."""

    def on_stop(self) -> Awaitable[None] | None:
        """The strategy stops."""

    def _attach(self, context: ActorContext) -> None:
        """The node gives it its place."""

    def _assign(self, scope: Scope) -> None:
        """The node tells it what it trades."""
