"""The risk actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.core.events import Event
    from libra_core import AccountGroup

__all__ = ["Risk"]


class Risk(Actor):
    """Reserves at the order gate for each request, and sets the kill switch when anyone asks for it.

    Args:
        account: The native side of the account group.
        cancel: Cancels orders at a gateway outside, given their ids.
    """

    def __init__(self, account: AccountGroup, cancel: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._account = account
        self._cancel = cancel

    def on_start(self) -> None:
        """Listen to requests and to the kill switch."""
        self.subscribe(EventType.ORDER_REQUEST, self.check)
        self.subscribe(EventType.CIRCUIT_BREAKER, self.kill)

    def check(self, event: Event) -> None:
        """A request is approved, or rejected with a code, the limit and the value."""
        self._account.on_request(event)

    def kill(self, event: Event) -> None:
        """The kill switch stops every account: no new orders, open ones are cancelled. Again changes nothing."""
        # The latch itself was set natively, before this event reached anyone.
        if event.source != self.name:
            self.log.error("kill switch, set by %s", event.source)
        self._account.kill(f"set by {event.source}")
        self._cancel(self._account.cancelling())
