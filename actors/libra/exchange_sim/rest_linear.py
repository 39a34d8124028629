"""USD-M: orders, as an account may place, change, cancel and ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.filters import check_linear, read_amount
from libra.exchange_sim.linear import LinearTrading, order_view, trade_view
from libra.exchange_sim.numbers import money_text
from libra.exchange_sim.orders import Order
from libra.exchange_sim.paging import executions_page, orders_page
from libra.exchange_sim.params import Params
from libra.exchange_sim.rest_market import MarketData

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.exchange_sim.funding import Funding
    from libra.exchange_sim.markets import Market

__all__ = ["LinearApi"]

_TYPES = frozenset({"LIMIT", "MARKET"})
_STOPS = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
_TIMES = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD"})
_MODES = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
_SIDES = frozenset({"BUY", "SELL"})
_BATCH = 5


class LinearApi:
    """The USD-M endpoints of orders.

    Args:
        trading: The orders.
        data: The markets.
        funding: Marks.
    """

    def __init__(self, trading: LinearTrading, data: MarketData, funding: Funding) -> None:
        self.trading = trading
        self.data = data
        self._funding = funding

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path."""
        signed = Security.SIGNED
        return {
            ("POST", "order"): Endpoint(self.place, 0, signed, places_order=True),
            ("POST", "order/test"): Endpoint(self.test, 0, signed),
            ("PUT", "order"): Endpoint(self.modify, 1, signed, places_order=True),
            ("GET", "order"): Endpoint(self.query, 1, signed),
            ("DELETE", "order"): Endpoint(self.cancel, 1, signed),
            ("POST", "batchOrders"): Endpoint(self.place_batch, 5, signed, places_order=True),
            ("DELETE", "batchOrders"): Endpoint(self.cancel_batch, 1, signed),
            ("GET", "openOrder"): Endpoint(self.query_open, 1, signed),
            ("GET", "openOrders"): Endpoint(self.open_orders, _one_or_all, signed),
            ("DELETE", "allOpenOrders"): Endpoint(self.cancel_all, 1, signed),
            ("GET", "allOrders"): Endpoint(self.all_orders, 5, signed),
            ("GET", "userTrades"): Endpoint(self.user_trades, 5, signed),
        }

    def place(self, call: Call) -> dict[str, Any]:
        """A new order."""
        return _placed(self.trading.place(self.order(call, call.params)), call.params)

    def test(self, call: Call) -> dict[str, Any]:
        """A new order that is only looked at."""
        return order_view(self.order(call, call.params))

    def modify(self, call: Call) -> dict[str, Any]:
        """Changes price and quantity of an order; both have to be said."""
        order = self._find(call, call.params)
        if order is None or not order.is_open or order.is_market:
            raise ApiError.no_such_order()
        market = order.market
        side = call.params.choice("side", _SIDES, ApiError.bad_enum(-1117, "side"))
        if side != order.side:
            raise ApiError(-4193, "The side of an order cannot be changed.")
        price = read_amount(call.params, "price", market, market.price_decimals)
        quantity = read_amount(call.params, "quantity", market, market.size_decimals)
        wanted = _changed(order, price, quantity)
        check_linear(wanted, [], self.mark(market))
        return order_view(self.trading.modify(order, price, quantity))

    def query(self, call: Call) -> dict[str, Any]:
        """An order."""
        order = self._find(call, call.params)
        if order is None:
            raise ApiError.no_such_order()
        return order_view(order)

    def query_open(self, call: Call) -> dict[str, Any]:
        """An open order."""
        order = self._find(call, call.params)
        if order is None or not order.is_open:
            raise ApiError.no_such_order()
        return order_view(order)

    def cancel(self, call: Call) -> dict[str, Any]:
        """Cancels an order."""
        return self._cancel(call, call.params)

    def place_batch(self, call: Call) -> list[dict[str, Any]]:
        """Up to five new orders; each is taken or refused by itself."""
        return self._each(call, "batchOrders", self._place_one)

    def cancel_batch(self, call: Call) -> list[dict[str, Any]]:
        """Cancels up to ten orders."""
        rows = []
        for name, key in (("orderIdList", "orderId"), ("origClientOrderIdList", "origClientOrderId")):
            text = call.params.get(name) or call.params.get(name.lower())
            for one in _json_list(text) if text is not None else []:
                params = Params({"symbol": call.params.text("symbol"), key: str(one)})
                rows.append(_or_error(self._cancel, call, params))
        if not rows:
            raise ApiError.missing_either("orderIdList", "origClientOrderIdList")
        return rows

    def open_orders(self, call: Call) -> list[dict[str, Any]]:
        """Open orders, of one market or of all."""
        market = self.data.market(call.params) if call.params.get("symbol") is not None else None
        return [order_view(order) for order in self.trading.open_orders(call.account, market) if not order.waits]

    def cancel_all(self, call: Call) -> dict[str, Any]:
        """Cancels all open orders of a market."""
        for order in self.trading.open_orders(call.account, self.data.market(call.params)):
            if order.is_open and not order.waits:
                self.trading.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def all_orders(self, call: Call) -> list[dict[str, Any]]:
        """Orders of a market, ended ones too."""
        orders = self.trading.orders_of(call.account, self.data.market(call.params))
        orders = [order for order in orders if order.triggered or not order.algo_id]
        return [order_view(order) for order in orders_page(orders, call.params, 500, 1_000)]

    def user_trades(self, call: Call) -> list[dict[str, Any]]:
        """Executions in a market."""
        executions = self.trading.executions_of(call.account, self.data.market(call.params))
        return [trade_view(one) for one in executions_page(executions, call.params, call.now_ms, spot=False)]

    def order(self, call: Call, params: Params) -> Order:
        """A sound order, as it was asked for."""
        market = self.data.market(params)
        side = params.choice("side", _SIDES, ApiError.bad_enum(-1117, "side"))
        kind = params.choice("type", _TYPES | _STOPS, ApiError.bad_enum(-1116, "orderType"))
        if kind in _STOPS:
            msg = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            raise ApiError(-4120, msg)
        order = self.terms(call, params, market, side, kind)
        check_linear(order, self.trading.open_orders(call.account, market), self.mark(market))
        return order

    def terms(self, call: Call, params: Params, market: Market, side: str, kind: str) -> Order:
        """An order's terms, before the filters."""
        by_limit = kind in {"LIMIT", "STOP", "TAKE_PROFIT"}
        if (params.get("positionSide") or "BOTH") != "BOTH":
            raise ApiError(-4061, "Order's position side does not match user's setting.")
        if params.flag("closePosition"):
            raise ApiError(-1128, "Close-All orders are not simulated.")
        if not by_limit and params.get("price") is not None:
            raise ApiError.not_required("price")
        time_in_force = "GTC"
        if by_limit and not (kind != "LIMIT" and params.get("timeInForce") is None):
            time_in_force = params.choice("timeInForce", _TIMES, ApiError.bad_enum(-1115, "timeInForce"))
        mode = params.get("selfTradePreventionMode") or "EXPIRE_MAKER"
        if mode not in _MODES:
            raise ApiError.bad_enum(-1100, "selfTradePreventionMode")
        good_till = params.integer("goodTillDate") or 0
        if time_in_force == "GTD" and good_till <= call.now_ms + 600_000:
            raise ApiError(-1102, "Mandatory parameter 'goodTillDate' was not sent, was empty/null, or malformed.")
        return Order(
            id=0,
            client_id=params.get("newClientOrderId") or "",
            account=call.account,
            market=market,
            buys=side == "BUY",
            type=kind,
            time_in_force=time_in_force,
            price=read_amount(params, "price", market, market.price_decimals, required=by_limit),
            quantity=read_amount(params, "quantity", market, market.size_decimals),
            reduce_only=params.flag("reduceOnly"),
            self_trade=mode,
            good_till_ms=good_till if time_in_force == "GTD" else 0,
        )

    def _place_one(self, call: Call, params: Params) -> dict[str, Any]:
        return _placed(self.trading.place(self.order(call, params)), params)

    def _each(self, call: Call, name: str, act: Callable[[Call, Params], dict[str, Any]]) -> list[dict[str, Any]]:
        orders = _json_list(call.params.text(name))
        if not 1 <= len(orders) <= _BATCH or not all(isinstance(one, dict) for one in orders):
            raise ApiError(-4082, "Invalid number of batch place orders.")
        rows = []
        for one in orders:
            params = Params({str(key): _word(value) for key, value in one.items()})
            rows.append(_or_error(act, call, params))
        return rows

    def _cancel(self, call: Call, params: Params) -> dict[str, Any]:
        order = self._find(call, params)
        if order is None:
            raise ApiError.cancel_rejected()
        return order_view(self.trading.cancel(order))

    def _find(self, call: Call, params: Params) -> Order | None:
        market = self.data.market(params)
        order_id, client_id = params.integer("orderId"), params.get("origClientOrderId")
        if order_id is None and client_id is None:
            raise ApiError.missing_either("origClientOrderId", "orderId")
        found = self.trading.find(call.account, market, order_id, client_id)
        # What waits for its trigger is no order yet.
        return None if found is not None and found.algo_id and not found.triggered else found

    def mark(self, market: Market) -> int:
        """The mark price in units of the market."""
        mark = self._funding.state(market)[0]
        return mark // 10 ** (8 - market.price_decimals) if mark else self.data.last_or_mid(market)


def _one_or_all(params: Params) -> int:
    return 1 if params.get("symbol") is not None else 40


def _changed(order: Order, price: int, quantity: int) -> Order:
    return Order(
        id=order.id,
        client_id=order.client_id,
        account=order.account,
        market=order.market,
        buys=order.buys,
        type=order.type,
        time_in_force=order.time_in_force,
        price=price,
        quantity=quantity,
        reduce_only=order.reduce_only,
    )


def _placed(order: Order, params: Params) -> dict[str, Any]:
    view = order_view(order)
    if (params.get("newOrderRespType") or "ACK") == "ACK":
        nothing = order.market.size_text(0)
        waiting = {"status": "NEW", "executedQty": nothing, "cumQty": nothing, "cumQuote": money_text(0)}
        view |= {**waiting, "avgPrice": "0.00"}
    return view


def _or_error(act: Callable[[Call, Params], dict[str, Any]], call: Call, params: Params) -> dict[str, Any]:
    try:
        return act(call, params)
    except ApiError as error:
        return error.body()


def _json_list(text: str) -> list[Any]:
    try:
        return msgspec.json.decode(text, type=list)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ApiError.illegal("batchOrders", "JSON") from error


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
