"""Orders at a venue: placed under our ids, cancelled, and asked about with all of their executions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.errors import library, refusal_of
from libra.gateways.ccxt.guard import NotConnected, paid, urgent
from libra.gateways.ccxt.numbers import decimal_of, order_id_of, sum_of, venue_order_id
from libra.gateways.ccxt.reports import from_order, from_trade, state_report
from libra.model import OrderReport

if TYPE_CHECKING:
    from libra.gateways.budget import Turn
    from libra.gateways.ccxt.venue import Venue
    from libra.gateways.protocol import VenueFlow
    from libra.model import Order

__all__ = ["Orders"]

_log = logging.getLogger(__name__)
_LISTS = (
    ("fetchOpenOrders", "fetch_open_orders"),
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchCanceledOrders", "fetch_canceled_orders"),
    ("fetchOrders", "fetch_orders"),
)
_PAGE = 500
_MOST_PAGES = 200
_WEEK_MS = 7 * 86_400_000
_EARLY_MS = 1_000


class Orders:
    """The orders of one account.

    Args:
        venue: The connection.
        tell: Takes reports that answers amount to, each with its order's symbol.
        known: An order by our id, also one of an earlier process; None where there is none.
    """

    def __init__(
        self, venue: Venue, tell: Callable[[OrderReport, str], None], known: Callable[[str], Order | None] | None
    ) -> None:
        self._venue = venue
        self._tell = tell
        self._known = known
        self._sent: dict[str, Order] = {}
        self.withheld: dict[str, str] = {}
        """Why no order of a symbol may leave: the venue lists it otherwise than the profile."""

    async def turn(self, *, within_s: float, wanted: Callable[[], bool]) -> Turn:
        """Wait until an order may be sent by the venue's rate limits.

        Args:
            within_s: How long it is worth while.
            wanted: Asked when its turn has come: may it still be sent?

        Raises:
            NoTurn: When it will not be: no byte of it has left.
        """
        return await self._take(Urgency.ORDER, orders=1, within_s=within_s, wanted=wanted)

    async def place(self, order: Order, turn: Turn | None = None, *, only_reduces: bool = False) -> str | None:
        """Send an order, once.

        Args:
            order: The order.
            turn: The turn that was waited for; without one it is waited for here.
            only_reduces: The venue is told that it may only make a contract's position smaller.

        Returns:
            The venue's id of it; None for one that the venue refused, which is told as a report.

        Raises:
            GatewayError: When it is open what became of it.
        """
        if self._known is None:
            self._sent[order.order_id] = order
        if (why := self.withheld.get(order.symbol)) is not None:
            if turn is not None:
                self._venue.hooks.turnstile.give_back(turn)
            self._tell_refused(order, "LISTING_CHANGED", why)
            return None
        if turn is None:
            turn = await self._take(Urgency.ORDER, orders=1)
        self._venue.hooks.turnstile.used(turn)
        try:
            placed = await self._create(order, only_reduces=only_reduces)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            options = self._venue.options
            refusal = refusal_of(error, options.credentials, is_binance=self._venue.rules.is_binance)
            if refusal is None:
                raise self._venue.error(error) from None
            self._tell_refused(order, refusal.code, refusal.detail)
            return None
        report = from_order(placed, self._venue.options.venue)
        if report is not None:
            self._tell(report, order.symbol)
        return str(placed.get("id") or "") or None

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order by our id.

        Returns:
            False when the venue refuses: it does not know the order, or it is over.

        Raises:
            GatewayError: When it is open what became of the cancel.
        """
        order = self._order(order_id)
        measured = False
        while True:
            turn = await self._take(Urgency.CANCEL, orders=0)
            self._venue.hooks.turnstile.used(turn)
            try:
                with urgent(Urgency.CANCEL):
                    ended = await self._cancel(order)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                refusal = refusal_of(error, self._venue.options.credentials, is_binance=self._venue.rules.is_binance)
                if refusal is None:
                    raise self._venue.error(error) from None
                if isinstance(error, library().InvalidNonce):
                    # That says nothing of the order: the venue's clock has jumped.
                    if measured:
                        raise self._venue.error(error) from None
                    measured = True
                    await self._venue.measure_clock_anew()
                    continue
                if not _is_rate_limit(error):
                    return False
                # Not taken. It goes first once the silence is over that the venue wants.
                if self._venue.hooks.turnstile.counters()["barred_ns"] == 0:
                    self._venue.hooks.turnstile.penalise(1.0)
                continue
            report = from_order(ended, self._venue.options.venue) if ended else None
            if report is not None and report.status in ("CANCELLED", "EXPIRED"):
                self._tell(report, order.symbol)
            return True

    async def query(self, order_id: str) -> Sequence[OrderReport | VenueFlow]:
        """An order's state, all of its executions, and what these cost in further currencies.

        One that the venue has filled with less than was asked for is over, its rest cancelled: its owner has made it
        smaller, or the venue has, to what was left to reduce. One that was over here, and works no more there, is told
        as cancelled, too: it is gone.

        Raises:
            GatewayError: When the venue gives no answer, or one that does not fit together: its executions lag.
        """
        order = self._order(order_id)
        ccxt = library()
        try:
            with urgent(Urgency.QUERY):
                found = await self._fetch(order)
                if found is None:
                    return [state_report(order_id, "NOT_FOUND", "", self._venue.venue_now_ns())]
                filled = decimal_of(found.get("filled") or "0")
                trades = await self._trades(order, found, filled) if filled not in (0, order.filled) else []
        except (ccxt.OrderNotFound, ccxt.OrderNotCached):
            return [state_report(order_id, "NOT_FOUND", "", self._venue.venue_now_ns())]
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise self._venue.error(error) from None
        ended = _is_filled_with_less(found, order)
        gone = ended or (order.is_final and found.get("status") == "closed")
        shown = {**found, "clientOrderId": order_id, "status": "canceled" if gone else found.get("status")}
        state = from_order(shown, self._venue.options.venue)
        if state is None:
            raise GatewayError(f"{self._venue.options.venue}: order {order_id} is in a state that is not known")
        reports = [told for trade in trades for told in from_trade(order_id, trade)]
        executed = _executed_size(trades)
        # What is booked here already needs not be told again.
        if executed != filled and order.filled != filled:
            raise GatewayError(
                f"{self._venue.options.venue}: order {order_id} has {filled} executed, and its trades are {executed}:"
                " it is asked again"
            )
        if ended:
            _log.warning(
                "%s: order %s is filled there with %s of the %s that it has here: what it lacks is cancelled",
                *(self._venue.options.venue, order_id, filled, order.size),
            )
        return [state, *reports]

    def _tell_refused(self, order: Order, code: str, detail: str) -> None:
        now_ns = self._venue.venue_now_ns()
        self._tell(state_report(order.order_id, "REJECTED", "", now_ns, code, detail), order.symbol)

    # Requests --------------------------------------------------------------------------------------------------------

    async def _create(self, order: Order, *, only_reduces: bool) -> dict[str, Any]:
        venue = self._venue
        exchange = venue.exchange
        size, price = self._checked(order)
        params: dict[str, Any] = {"clientOrderId": venue_order_id(order.order_id, venue.options.venue)}
        if order.time_in_force == "POST_ONLY":
            params["postOnly"] = True
        elif price is not None:
            params["timeInForce"] = str(order.time_in_force)
        if only_reduces and venue.options.market == "swap":
            # Binance takes a text.
            params["reduceOnly"] = "true" if venue.rules.is_binance else True
        request = (order.symbol, order.order_type.lower(), order.side.lower(), size, price)
        if venue.options.use_websocket_orders and exchange.has.get("createOrderWs"):
            more = {"returnRateLimits": True} if venue.rules.is_binance else {}
            try:
                with paid(only_connected=True):
                    return dict(await exchange.create_order_ws(*request, {**params, **more}))
            except NotConnected:
                pass
        with paid():
            return dict(await exchange.create_order(*request, params))

    async def _cancel(self, order: Order) -> dict[str, Any]:
        venue = self._venue
        exchange = venue.exchange
        client_id = venue_order_id(order.order_id, venue.options.venue)
        venue_id = order.venue_order_id or client_id
        # By the venue's id where it is known: an order that was amended there may have lost ours.
        params = {} if order.venue_order_id else {"clientOrderId": client_id}
        if venue.options.use_websocket_orders and exchange.has.get("cancelOrderWs"):
            more = {"returnRateLimits": True} if venue.rules.is_binance else {}
            try:
                with paid(only_connected=True):
                    return dict(await exchange.cancel_order_ws(venue_id, order.symbol, {**params, **more}))
            except NotConnected:
                pass
        with paid():
            return dict(await exchange.cancel_order(venue_id, order.symbol, params))

    async def _fetch(self, order: Order) -> dict[str, Any] | None:
        exchange = self._venue.exchange
        client_id = venue_order_id(order.order_id, self._venue.options.venue)
        is_binance = self._venue.rules.is_binance
        # By the venue's id where it is known: an order that was amended there may have lost ours.
        if order.venue_order_id and (is_binance or exchange.has.get("fetchOrder")):
            return dict(await exchange.fetch_order(order.venue_order_id, order.symbol))
        if is_binance:
            return dict(await exchange.fetch_order(client_id, order.symbol, {"clientOrderId": client_id}))
        # By its ids, among what is open and what was: venues differ in what they can look up.
        for feature, method in _LISTS:
            for row in await getattr(exchange, method)(order.symbol) if exchange.has.get(feature) is True else ():
                ours = order_id_of(row.get("clientOrderId"), self._venue.options.venue) == order.order_id
                if ours or (order.venue_order_id and str(row.get("id")) == order.venue_order_id):
                    return dict(row)
        return None

    async def _trades(self, order: Order, found: dict[str, Any], filled: Decimal) -> list[dict[str, Any]]:
        exchange = self._venue.exchange
        venue_id = str(found["id"])
        if self._venue.rules.is_binance and self._venue.options.market == "swap" and found.get("timestamp"):
            return await self._trades_by_time(order.symbol, venue_id, int(found["timestamp"]), filled)
        trades: dict[str, dict[str, Any]] = {}
        params: dict[str, Any] = {"orderId": venue_id} if self._venue.rules.is_binance else {}
        since = None if self._venue.rules.is_binance else found.get("timestamp")
        if not self._venue.rules.is_binance and exchange.has.get("fetchOrderTrades") is True:
            return list(await exchange.fetch_order_trades(venue_id, order.symbol))
        for _ in range(_MOST_PAGES):
            page = await exchange.fetch_my_trades(order.symbol, since, _PAGE, params)
            before = len(trades)
            trades.update({str(trade["id"]): trade for trade in page if str(trade.get("order")) == venue_id})
            if len(page) < _PAGE:
                break
            if self._venue.rules.is_binance:
                params = {"orderId": venue_id, "fromId": max(int(trade["id"]) for trade in page) + 1}
            else:
                latest = max(int(trade["timestamp"]) for trade in page)
                if len(trades) == before and latest == since:
                    break
                since = latest
        return list(trades.values())

    async def _trades_by_time(self, symbol: str, venue_id: str, born_ms: int, filled: Decimal) -> list[dict[str, Any]]:
        """Of perpetuals Binance shows a week at once, of one order too: from the order's birth on, until it adds up."""
        trades: dict[str, dict[str, Any]] = {}
        start_ms, end_ms = born_ms - _EARLY_MS, self._venue.venue_now_ns() // 1_000_000 + _EARLY_MS
        while start_ms <= end_ms and _executed_size(trades.values()) != filled:
            until_ms = start_ms + _WEEK_MS - 1
            since: int | None = start_ms
            params: dict[str, Any] = {"orderId": venue_id, "endTime": until_ms}
            while True:
                page = await self._venue.exchange.fetch_my_trades(symbol, since, _PAGE, params)
                trades.update({str(trade["id"]): trade for trade in page if str(trade.get("order")) == venue_id})
                if len(page) < _PAGE:
                    break
                latest_ms = max(int(trade["timestamp"]) for trade in page)
                if since is None or latest_ms == since:
                    # One moment has more than a page: on by id, which goes with no times.
                    since, params = None, {"orderId": venue_id, "fromId": max(int(trade["id"]) for trade in page) + 1}
                else:
                    since = latest_ms
            start_ms = until_ms + 1
        return list(trades.values())

    # What requests need ----------------------------------------------------------------------------------------------

    def symbol_of(self, order_id: str) -> str:
        """The symbol of an order by our id.

        Raises:
            GatewayError: When nothing is known of it.
        """
        return self._order(order_id).symbol

    def _order(self, order_id: str) -> Order:
        order = self._known(order_id) if self._known is not None else None
        order = order if order is not None else self._sent.get(order_id)
        if order is None:
            raise GatewayError(
                f"{self._venue.options.venue}: nothing is known of order {order_id}, not its symbol either"
            )
        return order

    def _checked(self, order: Order) -> tuple[str, str | None]:
        """Size and price as text; CCXT would round what the venue's steps do not allow, and send something else."""
        exchange = self._venue.exchange
        size = f"{order.size:f}"
        price = None if order.price is None else f"{order.price:f}"
        sent = decimal_of(exchange.amount_to_precision(order.symbol, size))
        if sent != order.size:
            raise _bad_order(f"size {size} is none that the venue takes: it would be {sent}")
        if price is not None and decimal_of(exchange.price_to_precision(order.symbol, price)) != order.price:
            raise _bad_order(f"price {price} is none that the venue takes")
        return size, price

    async def _take(
        self,
        urgency: Urgency,
        *,
        orders: int,
        within_s: float | None = None,
        wanted: Callable[[], bool] | None = None,
    ) -> Turn:
        hooks = self._venue.hooks
        market = "linear" if self._venue.options.market == "swap" else "spot"
        cost = hooks.rules.order_cost(market, orders=orders)
        return await hooks.turnstile.take(urgency, cost, account=hooks.account, within_s=within_s, wanted=wanted)


def _is_filled_with_less(found: Mapping[str, Any], order: Order) -> bool:
    return found.get("status") == "closed" and 0 < decimal_of(found.get("filled") or "0") < order.size


def _executed_size(trades: Iterable[dict[str, Any]]) -> Decimal:
    return sum_of(decimal_of(trade["amount"]) for trade in trades)


def _bad_order(words: str) -> Exception:
    error: Exception = library().InvalidOrder(words)
    return error


def _is_rate_limit(error: Exception) -> bool:
    ccxt = library()
    return isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection))
