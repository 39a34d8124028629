"""A strategy that asks for it is stopped when its market falls silent, and its orders go."""

from logging import getLogger
from types import SimpleNamespace

from tests.conftest import quote_frame, trade_frame

from libra.assembly import build
from libra.assembly.stale_watch import StaleWatch
from libra.config import load

PROFILE = """\
[node]
name = "test"
clock = "simulated"
speed = "max"
[market]
kind = "replay"
files = ["{recording}"]
[[instruments]]
symbol = "BTC/USDT"
venue = "binance"
kind = "spot"
price_decimals = 2
size_decimals = 3
tick_size = "0.01"
lot_size = "0.001"
max_size = "1000"
maker_fee = "0"
taker_fee = "0"
[risk]
max_position_notional = "50000"
max_order_notional = "20000"
[[account_groups]]
name = "paper"
balances = {{ USDT = "100000" }}
gateway = {{ kind = "paper" }}
sizing = {{ kind = "fixed_notional", value = "5000" }}
[[strategies]]
name = "rests"
class = "{folder}/rests.py:Rests"
account = "paper"
symbols = ["BTC/USDT"]
{more}
"""

STRATEGY = """\
from libra.strategies import Strategy


class Rests(Strategy):
    sent = False

    def on_quote(self, quote):
        if not self.sent:
            self.sent = bool(self.submit("BTC/USDT", "BUY", "1", price="99.50"))
"""


def run(record, tmp_path, more):
    quotes = [(at, quote_frame(at + 1)) for at in range(4)]
    trades = [(at + 0.5, trade_frame(at + 1)) for at in range(20)]
    recording = record(sorted(quotes + trades))
    (tmp_path / "rests.py").write_text(STRATEGY)
    profile = tmp_path / "p.toml"
    profile.write_text(PROFILE.format(recording=recording, folder=tmp_path, more=more))
    return build(load(str(profile), environ={})).run()


def test_a_market_that_falls_silent_stops_who_asked_for_it(record, tmp_path):
    result = run(record, tmp_path, "stop_after_silence_ms = 5000")
    assert [order["status"] for order in result.orders] == ["CANCELLED"]
    assert result.summary["failed"] == []


def test_without_the_setting_it_goes_on(record, tmp_path):
    assert [order["status"] for order in run(record, tmp_path, "").orders] == ["ACCEPTED"]


def test_silence_that_is_shorter_stops_nobody(record, tmp_path):
    result = run(record, tmp_path, "stop_after_silence_ms = 60000")
    assert [order["status"] for order in result.orders] == ["ACCEPTED"]


def test_a_market_is_missed_by_our_clock_whatever_a_strategy_says_of_it():
    now, stopped = SimpleNamespace(ns=1_000_000_000_000), []
    watch = StaleWatch("rests", {"rests"}, ["BTC/USDT@binance"], 5_000, stopped.append)
    watch._context = SimpleNamespace(
        clock=SimpleNamespace(now_ns=lambda: now.ns), cancel_timer=lambda _name: None, log=getLogger()
    )
    ahead_ns = now.ns + 3_600_000_000_000
    watch.note(SimpleNamespace(instrument="BTC/USDT@binance", source="market", ts_ns=ahead_ns))
    for wait_ns, expected in ((5_000_000_000, []), (1, ["rests"])):
        now.ns += wait_ns
        # It says the last one again, for others.
        watch.note(SimpleNamespace(instrument="BTC/USDT@binance", source="rests", ts_ns=now.ns))
        watch.on_timer("look")
        assert stopped == expected
