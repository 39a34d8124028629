"""USD-M orders: margin, positions, changes, conditional orders, funding."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.user_streams import UserStreams

from .conftest import SETTINGS, Stage


def refused(act: Any, *arguments: Any, **more: Any) -> int:
    with pytest.raises(ApiError) as caught:
        act(*arguments, **more)
    return caught.value.code


def order(stage: Any, name: str, side: str, quantity: str, price: str | None = None, **more: Any) -> Any:
    return stage.order(name, side, quantity, price, where="linear", **more)


def market(stage: Any, bid: str = "60000", ask: str = "60001") -> None:
    """Bob stands on both sides."""
    order(stage, "bob", "BUY", "5", bid)
    order(stage, "bob", "SELL", "5", ask)
    stage.wait(1.1)


def test_a_position_is_opened_reduced_and_turned_and_the_wallet_is_exact(stage: Any):
    market(stage)
    order(stage, "alice", "BUY", "2")
    position = stage.position("alice")
    assert (position["positionAmt"], position["entryPrice"]) == ("2.000", "60001")
    fee = Decimal("0.0005")
    spent = 2 * 60_001 * fee
    assert stage.wallet("alice") == 1_000_000 - spent
    order(stage, "alice", "SELL", "3")
    position = stage.position("alice")
    assert (position["positionAmt"], position["entryPrice"]) == ("-1.000", "60000")
    # Bought two at 60,001 and sold them at 60,000; the third is a new position.
    assert stage.wallet("alice") == 1_000_000 - spent - 3 * 60_000 * fee - 2
    trades = stage.ask("alice", "GET", "linear/userTrades", symbol="BTCUSDT")
    assert [row["realizedPnl"] for row in trades] == ["0.00000000", "-2.00000000"]


def test_margin_carries_so_much_and_no_more(stage: Any):
    market(stage)
    # A million at twenty times: 333 contracts at 60,000.
    assert refused(order, stage, "alice", "BUY", "334", "60000") == -2019
    order(stage, "alice", "BUY", "300", "59000")
    assert refused(order, stage, "alice", "BUY", "50", "59000") == -2019
    # The other side needs nothing more.
    order(stage, "alice", "SELL", "50", "61000")
    stage.ask("alice", "DELETE", "linear/allOpenOrders", symbol="BTCUSDT")
    order(stage, "alice", "BUY", "330", "59000")
    assert refused(stage.ask, "alice", "POST", "linear/leverage", symbol="BTCUSDT", leverage=10) == -2019
    stage.ask("alice", "DELETE", "linear/allOpenOrders", symbol="BTCUSDT")
    assert stage.ask("alice", "POST", "linear/leverage", symbol="BTCUSDT", leverage=10)["leverage"] == 10
    assert refused(order, stage, "alice", "BUY", "330", "59000") == -2019


def test_reduce_only_never_opens(stage: Any):
    market(stage)
    assert refused(order, stage, "alice", "SELL", "1", reduceOnly="true") == -2022
    order(stage, "alice", "BUY", "1")
    cut = order(stage, "alice", "SELL", "5", "60500", reduceOnly="true")
    assert cut["origQty"] == "1.000"
    order(stage, "alice", "SELL", "1")
    shown = stage.ask("alice", "GET", "linear/order", symbol="BTCUSDT", orderId=cut["orderId"])
    assert (shown["status"], stage.position("alice")["positionAmt"]) == ("EXPIRED", "0.000")


def test_post_only_and_fill_or_kill_leave_no_trace_where_they_cannot_be(stage: Any):
    market(stage)
    assert refused(order, stage, "alice", "BUY", "1", "60001", timeInForce="GTX") == -5022
    assert refused(order, stage, "alice", "BUY", "6", "60001", timeInForce="FOK") == -5021
    assert stage.ask("alice", "GET", "linear/allOrders", symbol="BTCUSDT") == []
    assert order(stage, "alice", "BUY", "5", "60001", timeInForce="FOK")["status"] == "FILLED"
    rest = order(stage, "alice", "BUY", "1", "60001", timeInForce="IOC")
    assert (rest["status"], rest["executedQty"]) == ("EXPIRED", "0.000")


def test_a_changed_order_keeps_its_id_and_loses_its_place(stage: Any):
    first = order(stage, "alice", "BUY", "1", "59000")
    second = order(stage, "bob", "BUY", "1", "59000")
    change = {"symbol": "BTCUSDT", "orderId": first["orderId"], "side": "BUY", "price": "59000"}
    assert refused(stage.ask, "alice", "PUT", "linear/order", **change, quantity="1") == -5027
    # Smaller, at the same price: on spot it would keep its place.
    changed = stage.ask("alice", "PUT", "linear/order", **change, quantity="0.9")
    assert (changed["orderId"], changed["origQty"]) == (first["orderId"], "0.900")
    order(stage, "bob", "SELL", "1", "59000", selfTradePreventionMode="NONE")
    assert stage.ask("bob", "GET", "linear/order", symbol="BTCUSDT", orderId=second["orderId"])["status"] == "FILLED"
    order(stage, "bob", "SELL", "0.4", "59000")
    larger = stage.ask("alice", "PUT", "linear/order", **change, quantity="2")
    assert (larger["executedQty"], larger["origQty"], larger["status"]) == ("0.400", "2.000", "PARTIALLY_FILLED")
    order(stage, "bob", "SELL", "1.6", "59000")
    find = {"symbol": "BTCUSDT", "orderId": first["orderId"]}
    shown = stage.ask("alice", "GET", "linear/order", **find)
    assert (shown["status"], shown["executedQty"], stage.position("alice")["positionAmt"]) == (
        "FILLED",
        "2.000",
        "2.000",
    )
    assert refused(stage.ask, "alice", "PUT", "linear/order", **change, quantity="3") == -2013


def test_a_post_only_order_that_is_changed_into_the_market_is_gone(stage: Any):
    market(stage)
    resting = order(stage, "alice", "BUY", "1", "59000", timeInForce="GTX")
    change = {"symbol": "BTCUSDT", "orderId": resting["orderId"], "side": "BUY", "quantity": "1", "price": "60001"}
    assert refused(stage.ask, "alice", "PUT", "linear/order", **change) == -5022
    find = {"symbol": "BTCUSDT", "orderId": resting["orderId"]}
    assert stage.ask("alice", "GET", "linear/order", **find)["status"] == "CANCELED"
    assert stage.ask("alice", "GET", "linear/openOrders") == []


def test_a_conditional_order_is_no_order_before_its_trigger(stage: Any, monkeypatch: pytest.MonkeyPatch):
    market(stage)
    order(stage, "alice", "BUY", "1")
    assert refused(order, stage, "alice", "SELL", "1", type="STOP_MARKET", stopPrice="59500") == -4120
    stop = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "type": "STOP_MARKET", "algoType": "CONDITIONAL"}
    stop |= {"reduceOnly": "true", "clientAlgoId": "guard"}
    assert refused(stage.ask, "alice", "POST", "linear/algoOrder", **stop, triggerPrice="60500") == -2021
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(UserStreams, "send", lambda _, account, __, event: events.append({**event, "of": account.name}))
    waiting = stage.ask("alice", "POST", "linear/algoOrder", **stop, triggerPrice="60000")
    assert (waiting["algoStatus"], stage.ask("alice", "GET", "linear/openOrders")) == ("NEW", [])
    assert [one["algoId"] for one in stage.ask("alice", "GET", "linear/openAlgoOrders")] == [waiting["algoId"]]
    order(stage, "bob", "SELL", "1", "60000", selfTradePreventionMode="NONE")
    done = stage.ask("alice", "GET", "linear/algoOrder", clientAlgoId="guard")
    assert (done["algoStatus"], stage.position("alice")["positionAmt"]) == ("FINISHED", "0.000")
    mine = [(one["e"], one["o"]["X"]) for one in events if one["of"] == "alice" and one["e"] != "ACCOUNT_UPDATE"]
    assert mine == [
        ("ALGO_UPDATE", "NEW"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "FILLED"),
        ("ALGO_UPDATE", "FINISHED"),
    ]
    second = stage.ask("alice", "POST", "linear/algoOrder", **{**stop, "reduceOnly": "false"}, triggerPrice="50000")
    stage.ask("alice", "DELETE", "linear/algoOrder", algoId=second["algoId"])
    assert refused(stage.ask, "alice", "DELETE", "linear/algoOrder", algoId=second["algoId"]) == -2011


def test_positions_are_told_as_each_version_does(stage: Any):
    market(stage)
    assert stage.ask("alice", "GET", "linear/positionRisk", symbol="BTCUSDT") == [], "flat, and without orders"
    (flat,) = stage.ask("alice", "GET", "linear/v2/positionRisk")
    assert (flat["positionAmt"], flat["leverage"], flat["marginType"], flat["isolated"]) == (
        "0.000",
        "20",
        "cross",
        False,
    )
    order(stage, "alice", "BUY", "1")
    (new,), (old,) = (stage.ask("alice", "GET", f"linear/{path}positionRisk", symbol="BTCUSDT") for path in ("", "v1/"))
    assert new["positionAmt"] == old["positionAmt"] == "1.000"
    assert old.keys() - new.keys() == {
        "leverage", "maxNotionalValue", "marginType", "isAutoAddMargin", "isolated", "adlQuantile"
    }  # fmt: skip
    assert new.keys() - old.keys() == {
        *("marginAsset", "initialMargin", "maintMargin", "positionInitialMargin", "openOrderInitialMargin", "adl"),
        *("bidNotional", "askNotional"),
    }


def test_an_account_update_tells_what_was_realised_and_of_funding_the_wallet_alone(
    stage_with: Any, monkeypatch: pytest.MonkeyPatch
):
    stage = stage_with(funding_interval_s=60.0, funding_rate=Decimal("0.001"))
    market(stage)
    updates: list[dict[str, Any]] = []

    def send(_: Any, account: Any, __: str, event: dict[str, Any]) -> None:
        if account.name == "alice" and event["e"] == "ACCOUNT_UPDATE":
            updates.append(event["a"])

    monkeypatch.setattr(UserStreams, "send", send)
    order(stage, "alice", "BUY", "1")
    order(stage, "alice", "SELL", "0.5")
    bought, sold = updates
    assert (bought["m"], bought["B"][0]["bc"], bought["P"][0]["cr"]) == ("ORDER", "0", "0.00000000")
    (income,) = stage.ask("alice", "GET", "linear/income", incomeType="REALIZED_PNL")
    assert Decimal(sold["P"][0]["cr"]) == Decimal(income["income"]) != 0
    stage.wait(61)
    paid = updates[2]
    (income,) = stage.ask("alice", "GET", "linear/income", incomeType="FUNDING_FEE")
    assert (paid["m"], paid["P"], Decimal(paid["B"][0]["bc"])) == ("FUNDING_FEE", [], Decimal(income["income"]))
    assert paid["B"][0]["wb"] == stage.ask("alice", "GET", "linear/balance")[0]["balance"]


def test_funding_moves_money_and_makes_none(stage_with: Any):
    stage = stage_with(funding_interval_s=60.0, funding_rate=Decimal("0.001"))
    market(stage)
    order(stage, "alice", "BUY", "1")
    before = {name: stage.wallet(name) for name in ("alice", "bob")}
    stage.wait(60)
    paid = Decimal("60000.5") * Decimal("0.001")
    assert stage.wallet("alice") == before["alice"] - paid
    assert stage.wallet("bob") == before["bob"] + paid
    (row,) = stage.ask("alice", "GET", "linear/income", incomeType="FUNDING_FEE")
    assert Decimal(row["income"]) == -paid
    stage.wait(1)
    assert stage.wallet("alice") == before["alice"] - paid


def test_a_good_till_date_order_ends_by_itself(stage: Any):
    till = stage.clock.now_ms() + 700_000
    placed = order(stage, "alice", "BUY", "1", "59000", timeInForce="GTD", goodTillDate=till)
    stage.wait(699)
    find = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert stage.ask("alice", "GET", "linear/order", **find)["status"] == "NEW"
    (row,) = stage.ask("alice", "GET", "linear/positionRisk")
    assert row["bidNotional"] == "59000.00000000"
    stage.wait(2)
    assert stage.ask("alice", "GET", "linear/order", **find)["status"] == "EXPIRED"
    assert stage.ask("alice", "GET", "linear/positionRisk") == []


def test_settings_may_take_fees_away():
    free = msgspec.structs.replace(SETTINGS.accounts[0], linear_taker_fee=Decimal(0))
    stage = Stage(accounts=(free, SETTINGS.accounts[1]))
    market(stage)
    order(stage, "alice", "BUY", "1")
    assert stage.wallet("alice") == 1_000_000
