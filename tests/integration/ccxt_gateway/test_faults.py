"""Faults of the venue, one after the other, while orders are on their way: nothing is lost, doubled or sent again."""

import signal
import time
from collections import Counter

import pytest

pytestmark = pytest.mark.slow

TRADES = """
sent = fills = 0
last = None

def on_start(self):
    self.set_timer("trade", 0.2, interval_s=0.2)

def on_quote(self, quote):
    self.last = quote

def on_timer(self, name):
    import pathlib
    if pathlib.Path("enough").exists():
        print("enough", self.account, flush=True)
        self.cancel_timer(name)
    elif self.last is not None:
        symbol = self.symbols[0]
        tick = self.instruments[symbol].tick_size
        side = OrderSide.BUY if self.sent % 2 == 0 else OrderSide.SELL
        price = self.last.ask + 100 * tick if side is OrderSide.BUY else self.last.bid - 100 * tick
        self.submit(symbol, side, "0.004", price=price, time_in_force="IOC")
        self.sent += 1

def on_fill(self, fill):
    self.fills += 1
    print("filled", self.account, self.fills, flush=True)
"""

FAULTS = [
    {"kind": "lost_answer", "path": "order", "count": 4},
    {"kind": "duplicate_events", "count": 6},
    {"kind": "reorder_events", "count": 6},
    {"kind": "disconnect"},
    {"kind": "error", "status": 503, "count": 6},
    {"kind": "error", "status": 429, "count": 6, "seconds": 2},
    {"kind": "slow", "seconds": 1.0, "count": 4},
    {"kind": "depth_gap", "symbol": "BTCUSDT", "count": 3},
    {"kind": "expire_listen_key", "account": "sim"},
    {"kind": "half_open", "stream": "user"},
    {"kind": "maintenance", "for_s": 1.5},
    {"kind": "ban", "seconds": 2.0},
]


def last_fill(running, account):
    words = [line.split() for line in running.said.splitlines()]
    return max((int(line[2]) for line in words if len(line) == 3 and line[:2] == ["filled", account]), default=0)


def test_both_say_the_same_behind_every_fault(sim, trading):
    arguments = trading.arguments(sim, TRADES, window_ms=3_000)
    profile = trading.shell.folder / "trading.toml"
    profile.write_text(
        profile.read_text().replace("max_restarts = 20", "max_restarts = 200\nbackoff_s = 0.05\nmax_backoff_s = 1")
    )
    running = trading.shell.start(*arguments, env={"LIBRA_SIM_KEY": "sim-key", "LIBRA_SIM_SECRET": "sim-secret"})
    for account in ("spot", "linear"):
        running.wait_for(f"filled {account} 2\n", 120)
    for fault in FAULTS:
        sim.control("faults", fault)
        began = time.monotonic()
        before = {account: last_fill(running, account) for account in ("spot", "linear")}
        for account, count in before.items():
            running.wait_for(f"filled {account} {count + 4}\n", 120)
        print(f"{fault['kind']}: trading again after {time.monotonic() - began:.1f} s")  # noqa: T201
    (trading.shell.folder / "enough").touch()
    for account in ("spot", "linear"):
        running.wait_for(f"enough {account}\n", 60)
    # Whatever is without an answer is asked about until its window is over on the venue's clock.
    time.sleep(8)
    running.signal(signal.SIGINT)
    ended = running.end(60)
    assert ended.code == 0, ended.err
    for account in ("spot", "linear"):
        rows = trading.rows("fills", account)
        ours = sorted(
            (row["client_order_id"], int(row["trade_id"]), row["price"], row["size"], row["fee"]) for row in rows
        )
        assert ours == sim.traded(account)
        known = Counter(
            order["clientOrderId"] for order in sim.control("orders?account=sim") if order["side_of_venue"] == account
        )
        assert not [order_id for order_id, times in known.items() if times > 1]
        orders = {row["client_order_id"]: row["status"] for row in trading.rows("orders", account)}
        assert set(known) <= set(orders)
        assert set(orders.values()) <= {"FILLED", "EXPIRED", "REJECTED", "CANCELLED"}, Counter(orders.values())
