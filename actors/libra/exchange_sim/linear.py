"""USD-M: what margin an order needs, how its trades are booked, changes of orders, and how all that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.algo_orders import algo_update
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import MONEY, money_text, share, trimmed
from libra.exchange_sim.orders import Execution
from libra.exchange_sim.trading import Trading

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.floor import Floor
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.orders import Order
    from libra.exchange_sim.user_streams import UserStreams

__all__ = ["LinearTrading", "order_view", "trade_view"]

_REFUSALS = {
    "WOULD_TAKE": (
        -5022,
        (
            "Due to the order could not be executed as maker, the Post Only order will be rejected. "
            "The order will not be recorded in the order history."
        ),
    ),
    "FILL_OR_KILL": (
        -5021,
        (
            "Due to the order could not be filled immediately, the FOK order has been rejected. "
            "The order will not be recorded in the order history."
        ),
    ),
    "WOULD_TRIGGER": (-2021, "Order would immediately trigger."),
    "REDUCE_ONLY": (-2022, "ReduceOnly Order is rejected."),
}


class LinearTrading(Trading):
    """The USD-M side of the venue."""

    is_spot = False

    def __init__(
        self, floor: Floor, accounts: dict[int, Account], trades: list[Execution], streams: UserStreams
    ) -> None:
        super().__init__(floor, accounts, trades)
        self._streams = streams
        self._next_algo_id = 2_000_000

    def reserve(self, order: Order) -> None:
        """Looks whether the wallet carries the order."""
        market, ledger = order.market, order.account.linear
        ledger.position(market)
        value = self._opening(order)
        buys, sells = (value, 0) if order.buys else (0, value)
        if value and ledger.available(market.quote, market, buys, sells) < 0:
            raise ApiError(-2019, "Margin is insufficient.")

    def settle_open(self, order: Order) -> None:
        """Counts the order beside its position as long as it is open."""
        still = self._opening(order) if order.is_open and not order.is_market else 0
        position = order.account.linear.position(order.market)
        if order.buys:
            position.open_buys += still - order.locked
        else:
            position.open_sells += still - order.locked
        order.locked = still

    def take_algo_id(self) -> int:
        """A number for a conditional order."""
        self._next_algo_id += 1
        return self._next_algo_id

    def find_algo(self, account: Account, algo_id: int | None, client_id: str | None) -> Order | None:
        """A conditional order of the account by its number, or by the client's id."""
        for order in reversed(self._of_account.get(account, [])):
            if order.algo_id and (order.algo_id == algo_id if algo_id is not None else order.client_id == client_id):
                return order
        return None

    def modify(self, order: Order, price: int, quantity: int) -> Order:
        """Changes an order: it keeps its id and loses its place, as at the venue.

        Raises:
            ApiError: When it is refused. A post-only order that would trade is gone then.
        """
        if not order.is_open:
            raise ApiError.cancel_rejected()
        if (price, quantity) == (order.price, order.quantity):
            raise ApiError(-5027, "No need to modify the order.")
        if quantity <= order.filled:
            return self.cancel(order)
        before = (order.price, order.quantity, order.engine_base)
        order.price, order.quantity, order.engine_base = price, quantity, order.filled
        self._replacing = order
        try:
            self._check_modified(order)
            self.floor.tell(self.floor.replace(order.market, order.id, self._terms(order, order.left)))
        except (ApiError, KeyError, ValueError) as error:
            order.price, order.quantity, order.engine_base = before
            raise error if isinstance(error, ApiError) else ApiError.cancel_rejected() from error
        finally:
            self._replacing = None
        if order.end_reason in _REFUSALS:
            raise self.refusal(order, order.end_reason)
        return order

    def book(self, order: Order, trade_id: int, price: int, quantity: int, *, is_maker: bool, ts_ms: int) -> Execution:
        """Moves the position, and charges the fee in the quote currency."""
        market, account = order.market, order.account
        quote = market.notional(price, quantity)
        fee = share(quote, account.linear_fees[0 if is_maker else 1])
        signed = quantity if order.buys else -quantity
        realised = account.linear.trade(market, signed, price, fee, ts_ms)
        position = account.linear.position(market)
        # Before there is a market on both sides the first price is what there is.
        position.mark = position.mark or price * 10 ** (MONEY - market.price_decimals)
        order.filled += quantity
        order.filled_quote += quote
        return Execution(order, trade_id, price, quantity, quote, fee, market.quote, is_maker, ts_ms, realised)

    def book_flow(self, market: Market, price: int, quantity: int, *, buys: bool, ts_ms: int) -> None:
        """Moves the others' position."""
        self.accounts[0].linear.trade(market, quantity if buys else -quantity, price, 0, ts_ms)

    def refusal(self, order: Order, reason: str) -> ApiError:  # noqa: ARG002
        """The code of its reason."""
        return ApiError(*_REFUSALS[reason])

    def duplicate(self) -> ApiError:
        """An open order has the client's id."""
        return ApiError(-4116, "ClientOrderId is duplicated.")

    def publish(self, order: Order, kind: str, execution: Execution | None = None) -> None:
        """An ACCOUNT_UPDATE where something was traded, then an ORDER_TRADE_UPDATE."""
        account, now_ms = order.account, self.floor.clock.now_ms()
        if execution is not None:
            self.publish_account(account, order.updated_ms, order.market)
        if order.algo_id and (not order.triggered or kind == "NEW"):
            self._streams.send(account, "linear", algo_update(order, now_ms))
        if order.triggered or not order.algo_id:
            self._streams.send(account, "linear", _update(order, kind, execution, now_ms))
        if order.algo_id and order.triggered and not order.is_open:
            self._streams.send(account, "linear", algo_update(order, now_ms))

    def publish_account(self, account: Account, ts_ms: int, market: Market) -> None:
        """Tells the wallet behind a trade, and the position."""
        self._publish_account(account, "ORDER", ts_ms, market.quote, "0", [_position_update(account, market)])

    def publish_funding(self, account: Account, ts_ms: int, market: Market, amount: int) -> None:
        """Tells the wallet behind a payment: of a position with cross margin nothing else."""
        self._publish_account(account, "FUNDING_FEE", ts_ms, market.quote, money_text(amount), [])

    def _publish_account(
        self, account: Account, reason: str, ts_ms: int, asset: str, change: str, positions: list[dict[str, Any]]
    ) -> None:
        wallet = money_text(account.linear.wallet.get(asset, 0))
        balance = {"a": asset, "wb": wallet, "cw": wallet, "bc": change}
        update = {"m": reason, "B": [balance], "P": positions}
        event = {"e": "ACCOUNT_UPDATE", "E": self.floor.clock.now_ms(), "T": ts_ms, "a": update}
        self._streams.send(account, "linear", event)

    def _check_modified(self, order: Order) -> None:
        value, before = self._opening(order), order.locked
        more = value - before
        buys, sells = (more, 0) if order.buys else (0, more)
        if more > 0 and order.account.linear.available(order.market.quote, order.market, buys, sells) < 0:
            raise ApiError(-2019, "Margin is insufficient.")

    def _opening(self, order: Order) -> int:
        """The notional by which the order may open a position."""
        if order.reduce_only:
            return 0
        market = order.market
        price = max(order.price, order.stop_price)
        if order.is_market and not order.is_conditional:
            left, value = order.left, 0
            for level, size in self.offered(order):
                part = min(left, size)
                value += market.notional(level, part)
                left -= part
            return value
        return market.notional(price, order.left)


