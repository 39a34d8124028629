"""What a gateway written in Python has to offer.

`Gateway` is the whole of it for market data and for sending orders. One that also tells what becomes of orders
implements `ReportingGateway`: an account group needs that, because no handler waits for a venue; answers come back as
reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from libra.model import OrderSide, OrderStatus, OrderType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from libra.model import BookDelta, Order, OrderReport, Quote, Trade

__all__ = ["Gateway", "OrderSide", "OrderStatus", "OrderType", "ReportingGateway", "Tick"]


@dataclass(frozen=True, slots=True)
class Tick:
    """The last price of a symbol, for venues that give no more.

    Attributes:
        symbol: In CCXT notation.
        bid: Best bid price; None where the venue gives none.
        ask: Best ask price.
        last: Last traded price.
        ts_venue_ns: The venue's time, nanoseconds since the epoch; 0 where it gives none.
    """

    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    ts_venue_ns: int = 0


@runtime_checkable
class Gateway(Protocol):
    """A venue. All methods but the properties are async; none may block the loop."""

    @property
    def name(self) -> str:
        """The venue's name: what instruments carry behind their ``@``."""

    @property
    def is_connected(self) -> bool:
        """True between `connect` and `disconnect`, while the venue answers."""

    async def connect(self, config: Mapping[str, Any]) -> None:
        """Connect.

        Args:
            config: The gateway's ``options`` of the profile.

        Raises:
            GatewayError: When the venue cannot be reached.
        """

    async def disconnect(self) -> None:
        """Disconnect; what is open at the venue stays open."""

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Ask for market data of these symbols, in CCXT notation."""

    def stream_ticks(self) -> AsyncIterator[Tick | Quote | Trade | BookDelta]:
        """Market data as it comes, until `disconnect`."""

    async def order(self, order: Order) -> str | None:
        """Place an order under ``order.order_id``, our id of it; gives the venue's id where it answers with one.

        An exception leaves it open whether the order arrived: it will be queried, never sent again. The call is
        cancelled half-way through the account's ``validity_window_ms``: no byte may leave behind that.
        """

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order by our id; False when the venue refuses."""

    async def positions(self) -> Sequence[Any]:
        """The venue's view of our positions."""

    async def balance(self) -> Mapping[str, Decimal]:
        """Free balance by currency."""


@runtime_checkable
class ReportingGateway(Gateway, Protocol):
    """A gateway that tells what becomes of orders."""

    def stream_reports(self) -> AsyncIterator[OrderReport]:
        """What happens to our orders, as it comes, until `disconnect`. A report may come twice; it is booked once.

        A stream that may have lost a report has to end or raise: the gateway is then made and connected anew, and
        everything open is queried before new orders leave.
        """

    async def query_order(self, order_id: str) -> Sequence[OrderReport]:
        """Everything the venue knows of an order, by our id.

        Returns:
            Its state and all its executions; one ``NOT_FOUND`` report for an order that the venue does not know. That
            one needs the venue's time, ``ts_venue_ns``: it decides when it is late enough to take the order for lost.
        """
