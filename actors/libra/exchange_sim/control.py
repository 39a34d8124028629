"""The control endpoint: faults, and the venue's own truth, which a test holds against what others believe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from libra.exchange_sim import linear, spot
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.faults import FaultRequest
from libra.exchange_sim.numbers import money_text, text_of
from libra.exchange_sim.rest_wallet import read_money

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.faults import Fault
    from libra.exchange_sim.orders import Execution, Order
    from libra.exchange_sim.treasury import Movement
    from libra.exchange_sim.venue import Venue

__all__ = ["Control"]


class _Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deposit, or something that is distributed."""

    account: str
    asset: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,20}$")]
    amount: str
    kind: Literal["deposit", "dividend"] = "deposit"


_decoder = msgspec.json.Decoder(FaultRequest)
_given = msgspec.json.Decoder(_Given)


class Control:
    """Answers below `/control/`.

    Args:
        venue: What is looked at and broken.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> object:
        """Answers a request.

        Raises:
            ApiError: When there is no such thing, or what is asked makes no sense.
        """
        first, _, rest = path.strip("/").partition("/")
        if first == "faults":
            return self._faults(method, rest, body)
        if first == "money" and method == "POST" and not rest:
            return self._money(body)
        views = {
            "trades": self._trades,
            "accounts": self._accounts,
            "orders": self._orders,
            "requests": self._requests,
            "clients": self._clients,
            "clock": self._clock,
        }
        if method != "GET" or first not in views or rest:
            raise ApiError(-1000, "Path not found.", 404)
        return views[first](query)

    def _faults(self, method: str, rest: str, body: bytes) -> object:
        faults = self._venue.faults
        if method == "GET" and not rest:
            return [_fault_view(fault) for fault in faults.active]
        if method == "POST" and not rest:
            try:
                request = _decoder.decode(body)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise ApiError(-1100, str(error)) from error
            return _fault_view(faults.set(request))
        if method == "DELETE" and (not rest or rest.isdigit()):
            return {"cleared": faults.clear(int(rest) if rest else None)}
        raise ApiError(-1000, "Path not found.", 404)

    def _money(self, body: bytes) -> object:
        """Money comes from outside."""
        try:
            given = _given.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ApiError(-1100, str(error)) from error
        accounts = [one for one in self._venue.accounts.values() if one.name == given.account and not one.is_flow]
        if not accounts:
            raise ApiError(-1100, f'there is no account "{given.account}"')
        amount = read_money(given.amount, "amount")
        return _movement_view(self._venue.treasury.move(accounts[0], given.kind.upper(), given.asset, amount))

    def _trades(self, query: Mapping[str, str]) -> object:
        rows = [_trade_view(number, one) for number, one in enumerate(self._venue.trades)]
        name = query.get("account")
        rows = [row for row in rows if name is None or row["account"] == name]
        moved = [one for one in self._venue.treasury.movements if name is None or one.account.name == name]
        movements = [_movement_view(one) for one in moved]
        return {"trades": rows, "funding": self._payments(name), "movements": movements}

    def _payments(self, name: str | None) -> list[dict[str, Any]]:
        return [
            {
                "id": one.id,
                "account": one.account.name,
                "symbol": one.market.symbol,
                "size": one.market.size_text(one.size),
                "mark": money_text(one.mark),
                "rate": money_text(one.rate),
                "paid": money_text(one.amount),
                "asset": one.market.quote,
                "time": one.ts_ms,
            }
            for one in self._venue.funding.payments
            if name is None or one.account.name == name
        ]

    def _accounts(self, _: Mapping[str, str]) -> object:
        return [_account_view(account) for account in self._venue.accounts.values()]

    def _orders(self, query: Mapping[str, str]) -> object:
        name = query.get("account")
        return [
            {**view(order), "account": order.account.name, "side_of_venue": side}
            for side, trading, view in (
                ("spot", self._venue.spot, spot.order_view),
                ("linear", self._venue.linear, linear.order_view),
            )
            for order in trading.orders.values()
            if name is None or order.account.name == name
        ]

    def _requests(self, _: Mapping[str, str]) -> object:
        return [row._asdict() for row in self._venue.requests]

    def _clients(self, _: Mapping[str, str]) -> object:
        return [
            {
                "side": "spot" if client.is_spot else "linear",
                "account": client.account or None,
                "api": client.is_api,
                "streams": sorted(client.names),
            }
            for client in self._venue.clients
        ]

    def _clock(self, _: Mapping[str, str]) -> object:
        clock = self._venue.clock
        return {"now_ns": clock.now_ns(), "server_time_ms": clock.now_ms(), "skew_ns": clock.skew_ns}


def _fault_view(fault: Fault) -> dict[str, Any]:
    return {"id": fault.id, "hits": fault.hits, **msgspec.to_builtins(fault.request)}


def _trade_view(number: int, one: Execution) -> dict[str, Any]:
    order: Order = one.order
    market = order.market
    return {
        "number": number,
        "account": order.account.name,
        "market": market.settings.symbol,
        "symbol": market.symbol,
        "side": "spot" if market.is_spot else "linear",
        "base": market.base,
        "quote": market.quote,
        "order_id": order.id,
        "client_order_id": order.client_id,
        "trade_id": one.trade_id,
        "buys": order.buys,
        "price": text_of(one.price, market.price_decimals),
        "quantity": text_of(one.quantity, market.size_decimals),
        "fee": money_text(one.fee),
        "fee_asset": one.fee_asset,
        "maker": one.is_maker,
        "time": one.ts_ms,
    }


def _movement_view(one: Movement) -> dict[str, Any]:
    return {
        "id": one.id,
        "account": one.account.name,
        "kind": one.kind,
        "asset": one.asset,
        "spot": money_text(one.change("spot")),
        "linear": money_text(one.change("linear")),
        "time": one.ts_ms,
    }


def _account_view(account: Account) -> dict[str, Any]:
    ledger, wallet = account.spot, account.linear
    return {
        "name": account.name,
        "spot": {
            asset: {
                "opening": money_text(ledger.opening.get(asset, 0)),
                "free": money_text(ledger.free[asset]),
                "locked": money_text(ledger.locked.get(asset, 0)),
                "fees": money_text(ledger.fees.get(asset, 0)),
            }
            for asset in ledger.assets()
        },
        "linear": {
            asset: {
                "opening": money_text(wallet.opening.get(asset, 0)),
                "wallet": money_text(amount),
                "fees": money_text(wallet.fees.get(asset, 0)),
                "funding": money_text(wallet.funding.get(asset, 0)),
            }
            for asset, amount in wallet.wallet.items()
        },
        "positions": {
            market.symbol: {"size": market.size_text(one.size), "cost": money_text(one.cost)}
            for market, one in wallet.positions.items()
            if one.size
        },
    }
