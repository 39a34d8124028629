"""Nothing is made or lost: over all accounts, the flow and the fees, every currency stays what it was."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libra.exchange_sim.errors import ApiError

from .conftest import TOTALS, Stage, market

PRICE = st.integers(590_000, 610_000).map(lambda ticks: f"{ticks // 10}.{ticks % 10}")
STEP = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["alice", "bob"]),
        "where": st.sampled_from(["spot", "linear"]),
        "side": st.sampled_from(["BUY", "SELL"]),
        "kind": st.sampled_from(["LIMIT", "LIMIT", "LIMIT", "MARKET", "IOC", "CANCEL", "CHANGE", "REDUCE"]),
        "quantity": st.integers(2, 3_000).map(lambda lots: f"{lots / 1000:.3f}"),
        "price": PRICE,
        "mode": st.sampled_from(["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"]),
    }
)


def do(stage: Any, step: dict[str, str]) -> None:
    name, where, kind = step["name"], step["where"], step["kind"]
    if kind in {"CANCEL", "CHANGE"}:
        orders = stage.ask(name, "GET", f"{where}/openOrders")
        if not orders:
            return
        one = orders[len(step["price"]) % len(orders)]
        params = {"symbol": "BTCUSDT", "orderId": one["orderId"]}
        if kind == "CANCEL":
            stage.ask(name, "DELETE", f"{where}/order", **params)
        elif where == "linear":
            change = {"side": one["side"], "quantity": step["quantity"], "price": step["price"]}
            stage.ask(name, "PUT", "linear/order", **params, **change)
        else:
            stage.ask(name, "PUT", "spot/order/amend/keepPriority", **params, newQty=step["quantity"])
        return
    more: dict[str, Any] = {"selfTradePreventionMode": step["mode"], "where": where}
    if kind == "REDUCE" and where == "linear":
        more["reduceOnly"] = "true"
    if kind == "IOC":
        more["timeInForce"] = "IOC"
    stage.order(name, step["side"], step["quantity"], None if kind == "MARKET" else step["price"], **more)


def check(stage: Any) -> None:
    assert stage.totals() == TOTALS
    for account in stage.venue.accounts.values():
        if account.is_flow:
            continue
        spot = stage.venue.spot.open_orders(account)
        locked = {"USDT": 0, "BTC": 0}
        for order in spot:
            asset = order.market.quote if order.buys else order.market.base
            worth = (
                order.market.notional(order.price, order.left) if order.buys else order.market.asset_amount(order.left)
            )
            locked[asset] += worth
        assert {asset: account.spot.locked[asset] for asset in locked} == locked
        assert min(account.spot.free.values()) >= 0
        for position in account.linear.positions.values():
            assert position.size == stage.venue.floor.core.position(position.market.number, account.number)
            mine = [one for one in stage.venue.linear.open_orders(account) if one.market is position.market]
            opening = [one for one in mine if not one.reduce_only]
            buys = sum(one.market.notional(one.price, one.left) for one in opening if one.buys)
            sells = sum(one.market.notional(one.price, one.left) for one in opening if not one.buys)
            assert (position.open_buys, position.open_sells) == (buys, sells)


@settings(max_examples=60)
@given(st.lists(STEP, min_size=1, max_size=25))
def test_users_among_themselves(steps: list[dict[str, str]]):
    stage = Stage()
    for step in steps:
        try:
            do(stage, step)
        except ApiError as error:
            assert error.code < -1_000, error  # noqa: PT017 - a refusal is an answer, and has to leave all as it was
        check(stage)


def test_users_with_the_flow_and_their_accounts_again_from_the_raw_trades():
    stage = Stage(
        history_s=5,
        markets=(market("BTC/USDT", quiet=False), market("BTC/USDT:USDT", quiet=False)),
        funding_interval_s=3.0,
    )
    for number in range(60):
        stage.wait(0.15)
        for where in ("spot", "linear"):
            bid, ask = stage.venue.floor.core.best(0 if where == "spot" else 1)
            side, price = ("BUY", bid) if number % 3 else ("SELL", ask)
            step = {"side": side, "price": f"{price / 10:.1f}", "quantity": "0.050", "mode": "EXPIRE_MAKER"}
            do(stage, {**step, "name": "alice", "where": where, "kind": "MARKET" if number % 5 == 0 else "LIMIT"})
        check(stage)
    alice = stage.venue.accounts[2]
    spot = {"USDT": Fraction(1_000_000), "BTC": Fraction(100)}
    size, wallet, cost = Fraction(0), Fraction(1_000_000), Fraction(0)
    unit = 10**8
    makers = 0
    for one in stage.venue.trades:
        makers += one.is_maker
        price, quantity = Fraction(one.price, 10), Fraction(one.quantity, 10**one.order.market.size_decimals)
        sign = 1 if one.order.buys else -1
        fee = Fraction(one.fee, unit)
        if one.order.market.is_spot:
            spot["BTC"] += sign * quantity
            spot["USDT"] -= sign * quantity * price
            spot[one.fee_asset] -= fee
            assert abs(fee - Fraction("0.001") * quantity * (1 if sign > 0 else price)) * unit <= Fraction(1, 2)
            continue
        realised = Fraction(0)
        if size * sign < 0:
            closed = min(abs(size), quantity)
            released = Fraction(int(cost * unit * closed / abs(size)), unit)
            realised = -sign * closed * price - released
            cost, size, quantity = cost - released, size + sign * closed, quantity - closed
        cost, size = cost + sign * quantity * price, size + sign * quantity
        wallet += realised - fee
    wallet -= sum(Fraction(payment.amount, unit) for payment in stage.venue.funding.payments)
    assert {asset: Fraction(alice.spot.total(asset), unit) for asset in spot} == spot
    assert Fraction(alice.linear.wallet["USDT"], unit) == wallet
    assert (len(stage.venue.trades) > 50, makers > 5, len(stage.venue.funding.payments) > 1) == (True, True, True)
