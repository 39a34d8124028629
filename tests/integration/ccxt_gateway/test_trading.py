"""A node that trades at the simulated exchange, spot and linear: whatever happens, both say the same in the end."""

import json
import signal
import time

import pytest
from tests.integration.ccxt_gateway.venue import exchange

TRADES = """
sent = fills = 0
resting = ()

def on_start(self):
    self.last = None
    self.set_timer("trade", 0.25, interval_s=0.25)

def on_quote(self, quote):
    self.last = quote

def on_timer(self, name):
    if self.last is None:
        return
    symbol = self.symbols[0]
    tick = self.instruments[symbol].tick_size
    side = OrderSide.BUY if self.sent % 2 == 0 else OrderSide.SELL
    price = self.last.ask + 100 * tick if side is OrderSide.BUY else self.last.bid - 100 * tick
    self.submit(symbol, side, "0.004", price=price, time_in_force="IOC")
    away = (self.last.bid * 99 // 100 // tick) * tick
    self.resting = [*self.resting, self.submit(symbol, OrderSide.BUY, "0.004", price=away)][-3:]
    if len(self.resting) == 3:
        self.cancel(self.resting[0])
    self.sent += 1

def on_fill(self, fill):
    self.fills += 1
    print("filled", self.fills, fill.symbol, flush=True)
"""

RESTS = """
asked = None
accepted = 0

def on_quote(self, quote):
    self.last = quote
    if self.asked is None:
        self.rest(985)

def rest(self, back):
    tick = self.instruments[self.last.symbol].tick_size
    price = (self.last.bid * back // 1000 // tick) * tick
    self.asked = self.submit(self.last.symbol, OrderSide.BUY, "0.004", price=price)

def on_order(self, order):
    if order.status == "REJECTED" and order.reason == "RECONCILING":
        self.asked = None
    if order.status == "ACCEPTED":
        self.accepted += 1
        print("accepted", self.accepted, flush=True)
        if self.accepted == 1:
            self.rest(990)
"""

HOLDS = """
def on_order(self, order):
    print("order", order.status, order.order_id, flush=True)
"""

CROSSES = """
sent = False

def on_quote(self, quote):
    if not self.sent:
        self.sent = True
        self.submit(quote.symbol, OrderSide.BUY, "0.004", price=quote.ask + 100, time_in_force="POST_ONLY")

def on_order(self, order):
    if order.reason == "RECONCILING":
        self.sent = False
    print("order", order.status, order.reason, flush=True)
"""

MANY = """
sent = fills = 0

def on_quote(self, quote):
    if self.sent < 8:
        self.sent += 1
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.ask + 500, time_in_force="IOC")

def on_order(self, order):
    self.sent -= order.reason == "RECONCILING"

def on_fill(self, fill):
    self.fills += 1
    print("filled", self.fills, flush=True)
"""


def test_spot_and_linear_say_the_same_as_the_venue(sim, trading):
    running = trading.start(sim, TRADES)
    for symbol in ("BTC/USDT\n", "BTC/USDT:USDT\n"):
        running.wait_for(f"filled 5 {symbol}", 120)
    running.signal(signal.SIGINT)
    ended = running.end(60)
    assert ended.code == 0, ended.err
    for account in ("spot", "linear"):
        fills = trading.fills(account)
        assert len(fills) >= 5
        assert fills == sim.fills(account)
        rows = trading.rows("orders", account)
        working = sorted(row["client_order_id"] for row in rows if row["status"] in ("ACCEPTED", "PARTIALLY_FILLED"))
        assert working == sim.open_orders(account)
        assert {row["reason"] for row in rows if row["status"] == "REJECTED"} <= {"RECONCILING"}


