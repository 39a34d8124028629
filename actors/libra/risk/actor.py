"""The risk actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.model import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.core.events import Event
    from libra_core import AccountGroup

__all__ = ["Risk"]

_INCIDENTS = frozenset(
    (
        "UNKNOWN_ORDER",
        "OVERFILL",
        "FILL_AFTER_REJECTION",
        "CANNOT_BOOK",
        "ACCEPTED_AFTER_END",
        "REJECTED_AFTER_ACCEPTANCE",
        "POSITION_DIFFERS",
        "BALANCE_DIFFERS",
        "ORDER_DIFFERS",
    )
)
"""Codes of what contradicts the gate's log: an operator has to look at the venue."""


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
        for event_type in (EventType.RISK_LIMIT_BREACH, EventType.DRAWDOWN_WARNING):
            self.subscribe(event_type, self.cancel)

    def check(self, event: Event) -> None:
        """A request is approved, or rejected with a code, the limit and the value."""
        self._account.on_request(event)

    def kill(self, event: Event) -> None:
        """The kill switch stops every account: no new orders, open ones are cancelled. Again changes nothing."""
        told = event.payload
        if isinstance(told, Notice):
            # An account's own word that it is latched. The latch was set natively, and may have been taken back since;
            # another account's is none of ours, since what is meant for all was set for all.
            if told.account == self._account.name:
                self.log.error("kill switch: %s", told.detail)
                self._cancel(self._account.cancelling())
            return
        # The latch was set natively, before this event reached anyone. Set here again it would undo the resume of an
        # operator who was faster than this handler, as behind a backlog or a restart.
        self._cancel(self._account.cancelling())

    def cancel(self, event: Event) -> None:
        """A limit is passed: what must not stay was cancelled natively, and a gateway outside has to hear of it."""
        told = event.payload
        if isinstance(told, Notice) and told.account == self._account.name:
            if told.code in _INCIDENTS:
                self.log.error("incident, no new orders until a resume: %s: %s", told.code, told.detail)
            elif told.code == "AMENDED_ORDER":
                self.log.warning("an order was changed at the venue, and counts here as it was sent: %s", told.detail)
            self._cancel(self._account.cancelling())
