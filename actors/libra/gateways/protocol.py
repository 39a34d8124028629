"""What a gateway written in Python has to offer.

`Gateway` is the whole of it for market data and for sending orders. One that also tells what becomes of orders
implements `ReportingGateway`: an account group needs that, because no handler waits for a venue; answers come back as
reports. One that can also show the whole account as the venue has it implements `ReconcilingGateway`: then the account
is held against that, behind every connect and at intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from libra.model import OrderSide, OrderStatus, OrderType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from libra.model import BookDelta, Order, OrderReport, Quote, Trade

__all__ = [
    "ForeignExecution",
    "Gateway",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "ReconcilingGateway",
    "ReportingGateway",
    "Tick",
    "VenueExecution",
    "VenueFlow",
    "VenueOrder",
    "VenuePosition",
    "VenueState",
]


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


@dataclass(frozen=True, slots=True)
class ForeignExecution:
    """Somebody else has traded on the account: its owner by hand, another program, or the venue (a liquidation).

    Attributes:
        symbol: As the venue calls it.
        client_order_id: The id that the order bears; empty where it bears none.
    """

    symbol: str
    client_order_id: str


@runtime_checkable
class ReportingGateway(Gateway, Protocol):
    """A gateway that tells what becomes of orders."""

    def stream_reports(self) -> AsyncIterator[OrderReport | ForeignExecution | VenueFlow]:
        """What happens to our orders, as it comes, until `disconnect`. A report may come twice; it is booked once.

        What an execution cost beside its own fee, in another currency, is a `VenueFlow` ahead of it, told twice or not:
        once an execution is booked, nobody asks for what it cost.

        Executions that are not ours may be told, too: where the gateway can show the whole account, that is looked at,
        and new orders wait for it.

        A stream that may have lost a report has to end or raise: the gateway is then made and connected anew, and
        everything open is queried before new orders leave.
        """

    async def query_order(self, order_id: str) -> Sequence[OrderReport | VenueFlow]:
        """Everything the venue knows of an order, by our id, also what its executions cost beside their fees.

        Returns:
            Its state and all its executions; one ``NOT_FOUND`` report for an order that the venue does not know. That
            one needs the venue's time, ``ts_venue_ns``: it decides when it is late enough to take the order for lost. A
            time ahead of our own clock counts as now.
        """


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order that is open at the venue, ours or not.

    Attributes:
        client_order_id: The client's id that it bears, ours or another's; None where it bears none.
        venue_order_id: The venue's id.
        symbol: In CCXT notation.
        side: Buy or sell.
        type: What it is here; an order that waits for a trigger is what it becomes then.
        price: Limit price; None for a market order.
        size: What was asked for, in the units of `libra.model.Order.size`.
        filled: What of it was executed.
        ts_venue_ns: When it came, by the venue's clock.
    """

    client_order_id: str | None
    venue_order_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    price: Decimal | None
    size: Decimal
    filled: Decimal
    ts_venue_ns: int


@dataclass(frozen=True, slots=True)
class VenueExecution:
    """One execution on the account, of an order of ours or not.

    Attributes:
        client_order_id: As of `VenueOrder`; None also where the venue does not tell it with its executions.
        venue_order_id: The venue's id of the order.
        trade_id: The venue's id of the trade: the same number as in an `OrderReport`.
        symbol: In CCXT notation.
        side: Buy or sell.
        price: Price.
        size: Size, in the units of `libra.model.Order.size`.
        fee: Fee; negative for a rebate.
        fee_currency: The currency of the fee.
        liquidity: ``MAKER`` or ``TAKER``.
        ts_venue_ns: The venue's time.
    """

    client_order_id: str | None
    venue_order_id: str
    trade_id: int
    symbol: str
    side: OrderSide
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: Literal["MAKER", "TAKER"]
    ts_venue_ns: int


@dataclass(frozen=True, slots=True)
class VenueFlow:
    """Money that came or went by no execution.

    Attributes:
        key: The venue's own id of it, unique within the account: it is booked once by that.
        kind: ``transfer`` (deposits and withdrawals too) is no profit and no loss; all others are.
        currency: Of which currency.
        amount: How much came; negative for what went. Rounded as the venue rounds it.
        symbol: What it belongs to, in CCXT notation; None for the account.
        ts_venue_ns: The venue's time.
    """

    key: str
    kind: Literal["funding", "transfer", "rebate", "fee", "other"]
    currency: str
    amount: Decimal
    symbol: str | None
    ts_venue_ns: int


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position in a contract.

    Attributes:
        symbol: In CCXT notation.
        size: Signed size in units of the base; below zero short.
        entry_price: Average entry price; None where the venue tells none.
    """

    symbol: str
    size: Decimal
    entry_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VenueState:
    """Positions and balances at one moment.

    Attributes:
        positions: Of contracts; flat ones may be left out. On spot there are none, only balances. None where they are
            not told: then none is compared, and no order waits for one.
        balances: Currency to wallet total: what open orders hold is in it, unrealised P&L is not. Nothing may be left
            out that is not zero. None as of positions.
        ts_venue_ns: The venue's time of it.
        unit: What the venue rounds to when it books an execution, 0 where it books exactly. A wallet that differs by no
            more than one for each execution is no incident then: the difference is booked, as a flow ``rounding``.
    """

    positions: Sequence[VenuePosition] | None = ()
    balances: Mapping[str, Decimal] | None = field(default_factory=dict)
    ts_venue_ns: int = 0
    unit: Decimal = Decimal(0)


@runtime_checkable
class ReconcilingGateway(ReportingGateway, Protocol):
    """A gateway that can show the whole account as its venue has it.

    The four are asked in this order, one after the other; what the last one shows must not be older than the others'
    answers. An exception means that there is no picture: it is asked again, and new orders wait where they waited.
    """

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Everything that is open on the account, ours and foreign."""

    async def executions_since(self, ts_ns: int) -> Sequence[VenueExecution]:
        """Every execution on the account from this time of the venue's clock on; doubled ones do no harm."""

    async def flows_since(self, ts_ns: int) -> Sequence[VenueFlow]:
        """Every flow from this time of the venue's clock on; doubled ones do no harm."""

    async def account_state(self) -> VenueState:
        """Positions and balances now."""
