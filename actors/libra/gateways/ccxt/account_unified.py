"""An account as any venue of CCXT's has it: open orders, and positions of contracts, by CCXT's common names.

What an execution cost, which money flowed and what a wallet holds are told by each venue in its own way, and the common
names leave parts of it out: none of that is looked at here. Executions of our orders are asked for order by order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.account import MS
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.guard import urgent
from libra.gateways.ccxt.numbers import decimal_of, order_id_of, product_of, sum_of
from libra.gateways.protocol import VenueOrder, VenuePosition, VenueState
from libra.model import OrderSide, OrderType

if TYPE_CHECKING:
    from libra.gateways.ccxt.user_stream import UserStream
    from libra.gateways.ccxt.venue import Venue
    from libra.gateways.protocol import VenueExecution, VenueFlow
    from libra.model import Order

__all__ = ["UnifiedAccount"]

Row = Mapping[str, Any]

_FEW = 10
"""Open orders of more symbols than that are asked for all at once, where the venue takes that."""


class UnifiedAccount:
    """See the module. Of symbols that the account does not trade nothing is looked at.

    Args:
        venue: The connection.
        user: Knows the venue's ids of our orders.
        symbols: What the account trades, in CCXT notation.
        known: An order by our id.
    """

    def __init__(
        self, venue: Venue, user: UserStream, symbols: Iterable[str], known: Callable[[str], Order | None] | None
    ) -> None:
        del user, known
        self._venue = venue
        self._symbols = tuple(symbols)
        self._asks_for_all = len(self._symbols) > _FEW

    def doubt(self) -> None:
        """Nothing to do: each look reads all."""

    def check_budget(self) -> None:
        """Nothing to do: what requests weigh there is not known."""

    async def open_orders(self) -> list[VenueOrder]:
        """What is open in our symbols, ours and foreign."""
        rows = await self._rows()
        found = {(str(row["symbol"]), str(row["id"])): row for row in rows if row.get("status") in ("open", None)}
        return [self._order(row) for (symbol, _), row in found.items() if symbol in self._symbols]

    async def executions_since(self, ts_ns: int) -> list[VenueExecution]:  # noqa: ARG002 - as it is asked
        """None: those of an order of ours are asked for with it."""
        return []

    async def flows_since(self, ts_ns: int) -> list[VenueFlow]:  # noqa: ARG002 - as it is asked
        """None."""
        return []

    async def account_state(self) -> VenueState:
        """Positions in our symbols, where the venue tells any; balances are not told."""
        shown_ns = self._venue.venue_now_ns()
        positions = None
        if self._venue.options.market == "swap" and self._venue.exchange.has.get("fetchPositions"):
            # Of several symbols at once not every venue tells.
            rows = await self._ask("fetch_positions", *([list(self._symbols)] if len(self._symbols) == 1 else []))
            positions = [self._position(row) for row in rows if row["symbol"] in self._symbols]
        return VenueState(positions, None, shown_ns)

    async def _rows(self) -> list[Row]:
        if self._asks_for_all:
            try:
                return await self._ask("fetch_open_orders")
            except _RefusedError:
                # Some demand a symbol, some a word that the weight of all is known.
                self._asks_for_all = False
        return [row for symbol in self._symbols for row in await self._ask("fetch_open_orders", symbol)]

    async def _ask(self, method: str, *args: object) -> list[Row]:
        ccxt = library()
        try:
            with urgent(Urgency.QUERY):
                rows = await getattr(self._venue.exchange, method)(*args)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            told = self._venue.error(error)
            raise (_RefusedError(str(told)) if isinstance(error, ccxt.ExchangeError) else told) from None
        if not isinstance(rows, list):
            raise GatewayError(f"{self._venue.options.venue}: {method} gave no list")
        return rows

    def _order(self, row: Row) -> VenueOrder:
        price = decimal_of(row.get("price") or "0")
        size, filled = _size_of(row)
        client_id = str(row.get("clientOrderId") or "") or None
        return VenueOrder(
            order_id_of(client_id, self._venue.options.venue) or client_id,
            str(row["id"]),
            str(row["symbol"]),
            OrderSide(str(row["side"]).upper()),
            OrderType.LIMIT if price else OrderType.MARKET,
            price or None,
            size,
            filled,
            int(row.get("timestamp") or 0) * MS,
        )

    def _position(self, row: Row) -> VenuePosition:
        symbol = str(row["symbol"])
        one = row.get("contractSize") or self._venue.exchange.market(symbol).get("contractSize") or "1"
        size = product_of(decimal_of(row.get("contracts") or "0"), decimal_of(one))
        price = row.get("entryPrice")
        signed = size.copy_negate() if row.get("side") == "short" else size
        return VenuePosition(symbol, signed, decimal_of(price) if price else None)


class _RefusedError(GatewayError):
    """The venue, or CCXT, does not take the question as it was asked."""


def _size_of(row: Row) -> tuple[Decimal, Decimal]:
    """What was asked for and what of it was executed; nothing, which is not compared, where one is not told."""
    amount, filled, left = (row.get(name) for name in ("amount", "filled", "remaining"))
    if amount is None or (filled is None and left is None):
        return Decimal(0), Decimal(0)
    size = decimal_of(amount)
    return size, decimal_of(filled) if filled is not None else sum_of((size, decimal_of(left).copy_negate()))
