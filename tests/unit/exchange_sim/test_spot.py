"""Spot orders: what they lock, how they trade, what is said when they may not."""

from decimal import Decimal
from typing import Any

import pytest

from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.settings import FlowSettings, LimitSettings
from libra.exchange_sim.user_streams import UserStreams

from .conftest import account, market


def refused(act: Any, *arguments: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        act(*arguments, **more)
    return caught.value.code, caught.value.msg


def test_a_limit_order_locks_its_worst_case_and_frees_what_it_pays_less(stage: Any):
    stage.order("bob", "SELL", "1", "50000")
    before = stage.free("alice")
    # Taken at 50,000 although 60,000 was locked for a moment; the fee is taken from what comes.
    bought = stage.order("alice", "BUY", "1.5", "60000")
    assert (bought["status"], bought["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")
    usdt, btc = stage.free("alice")["USDT"], stage.free("alice")["BTC"]
    assert usdt == (before["USDT"][0] - 50_000 - 30_000, 30_000)
    assert btc == (before["BTC"][0] + Decimal("0.999"), 0)
    stage.ask("alice", "DELETE", "spot/order", symbol="BTCUSDT", orderId=bought["orderId"])
    assert stage.free("alice")["USDT"] == (before["USDT"][0] - 50_000, 0)
    assert stage.free("bob")["USDT"] == (Decimal(1_000_000) + 50_000 - 50, 0)


def test_a_market_order_spends_an_amount_of_quote_currency_and_no_more(stage: Any):
    stage.order("bob", "SELL", "1", "50000")
    stage.order("bob", "SELL", "1", "51000")
    done = stage.order("alice", "BUY", None, quoteOrderQty="60000")
    assert (done["status"], done["executedQty"]) == ("FILLED", "1.19607000")
    assert Decimal(done["cummulativeQuoteQty"]) == 50_000 + Decimal("0.19607") * 51_000
    assert stage.free("alice")["USDT"] == (1_000_000 - Decimal(done["cummulativeQuoteQty"]), 0)


def test_what_is_not_there_cannot_be_spent(stage: Any):
    assert refused(stage.order, "alice", "BUY", "17", "60000") == (
        -2010,
        "Account has insufficient balance for requested action.",
    )
    stage.order("alice", "BUY", "16", "60000")
    assert refused(stage.order, "alice", "BUY", "1", "60000")[0] == -2010
    assert refused(stage.order, "alice", "SELL", "100.00001", "60000")[0] == -2010
    stage.order("bob", "SELL", "20", "61000")
    assert refused(stage.order, "alice", "BUY", "1")[0] == -2010


def test_post_only_and_stops_are_refused_where_they_would_trade_at_once(stage: Any):
    stage.order("bob", "SELL", "1", "60000")
    maker = {"type": "LIMIT_MAKER", "timeInForce": None}
    would_take = (-2010, "Order would immediately match and take.")
    assert refused(stage.order, "alice", "BUY", "1", "60000", **maker) == would_take
    assert stage.order("alice", "BUY", "1", "59999", **maker)["status"] == "NEW"
    stage.order("alice", "BUY", "0.1", "60000")
    stop = {"type": "STOP_LOSS_LIMIT", "stopPrice": "59000"}
    would_trigger = (-2010, "Stop price would trigger immediately.")
    assert refused(stage.order, "alice", "BUY", "1", "60500", **stop) == would_trigger
    assert stage.free("alice")["USDT"][1] == 59_999


def test_a_stop_waits_for_its_price_and_then_works(stage: Any):
    stage.order("bob", "SELL", "1", "60000")
    stage.order("alice", "BUY", "0.1", "60000")
    stop = stage.order("alice", "BUY", "1", "60200", type="STOP_LOSS_LIMIT", stopPrice="60100")
    (waiting,) = stage.ask("alice", "GET", "spot/openOrders", symbol="BTCUSDT")
    assert (waiting["orderId"], waiting["isWorking"], waiting["workingTime"]) == (stop["orderId"], False, -1)
    stage.order("bob", "SELL", "0.2", "60100")
    stage.order("alice", "BUY", "1.1", "60100")
    shown = stage.ask("alice", "GET", "spot/order", symbol="BTCUSDT", orderId=stop["orderId"])
    assert (shown["isWorking"], shown["status"]) == (True, "NEW")
    stage.order("bob", "SELL", "1", "60200")
    assert stage.ask("alice", "GET", "spot/order", symbol="BTCUSDT", orderId=stop["orderId"])["status"] == "FILLED"


def test_nobody_trades_with_himself(stage: Any):
    resting = stage.order("alice", "SELL", "1", "60000", newClientOrderId="resting")
    taken = stage.order("alice", "BUY", "1", "60000")
    assert taken["status"] == "NEW"
    find = {"symbol": "BTCUSDT", "orderId": resting["orderId"]}
    assert stage.ask("alice", "GET", "spot/order", **find)["status"] == "EXPIRED_IN_MATCH"
    third = stage.order("alice", "SELL", "1", "60000", selfTradePreventionMode="EXPIRE_TAKER")
    assert third["status"] == "EXPIRED_IN_MATCH"
    assert refused(stage.order, "alice", "SELL", "1", "60000", selfTradePreventionMode="DECREMENT")[0] == -2010
    assert stage.order("alice", "SELL", "1", "60000", selfTradePreventionMode="NONE")["status"] == "FILLED"


def test_an_order_is_found_by_either_id_and_cancelled_once(stage: Any):
    placed = stage.order("alice", "BUY", "1", "60000", newClientOrderId="first")
    assert refused(stage.order, "alice", "BUY", "1", "60000", newClientOrderId="first") == (
        -2010,
        "Duplicate order sent.",
    )
    by_client = stage.ask("alice", "GET", "spot/order", symbol="BTCUSDT", origClientOrderId="first")
    assert by_client["orderId"] == placed["orderId"]
    assert refused(stage.ask, "bob", "GET", "spot/order", symbol="BTCUSDT", orderId=placed["orderId"])[0] == -2013
    gone = stage.ask("alice", "DELETE", "spot/order", symbol="BTCUSDT", origClientOrderId="first")
    assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", "first")
    again = {"symbol": "BTCUSDT", "origClientOrderId": "first"}
    assert refused(stage.ask, "alice", "DELETE", "spot/order", **again) == (-2011, "Unknown order sent.")
    # The id is free again, and then means the latest.
    latest = stage.order("alice", "BUY", "1", "60000", newClientOrderId="first")
    assert stage.ask("alice", "GET", "spot/order", **again)["orderId"] == latest["orderId"]


def test_replacing_says_which_half_failed(stage: Any):
    placed = stage.order("alice", "BUY", "1", "60000")
    change = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    change |= {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["orderId"]}
    done = stage.ask("alice", "POST", "spot/order/cancelReplace", **change, price="59000")
    assert (done["cancelResult"], done["newOrderResponse"]["price"]) == ("SUCCESS", "59000.00000000")
    with pytest.raises(ApiError) as caught:
        stage.ask("alice", "POST", "spot/order/cancelReplace", **change, price="58000")
    assert caught.value.code == -2022
    assert len(stage.ask("alice", "GET", "spot/openOrders")) == 1
    change |= {"cancelReplaceMode": "ALLOW_FAILURE"}
    with pytest.raises(ApiError) as caught:
        stage.ask("alice", "POST", "spot/order/cancelReplace", **change, price="58000")
    assert (caught.value.code, caught.value.http) == (-2021, 409)
    assert len(stage.ask("alice", "GET", "spot/openOrders")) == 2


def test_the_reports_of_an_order_tell_its_whole_life(stage: Any, monkeypatch: pytest.MonkeyPatch):
    events: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        UserStreams, "send", lambda _, account, side, event: events.append((account.name, event)) if side else None
    )
    placed = stage.order("alice", "BUY", "1", "60000", newClientOrderId="mine")
    stage.order("bob", "SELL", "0.25", "60000")
    stage.ask("alice", "DELETE", "spot/order", symbol="BTCUSDT", orderId=placed["orderId"], newClientOrderId="stop")
    reports = [event for name, event in events if name == "alice" and event["e"] == "executionReport"]
    assert [(one["x"], one["X"], one["z"]) for one in reports] == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "0.25000000"),
        ("CANCELED", "CANCELED", "0.25000000"),
    ]
    assert [(one["c"], one["C"]) for one in reports] == [("mine", ""), ("mine", ""), ("stop", "mine")]
    trade = reports[1]
    assert (trade["l"], trade["L"], trade["Y"], trade["m"]) == ("0.25000000", "60000.00000000", "15000.00000000", True)
    assert (trade["n"], trade["N"]) == ("0.00025000", "BTC")
    positions = [event["B"] for name, event in events if name == "alice" and event["e"] == "outboundAccountPosition"]
    assert positions[-1][1] == {"a": "USDT", "f": "985000.00000000", "l": "0.00000000"}


