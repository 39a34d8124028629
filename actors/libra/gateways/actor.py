"""The actor that runs a Python gateway inside an account group: its orders, its reports, its reconciliation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from libra.core.events import Event
    from libra.gateways.protocol import ReportingGateway
    from libra_core import AccountGroup

__all__ = ["GatewayActor"]

_QUERY_EVERY_S = 1.0
_UNANSWERED_AFTER_S = 5.0


class GatewayActor(Actor):
    """Sends what the order gate lets out, and brings back what the venue says.

    No handler waits for the venue: each request runs in a task of its own, and its outcome comes back as a report. An
    order whose fate is not known is queried, never sent again.

    Args:
        gateway: The gateway.
        account: The native side of the account group.
        options: Handed to the gateway's ``connect``.
    """

    def __init__(self, gateway: ReportingGateway, account: AccountGroup, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._gateway = gateway
        self._account = account
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        """Connect, reconcile what an earlier process left open, and only then let new orders leave."""
        await self._gateway.connect(self._options)
        self._reader = asyncio.create_task(self._read_reports(), name=f"libra-reports-{self.name}")
        self.subscribe(EventType.ORDER_NEW, self.send)
        self.emit(EventType.GATEWAY_CONNECTED, {"gateway": self._gateway.name, "account": self._account.name})
        await self._query_open()
        for order_id in self._account.recovered["cancelling"]:
            self.cancel([order_id])
        self.set_timer("query", _QUERY_EVERY_S, interval_s=_QUERY_EVERY_S)

    async def on_stop(self) -> None:
        """Disconnect; requests under way are given up, and queried by the next process."""
        for task in [*self._tasks, *([self._reader] if self._reader else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._gateway.disconnect()
        self.emit(EventType.GATEWAY_DISCONNECTED, {"gateway": self._gateway.name, "account": self._account.name})

    def send(self, event: Event) -> None:
        """An order whose intent stands in the log: it leaves, if it still may."""
        order = event.payload
        if order.account == self._account.name:
            self._spawn(self._send(order))

    def cancel(self, order_ids: list[str]) -> None:
        """Cancel orders whose cancel stands in the log."""
        for order_id in order_ids:
            self._spawn(self._cancel(order_id))

    async def on_timer(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Ask about orders whose answer is missing for too long."""
        await self._query_open(older_than_s=_UNANSWERED_AFTER_S)

    async def _send(self, order: Any) -> None:  # noqa: ANN401 - an Order
        # The last look at the kill latch, right before the bytes leave.
        if not self._account.may_send(order.order_id):
            return
        sending = self._gateway.order(order)
        self._account.on_submitted(order.order_id)
        try:
            await sending
        except Exception as error:  # noqa: BLE001 - whatever a user's gateway raises, the order's fate is not known
            self.log.warning("order %s: no answer (%s), it will be queried", order.order_id, error)

    async def _cancel(self, order_id: str) -> None:
        try:
            await self._gateway.cancel(order_id)
        except Exception as error:  # noqa: BLE001 - as above
            self.log.warning("cancel of %s: no answer (%s), it will be queried", order_id, error)

    async def _read_reports(self) -> None:
        async for report in self._gateway.stream_reports():
            if not self._account.on_report(report):
                self.log.error("a report of order %s could not be booked", report.order_id)
        self.log.warning("the gateway's stream of reports has ended")

    async def _query_open(self, *, older_than_s: float = 0.0) -> None:
        """Ask the venue about every order that is not final and silent for so long; when all that were unanswered are
        answered, new orders may leave.
        """
        before_ns = self.clock.now_ns() - round(older_than_s * 1e9)
        for order in self._account.open_orders():
            silent = order.status in ("NEW", "SUBMITTED") or self._account.is_reconciling
            if silent and order.ts_ns <= before_ns:
                await self._query(order.order_id)
        if self._account.is_reconciling and not self._account.unanswered():
            self._account.set_reconciled()

    async def _query(self, order_id: str) -> None:
        try:
            reports = await self._gateway.query_order(order_id)
        except Exception as error:  # noqa: BLE001 - as above
            self.log.warning("query of %s: no answer (%s)", order_id, error)
            return
        for report in reports:
            self._account.on_report(report)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_reporting(gateway: object, class_path: str) -> None:
    """Refuse a gateway that cannot say what becomes of orders.

    Raises:
        GatewayError: With the names of what is missing.
    """
    wanted = ("name", "is_connected", "connect", "disconnect", "order", "cancel", "stream_reports", "query_order")
    missing = [name for name in wanted if not hasattr(gateway, name)]
    if missing:
        raise GatewayError(
            f"{class_path} is no gateway for an account: it lacks {', '.join(missing)}"
            " (see libra.gateways.protocol.ReportingGateway)"
        )


