"""The execution actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.core.events import Event
    from libra_core import AccountGroup

__all__ = ["Execution"]

_RECONCILE_EVERY_S = 1.0


class Execution(Actor):
    """Sends approved orders and cancels, each after its intent stands in the log.

    Args:
        account: The native side of the account group.
        cancel: Cancels orders at a gateway outside, given their ids.
        reconciles: True where it reconciles with a paper venue itself; a gateway outside does that on its own.
    """

    def __init__(self, account: AccountGroup, cancel: Callable[[list[str]], None], *, reconciles: bool) -> None:
        super().__init__()
        self._account = account
        self._cancel = cancel
        self._reconciles = reconciles

    def on_start(self) -> None:
        """Listen to approvals and cancel requests."""
        self.subscribe(EventType.ORDER_APPROVED, self.send)
        self.subscribe(EventType.CANCEL_REQUEST, self.cancel)
        if self._reconciles and self._account.is_reconciling:
            self.on_timer("reconcile")

    def send(self, event: Event) -> None:
        """The approval is spent, the intent appended, and the order leaves."""
        self._account.on_approved(event)

    def cancel(self, event: Event) -> None:
        """The cancel's intent is appended, and it leaves."""
        outside = self._account.on_cancel(event)
        if outside is not None:
            self._cancel([outside])

    def on_timer(self, name: str) -> None:
        """Ask the paper venue about orders that an earlier process left open, until each is answered."""
        if not self._account.reconcile_with_paper():
            self.set_timer(name, _RECONCILE_EVERY_S)