def test_a_node_that_was_killed_finds_its_orders_as_the_venue_has_them(sim, trading):
    first = trading.start(sim, RESTS, accounts=("spot",))
    first.wait_for("accepted 2", 120)
    first.signal(signal.SIGKILL)
    first.end()
    ours = sim.open_orders("spot")
    assert len(ours) == 2
    sim.cancel("spot", ours[0])
    second = trading.start(sim, HOLDS, accounts=("spot",))
    second.wait_for(f"order CANCELLED {ours[0]}", 120)
    second.signal(signal.SIGINT)
    assert second.end(60).code == 0
    states = {row["client_order_id"]: row["status"] for row in trading.rows("orders", "spot")}
    states = {order_id: status for order_id, status in states.items() if status != "REJECTED"}
    assert states == {ours[0]: "CANCELLED", ours[1]: "ACCEPTED"}
    assert sim.open_orders("spot") == [ours[1]]


def test_a_position_that_is_open_at_the_start_upsets_nothing(sim, trading):
    assert isinstance(
        sim.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1"), dict
    )
    running = trading.start(sim, TRADES, accounts=("linear",))
    running.wait_for("filled 2", 120)
    running.signal(signal.SIGINT)
    ended = running.end(60)
    assert (ended.code, ended.summary["errors"]) == (0, 0), ended.err
    assert "Traceback" not in ended.err


def test_what_the_venue_refuses_is_rejected_with_its_code(sim, trading):
    running = trading.start(sim, CROSSES, accounts=("spot",))
    running.wait_for("order REJECTED -2010", 120)
    running.signal(signal.SIGINT)
    assert running.end(60).code == 0
    assert sim.fills("spot") == trading.fills("spot") == []


def test_what_the_venue_asks_for_is_seen_in_the_status_and_kept(shell, sim, trading):
    running = trading.start(sim, TRADES)
    running.wait_for("filled 1 BTC/USDT\n", 120)

    def venue():
        said = shell.run("status", "--json")
        [node] = json.loads(said.out)["nodes"]
        [row] = node["venues"]
        return row

    row = venue()
    assert (row["venue"], row["redirect"]) == ("binance", sim.url)
    assert 0 < row["used"]["spot.weight_1m"] < row["most"]["spot.weight_1m"]
    assert row["barred_ns"] == row["penalties"] == 0
    assert "SILENT" not in shell.run("status").out
    sim.control("faults", {"kind": "error", "status": 429, "count": 4, "seconds": 6})
    end = time.monotonic() + 60
    while not venue()["barred_ns"]:
        assert time.monotonic() < end
    assert "SILENT for" in (said := shell.run("status").out), said
    asked, penalties = len(sim.control("requests")), venue()["penalties"]
    while True:
        now = len(sim.control("requests"))
        row = venue()
        # What leaves behind a bar may meet another 429, and the next bar begins before it is looked at.
        if not row["barred_ns"] or row["penalties"] != penalties:
            break
        assert now == asked, "nothing leaves before the venue wants to hear of us again"
    running.wait_for(f"filled {len(sim.fills('spot')) + 2} BTC/USDT\n", 120)
    running.signal(signal.SIGINT)
    ended = running.end(60)
    assert ended.code == 0, ended.err
    assert ended.summary["venues"][0]["penalties"] >= 1
    for account in ("spot", "linear"):
        assert trading.fills(account) == sim.fills(account)


@pytest.mark.slow
def test_orders_wait_for_the_venues_limit_and_are_never_refused_for_it(shell, trading, tmp_path):
    limits = tmp_path / "limits.toml"
    limits.write_text("[limits]\nspot_orders_10s = 5\n")
    with exchange("--config", limits) as tight:
        # Half of a window is how long an order may wait.
        running = trading.start(tight, MANY, accounts=("spot",), window_ms=60_000)
        running.wait_for("filled 8", 120)
        running.signal(signal.SIGINT)
        assert running.end(60).code == 0
        assert len(trading.fills("spot")) == 8
        assert trading.fills("spot") == tight.fills("spot")
        rows = trading.rows("orders", "spot")
        assert {row["status"] for row in rows if row["reason"] != "RECONCILING"} == {"FILLED"}