def order_view(order: Order) -> dict[str, Any]:
    """An order as queries show it."""
    market = order.market
    view: dict[str, Any] = {
        "orderId": order.id,
        "symbol": market.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": market.price_text(order.price),
        "avgPrice": trimmed(order.average, 8) if order.filled else "0.00",
        "origQty": market.size_text(order.quantity),
        "executedQty": market.size_text(order.filled),
        "cumQty": market.size_text(order.filled),
        "cumQuote": money_text(order.filled_quote),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side,
        "positionSide": "BOTH",
        "stopPrice": market.price_text(order.stop_price),
        "workingType": "MARK_PRICE" if order.stop_by_mark else "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade,
        "goodTillDate": order.good_till_ms,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }
    return view


def trade_view(one: Execution) -> dict[str, Any]:
    """An execution as userTrades shows it."""
    order, market = one.order, one.order.market
    return {
        "symbol": market.symbol,
        "id": one.trade_id,
        "orderId": order.id,
        "side": order.side,
        "price": market.price_text(one.price),
        "qty": market.size_text(one.quantity),
        "realizedPnl": money_text(one.realised),
        "quoteQty": money_text(one.quote),
        "commission": money_text(one.fee),
        "commissionAsset": one.fee_asset,
        "time": one.ts_ms,
        "positionSide": "BOTH",
        "buyer": order.buys,
        "maker": one.is_maker,
    }


def _update(order: Order, kind: str, one: Execution | None, now_ms: int) -> dict[str, Any]:
    market = order.market
    position = order.account.linear.position(market)
    detail: dict[str, Any] = {
        "s": market.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": "LIMIT" if order.triggered and order.price else "MARKET" if order.triggered else order.type,
        "f": order.time_in_force,
        "q": market.size_text(order.quantity),
        "p": market.price_text(order.price),
        "ap": trimmed(order.average, 8) if order.filled else "0",
        "sp": market.price_text(order.stop_price),
        "x": kind,
        "X": order.status,
        "i": order.id,
        "l": market.size_text(one.quantity if one else 0),
        "z": market.size_text(order.filled),
        "L": market.price_text(one.price if one else 0),
        "T": order.updated_ms,
        "t": one.trade_id if one else 0,
        "b": money_text(position.open_buys),
        "a": money_text(position.open_sells),
        "m": bool(one and one.is_maker),
        "R": order.reduce_only,
        "wt": "MARK_PRICE" if order.stop_by_mark else "CONTRACT_PRICE",
        "ot": order.type,
        "ps": "BOTH",
        "cp": False,
        "rp": money_text(one.realised if one else 0),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.self_trade,
        "pm": "NONE",
        "gtd": order.good_till_ms,
    }
    if one:
        detail |= {"N": one.fee_asset, "n": money_text(one.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": order.updated_ms, "o": detail}


def _position_update(account: Account, market: Market) -> dict[str, Any]:
    position = account.linear.position(market)
    return {
        "s": market.symbol,
        "pa": market.size_text(position.size),
        "ep": trimmed(position.entry_price(), 8),
        "bep": trimmed(position.entry_price(), 8),
        "cr": money_text(position.realised),
        "up": money_text(position.unrealised()),
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
    }
