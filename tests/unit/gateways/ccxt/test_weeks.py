"""Executions of one order at a venue that shows a week at once, as Binance documents it for perpetuals."""

import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from libra.gateways.ccxt import orders as module
from libra.gateways.ccxt.orders import Orders

ID = "L" + "ab" * 16
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


class Venue:
    """Of `GET /fapi/v1/userTrades`: "if startTime and endTime are both not sent, then the last 7 days"."""

    has: dict[str, bool] = {}  # noqa: RUF012 - as CCXT's

    def __init__(self, born_days, *executed_days):
        self.now_ms = int(time.time() * 1e3)
        self.born_ms = self.now_ms - round(born_days * DAY_MS)
        self.trades = [self.trade(number, at) for number, at in enumerate(executed_days)]
        self.asked = []

    def trade(self, number, days_ago):
        at_ms = self.now_ms - round(days_ago * DAY_MS)
        fee = {"cost": "1", "currency": "USDT"}
        return {"id": str(number), "order": "77", "amount": "0.5", "price": "60000", "timestamp": at_ms, "fee": fee}

    async def fetch_order(self, venue_id, symbol):
        filled = str(Decimal("0.5") * len(self.trades))
        shown = {"id": venue_id, "filled": filled, "amount": "9", "status": "open", "clientOrderId": ID}
        return {**shown, "timestamp": self.born_ms}

    async def fetch_my_trades(self, symbol, since, limit, params):
        if "fromId" in params:
            assert since is None, "-1128"
            return [row for row in self.trades if int(row["id"]) >= params["fromId"]][:limit]
        end = params.get("endTime", self.now_ms)
        start = since if since is not None else end - WEEK_MS
        assert end - start <= WEEK_MS, "-1127"
        self.asked.append((start, end))
        rows = [row for row in self.trades if start <= row["timestamp"] <= end]
        return rows[:limit]


def orders_of(venue, filled="0"):
    place = SimpleNamespace(
        exchange=venue,
        rules=SimpleNamespace(is_binance=True),
        options=SimpleNamespace(venue="binance", market="swap", credentials=None),
        venue_now_ns=time.time_ns,
        error=lambda error: error,
    )
    known = SimpleNamespace(
        order_id=ID, symbol="BTC/USDT:USDT", venue_order_id="77", filled=Decimal(filled), is_final=False
    )
    return Orders(place, [].append, lambda order_id: known)


@pytest.mark.parametrize("days", [(8,), (20, 13, 1), (0.5, 0.2), (6.9999, 7.0001)])
async def test_an_order_with_executions_of_any_age_adds_up(days):
    venue = Venue(days[0] + 0.001, *days)
    state, *executions = await orders_of(venue).query(ID)
    assert (state.status, len(executions)) == ("ACCEPTED", len(days))


async def test_it_is_asked_from_the_orders_birth_on_until_it_adds_up():
    venue = Venue(20, 19)
    await orders_of(venue).query(ID)
    assert len(venue.asked) == 1, "weeks behind the last execution are not asked for"
    young = Venue(0.5, 0.4)
    await orders_of(young).query(ID)
    assert len(young.asked) == 1


async def test_more_executions_than_a_page_in_one_week_are_all_told(monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 2)
    # In one moment as many as fill a page, or more: those can be told apart by their ids alone.
    for days in ((2.9, 2.8, 2.5, 2.4, 1.0), (2.9, 2.5, 2.5, 2.5, 1.0)):
        _, *executions = await orders_of(Venue(3, *days)).query(ID)
        assert sorted(report.trade_id for report in executions) == [0, 1, 2, 3, 4]


async def test_what_is_booked_here_already_is_not_asked_for():
    venue = Venue(400, 300)
    (state,) = await orders_of(venue, filled="0.5").query(ID)
    assert (state.status, venue.asked) == ("ACCEPTED", [])
