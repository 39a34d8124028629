"""The portfolio actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import ORDER_EVENTS, Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from libra.core.events import Event
    from libra_core import AccountGroup

__all__ = ["Portfolio"]


class Portfolio(Actor):
    """Turns signals of its account's strategies into order requests, counting what is on its way.

    Args:
        account: The native side of the account group.
    """

    def __init__(self, account: AccountGroup) -> None:
        super().__init__()
        self._account = account

    def on_start(self) -> None:
        """Listen to signals and to orders."""
        self.subscribe(EventType.SIGNAL, self.size)
        for event_type in ORDER_EVENTS:
            self.subscribe(event_type, self.learn)

    def size(self, event: Event) -> None:
        """A signal becomes the requests that bring the strategy's position where it wants it."""
        self._account.on_signal(event)

    def learn(self, event: Event) -> None:
        """What became of an order."""
        self._account.on_order(event)
