"""Conditional orders on USD-M, which have endpoints, ids and events of their own until they are triggered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.filters import check_linear, read_amount
from libra.exchange_sim.numbers import trimmed

if TYPE_CHECKING:
    from libra.exchange_sim.orders import Order
    from libra.exchange_sim.params import Params
    from libra.exchange_sim.rest_linear import LinearApi

__all__ = ["AlgoApi", "algo_status", "algo_update", "algo_view"]

_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"})
_SIDES = frozenset({"BUY", "SELL"})
_WORKING = frozenset({"MARK_PRICE", "CONTRACT_PRICE"})


class AlgoApi:
    """The endpoints of conditional orders.

    Args:
        linear: Those of all others, whose checks are shared.
    """

    def __init__(self, linear: LinearApi) -> None:
        self._linear = linear

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path."""
        signed = Security.SIGNED
        return {
            ("POST", "algoOrder"): Endpoint(self.place, 0, signed, places_order=True),
            ("DELETE", "algoOrder"): Endpoint(self.cancel, 1, signed),
            ("GET", "algoOrder"): Endpoint(self.query, 1, signed),
            ("GET", "openAlgoOrders"): Endpoint(self.open_orders, _one_or_all, signed),
            ("GET", "allAlgoOrders"): Endpoint(self.all_orders, 5, signed),
            ("DELETE", "algoOpenOrders"): Endpoint(self.cancel_all, 1, signed),
        }

    def place(self, call: Call) -> dict[str, Any]:
        """A new conditional order."""
        params, linear = call.params, self._linear
        market = linear.data.market(params)
        if params.text("algoType") != "CONDITIONAL":
            raise ApiError.bad_enum(-1116, "algoType")
        side = params.choice("side", _SIDES, ApiError.bad_enum(-1117, "side"))
        kind = params.choice("type", _TYPES, ApiError.bad_enum(-1116, "orderType"))
        working = params.get("workingType") or "CONTRACT_PRICE"
        if working not in _WORKING:
            raise ApiError.bad_enum(-1100, "workingType")
        order = linear.terms(call, params, market, side, kind)
        order.client_id = params.get("clientAlgoId") or ""
        order.stop_price = read_amount(params, "triggerPrice", market, market.price_decimals)
        if not order.stop_price:
            raise ApiError(-4006, "Stop price less than zero.")
        order.stop_by_mark = working == "MARK_PRICE"
        check_linear(order, linear.trading.open_orders(call.account, market), linear.mark(market))
        order.algo_id = linear.trading.take_algo_id()
        return algo_view(linear.trading.place(order))

    def cancel(self, call: Call) -> dict[str, Any]:
        """Cancels one that was not triggered."""
        order = self._find(call)
        if order is None or not order.waits:
            raise ApiError.cancel_rejected()
        self._linear.trading.cancel(order)
        return {"algoId": order.algo_id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def query(self, call: Call) -> dict[str, Any]:
        """One conditional order."""
        order = self._find(call)
        if order is None:
            raise ApiError.no_such_order()
        return algo_view(order)

    def open_orders(self, call: Call) -> list[dict[str, Any]]:
        """Those that wait, of one market or of all."""
        linear = self._linear
        market = linear.data.market(call.params) if call.params.get("symbol") is not None else None
        return [algo_view(order) for order in linear.trading.open_orders(call.account, market) if order.waits]

    def all_orders(self, call: Call) -> list[dict[str, Any]]:
        """All of a market, ended ones too."""
        orders = self._linear.trading.orders_of(call.account, self._linear.data.market(call.params))
        rows = [algo_view(order) for order in orders if order.algo_id]
        return rows[-call.params.limit(500, 1_000) :]

    def cancel_all(self, call: Call) -> dict[str, Any]:
        """Cancels all that wait in a market."""
        linear = self._linear
        for order in linear.trading.open_orders(call.account, linear.data.market(call.params)):
            if order.waits:
                linear.trading.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _find(self, call: Call) -> Order | None:
        algo_id, client_id = call.params.integer("algoId"), call.params.get("clientAlgoId")
        if algo_id is None and client_id is None:
            raise ApiError.missing_either("clientAlgoId", "algoId")
        return self._linear.trading.find_algo(call.account, algo_id, client_id)


def _one_or_all(params: Params) -> int:
    return 1 if params.get("symbol") is not None else 40


def algo_status(order: Order) -> str:
    """NEW until it is triggered; then TRIGGERED, and FINISHED at the order's end."""
    if not order.triggered:
        return order.status
    return "TRIGGERED" if order.is_open else "FINISHED"


def algo_view(order: Order) -> dict[str, Any]:
    """A conditional order as queries show it."""
    market = order.market
    return {
        "algoId": order.algo_id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order.type,
        "symbol": market.symbol,
        "side": order.side,
        "positionSide": "BOTH",
        "timeInForce": order.time_in_force,
        "quantity": market.size_text(order.quantity),
        "algoStatus": algo_status(order),
        "actualOrderId": str(order.id) if order.triggered else "",
        "actualPrice": trimmed(order.average, 8) if order.filled else "0.00000",
        "triggerPrice": market.price_text(order.stop_price),
        "price": market.price_text(order.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": order.self_trade,
        "workingType": "MARK_PRICE" if order.stop_by_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.working_ms if order.triggered else 0,
        "goodTillDate": order.good_till_ms,
    }


def algo_update(order: Order, now_ms: int) -> dict[str, Any]:
    """The event of a conditional order."""
    market = order.market
    detail = {
        "caid": order.client_id,
        "aid": order.algo_id,
        "at": "CONDITIONAL",
        "o": order.type,
        "s": market.symbol,
        "S": order.side,
        "ps": "BOTH",
        "f": order.time_in_force,
        "q": market.size_text(order.quantity),
        "X": algo_status(order),
        "ai": str(order.id) if order.triggered else "",
        "ap": trimmed(order.average, 8) if order.filled else "0.00000",
        "aq": market.size_text(order.filled),
        "act": "LIMIT" if order.price else "MARKET",
        "tp": market.price_text(order.stop_price),
        "p": market.price_text(order.price),
        "V": order.self_trade,
        "wt": "MARK_PRICE" if order.stop_by_mark else "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": order.reduce_only,
        "tt": order.working_ms if order.triggered else 0,
        "gtd": order.good_till_ms,
        "rm": "",
    }
    return {"e": "ALGO_UPDATE", "T": order.updated_ms, "E": now_ms, "o": detail}