def test_a_market_order_is_measured_by_what_it_will_take_not_by_its_own_orders(stage: Any):
    # All but 60,500 is spent on an offer of alice's own, which would end where she takes it.
    stage.order("alice", "SELL", "1", "60000")
    stage.order("bob", "SELL", "1", "61000")
    stage.order("alice", "BUY", "15.65833", "60000", selfTradePreventionMode="EXPIRE_TAKER", timeInForce="IOC")
    stage.order("alice", "BUY", "15.65833", "59999")
    free = stage.free("alice")["USDT"][0]
    assert 60_000 < free < 61_000
    assert refused(stage.order, "alice", "BUY", "1")[0] == -2010
    assert stage.free("alice")["USDT"][0] == free
    # Where her own would be traded with, that is what it costs.
    stage.ask("alice", "DELETE", "spot/openOrders", symbol="BTCUSDT")
    stage.order("alice", "SELL", "1", "60000")
    assert stage.order("alice", "BUY", "1", selfTradePreventionMode="NONE")["cummulativeQuoteQty"] == "60000.00000000"


def test_a_market_order_never_costs_more_than_there_is_however_the_market_moves(stage_with: Any):
    lively = FlowSettings(quote_rate_hz=2_000, trade_rate_hz=200, book_rate_hz=500, volatility_bps=20)
    free = LimitSettings(spot_orders_10s=10_000, spot_weight=10**9)
    poor = account("alice", spot={"USDT": Decimal(5_000)})
    stage = stage_with(
        markets=(market("BTC/USDT", quiet=False, flow=lively),), accounts=(poor,), limits=free, history_s=1
    )
    outcomes = set()
    for number in range(300):
        # Time passes, and the venue learns of it by the order.
        stage.clock.at_ns += 7_000_000
        try:
            asks = stage.venue.floor.core.levels(0, False, 1)
            lots = 5_000 * 10**5 * 10 // asks[0][0] - number % 3
            stage.order("alice", "BUY", f"{lots / 100_000:.5f}")
            outcomes.add("bought")
            held = stage.free("alice")["BTC"][0]
            stage.order("alice", "SELL", f"{held - held % Decimal('0.00001'):.5f}")
            stage.venue.accounts[2].spot.free["USDT"] = 5_000 * 10**8
        except ApiError as error:
            assert error.code == -2010, error  # noqa: PT017 - too dear is an answer
            outcomes.add("too dear")
        assert min(stage.venue.accounts[2].spot.free.values()) >= 0
    assert outcomes == {"bought", "too dear"}


