"""The actors that run a CCXT gateway: turns are waited for before the last look at an order, and silence is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.core.events import EventType
from libra.gateways.actor import GatewayActor
from libra.gateways.market import MarketActor
from libra.gateways.turnstile import NoTurn
from libra.model import OrderReport

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from libra.gateways.ccxt.gateway import CcxtGateway
    from libra.model import Order

__all__ = ["CcxtGatewayActor", "CcxtMarketActor"]

_LOOK_EVERY_S = 1.0


class _Bound:
    """The gateway as its actor sees it: an order leaves with the turn that was waited for."""

    def __init__(self, gateway: CcxtGateway) -> None:
        self._gateway = gateway
        self.turns: dict[str, Any] = {}
        self.reducing: set[str] = set()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the gateway has
        return getattr(self._gateway, name)

    async def order(self, order: Order) -> str | None:
        order_id = order.order_id
        return await self._gateway.order(order, self.turns.pop(order_id, None), only_reduces=order_id in self.reducing)


class CcxtGatewayActor(GatewayActor):
    """Waits for the venue's rate limits first, then takes the last look at the kill latch and the clock, then sends.

    So no order leaves that was stopped, or became too late, while it waited.
    """

    def __init__(self, gateway: CcxtGateway, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as `GatewayActor`
        self._bound = _Bound(gateway)
        super().__init__(self._bound, *args, **named)

    def on_start(self) -> Coroutine[Any, Any, None]:
        """As `GatewayActor`; behind a kill switch nobody waits on."""
        self.subscribe(EventType.CIRCUIT_BREAKER, lambda _: self._bound.drop_unwanted())
        return super().on_start()

    def on_timer(self, name: str) -> None:
        """As `GatewayActor`; orders that ended while they waited make room."""
        self._tell_clock()
        super().on_timer(name)
        self._bound.drop_unwanted()

    async def _connect(self) -> None:
        await super()._connect()
        self._tell_clock()

    def _tell_clock(self) -> None:
        """Windows end on the venue's clock: the account hears of it before its first intent, and as it is measured."""
        self._account.tell_venue_clock(self._bound.clock_offset_ns)

    async def _send(self, order: Order) -> None:
        order_id, account = order.order_id, self._account
        send_by_ns = account.send_by_ns(order_id)
        if send_by_ns is not None:
            within_s = max(0.0, (send_by_ns - self.clock.now_ns()) / 1e9)
            try:
                self._bound.turns[order_id] = await self._bound.turn(
                    within_s=within_s, wanted=lambda: account.send_by_ns(order_id) is not None
                )
            except NoTurn as refused:
                if refused.code in ("QUEUE_FULL", "TOO_LARGE") and account.may_send(order_id):
                    # Nothing of it has left, and nothing will.
                    self._take(OrderReport(order_id, "REJECTED", reason=f"RATE_{refused.code}", detail=str(refused)))
                    return
        # What is being cancelled by now may have been open when it was approved.
        if account.only_reduces(order_id):
            self._bound.reducing.add(order_id)
        try:
            await super()._send(order)
        finally:
            self._bound.reducing.discard(order_id)
            turn = self._bound.turns.pop(order_id, None)
            if turn is not None:
                self._bound.give_back(turn)


class CcxtMarketActor(MarketActor):
    """Market data of a venue, and which of its streams give none."""

    def __init__(self, gateway: CcxtGateway, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as `MarketActor`
        super().__init__(gateway, *args, **named)
        self._ccxt = gateway
        self._told: dict[str, str] = {}

    async def on_start(self) -> None:
        """Connect and subscribe."""
        await super().on_start()
        self.set_timer("degraded", _LOOK_EVERY_S, interval_s=_LOOK_EVERY_S)

    def on_timer(self, name: str) -> None:  # noqa: ARG002 - there is one
        """Tell of streams that give no data, and of their return."""
        degraded = dict(self._ccxt.degraded)
        if degraded.keys() != self._told.keys():
            was, self._told = bool(self._told), degraded
            if degraded or was:
                event_type = EventType.GATEWAY_DISCONNECTED if degraded else EventType.GATEWAY_CONNECTED
                self.emit(event_type, {"gateway": self._ccxt.name, "degraded": degraded})
