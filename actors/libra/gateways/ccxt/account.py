"""A whole account as Binance has it: what a spot and a USD-M account have in common.

Rows are the venue's own, with its own texts for numbers: CCXT signs, sends and counts, and no more. Lists are read to
their end: by time as far as the venue lets one ask at once, by page or by id where more happened than it tells at once.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.guard import urgent
from libra.gateways.ccxt.numbers import decimal_of, order_id_of, trade_number
from libra.gateways.protocol import VenueExecution, VenueOrder
from libra.model import OrderSide, OrderType

if TYPE_CHECKING:
    from libra.gateways.ccxt.user_stream import UserStream
    from libra.gateways.ccxt.venue import Venue
    from libra.gateways.protocol import VenueFlow, VenueState
    from libra.model import Order

__all__ = ["DAY_MS", "MS", "UNIT", "BinanceAccount", "Row", "key_of"]

_log = logging.getLogger(__name__)

Row = Mapping[str, Any]

MS = 1_000_000
DAY_MS = 86_400_000
UNIT = Decimal("0.00000001")
"""What Binance keeps money in."""

_PAGE = 1_000
_MOST_REMEMBERED = 20_000
_ONE_BY_ONE = 5
"""So many orders are asked about one by one; of more, all of their time are."""

_ALL_EVERY_S = 30.0
"""Open orders of all symbols weigh more than those of a few, and are asked for so often."""

_AT_ONCE = 8
"""So many markets are asked about at once."""

_KEPT_S = 60.0
"""What a look had read that then failed is good for so long: the next asks anew from well before it."""

_FEW = 10
"""Those of more symbols than that weigh as much as all."""


_LAG_MS = 60_000
"""So long behind an execution the venue may not tell of its order yet."""


class _NoSuchOrderError(GatewayError):
    """The venue tells of no such order."""


class BinanceAccount(ABC):
    """An account of one market. A subclass says by which requests.

    Args:
        venue: The connection.
        user: Knows the venue's ids of our orders.
        symbols: What the account trades, in CCXT notation.
        known: An order by our id.
    """

    kind = ""
    """CCXT's name of the market."""
    span_ms = DAY_MS
    """How much time the venue lets one ask for at once."""
    trades_weight = 5
    """What a request for a market's executions weighs."""
    orders_method, trades_method, order_method, all_orders_method = "", "", "", ""

    def __init__(
        self, venue: Venue, user: UserStream, symbols: Iterable[str], known: Callable[[str], Order | None] | None
    ) -> None:
        self.venue = venue
        self.user = user
        self._known = known
        self._ours = tuple(symbols)
        # Markets in which others trade on the account, as far as anything told of it.
        self._others: dict[str, None] = {}
        self._client_ids: dict[tuple[str, str], str | None] = {}
        self._all_at = float("-inf")
        # What was read of each market by a look that is not at its end: when, from when on, and what.
        self._kept: dict[str, tuple[float, int, list[VenueExecution]]] = {}

    async def open_orders(self) -> list[VenueOrder]:
        """Everything that is open."""
        now = asyncio.get_running_loop().time()
        if now >= self._all_at + _ALL_EVERY_S or len(self.market_ids()) > _FEW:
            rows = await self._orders()
            self._all_at = now
        else:
            rows = [row for market_id in self.market_ids() for row in await self._orders(market_id)]
        found = {(str(row["symbol"]), str(row["orderId"])): row for row in rows}
        for (market_id, venue_order_id), row in found.items():
            self.trades_in(market_id)
            self._remember(market_id, venue_order_id, row.get("clientOrderId"))
        return [self._order(row) for row in found.values()]

    async def executions_since(self, ts_ns: int) -> list[VenueExecution]:
        """Every execution in our symbols, and in those of which anything told that somebody trades there."""
        since_ms, at_once = ts_ns // MS, asyncio.Semaphore(_AT_ONCE)

        async def of(market_id: str) -> list[VenueExecution]:
            async with at_once:
                now = asyncio.get_running_loop().time()
                kept_at, kept_ms, kept = self._kept.get(market_id, (float("-inf"), 0, []))
                if now - kept_at <= _KEPT_S and kept_ms <= since_ms:
                    return [execution for execution in kept if execution.ts_venue_ns >= ts_ns]
                rows = await self.walk(self.trades_method, {"symbol": market_id}, since_ms, key="id")
                await self._learn(market_id, rows, since_ms)
                found = [self._execution(market_id, row) for row in rows]
                self._kept[market_id] = (now, since_ms, found)
                return found

        tasks = [asyncio.create_task(of(market_id)) for market_id in self.market_ids()]
        try:
            return [execution for found in await asyncio.gather(*tasks) for execution in found]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def account_state(self) -> VenueState:
        """Positions and balances, at a time of the venue's clock that is not after them."""
        state = await self._state()
        self._kept.clear()
        return state

    def doubt(self) -> None:  # noqa: B027 - nothing to do where each look reads all
        """Something differs: whatever is not asked for by each look is."""

    def check_budget(self) -> None:
        """Tell where a look weighs more than a minute of the rate budget has for it."""
        limits = {limit.name: limit for limit in self.venue.hooks.turnstile.budget.limits}
        limit = limits.get(f"{'spot' if self.kind == 'spot' else 'linear'}.weight_1m")
        if limit is None:
            return
        weight, room = self.trades_weight * len(self.market_ids()), limit.most - limit.reserve
        if weight > room:
            _log.warning(
                "%s: a look at %d symbols weighs %d, and a minute has %d: it takes %.0f s, and all else waits with it",
                self.venue.options.account,
                len(self.market_ids()),
                weight,
                room,
                weight / room * 60,
            )

    @abstractmethod
    async def flows_since(self, ts_ns: int) -> list[VenueFlow]:
        """Everything that came or went by no execution."""

    @abstractmethod
    async def _state(self) -> VenueState:
        """See `account_state`."""

    # What a subclass asks by -----------------------------------------------------------------------------------------

    async def ask(self, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the venue's answer
        """A request behind orders and cancels, by the name that CCXT gives its endpoint."""
        try:
            with urgent(Urgency.QUERY):
                return await getattr(self.venue.exchange, method)(dict(params))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            told = self.venue.error(error)
            raise (_NoSuchOrderError(str(told)) if isinstance(error, library().OrderNotFound) else told) from None

    async def walk(self, method: str, params: Mapping[str, Any], since_ms: int, *, key: str) -> list[Row]:
        """All rows of a list from a time on, the oldest first.

        It is read span by span; where one holds more than a page, on from the last row's time, and where a millisecond
        does, on from its last id.

        Args:
            method: The list: it takes `startTime` with `endTime`, or `fromId` where rows are executions.
            params: What else it is asked.
            since_ms: The time.
            key: The id of a row.
        """
        found: dict[int, Row] = {}
        start_ms, now_ms = since_ms, self.now_ms()
        while start_ms <= now_ms:
            end_ms = start_ms + self.span_ms - 1
            window = {**params, "startTime": start_ms, "endTime": end_ms, "limit": _PAGE}
            page = rows_of(await self.ask(method, window))
            found.update({int(row[key]): row for row in page})
            if len(page) < _PAGE:
                start_ms = end_ms + 1
                continue
            last_ms = max(int(row["time"]) for row in page)
            if last_ms == start_ms:
                by_id = {**params, "fromId" if key == "id" else key: max(found) + 1, "limit": _PAGE}
                page = rows_of(await self.ask(method, by_id))
                found.update({int(row[key]): row for row in page})
                last_ms = max((int(row["time"]) for row in page), default=end_ms + 1)
            start_ms = last_ms
        return [found[number] for number in sorted(found)]

    async def pages(self, fetch: Callable[[int], Any], size: int) -> list[Row]:
        """All pages, the first of which is 1, up to one that is not full. A row that comes twice does no harm."""
        rows: list[Row] = []
        number = 0
        while True:
            number += 1
            page = rows_of(await fetch(number))
            rows += page
            if len(page) < size:
                return rows

    def now_ms(self) -> int:
        """The venue's time."""
        return self.venue.venue_now_ns() // MS

    def symbol(self, market_id: str) -> str:
        """In CCXT notation; what the venue calls a market that it no longer lists."""
        return str(self.venue.exchange.safe_symbol(market_id, None, None, self.kind))

    def trades_in(self, market_id: str) -> None:
        """Something tells that the account trades there."""
        if market_id not in self._others and len(self._others) < _MOST_REMEMBERED:
            self._others[market_id] = None

    def market_ids(self) -> list[str]:
        """Where the account trades, by all that is known."""
        exchange = self.venue.exchange
        return list(dict.fromkeys([*(str(exchange.market(symbol)["id"]) for symbol in self._ours), *self._others]))

    async def _orders(self, market_id: str | None = None) -> list[Row]:
        return rows_of(await self.ask(self.orders_method, {} if market_id is None else {"symbol": market_id}))

    # The client's ids, which executions do not bear ------------------------------------------------------------------

    async def _learn(self, market_id: str, executions: Sequence[Row], since_ms: int) -> None:
        """Find out whose the orders of executions are."""
        orders = {str(row["orderId"]) for row in executions}
        unknown = {venue_id for venue_id in orders if (market_id, venue_id) not in self._client_ids}
        unknown = {venue_id for venue_id in unknown if self._own(market_id, venue_id) is None}
        if len(unknown) > _ONE_BY_ONE:
            for row in await self.walk(self.all_orders_method, {"symbol": market_id}, since_ms, key="orderId"):
                self._remember(market_id, str(row["orderId"]), row.get("clientOrderId"))
                unknown.discard(str(row["orderId"]))
        for venue_id in sorted(unknown, key=int):
            last_ms = max(int(row["time"]) for row in executions if str(row["orderId"]) == venue_id)
            self._remember(market_id, venue_id, await self._client_id_of(market_id, venue_id, last_ms))

    async def _client_id_of(self, market_id: str, venue_id: str, executed_ms: int) -> object:
        """Of one order; None for one that the venue no longer tells, as it does of those that are older than 90 days.

        Raises:
            GatewayError: When there is no answer, or none yet: the venue's orders may lag behind its executions.
        """
        try:
            return (await self.ask(self.order_method, {"symbol": market_id, "orderId": venue_id})).get("clientOrderId")
        except _NoSuchOrderError:
            if self.now_ms() - executed_ms < _LAG_MS:
                raise
        _log.warning(
            "%s: %s does not tell of order %s in %s, which was executed: it is taken for somebody else's",
            *(self.venue.options.account, self.venue.options.venue, venue_id, market_id),
        )
        return None

    def _own(self, market_id: str, venue_id: str) -> str | None:
        """Our id of an order that was told of."""
        order_id = self.user.order_id_at(self.symbol(market_id), venue_id)
        order = self._known(order_id) if self._known is not None and order_id is not None else None
        return None if order is None else order_id

    def _remember(self, market_id: str, venue_order_id: str, client_id: object) -> None:
        if len(self._client_ids) >= _MOST_REMEMBERED:
            self._client_ids.pop(next(iter(self._client_ids)))
        self._client_ids[market_id, venue_order_id] = str(client_id) if client_id else None

    # Rows ------------------------------------------------------------------------------------------------------------

    def _order(self, row: Row) -> VenueOrder:
        price = decimal_of(row["price"])
        client_id = row.get("clientOrderId")
        return VenueOrder(
            order_id_of(client_id, self.venue.options.venue) or client_id or None,
            str(row["orderId"]),
            self.symbol(str(row["symbol"])),
            OrderSide(row["side"]),
            OrderType.LIMIT if price else OrderType.MARKET,
            price or None,
            decimal_of(row["origQty"]),
            decimal_of(row["executedQty"]),
            int(row["time"]) * MS,
        )

    def _execution(self, market_id: str, row: Row) -> VenueExecution:
        venue_id = str(row["orderId"])
        client_id = self._client_ids.get((market_id, venue_id))
        buys, maker = (row[name] if name in row else row[other] for name, other in _FLAGS)
        return VenueExecution(
            self._own(market_id, venue_id) or order_id_of(client_id, self.venue.options.venue) or client_id,
            venue_id,
            trade_number(row["id"]),
            self.symbol(market_id),
            OrderSide.BUY if buys else OrderSide.SELL,
            decimal_of(row["price"]),
            decimal_of(row["qty"]),
            decimal_of(row["commission"]),
            str(row["commissionAsset"]),
            "MAKER" if maker else "TAKER",
            int(row["time"]) * MS,
        )


_FLAGS = (("isBuyer", "buyer"), ("isMaker", "maker"))
"""What spot and USD-M call them."""


def rows_of(answer: object) -> list[Row]:
    """The rows of an answer, which may be within an object.

    Raises:
        GatewayError: When there are none where there should be a list.
    """
    rows = answer.get("rows", []) if isinstance(answer, Mapping) else answer
    if not isinstance(rows, list):
        raise GatewayError("the venue gave no list where one was asked for")
    return rows


def key_of(*parts: object) -> str:
    """A flow's key: what it is, and the venue's id of it."""
    return " ".join(str(part) for part in parts)
