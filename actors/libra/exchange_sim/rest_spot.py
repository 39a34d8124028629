"""Spot: what an account may ask and order."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.filters import check_spot, read_amount
from libra.exchange_sim.numbers import MONEY, RATE, money_text, parse_units, text_of
from libra.exchange_sim.orders import Order
from libra.exchange_sim.paging import executions_page, orders_page
from libra.exchange_sim.rest_market import SPOT_TYPES, MarketData
from libra.exchange_sim.spot import SpotTrading, order_view, trade_view
from libra.exchange_sim.trading import CLIENT_ID

if TYPE_CHECKING:
    from libra.exchange_sim.params import Params
    from libra.exchange_sim.weights import Budgets

__all__ = ["SpotApi"]

_TYPES = frozenset(SPOT_TYPES)
_TIMES = frozenset({"GTC", "IOC", "FOK"})
_MODES = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
_ALL_MODES = _MODES | {"DECREMENT", "TRANSFER"}
_ANSWERS = frozenset({"ACK", "RESULT", "FULL"})
SIDES = frozenset({"BUY", "SELL"})


class SpotApi:
    """The spot endpoints of an account.

    Args:
        trading: The orders.
        data: The markets.
        budgets: The order counts to tell of.
    """

    def __init__(self, trading: SpotTrading, data: MarketData, budgets: Budgets) -> None:
        self._trading = trading
        self._data = data
        self._budgets = budgets

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path."""
        signed = Security.SIGNED
        return {
            ("POST", "order"): Endpoint(self.place, 1, signed, places_order=True),
            ("POST", "order/test"): Endpoint(self.test, 1, signed),
            ("GET", "order"): Endpoint(self.query, 4, signed),
            ("DELETE", "order"): Endpoint(self.cancel, 1, signed),
            ("POST", "order/cancelReplace"): Endpoint(self.cancel_replace, 1, signed, places_order=True),
            ("PUT", "order/amend/keepPriority"): Endpoint(self.amend, 4, signed),
            ("GET", "openOrders"): Endpoint(self.open_orders, _one_or_all, signed),
            ("DELETE", "openOrders"): Endpoint(self.cancel_all, 1, signed),
            ("GET", "allOrders"): Endpoint(self.all_orders, 20, signed),
            ("GET", "myTrades"): Endpoint(self.my_trades, 20, signed),
            ("GET", "account"): Endpoint(self.account, 20, signed),
            ("GET", "account/commission"): Endpoint(self.commission, 20, signed),
            ("GET", "rateLimit/order"): Endpoint(self.order_counts, 40, signed),
        }

    def place(self, call: Call) -> dict[str, Any]:
        """A new order."""
        order = self._order(call)
        answer = self._answer_type(call.params, order)
        return _placed(self._trading.place(order), answer)

    def test(self, call: Call) -> dict[str, Any]:
        """A new order that is only looked at."""
        self._order(call)
        return {}

    def query(self, call: Call) -> dict[str, Any]:
        """An order."""
        order = self._find(call)
        if order is None:
            raise ApiError.no_such_order()
        return order_view(order)

    def cancel(self, call: Call) -> dict[str, Any]:
        """Cancels an order."""
        order = self._find(call)
        if order is None:
            raise ApiError.cancel_rejected()
        return self._cancel(order, call.params)

    def cancel_replace(self, call: Call) -> dict[str, Any]:
        """Cancels an order and places another."""
        params = call.params
        mode = params.choice(
            "cancelReplaceMode",
            frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"}),
            ApiError.bad_enum(-1100, "cancelReplaceMode"),
        )
        new = self._order(call)
        answer = self._answer_type(params, new)
        cancelled, failed = self._try_cancel(call)
        if failed and mode == "STOP_ON_FAILURE":
            data = _replaced("FAILURE", "NOT_ATTEMPTED", cancelled, None)
            raise ApiError(-2022, "Order cancel-replace failed.", data=data)
        try:
            placed = _placed(self._trading.place(new), answer)
        except ApiError as error:
            if failed:
                data = _replaced("FAILURE", "FAILURE", cancelled, error.body())
                raise ApiError(-2022, "Order cancel-replace failed.", data=data) from error
            data = _replaced("SUCCESS", "FAILURE", cancelled, error.body())
            raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=data) from error
        if failed:
            data = _replaced("FAILURE", "SUCCESS", cancelled, placed)
            raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=data)
        return _replaced("SUCCESS", "SUCCESS", cancelled, placed)

    def amend(self, call: Call) -> dict[str, Any]:
        """Makes an order smaller; it keeps its place, and gets a new client id."""
        market = self._data.market(call.params)
        order = self._find(call)
        if order is None or not order.is_open or order.waits:
            raise ApiError(-2038, "Order amend rejected: unknown order.")
        quantity = read_amount(call.params, "newQty", market, market.size_decimals)
        if quantity <= order.filled or quantity >= order.quantity or quantity % market.lot:
            raise ApiError(-2038, "The quantity has to be below that of the order and above what was executed.")
        self._trading.rename(order, call.params.get("newClientOrderId") or f"x-{secrets.token_hex(11)}")
        self._trading.floor.amend(market, call.account.number, order.id, order.price, quantity)
        return {
            "transactTime": call.now_ms,
            "executionId": order.id,
            "amendedOrder": {**order_view(order), "qty": market.size_text(order.quantity)},
        }

    def open_orders(self, call: Call) -> list[dict[str, Any]]:
        """Open orders, of one market or of all."""
        market = self._data.market(call.params) if call.params.get("symbol") is not None else None
        return [order_view(order) for order in self._trading.open_orders(call.account, market)]

    def cancel_all(self, call: Call) -> list[dict[str, Any]]:
        """Cancels all open orders of a market."""
        orders = self._trading.open_orders(call.account, self._data.market(call.params))
        if not orders:
            raise ApiError.cancel_rejected()
        return [self._cancel(order, call.params) for order in orders if order.is_open]

    def all_orders(self, call: Call) -> list[dict[str, Any]]:
        """Orders of a market, ended ones too."""
        market = self._data.market(call.params)
        orders = self._trading.orders_of(call.account, market)
        return [order_view(order) for order in orders_page(orders, call.params, 500, 1_000)]

    def my_trades(self, call: Call) -> list[dict[str, Any]]:
        """Executions in a market."""
        market = self._data.market(call.params)
        executions = self._trading.executions_of(call.account, market)
        return [trade_view(one) for one in executions_page(executions, call.params, call.now_ms, spot=True)]

    def account(self, call: Call) -> dict[str, Any]:
        """Balances."""
        ledger, hide = call.account.spot, call.params.flag("omitZeroBalances")
        maker, taker = (text_of(rate, RATE) for rate in call.account.spot_fees)
        none = text_of(0, RATE)
        return {
            "makerCommission": call.account.spot_fees[0] // 10_000,
            "takerCommission": call.account.spot_fees[1] // 10_000,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": maker, "taker": taker, "buyer": none, "seller": none},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": call.now_ms,
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": money_text(ledger.free[asset]), "locked": money_text(ledger.locked[asset])}
                for asset in ledger.assets()
                if not hide or ledger.total(asset)
            ],
            "permissions": ["SPOT"],
            "uid": call.account.number,
        }

    def commission(self, call: Call) -> dict[str, Any]:
        """The fees in a market."""
        market = self._data.market(call.params)
        maker, taker = (text_of(rate, RATE) for rate in call.account.spot_fees)
        none = text_of(0, RATE)
        nothing = {"maker": none, "taker": none, "buyer": none, "seller": none}
        return {
            "symbol": market.symbol,
            "standardCommission": {"maker": maker, "taker": taker, "buyer": none, "seller": none},
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": {
                "enabledForAccount": False,
                "enabledForSymbol": False,
                "discountAsset": "BNB",
                "discount": none,
            },
        }

    def order_counts(self, call: Call) -> list[dict[str, Any]]:
        """How many orders were placed."""
        counts = self._budgets.ordered(call.account.number, call.now_ms)
        names = {10_000: ("SECOND", 10), 86_400_000: ("DAY", 1)}
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": names[length][0],
                "intervalNum": names[length][1],
                "limit": self._budgets.orders[length],
                "count": count,
            }
            for length, count in counts.items()
        ]

    def _order(self, call: Call) -> Order:
        """A sound order, as it was asked for."""
        params, account = call.params, call.account
        market = self._data.market(params)
        side = params.choice("side", SIDES, ApiError.bad_enum(-1117, "side"))
        kind = params.choice("type", _TYPES, ApiError.bad_enum(-1116, "orderType"))
        by_limit, by_stop = kind != "MARKET", kind in {"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}
        for name, belongs in (
            ("price", by_limit),
            ("timeInForce", by_limit and kind != "LIMIT_MAKER"),
            ("stopPrice", by_stop),
            ("quoteOrderQty", not by_limit),
        ):
            if not belongs and params.get(name) is not None:
                raise ApiError.not_required(name)
        for name in ("icebergQty", "trailingDelta"):
            if params.get(name) is not None:
                raise ApiError(-2010, "This action is disabled on this account.")
        time_in_force = "GTC"
        if by_limit and kind != "LIMIT_MAKER":
            time_in_force = params.choice("timeInForce", _TIMES, ApiError.bad_enum(-1115, "timeInForce"))
        mode = params.get("selfTradePreventionMode") or "EXPIRE_MAKER"
        if mode not in _MODES:
            if mode in _ALL_MODES:
                raise ApiError.rejected("This symbol does not allow the specified self-trade prevention mode.")
            raise ApiError.bad_enum(-1100, "selfTradePreventionMode")
        order = Order(
            id=0,
            client_id=_client_id(params, "newClientOrderId"),
            account=account,
            market=market,
            buys=side == "BUY",
            type=kind,
            time_in_force=time_in_force,
            price=read_amount(params, "price", market, market.price_decimals, required=by_limit),
            quantity=read_amount(params, "quantity", market, market.size_decimals, required=by_limit),
            stop_price=read_amount(params, "stopPrice", market, market.price_decimals, required=by_stop),
            quote_amount=_quote_amount(params),
            self_trade=mode,
        )
        if not by_limit and bool(order.quantity) == bool(order.quote_amount):
            if order.quantity:
                raise ApiError.not_required("quoteOrderQty")
            raise ApiError.missing_either("quantity", "quoteOrderQty")
        if by_limit and not order.price:
            raise ApiError.filter("PRICE_FILTER")
        check_spot(order, self._trading.open_orders(account, market), self._data.reference(market, call.now_ms))
        return order

    def _find(self, call: Call) -> Order | None:
        market = self._data.market(call.params)
        order_id, client_id = call.params.integer("orderId"), call.params.get("origClientOrderId")
        if order_id is None:
            order_id = call.params.integer("cancelOrderId")
        if client_id is None:
            client_id = call.params.get("cancelOrigClientOrderId")
        if order_id is None and client_id is None:
            raise ApiError.missing_either("origClientOrderId", "orderId")
        return self._trading.find(call.account, market, order_id, client_id)

    def _cancel(self, order: Order, params: Params) -> dict[str, Any]:
        order.cancel_id = _client_id(params, "newClientOrderId") or f"simcancel{order.id}"
        self._trading.cancel(order)
        return _cancelled(order)

    def _try_cancel(self, call: Call) -> tuple[dict[str, object], bool]:
        try:
            order = self._find(call)
            if order is None:
                raise ApiError.cancel_rejected()
            order.cancel_id = _client_id(call.params, "cancelNewClientOrderId") or f"simcancel{order.id}"
            self._trading.cancel(order)
        except ApiError as error:
            return error.body(), True
        return _cancelled(order), False

    def _answer_type(self, params: Params, order: Order) -> str:
        default = "FULL" if order.type in {"MARKET", "LIMIT"} else "ACK"
        answer = params.get("newOrderRespType") or default
        if answer not in _ANSWERS:
            raise ApiError.bad_enum(-1100, "newOrderRespType")
        return answer


def _one_or_all(params: Params) -> int:
    return 6 if params.get("symbol") is not None else 80


def _client_id(params: Params, name: str) -> str:
    client_id = params.get(name) or ""
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise ApiError.illegal(name, "^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
    return client_id


def _quote_amount(params: Params) -> int:
    text = params.get("quoteOrderQty")
    if text is None:
        return 0
    try:
        units = parse_units(text, MONEY)
    except ValueError as error:
        raise ApiError.illegal("quoteOrderQty") from error
    if units is None:
        raise ApiError.precision("quoteOrderQty")
    if not 0 < units < 2**62:
        raise ApiError.illegal("quoteOrderQty")
    return units


def _placed(order: Order, answer: str) -> dict[str, Any]:
    view = order_view(order)
    ack = {name: view[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId")}
    ack["transactTime"] = order.updated_ms
    if answer == "ACK":
        return ack
    dropped = {"time", "updateTime", "isWorking", "icebergQty", "stopPrice"}
    result = {**ack, **{name: value for name, value in view.items() if name not in dropped}}
    if order.stop_price:
        result["stopPrice"] = view["stopPrice"]
    if answer == "FULL":
        result["fills"] = [
            {
                "price": order.market.price_text(one.price),
                "qty": order.market.size_text(one.quantity),
                "commission": money_text(one.fee),
                "commissionAsset": one.fee_asset,
                "tradeId": one.trade_id,
            }
            for one in order.executions
        ]
    return result


def _cancelled(order: Order) -> dict[str, Any]:
    view = order_view(order)
    dropped = {"time", "updateTime", "isWorking", "icebergQty", "stopPrice", "workingTime"}
    return {
        **{name: value for name, value in view.items() if name not in dropped},
        "origClientOrderId": order.client_id,
        "clientOrderId": order.cancel_id,
        "transactTime": order.updated_ms,
    }


def _replaced(cancel: str, new: str, cancelled: object, placed: object) -> dict[str, Any]:
    return {"cancelResult": cancel, "newOrderResult": new, "cancelResponse": cancelled, "newOrderResponse": placed}
