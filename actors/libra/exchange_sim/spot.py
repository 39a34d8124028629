"""Spot: what an order locks, how its trades are booked, and how it is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import money_text, share
from libra.exchange_sim.orders import Execution
from libra.exchange_sim.trading import Trading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.floor import Floor
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.orders import Order
    from libra.exchange_sim.user_streams import UserStreams

__all__ = ["SpotTrading", "order_view", "trade_view"]

_NO_BALANCE = "Account has insufficient balance for requested action."

_REFUSALS = {
    "WOULD_TAKE": "Order would immediately match and take.",
    "WOULD_TRIGGER": "Stop price would trigger immediately.",
}


class SpotTrading(Trading):
    """The spot side of the venue."""

    is_spot = True

    def __init__(
        self, floor: Floor, accounts: dict[int, Account], trades: list[Execution], streams: UserStreams
    ) -> None:
        super().__init__(floor, accounts, trades)
        self._streams = streams

    def reserve(self, order: Order) -> None:
        """Locks what the order may cost."""
        asset = _lock_asset(order)
        amount = self._cost(order)
        ledger = order.account.spot
        if not ledger.can_spend(asset, amount):
            raise ApiError.rejected(_NO_BALANCE)
        ledger.lock(asset, amount)
        order.locked = amount

    def settle_open(self, order: Order) -> None:
        """Frees what the order can no longer cost, or locks what it costs more."""
        if order.is_open and order.is_market:
            return  # its worst case was locked, and it ends within its own submission
        still = self._cost(order) if order.is_open else 0
        order.account.spot.lock(_lock_asset(order), still - order.locked)
        order.locked = still

    def book(self, order: Order, trade_id: int, price: int, quantity: int, *, is_maker: bool, ts_ms: int) -> Execution:
        """Pays, receives, and charges the fee in what was received."""
        market, ledger = order.market, order.account.spot
        quote, base = market.notional(price, quantity), market.asset_amount(quantity)
        paid, got = (
            ((market.quote, quote), (market.base, base)) if order.buys else ((market.base, base), (market.quote, quote))
        )
        fee = share(got[1], order.account.spot_fees[0 if is_maker else 1])
        # A limit order has locked this part at its limit; what it paid less is free again.
        released = paid[1]
        if order.buys and not order.is_market:
            released = market.notional(order.price, quantity)
        released = min(released, order.locked)
        ledger.trade(paid, got, fee, released)
        order.locked -= released
        order.filled += quantity
        order.filled_quote += quote
        return Execution(order, trade_id, price, quantity, quote, fee, got[0], is_maker, ts_ms)

    def book_flow(self, market: Market, price: int, quantity: int, *, buys: bool, ts_ms: int) -> None:  # noqa: ARG002
        """Books what the others paid and got."""
        quote, base = market.notional(price, quantity), market.asset_amount(quantity)
        paid, got = (
            ((market.quote, quote), (market.base, base)) if buys else ((market.base, base), (market.quote, quote))
        )
        self.accounts[0].spot.trade(paid, got, 0, 0)

    def refusal(self, order: Order, reason: str) -> ApiError:  # noqa: ARG002
        """-2010, in words."""
        return ApiError.rejected(_REFUSALS.get(reason, reason))

    def publish(self, order: Order, kind: str, execution: Execution | None = None) -> None:
        """An executionReport, and the balances where they changed."""
        account, now_ms = order.account, self.floor.clock.now_ms()
        self._streams.send(account, "spot", _report(order, kind, execution, now_ms))
        assets = (order.market.base, order.market.quote)
        self._streams.send(account, "spot", _position(account, assets, order.updated_ms, now_ms))

    def _cost(self, order: Order) -> int:
        market = order.market
        if not order.buys:
            if order.quote_amount:
                return self._sold_for(order)
            return market.asset_amount(order.left)
        if order.quote_amount:
            return order.quote_amount
        if order.is_market:
            return self._taken(order)
        return market.notional(order.price, order.left)

    def _taken(self, order: Order) -> int:
        """What the asks cost that the order will take."""
        cost, quantity = 0, order.quantity
        for price, size in self.offered(order):
            part = min(size, quantity)
            cost += order.market.notional(price, part)
            quantity -= part
            if not quantity:
                break
        return cost

    def _sold_for(self, order: Order) -> int:
        """What of the base the bids take for the order's amount of the quote currency."""
        market, sold, amount = order.market, 0, order.quote_amount
        for price, size in self.offered(order):
            part = min(size, amount // market.notional(price, 1))
            sold += part
            amount -= market.notional(price, part)
            if part < size:
                break
        return market.asset_amount(sold)


def _lock_asset(order: Order) -> str:
    return order.market.quote if order.buys else order.market.base


def order_view(order: Order) -> dict[str, Any]:
    """An order as queries show it."""
    market = order.market
    view: dict[str, Any] = {
        "symbol": market.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": market.price_text(order.price),
        "origQty": market.size_text(order.quantity),
        "executedQty": market.size_text(order.filled),
        "origQuoteOrderQty": money_text(order.quote_amount),
        "cummulativeQuoteQty": money_text(order.filled_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": market.price_text(order.stop_price),
        "icebergQty": market.size_text(0),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": not order.waits,
        "workingTime": -1 if order.waits else order.working_ms,
        "selfTradePreventionMode": order.self_trade,
    }
    return view


def trade_view(one: Execution) -> dict[str, Any]:
    """An execution as myTrades shows it."""
    order, market = one.order, one.order.market
    return {
        "symbol": market.symbol,
        "id": one.trade_id,
        "orderId": order.id,
        "orderListId": -1,
        "price": market.price_text(one.price),
        "qty": market.size_text(one.quantity),
        "quoteQty": money_text(one.quote),
        "commission": money_text(one.fee),
        "commissionAsset": one.fee_asset,
        "time": one.ts_ms,
        "isBuyer": order.buys,
        "isMaker": one.is_maker,
        "isBestMatch": True,
    }


def _report(order: Order, kind: str, one: Execution | None, now_ms: int) -> dict[str, Any]:
    market = order.market
    cancelled = kind == "CANCELED"
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": market.symbol,
        "c": order.cancel_id if cancelled else order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": market.size_text(order.quantity),
        "p": market.price_text(order.price),
        "P": market.price_text(order.stop_price),
        "F": market.size_text(0),
        "g": -1,
        "C": order.client_id if cancelled else "",
        "x": kind,
        "X": order.status,
        "r": "NONE",
        "i": order.id,
        "l": market.size_text(one.quantity if one else 0),
        "z": market.size_text(order.filled),
        "L": market.price_text(one.price if one else 0),
        "n": money_text(one.fee) if one else "0",
        "N": one.fee_asset if one else None,
        "T": order.updated_ms,
        "t": one.trade_id if one else -1,
        "I": order.id,
        "w": order.is_open and not order.waits,
        "m": bool(one and one.is_maker),
        "M": False,
        "O": order.created_ms,
        "Z": money_text(order.filled_quote),
        "Y": money_text(one.quote if one else 0),
        "Q": money_text(order.quote_amount),
        "W": order.working_ms,
        "V": order.self_trade,
    }


def _position(account: Account, assets: Iterable[str], ts_ms: int, now_ms: int) -> dict[str, Any]:
    ledger = account.spot
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": ts_ms,
        "B": [
            {"a": asset, "f": money_text(ledger.free.get(asset, 0)), "l": money_text(ledger.locked.get(asset, 0))}
            for asset in assets
        ],
    }
