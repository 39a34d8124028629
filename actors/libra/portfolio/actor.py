"""The portfolio actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from libra.core.events import Event
    from libra_core import AccountGroup

__all__ = ["Portfolio"]


class Portfolio(Actor):
    """Turns signals of its account's strategies into order requests, counting what is on its way.

    What became of orders it does not listen to: the native side keeps that by the account's books, whatever fails here.

    Args:
        account: The native side of the account group.
    """

    def __init__(self, account: AccountGroup) -> None:
        super().__init__()
        self._account = account

    def on_start(self) -> None:
        """Listen to signals."""
        self.subscribe(EventType.SIGNAL, self.size)

    def size(self, event: Event) -> None:
        """A signal becomes the requests that bring the strategy's position where it wants it."""
        self._account.on_signal(event)
