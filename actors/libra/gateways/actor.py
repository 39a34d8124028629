"""The actor that runs a Python gateway inside an account group: its orders, its reports, its reconciliation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeGuard

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.errors import GatewayError
from libra.gateways.protocol import ForeignExecution, VenueFlow
from libra.gateways.reconciler import Reconciler
from libra.gateways.turnstile import NoTurn, patient
from libra.model import OrderReport

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from libra.core.events import Event
    from libra.gateways.protocol import ReconcilingGateway, ReportingGateway
    from libra.model import Order
    from libra_core import AccountGroup

__all__ = ["GatewayActor", "check_reporting"]

_UNANSWERED = ("NEW", "SUBMITTED")
_ENDS = ("CANCELLED", "EXPIRED")
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 5.0


class _StreamLost:
    """To itself: a stream of reports is no more."""

    def __init__(self, reader: asyncio.Task[None] | None) -> None:
        self.reader = reader


class GatewayActor(Actor):
    """Sends what the order gate lets out, and brings back what the venue says.

    No handler waits for the venue: each request runs in a task of its own, and its outcome comes back as a report. An
    order whose fate is not known is queried, never sent again; a cancel is repeated, after a query that finds the order
    still working. When the venue was out of sight, everything open is asked about before new orders leave.

    Args:
        gateway: The gateway.
        account: The native side of the account group.
        options: Handed to the gateway's ``connect``.
        query_every_s: How often orders without an answer are looked for.
        unanswered_after_s: Silence after which an order or a cancel is asked about, and an answer to a query or cancel
            is given up. The wait for a turn of the rate budget is no silence: who waits keeps the place.
        connect_within_s: How long a venue that cannot be reached is tried before the actor fails.
        reconcile_every_s: Between two looks at the whole account, where the gateway can show it.
        look_within_s: A look that takes longer is given up, and taken again. The wait for turns of the rate budget does
            not count, up to ten times as long.
        histories_lag_s: By how much what the venue lists may lag behind its balances and positions.
        flows: What the log did not take of flows that a stream told, with executions behind them: kept for the next
            instance.
    """

    _keeps_tasks = True

    def __init__(
        self,
        gateway: ReportingGateway,
        account: AccountGroup,
        options: Mapping[str, Any],
        *,
        query_every_s: float = 1.0,
        unanswered_after_s: float = 5.0,
        connect_within_s: float = 30.0,
        reconcile_every_s: float = 60.0,
        look_within_s: float = 30.0,
        histories_lag_s: float = 30.0,
        flows: list[OrderReport | VenueFlow] | None = None,
    ) -> None:
        super().__init__()
        self._gateway = gateway
        self._account = account
        self._options = options
        self._query_every_s = query_every_s
        self._unanswered_after_s = unanswered_after_s
        self._connect_within_s = connect_within_s
        self._reconcile_every_s = reconcile_every_s
        self._look_within_s = look_within_s
        self._histories_lag_s = histories_lag_s
        self._reconciler: Reconciler | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._in_sight = False
        # What the venue has to be asked about, and what is being asked now.
        self._to_ask: set[str] = set()
        self._asking: set[str] = set()
        # Orders that the stream said are over, until an answer has said so too.
        self._ended: set[str] = set()
        # Cancels whose fate is not known: repeated when a query has found the order. When the last one left.
        self._to_cancel: set[str] = set()
        self._cancelled_ns: dict[str, int] = {}
        # What the log did not take of what the stream told: nobody says it again.
        self._flows = flows if flows is not None else []
        # Cancels that wait for their turn or their answer.
        self._leaving: set[str] = set()

    def on_start(self) -> Coroutine[Any, Any, None]:
        """Connect, and begin to ask about what is open; new orders leave when all of it is answered."""
        self._account.begin_reconciling()
        if can_show(self._gateway):
            self._reconciler = Reconciler(
                self._gateway,
                self._account,
                self.log,
                self._ask_about,
                every_s=self._reconcile_every_s,
                within_s=self._look_within_s,
                lag_s=self._histories_lag_s,
            )
        # At once: what is published while the connection is made waits in the mailbox.
        self.subscribe(EventType.ORDER_NEW, self.send)
        return self._begin()

    async def _begin(self) -> None:
        await self._connect()
        self._reader = asyncio.create_task(self._read_reports(), name=f"libra-reports-{self.name}")
        self.set_timer("look", self._query_every_s, interval_s=self._query_every_s)
        for order in self._account.open_orders():
            if self._account.send_by_ns(order.order_id) is not None:
                # The instance before was ended ahead of the first step of its sending.
                self._spawn(self._send(order))
        self._to_cancel.update(self._account.cancelling())
        if self._account.is_killed:
            # The process that set the latch may have died before its cancels.
            self._to_cancel.update(self._account.cancel_all())
        self._reconcile()

    async def on_stop(self) -> None:
        """Disconnect; requests under way are given up, and queried by the next process."""
        await self._let_go()
        await self._gateway.disconnect()
        self._tell(EventType.GATEWAY_DISCONNECTED)

    def abandon(self) -> None:
        """Another instance takes over: nothing that this one began may still book or send."""
        for task in [*self._tasks, *([self._reader] if self._reader is not None else [])]:
            task.cancel()
        self._reader = None

    async def on_message(self, message: object) -> None:
        """The stream of reports is no more: without it nothing is known, so the actor fails and is started anew."""
        reader = self._reader
        # It may be of the instance before.
        if not isinstance(message, _StreamLost) or reader is None or message.reader is not reader:
            return
        self._account.begin_reconciling()
        await self._let_go()
        with suppress(Exception):
            async with asyncio.timeout(self._unanswered_after_s):
                await self._gateway.disconnect()
        self._tell(EventType.GATEWAY_DISCONNECTED)
        cause = None if reader.cancelled() else reader.exception()
        raise GatewayError(f"{self._gateway.name}: the stream of reports {'failed' if cause else 'ended'}") from cause

    def send(self, event: Event) -> None:
        """An order whose intent stands in the log: it leaves, if it still may."""
        order = event.payload
        if order.account == self._account.name:
            self._spawn(self._send(order))

    def cancel(self, order_ids: Iterable[str]) -> None:
        """Cancel orders whose cancel stands in the log."""
        for order_id in order_ids:
            if order_id not in self._leaving:
                self._leaving.add(order_id)
                self._cancelled_ns[order_id] = self.clock.now_ns()
                self._spawn(self._cancel(order_id))

    def cancel_new(self, order_ids: Iterable[str]) -> None:
        """The same, but for cancels that left already: those are looked after."""
        self.cancel(order_id for order_id in order_ids if order_id not in self._cancelled_ns)

    def on_timer(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Look for orders and cancels that were not answered, and ask."""
        if self._reader is not None and self._reader.done():
            self._context.ref.tell(_StreamLost(self._reader))
            return
        if not self._gateway.is_connected:
            self._out_of_sight()
            return
        if not self._in_sight:
            self._reconcile()
        silent_since_ns = self.clock.now_ns() - round(self._unanswered_after_s * 1e9)
        reconciling = self._account.is_reconciling
        for order in self._account.open_orders():
            if order.status in _UNANSWERED and (reconciling or order.ts_ns <= silent_since_ns):
                self._to_ask.add(order.order_id)
        cancelling = set(self._account.cancelling())
        # Asked for by the account itself: what must not stay, again behind a refusal.
        self.cancel(cancelling - self._cancelled_ns.keys() - self._to_cancel)
        for order_id in cancelling - self._leaving:
            if self._cancelled_ns.setdefault(order_id, self.clock.now_ns()) <= silent_since_ns:
                self._to_cancel.add(order_id)
        self._to_ask |= self._to_cancel & cancelling
        self._to_cancel &= cancelling
        self._cancelled_ns = {key: at for key, at in self._cancelled_ns.items() if key in cancelling}
        while self._flows and self._take(self._flows[0]):
            del self._flows[0]
        self._ask()
        self._look()
        self._settle()

    # The connection --------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        wait_s = _FIRST_RETRY_S
        async with asyncio.timeout(self._connect_within_s) as limit:
            while True:
                try:
                    await self._gateway.connect(self._options)
                except (GatewayError, OSError) as error:
                    left_s = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                    if limit.expired() or left_s <= wait_s:
                        raise
                    self.log.warning("%s cannot be reached, it is tried again: %s", self._gateway.name, error)
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
                else:
                    return

    def _out_of_sight(self) -> None:
        if self._in_sight:
            self._in_sight = False
            self._account.begin_reconciling()
            self.log.warning("%s is out of reach: no new orders", self._gateway.name)
            self._tell(EventType.GATEWAY_DISCONNECTED)

    def _reconcile(self) -> None:
        """The venue is in sight again: everything open is asked about."""
        self._in_sight = True
        self._account.begin_reconciling()
        self._tell(EventType.GATEWAY_CONNECTED)
        self._to_ask.update(order.order_id for order in self._account.open_orders())
        self._ask()
        if self._reconciler is not None:
            self._reconciler.hurry()
        self._look()
        self._settle()

    def _look(self) -> None:
        """Behind what is asked about single orders, so that a look finds as little in flight as can be."""
        if self._reconciler is not None:
            self._reconciler.heed()
            if self._reconciler.take_turn():
                self._spawn(self._reconciler.look())

    def _ask_about(self, order_ids: Iterable[str]) -> None:
        self._to_ask.update(order_ids)
        self._ask()
        self._settle()

    def _settle(self) -> None:
        """New orders may leave once everything that was open is answered."""
        done = self._in_sight and not self._to_ask and not self._account.unanswered()
        if done and self._account.is_reconciling:
            self._account.set_reconciled()

    async def _let_go(self) -> None:
        tasks = [*self._tasks, *([self._reader] if self._reader is not None else [])]
        self._reader = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell(self, event_type: EventType) -> None:
        self.emit(event_type, {"gateway": self._gateway.name, "account": self._account.name})

    # Requests --------------------------------------------------------------------------------------------------------

    async def _send(self, order: Order) -> None:
        order_id = order.order_id
        send_by_ns = self._account.send_by_ns(order_id)
        # The last look at the kill latch, right before the bytes leave; it ends an order that is too late.
        if not self._account.may_send(order_id) or send_by_ns is None:
            return
        self._account.on_submitted(order_id)
        try:
            # Bytes that left later could arrive when the order is long taken for lost.
            async with asyncio.timeout(max(0.0, (send_by_ns - self.clock.now_ns()) / 1e9)):
                await self._gateway.order(order)
        except (Exception, asyncio.CancelledError) as error:
            # Whatever a user's gateway raises, the order's fate is not known.
            _end_if_asked_to()
            self.log.warning("order %s: no answer (%r), it will be queried", order_id, error)
            if order_id not in self._asking and self._gateway.is_connected:
                # Once at once: a venue that took it, and whose answer alone was lost, says so now.
                self._asking.add(order_id)
                await self._query(order_id)

    async def _cancel(self, order_id: str) -> None:
        order = self._account.order(order_id)
        answered = order is not None and order.status not in _UNANSWERED
        try:
            async with patient(self._unanswered_after_s):
                taken = await self._gateway.cancel(order_id)
        except NoTurn as error:
            # Nothing has left, and nothing needs to be asked: it goes again with the next look.
            self.log.warning("cancel of %s: %s, it is tried again", order_id, error)
            self._cancelled_ns.pop(order_id, None)
            return
        except (Exception, asyncio.CancelledError) as error:
            _end_if_asked_to()
            self.log.warning("cancel of %s: no answer (%r), the order will be queried", order_id, error)
            return
        finally:
            self._leaving.discard(order_id)
        if taken:
            return
        if answered:
            self._take(OrderReport(order_id, "CANCEL_REJECTED", detail="the venue refused the cancel"))
        else:
            # It may have overtaken the order.
            self._to_cancel.add(order_id)
        self._to_ask.add(order_id)
        self._ask()

    def _ask(self) -> None:
        for order_id in self._to_ask - self._asking:
            # What has not left yet, the venue cannot know.
            if self._account.send_by_ns(order_id) is None:
                self._asking.add(order_id)
                self._spawn(self._query(order_id))
            else:
                self._to_ask.discard(order_id)

    async def _query(self, order_id: str) -> None:
        try:
            async with patient(self._unanswered_after_s):
                reports = await self._gateway.query_order(order_id)
            booked = []
            for report in sorted(reports, key=_turn_of):
                booked.append(self._take(report))
                if not booked[-1]:
                    break
        except (Exception, asyncio.CancelledError) as error:
            _end_if_asked_to()
            self.log.warning("query of %s: no answer (%r), it is asked again", order_id, error)
            return
        finally:
            self._asking.discard(order_id)
        if not booked or not all(booked):
            self.log.error("order %s: an answer that could not be booked, it is asked again", order_id)
            return
        known = any(isinstance(told, VenueFlow) or told.status != "NOT_FOUND" for told in reports)
        order = self._account.order(order_id)
        if order is None or order.is_final:
            self._ended.discard(order_id)
            self._to_ask.discard(order_id)
        elif known and order_id not in self._ended:
            self._to_ask.discard(order_id)
        if known and order_id in self._to_cancel:
            self._to_cancel.discard(order_id)
            self.cancel({order_id}.intersection(self._account.cancelling()))
        self._settle()

    # Reports ---------------------------------------------------------------------------------------------------------

    async def _read_reports(self) -> None:
        try:
            async for report in self._gateway.stream_reports():
                if isinstance(report, ForeignExecution):
                    self._heed(report)
                elif isinstance(report, VenueFlow):
                    self._book_flow(report)
                else:
                    self._book(report)
        finally:
            self._account.begin_reconciling()
            self._context.ref.tell(_StreamLost(asyncio.current_task()))

    def _heed(self, foreign: ForeignExecution) -> None:
        if self._reconciler is not None:
            if not self._account.is_reconciling:
                what = f"{foreign.symbol}: somebody else has traded on the account (order {foreign.client_order_id!r})"
                self.log.warning("%s: no new orders until it has been looked at", what)
            self._reconciler.alarm()
            self._look()

    def _book(self, report: OrderReport) -> None:
        if self._reconciler is not None and not self._account.knows(report.order_id):
            if report.status == "FILLED":
                # What the account holds is not what its log says.
                self._reconciler.alarm()
                self._look()
            else:
                # The next look adopts it, with all that was executed of it.
                self._reconciler.soon()
            return
        order = self._account.order(report.order_id) if report.status in _ENDS else None
        if report.status == "FILLED" and self._flows:
            # What it cost may not be in the log yet, and behind it nobody would ask for that. A query gives both, where
            # the venue's answers are not behind what it has said.
            self._flows.append(report)
            self._to_ask.add(report.order_id)
        elif order is not None and not order.is_final:
            # Its last executions may still be on their way, and behind an end nobody would ask for them: a query gives
            # both at once.
            self._ended.add(report.order_id)
            self._to_ask.add(report.order_id)
        elif not self._take(report):
            self.log.error("a report of order %s could not be booked, the order is queried", report.order_id)
            self._to_ask.add(report.order_id)
        self._ask()

    def _book_flow(self, flow: VenueFlow) -> None:
        if not self._take(flow):
            self.log.error("%s: %s %s could not be booked, it is tried again", flow.key, flow.amount, flow.currency)
            self._flows.append(flow)

    def _take(self, report: OrderReport | VenueFlow) -> bool:
        if isinstance(report, VenueFlow):
            try:
                return self._account.on_flow(report)
            except (ValueError, OverflowError) as error:
                what = f"{report.key}: {report.amount} {report.currency}"
                self.log.error("%s is in no book, and the balance differs by it: %s", what, error)
                return True
        taken = self._account.on_report(report)
        if taken and report.status == "CANCEL_REJECTED":
            # Should its order have to go all the same, that is another cancel.
            self._cancelled_ns.pop(report.order_id, None)
        return taken

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        # An operator, or another actor of the account, may be who asks for it.
        task = self._context.make_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("a request failed in a way that it must not", exc_info=error)


def _end_if_asked_to() -> None:
    """A request that was cancelled ends; a gateway's own cancellation, of a task inside its library, is no answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _turn_of(report: OrderReport | VenueFlow) -> int:
    """When a part of an answer is booked.

    What executions cost comes first, since who knows these asks for nothing more; an end last, with all of them.
    """
    if isinstance(report, VenueFlow):
        return 0
    return 2 if report.status in _ENDS else 1


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


def can_show(gateway: object) -> TypeGuard[ReconcilingGateway]:
    """True for one that can show the whole account; through a wrapper, too, where `isinstance` does not always look."""
    return all(hasattr(gateway, name) for name in ("open_orders", "executions_since", "flows_since", "account_state"))
