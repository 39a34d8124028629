"""Money that moves by no trade, and how much of a history may be asked for at once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from libra.exchange_sim.control import Control
from libra.exchange_sim.errors import ApiError

from .conftest import START_MS, Stage

DAY_MS = 86_400_000


def give(stage: Stage, body: bytes) -> Any:
    return Control(stage.venue).answer("POST", "money", {}, body)


def test_a_transfer_leaves_one_wallet_and_comes_to_the_other(stage: Stage):
    reads = stage.venue.user_streams
    told: list[tuple[str, Any]] = []
    reads.on_event = lambda account, side, event, _: bool(told.append((side, event)) or True)
    answer = stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount="12.5")
    assert stage.free("alice")["USDT"] == (Decimal("999987.5"), 0)
    assert stage.wallet("alice") == Decimal("1000012.5")
    (row,) = stage.ask("alice", "GET", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE")["rows"]
    assert (row["tranId"], row["amount"], row["status"]) == (answer["tranId"], "12.5", "CONFIRMED")
    assert stage.ask("alice", "GET", "spot/sapi/asset/transfer", type="UMFUTURE_MAIN") == {"total": 0}
    (income,) = stage.ask("alice", "GET", "linear/income")
    assert (income["incomeType"], income["income"], income["symbol"]) == ("TRANSFER", "12.50000000", "")
    assert [(side, event["e"]) for side, event in told] == [
        ("spot", "outboundAccountPosition"),
        ("spot", "balanceUpdate"),
        ("linear", "ACCOUNT_UPDATE"),
    ]
    assert (told[1][1]["a"], told[1][1]["d"]) == ("USDT", "-12.50000000")
    assert told[2][1]["a"]["B"][0]["bc"] == "12.50000000"


def test_nobody_moves_what_is_not_there(stage: Stage):
    stage.order("alice", "BUY", "1", "60000")
    for path, params in (
        ("spot/sapi/asset/transfer", {"type": "MAIN_UMFUTURE", "asset": "USDT"}),
        ("spot/sapi/capital/withdraw/apply", {"coin": "USDT", "address": "x"}),
    ):
        with pytest.raises(ApiError, match="-5002"):
            stage.ask("alice", "POST", path, amount="940000.00000001", **params)
    with pytest.raises(ApiError, match="-5002"):
        stage.ask(
            "alice", "POST", "spot/sapi/asset/transfer", type="UMFUTURE_MAIN", asset="USDT", amount="1000000.00000001"
        )
    assert stage.venue.treasury.movements == []
    with pytest.raises(ApiError, match="-1100"):
        stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount="0")


def test_deposits_withdrawals_and_distributions_are_listed(stage: Stage):
    give(stage, b'{"account":"alice","asset":"USDT","amount":"7"}')
    give(stage, b'{"account":"alice","asset":"ETH","amount":"0.00000001","kind":"dividend"}')
    gone = stage.ask("alice", "POST", "spot/sapi/capital/withdraw/apply", coin="BTC", amount="3", address="x")
    assert {asset: free for asset, (free, _) in stage.free("alice").items()} == {
        "USDT": Decimal(1_000_007),
        "BTC": Decimal(97),
        "ETH": Decimal("0.00000001"),
    }
    (deposit,) = stage.ask("alice", "GET", "spot/sapi/capital/deposit/hisrec")
    assert (deposit["coin"], deposit["amount"], deposit["status"], deposit["completeTime"]) == (
        "USDT",
        "7",
        1,
        START_MS,
    )
    (withdrawal,) = stage.ask("alice", "GET", "spot/sapi/capital/withdraw/history")
    assert (withdrawal["id"], withdrawal["amount"], withdrawal["status"]) == (gone["id"], "3", 6)
    assert withdrawal["applyTime"] == "2027-01-15 08:00:00"
    (dividend,) = stage.ask("alice", "GET", "spot/sapi/asset/assetDividend")["rows"]
    assert (dividend["asset"], dividend["amount"]) == ("ETH", "0.00000001")
    assert stage.ask("bob", "GET", "spot/sapi/capital/deposit/hisrec") == []
    with pytest.raises(ApiError, match="no account"):
        give(stage, b'{"account":"flow","asset":"USDT","amount":"7"}')
    with pytest.raises(ApiError, match="-1127"):
        stage.ask("alice", "GET", "spot/sapi/capital/deposit/hisrec", startTime=START_MS - 91 * DAY_MS)


def test_histories_are_told_by_pages(stage: Stage):
    for number in range(5):
        give(stage, b'{"account":"alice","asset":"USDT","amount":"%d"}' % (number + 1))
        stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount=number + 1)
        stage.wait(1)
    rows = stage.ask("alice", "GET", "spot/sapi/capital/deposit/hisrec", limit=2, offset=1)
    assert [row["amount"] for row in rows] == ["4", "3"], "the newest come first"
    page = stage.ask("alice", "GET", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", size=2, current=3)
    assert (page["total"], [row["amount"] for row in page["rows"]]) == (5, ["1"])
    incomes = [stage.ask("alice", "GET", "linear/income", limit=2, page=page)[0]["income"] for page in (1, 2, 3)]
    assert incomes == ["1.00000000", "3.00000000", "5.00000000"], "the oldest come first"
    of_time = stage.ask("alice", "GET", "linear/income", startTime=START_MS + 1_000, endTime=START_MS + 2_000)
    assert [row["income"] for row in of_time] == ["2.00000000", "3.00000000"]
    stage.wait(8 * 86_400)
    assert stage.ask("alice", "GET", "linear/income") == [], "of seven days, where no time is said"
    assert len(stage.ask("alice", "GET", "linear/income", startTime=START_MS)) == 5


@pytest.mark.parametrize(("path", "days"), [("spot/myTrades", 1), ("linear/userTrades", 7)])
def test_executions_are_asked_for_by_a_span_or_by_an_id(stage_with: Callable[..., Stage], path: str, days: int):
    stage = stage_with()
    where = path.partition("/")[0]
    stage.order("bob", "SELL", "1", "60000", where=where)
    for _ in range(3):
        stage.order("alice", "BUY", "0.01", where=where)
        stage.wait(86_400 * days)
    span = {"symbol": "BTCUSDT", "startTime": START_MS}
    assert len(stage.ask("alice", "GET", path, **span, endTime=START_MS + days * DAY_MS)) == 2
    with pytest.raises(ApiError, match="-1127"):
        stage.ask("alice", "GET", path, **span, endTime=START_MS + days * DAY_MS + 1)
    with pytest.raises(ApiError, match="-1128"):
        stage.ask("alice", "GET", path, **span, fromId=0)
    rows = stage.ask("alice", "GET", path, symbol="BTCUSDT", fromId=0, limit=2)
    assert len(rows) == 2
    assert len(stage.ask("alice", "GET", path, symbol="BTCUSDT", fromId=rows[-1]["id"] + 1)) == 1
    alone = stage.ask("alice", "GET", path, symbol="BTCUSDT", startTime=START_MS)
    assert len(alone) == (3 if where == "spot" else 2), "USD-M tells of seven days from a start on"


def test_executions_of_one_order_are_of_the_last_week_where_no_time_is_said(stage_with: Callable[..., Stage]):
    stage = stage_with()
    stage.order("bob", "SELL", "1", "60000", where="linear")
    order_id = stage.order("alice", "BUY", "0.01", where="linear")["orderId"]
    one = {"symbol": "BTCUSDT", "orderId": order_id}
    assert len(stage.ask("alice", "GET", "linear/userTrades", **one)) == 1
    stage.wait(8 * 86_400)
    assert stage.ask("alice", "GET", "linear/userTrades", **one) == []
    assert len(stage.ask("alice", "GET", "linear/userTrades", **one, startTime=START_MS)) == 1