def test_an_amended_order_keeps_its_id_and_its_place_and_gets_another_client_id(stage: Any):
    placed = stage.order("alice", "BUY", "1", "49000", newClientOrderId="mine")
    which = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    amend = "spot/order/amend/keepPriority"
    shown = stage.ask("alice", "PUT", amend, **which, newQty="0.8")["amendedOrder"]
    assert (shown["orderId"], shown["qty"]) == (placed["orderId"], "0.80000000")
    assert shown["clientOrderId"] not in {"mine", ""}
    by_client = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert refused(stage.ask, "alice", "GET", "spot/order", **by_client)[0] == -2013
    assert stage.ask("alice", "GET", "spot/order", **which)["clientOrderId"] == shown["clientOrderId"]
    # The old one is free, and may not be taken where another order has it.
    stage.order("alice", "BUY", "1", "48000", newClientOrderId="mine")
    taken = refused(stage.ask, "alice", "PUT", amend, **which, newQty="0.6", newClientOrderId="mine")
    assert taken == (-2010, "Duplicate order sent.")
    kept = stage.ask("alice", "PUT", amend, **which, newQty="0.6", newClientOrderId="hers")
    again = stage.ask("alice", "PUT", amend, **which, newQty="0.5", newClientOrderId="hers")
    assert kept["amendedOrder"]["clientOrderId"] == again["amendedOrder"]["clientOrderId"] == "hers"
    assert (
        stage.ask("alice", "GET", "spot/order", symbol="BTCUSDT", origClientOrderId="hers")["origQty"] == "0.50000000"
    )
