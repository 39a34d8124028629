"""What spot and USD-M have in common: the orders of one side of the venue, from the request to their end."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from libra.exchange_sim.accounts import FIRST_USER
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.floor import ACCEPTED, AMENDED, ENDED, REJECTED, TRADE, TRIGGERED, Floor, Told
from libra.exchange_sim.orders import Execution, Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.markets import Market

__all__ = ["CLIENT_ID", "ENGINE_MONEY", "Trading"]

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")

ENGINE_MONEY = 10**4
"""The engine counts money in 10^-12."""

_DEEPEST = 100_000
"""Levels that a market order is measured against."""

_ENDS = {
    "CANCELLED": ("CANCELED", "CANCELED"),
    "REPLACED": ("CANCELED", "CANCELED"),
    "AMENDED_AWAY": ("CANCELED", "CANCELED"),
    "SELF_TRADE": ("EXPIRED_IN_MATCH", "TRADE_PREVENTION"),
}
"""Status and execution type of an end; EXPIRED and EXPIRED of all others."""


class Trading(ABC):
    """The orders of one side of the venue.

    Args:
        floor: The engines.
        accounts: All accounts by number, the flow's as 0.
        trades: The raw log of all trades with users, which both sides write.
    """

    is_spot: bool

    def __init__(self, floor: Floor, accounts: dict[int, Account], trades: list[Execution]) -> None:
        self.floor = floor
        self.accounts = accounts
        self.orders: dict[int, Order] = {}
        self._log = trades
        self._by_client: dict[tuple[Account, str], Order] = {}
        self._of_account: dict[Account, list[Order]] = {}
        self._open: dict[Account, dict[int, Order]] = {}
        self._executions: dict[Account, deque[Execution]] = {}
        self._next_id = 1_000_000
        self._replacing: Order | None = None
        self._before: Order | None = None
        floor.sides[self.is_spot] = self

    # What differs between the two sides.

    @abstractmethod
    def reserve(self, order: Order) -> None:
        """Sets aside what an order may cost, or raises `ApiError`."""

    @abstractmethod
    def settle_open(self, order: Order) -> None:
        """Brings what is set aside to what the order may still cost; nothing when it has ended."""

    @abstractmethod
    def book(self, order: Order, trade_id: int, price: int, quantity: int, *, is_maker: bool, ts_ms: int) -> Execution:
        """Books one side of a trade in the account's ledger."""

    @abstractmethod
    def book_flow(self, market: Market, price: int, quantity: int, *, buys: bool, ts_ms: int) -> None:
        """Books the flow's side of a trade with a user."""

    @abstractmethod
    def publish(self, order: Order, kind: str, execution: Execution | None = None) -> None:
        """Tells the account's user streams."""

    @abstractmethod
    def refusal(self, order: Order, reason: str) -> ApiError:
        """Why the engine did not take an order."""

    # Requests.

    def place(self, order: Order) -> Order:
        """Takes a checked order.

        Raises:
            ApiError: When it is refused; then there never was one.
        """
        self._check_client_id(order.account, order.client_id)
        # What it may cost is measured by the book that it meets.
        self.floor.advance()
        self.reserve(order)
        order.id = self._take_id()
        order.created_ms = order.updated_ms = order.working_ms = self.floor.clock.now_ns() // 1_000_000
        self._remember(order)
        try:
            told = self.floor.submit(order.market, self._terms(order, order.quantity))
        except ValueError as error:
            self._forget(order)
            raise ApiError(-1013, f"Invalid order: {error}.") from error
        self._enter(order, told)
        return order

    def cancel(self, order: Order) -> Order:
        """Cancels an open order.

        Raises:
            ApiError: When it is not open any more.
        """
        if not order.is_open:
            raise ApiError.cancel_rejected()
        try:
            self.floor.cancel(order.market, order.account.number, order.id)
        except KeyError as error:
            raise ApiError.cancel_rejected() from error
        return order

    def rename(self, order: Order, client_id: str) -> None:
        """Gives an open order another client id; it is found by that from here on.

        Raises:
            ApiError: When another open order has it.
        """
        known = self._by_client.get((order.account, client_id))
        if known is not order:
            self._check_client_id(order.account, client_id)
        if self._by_client.get((order.account, order.client_id)) is order:
            del self._by_client[order.account, order.client_id]
        order.client_id = client_id
        self._by_client[order.account, client_id] = order

    def find(self, account: Account, market: Market, order_id: int | None, client_id: str | None) -> Order | None:
        """An order of the account by the venue's id, or by the client's latest of that id."""
        order = self.orders.get(order_id) if order_id is not None else self._by_client.get((account, client_id or ""))
        return order if order is not None and order.account is account and order.market is market else None

    def offered(self, order: Order) -> Iterator[tuple[int, int]]:
        """What an order would meet, from the best on, without its own account's where these would end."""
        own: dict[int, int] = {}
        if order.self_trade == "EXPIRE_MAKER":
            for other in self.open_orders(order.account, order.market):
                if other.buys != order.buys and not other.waits:
                    own[other.price] = own.get(other.price, 0) + other.left
        for price, size in self.floor.core.levels(order.market.number, not order.buys, _DEEPEST):
            if size > own.get(price, 0):
                yield price, size - own.get(price, 0)

    def open_orders(self, account: Account, market: Market | None = None) -> list[Order]:
        """Open orders of an account, the oldest first."""
        orders = self._open.get(account, {}).values()
        return [order for order in orders if market is None or order.market is market]

    def orders_of(self, account: Account, market: Market) -> list[Order]:
        """All orders of an account in a market, the oldest first."""
        return [order for order in self._of_account.get(account, ()) if order.market is market]

    def executions_of(self, account: Account, market: Market) -> Iterator[Execution]:
        """All executions of an account in a market, the oldest first."""
        return (one for one in self._executions.get(account, ()) if one.order.market is market)

    # What the engine tells.

    def on_trade(self, market: Market, told: Told) -> None:
        """Books a trade in which a user has a part."""
        _, _, ts_ns, trade_id, _, _, (price, quantity), maker_buys, (taker, maker), accounts, _ = told
        ts_ms = ts_ns // 1_000_000
        if accounts[0] < FIRST_USER and accounts[1] < FIRST_USER:
            return
        for number, order_id, is_maker in ((accounts[0], taker, False), (accounts[1], maker, True)):
            if number < FIRST_USER:
                self.book_flow(market, price, quantity, buys=maker_buys == is_maker, ts_ms=ts_ms)
                continue
            order = self.orders[order_id]
            execution = self.book(order, trade_id, price, quantity, is_maker=is_maker, ts_ms=ts_ms)
            self._log.append(execution)
            order.executions.append(execution)
            self._executions.setdefault(order.account, deque()).append(execution)
            order.updated_ms = ts_ms
            order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
            self.settle_open(order)
            if not order.is_open:
                self._close(order)
            self.publish(order, "TRADE", execution)

    def on_order(self, told: Told) -> None:
        """Follows a user's order."""
        kind, _, ts_ns, order_id, _, detail = told
        order = self.orders[order_id]
        if kind == ENDED and detail[0] == "REPLACED" and order is self._replacing:
            return
        order.updated_ms = ts_ns // 1_000_000
        if kind == ACCEPTED:
            if detail is not None:
                order.quantity = order.engine_base + detail
            self.settle_open(order)
            self.publish(order, "AMENDMENT" if order is self._replacing else "NEW")
        elif kind == TRIGGERED:
            order.triggered = True
            order.working_ms = order.updated_ms
            self.publish(order, "NEW")
        elif kind == AMENDED:
            price, quantity, _, _ = detail
            order.price = price if order.price else 0
            order.quantity = order.engine_base + quantity
            self.settle_open(order)
            self.publish(order, "REPLACED" if self.is_spot else "AMENDMENT")
        elif kind == ENDED:
            order.end_reason = detail[0]
            order.status, execution_type = _ENDS.get(detail[0], ("EXPIRED", "EXPIRED"))
            if detail[0] == "SPENT":
                order.status = "FILLED"
            self.settle_open(order)
            self._close(order)
            if detail[0] != "SPENT":
                self.publish(order, execution_type)
        elif kind == REJECTED and order is self._replacing:
            order.end_reason, order.status = detail, "CANCELED"
            self.settle_open(order)
            self._close(order)
            self.publish(order, "CANCELED")

    def _enter(self, order: Order, told: Sequence[Told]) -> None:
        """Tells what a submission did, or that it was refused."""
        reason = self._refused(order, told)
        if reason:
            self._forget(order)
            self.floor.tell(one for one in told if not self._is_about(order, one))
            raise self.refusal(order, reason)
        if order.quote_amount:
            # How much it is shows when it is over, and the report of the last trade has to say that it is filled.
            order.quantity = sum(one[6][1] for one in told if one[0] == TRADE and one[8][0] == order.id)
        self.floor.tell(told)

    def _refused(self, order: Order, told: Sequence[Told]) -> str:
        for one in told:
            if self._is_about(order, one):
                if one[0] == REJECTED:
                    return str(one[5])
                if one[0] == ENDED and one[5][0] == "FILL_OR_KILL" and not self.is_spot:
                    return "FILL_OR_KILL"
        return ""

    def _is_about(self, order: Order, told: Told) -> bool:
        return told[0] >= ACCEPTED and told[3] == order.id and self.floor.markets[told[1]] is order.market

    # The books of orders.

    def _terms(self, order: Order, quantity: int) -> dict[str, object]:
        by_quote = order.quote_amount > 0
        trigger = None
        if order.is_conditional:
            trigger = (order.stop_price, "TAKE_PROFIT" not in order.type, order.stop_by_mark)
        post_only = order.type == "LIMIT_MAKER" or order.time_in_force == "GTX"
        good_till = order.good_till_ms * 1_000_000 if order.time_in_force == "GTD" else None
        time_in_force = "GTC" if order.time_in_force == "GTD" else order.time_in_force
        return {
            "id": order.id,
            "account": order.account.number,
            "buy": order.buys,
            "amount": order.quote_amount * ENGINE_MONEY if by_quote else quantity,
            "by_quote": by_quote,
            "price": order.price or None,
            "time_in_force": "POST_ONLY" if post_only else "IOC" if order.is_market else time_in_force,
            "reduce_only": order.reduce_only,
            "self_trade": order.self_trade,
            "trigger": trigger,
            "expires_ns": good_till,
        }

    def _check_client_id(self, account: Account, client_id: str) -> None:
        if client_id and not CLIENT_ID.fullmatch(client_id):
            raise ApiError.illegal("newClientOrderId", "^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
        known = self._by_client.get((account, client_id))
        if client_id and known is not None and known.is_open:
            raise self.duplicate()

    def duplicate(self) -> ApiError:
        """An open order has the client's id."""
        return ApiError.rejected("Duplicate order sent.")

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _remember(self, order: Order) -> None:
        if not order.client_id:
            order.client_id = f"sim{order.id}"
        self.orders[order.id] = order
        self._before = self._by_client.get((order.account, order.client_id))
        self._by_client[order.account, order.client_id] = order
        self._of_account.setdefault(order.account, []).append(order)
        self._open.setdefault(order.account, {})[order.id] = order

    def _close(self, order: Order) -> None:
        self._open[order.account].pop(order.id, None)

    def _forget(self, order: Order) -> None:
        order.status = "REJECTED"
        self.settle_open(order)
        self._close(order)
        self.orders.pop(order.id)
        # It was the last that came.
        self._of_account[order.account].pop()
        if self._before is not None:
            self._by_client[order.account, order.client_id] = self._before
        else:
            del self._by_client[order.account, order.client_id]
