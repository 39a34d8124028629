"""What `exchangeInfo` lists is what is enforced, with the venue's codes and messages."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libra.exchange_sim.errors import ApiError

from .conftest import Stage, market

SPOT = {
    "no such symbol": ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    "off the tick": ({"price": "60000.05"}, -1013, "Filter failure: PRICE_FILTER"),
    "no price": ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    "off the lot": ({"quantity": "0.100001"}, -1013, "Filter failure: LOT_SIZE"),
    "too small": ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    "too large": ({"quantity": "9000.00001"}, -1013, "Filter failure: LOT_SIZE"),
    "worth too little": ({"quantity": "0.00008"}, -1013, "Filter failure: NOTIONAL"),
    "worth too much": ({"quantity": "150.00001"}, -1013, "Filter failure: NOTIONAL"),
    "far above": ({"price": "300000.1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "far below": ({"price": "11999.9"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "too precise": ({"price": "60000.123456789"}, -1111, "Parameter 'price' has too much precision."),
    "not a number": ({"quantity": "1e2"}, -1100, "Illegal characters found in parameter 'quantity'"),
    "below zero": ({"quantity": "-1"}, -1100, "Illegal characters found in parameter 'quantity'"),
    "no quantity": ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent"),
    "side": ({"side": "HOLD"}, -1117, "Invalid side."),
    "type": ({"type": "STOP_LOSS"}, -1116, "Invalid orderType."),
    "time in force": ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    "client id": ({"newClientOrderId": "a b"}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
    "iceberg": ({"icebergQty": "1"}, -2010, "This action is disabled on this account."),
    "market with a price": (
        {"type": "MARKET", "timeInForce": None},
        -1106,
        "Parameter 'price' sent when not required.",
    ),
}

LINEAR = {
    "off the tick": ({"price": "60000.5"}, -4014, "Price not increased by tick size."),
    "too precise a price": ({"price": "60000.05"}, -1111, "Precision is over the maximum defined for this asset."),
    "too precise": ({"quantity": "0.1001"}, -1111, "Precision is over the maximum defined for this asset."),
    "nothing": ({"quantity": "0"}, -4003, "Quantity less than or equal to zero."),
    "off the lot": ({"quantity": "0.101"}, -4023, "Qty not increased by step size."),
    "too small": ({"quantity": "0.001"}, -4004, "Quantity less than min quantity."),
    "too large": ({"quantity": "9001"}, -4005, "Quantity greater than max quantity."),
    "worth too little": ({"price": "40000"}, -4164, "Order's notional must be no smaller than 100 (unless"),
    "far above": ({"price": "300002"}, -4016, "Limit price can't be higher than 300000.0."),
    "both sides of a hedge": ({"positionSide": "LONG"}, -4061, "Order's position side does not match user's setting."),
}


@pytest.fixture(scope="module")
def listed() -> Stage:
    markets = (
        market("BTC/USDT", tick_size=Decimal("0.1")),
        market("BTC/USDT:USDT", tick_size=Decimal("2.0"), lot_size=Decimal("0.002"), min_notional=Decimal(100)),
    )
    stage = Stage(markets=markets)
    for where in ("spot", "linear"):
        stage.order("bob", "BUY", "1", "60000", where=where)
        stage.order("alice", "SELL", "1", "60000", where=where)
    stage.wait(1.1)
    return stage


@pytest.mark.parametrize("case", SPOT)
def test_spot(listed: Stage, case: str):
    change, code, msg = SPOT[case]
    with pytest.raises(ApiError) as caught:
        listed.order("alice", **{"side": "BUY", "quantity": "0.1", "price": "60000", **change})
    assert (caught.value.code, caught.value.msg[: len(msg)]) == (code, msg)


@pytest.mark.parametrize("case", LINEAR)
def test_linear(listed: Stage, case: str):
    change, code, msg = LINEAR[case]
    order = {"quantity": "0.1" if "price" not in change else "0.002", "price": "60000", **change}
    with pytest.raises(ApiError) as caught:
        listed.order("alice", "BUY", where="linear", **order)
    assert (caught.value.code, caught.value.msg[: len(msg)]) == (code, msg)


def test_what_an_order_may_be_worth_at_most_binds_market_orders_where_the_venue_says_so():
    def world(**terms: Any) -> Stage:
        stage = Stage(markets=(market("BTC/USDT", max_notional=Decimal(3_000), **terms),))
        for side, name in (("BUY", "bob"), ("SELL", "alice")):
            stage.order(name, side, "0.05", "60000")
        for _ in range(5):
            stage.order("bob", "SELL", "0.05", "60000")
        return stage

    def told(stage: Stage) -> dict[str, Any]:
        (listed,) = stage.ask("alice", "GET", "spot/exchangeInfo")["symbols"]
        (notional,) = [one for one in listed["filters"] if one["filterType"] == "NOTIONAL"]
        return notional

    stage = world()
    assert (told(stage)["maxNotional"], told(stage)["applyMaxToMarket"]) == ("3000.00000000", False)
    assert stage.order("alice", "BUY", "0.05", "60000")["status"] == "FILLED", "as much as that is not more"
    for order in ({"quantity": "0.05001", "price": "60000"}, {"quantity": "0.05", "price": "60000.1"}):
        with pytest.raises(ApiError) as caught:
            stage.order("alice", "BUY", **order)
        assert (caught.value.code, caught.value.msg) == (-1013, "Filter failure: NOTIONAL")
    for order in ({"quantity": "0.06"}, {"quantity": None, "quoteOrderQty": "3600"}):
        assert stage.order("alice", "BUY", **order)["status"] == "FILLED", "market orders are not bound here"
    stage = world(max_notional_to_market=True)
    assert told(stage)["applyMaxToMarket"] is True
    for order in ({"quantity": "0.06"}, {"quantity": None, "quoteOrderQty": "3600"}):
        with pytest.raises(ApiError, match="NOTIONAL"):
            stage.order("alice", "BUY", **order)
    assert stage.order("alice", "BUY", "0.05")["status"] == "FILLED"


def test_counts_of_open_orders():
    stage = Stage(markets=(market("BTC/USDT", max_orders=3, max_stop_orders=1),))
    stop = {"type": "STOP_LOSS_LIMIT", "stopPrice": "61000"}
    stage.order("alice", "BUY", "0.1", "61000", **stop)
    with pytest.raises(ApiError, match="MAX_NUM_ALGO_ORDERS"):
        stage.order("alice", "BUY", "0.1", "61000", **stop)
    stage.order("alice", "BUY", "0.1", "60000")
    stage.order("alice", "BUY", "0.1", "60000")
    with pytest.raises(ApiError, match="MAX_NUM_ORDERS"):
        stage.order("alice", "BUY", "0.1", "60000")
    stage.order("bob", "BUY", "0.1", "60000")


def passes(filters: dict[str, dict[str, Any]], price: Decimal, quantity: Decimal) -> bool:
    """What a client makes of the filters."""
    prices, lots = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    return (
        Decimal(prices["minPrice"]) <= price <= Decimal(prices["maxPrice"])
        and price % Decimal(prices["tickSize"]) == 0
        and Decimal(lots["minQty"]) <= quantity <= Decimal(lots["maxQty"])
        and quantity % Decimal(lots["stepSize"]) == 0
        and Decimal(filters["NOTIONAL"]["minNotional"]) <= price * quantity
        and price * quantity <= Decimal(filters["NOTIONAL"]["maxNotional"])
        and 60_000 * Decimal("0.2") <= price <= 60_000 * 5
    )


@settings(max_examples=300)
@given(
    st.decimals(1, 400_000, places=2),
    st.one_of(st.decimals(0, 1, places=6), st.decimals(0, Decimal("0.001"), places=5)),
)
def test_an_order_is_taken_where_the_listed_filters_let_it_pass(price: Decimal, quantity: Decimal):
    stage = _READY
    info = stage.ask("alice", "GET", "spot/exchangeInfo")["symbols"][0]
    filters = {one["filterType"]: one for one in info["filters"]}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"price": f"{price:f}", "quantity": f"{quantity:f}"}
    try:
        stage.ask("alice", "POST", "spot/order/test", **order)
        taken = True
    except ApiError as error:
        assert error.code == -1013, error  # noqa: PT017 - only filters may refuse these
        taken = False
    assert taken == passes(filters, price, quantity)


def _ready() -> Stage:
    limits = Stage().venue.settings.limits
    markets = (market("BTC/USDT", max_notional=Decimal(200_000)), market("BTC/USDT:USDT"))
    stage = Stage(limits=type(limits)(spot_weight=10**9), markets=markets)
    stage.order("bob", "BUY", "1", "60000")
    stage.order("alice", "SELL", "1", "60000")
    return stage


_READY = _ready()
