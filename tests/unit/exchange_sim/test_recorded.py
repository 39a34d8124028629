"""Recorded frames as a market: what was recorded happens again, and own orders are matched against it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from tests.conftest import quote_frame, trade_frame

from libra_core import MarketStream

from .conftest import TOTALS, Stage, market


def test_an_own_order_is_matched_against_the_recording(record: Callable[..., Path]):
    lines = [
        (0, quote_frame(1, "100.00", "100.10")),
        (1, trade_frame(1, "100.10", "2.000")),
        (2, quote_frame(2, "100.00", "100.05")),
        (3, trade_frame(2, "100.00", "4.000").replace('"m":false', '"m":true')),
        (4, quote_frame(3, "99.90", "99.95")),
    ]
    recorded = market("BTC/USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), data=(str(record(lines)),))
    stage = Stage(markets=(recorded,))
    best = stage.ask("alice", "GET", "spot/ticker/bookTicker", symbol="BTCUSDT")
    assert (best["bidPrice"], best["askPrice"], best["bidQty"]) == ("100.00000000", "100.10000000", "5.00000000")
    ahead = stage.order("alice", "BUY", "1", "100.01")
    behind = stage.order("alice", "BUY", "1", "100.00")
    low = stage.order("alice", "BUY", "1", "99.97")

    def filled(order: dict[str, object]) -> Decimal:
        find = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
        return Decimal(stage.ask("alice", "GET", "spot/order", **find)["executedQty"])

    stage.wait(1.5)
    (trade,) = stage.ask("alice", "GET", "spot/trades", symbol="BTCUSDT")
    assert (trade["price"], trade["qty"], trade["isBuyerMaker"]) == ("100.10000000", "2.00000000", False)
    stage.wait(2)
    # Four were sold at 100.00 or better: the own order ahead gets one, the five that stood there before take the rest.
    assert [filled(one) for one in (ahead, behind, low)] == [1, 0, 0]
    stage.wait(1)
    # The market is offered at 99.95 now: whoever bids more is taken.
    assert [filled(one) for one in (ahead, behind, low)] == [1, 1, 1]
    assert stage.totals() == TOTALS
    assert Decimal(stage.ask("alice", "GET", "spot/ticker/bookTicker", symbol="BTCUSDT")["askPrice"]) == Decimal(
        "99.95"
    )


@pytest.mark.parametrize(
    ("symbol", "file", "tick", "lot"),
    [
        ("BTC/USDT:USDT", "binance-usdm/btcusdt_20240808.gz", "0.10", "0.001"),
        ("BTC/USDT", "binance-spot/btcusdt_20240809.gz", "0.01", "0.00001"),
    ],
)
def test_the_book_follows_the_recorded_quotes(shared: Path | None, symbol: str, file: str, tick: str, lot: str):
    if shared is None:
        pytest.skip("no recorded data")
    path = str(shared / file)
    recorded = market(symbol, tick_size=Decimal(tick), lot_size=Decimal(lot), data=(path,))
    stage = Stage(markets=(recorded,))
    (listed,) = stage.venue.floor.markets
    source = MarketStream.replay([path], [listed.instrument])
    first_ns = source.peek_ts_ns() or 0
    same = last = 0
    for second in range(1, 41):
        stage.wait(1)
        while (source.peek_ts_ns() or 2**63) <= first_ns + second * 1_000_000_000:
            item = source.next()
            if type(item).__name__ == "Quote":
                last = item
        bid, ask = stage.venue.floor.core.best(0)
        scale = 10**listed.price_decimals
        same += (bid, ask) == (int(last.bid * scale), int(last.ask * scale))
    # A depth frame is older than the quotes around it, so that they may differ for a moment.
    assert same >= 36
    assert stage.venue.floor.core.refused(0) == 0
    assert len(stage.venue.tape.trades(listed)) > 100
