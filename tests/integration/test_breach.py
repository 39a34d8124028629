"""A loss limit that is passed: what an account lets through, and what it takes from the book."""

from decimal import Decimal

import pytest

LOSES = """
def on_start(self):
    self.n = 0
    self.risks = 0

def on_quote(self, quote):
    self.n += 1
    symbol = quote.symbol
    if self.n == 1:
        self.submit(symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
        self.submit(symbol, OrderSide.SELL, "0.100", price=quote.ask + 500)
    if self.n == 10:
        # Its fee alone is more than may be lost in a day.
        self.submit(symbol, OrderSide.BUY, "0.300")
    if self.n == 20:
        for side, size in ((OrderSide.SELL, "0.201"), (OrderSide.BUY, "0.002"), (OrderSide.SELL, "0.150")):
            self.submit(symbol, side, size)

def on_order(self, order):
    self.log.warning("%s %s is %s %s", order.side, order.size, order.status, order.reason)

def on_risk(self, event):
    self.log.warning("%s: %s %s", event.event_type.name, event.payload.code, event.payload.detail)
"""

PACE = {"simulated": ("--speed", "max"), "live": ()}


@pytest.mark.parametrize("clock", ["simulated", "live"])
@pytest.mark.parametrize("on_breach", ["reduce_only", "halt"])
def test_what_reduces_passes_unless_the_account_halts(shell, on_breach, clock):
    account = "" if on_breach == "reduce_only" else f'on_breach = "{on_breach}"'
    path = shell.profile(shell.strategy(LOSES), clock=clock, risk='max_daily_loss = "1"', account=account)
    ended = shell.run("run", path, "--json", "--duration", "3", *PACE[clock])
    assert ended.code == 3, ended.err
    assert "RISK_LIMIT_BREACH: DAILY_LOSS limit 1 USDT" in ended.err
    assert "BUY 0.001 is CANCELLED" in ended.err
    assert "SELL 0.201 is REJECTED DAILY_LOSS" in ended.err, "with the one that rests it would turn the position"
    assert "BUY 0.002 is REJECTED DAILY_LOSS" in ended.err
    [held] = ended.summary["positions"]
    reduces = on_breach == "reduce_only"
    count = "1 open order is" if reduces else "2 open orders are"
    assert f"DAILY_LOSS {count} cancelled: limit 1 USDT" in ended.err
    assert ("SELL 0.100 is CANCELLED" in ended.err) != reduces
    assert ("SELL 0.150 is FILLED" in ended.err) == reduces
    assert Decimal(held["size"]) == Decimal("0.150" if reduces else "0.300")
    assert ended.summary["stopped"]["paper"].endswith("orders that reduce pass") == reduces
    assert ended.summary["rejections"] == {"DAILY_LOSS": 2 if reduces else 3}
