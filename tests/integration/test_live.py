"""Live runs: they trade, they end when they should, and what an overload costs is accounted for."""

import time

import pytest
from tests.integration.conftest import synthetic

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.core.node import Node, NodeOptions
from libra.model import ContractKind, Instrument


def adds_up(counts):
    for lane, row in counts["lanes"].items():
        whole = row["dispatched"] + row["dropped"] + row["conflated"] + row["waiting"]
        assert row["delivered"] == whole, (lane, row)


def test_the_demo_trades_within_seconds_and_ends_at_its_duration(shell):
    began = time.monotonic()
    ended = shell.run("run", "paper", "--duration", "4", "--json")
    assert ended.code == 0, ended.err
    assert time.monotonic() - began < 20
    summary = ended.summary
    assert summary["ended"] == "ended"
    assert summary["digest"] is None
    assert summary["fills"] >= 1
    assert summary["errors"] == summary["malformed"] == 0
    assert 4.0 <= summary["duration_s"] < 6
    assert summary["events"]["QUOTE"] > 100
    assert summary["latency_us"]["tick_to_order"]["p50"] > 0
    assert summary["orders"].get("FILLED", 0) >= 1


@pytest.mark.slow
def test_a_strategy_that_is_too_slow_costs_quotes_and_nothing_else(shell):
    """One subscriber: what was published is what was dispatched, dropped or conflated."""
    path = shell.strategy(
        """
def on_start(self):
    self.n = 0
    self.last = {}
    self.subscribe(EventType.TRADE, self.trade)
    self.subscribe(EventType.ORDER_BOOK, self.book)

def on_quote(self, quote):
    assert quote.ts_ns >= self.last.get("quote", 0), "quotes went back in time"
    self.last["quote"] = quote.ts_ns
    time.sleep(0.002)

def trade(self, event):
    assert event.sequence > self.last.get("trade", 0)
    self.last["trade"] = event.sequence

def book(self, event):
    pass

def on_order(self, order):
    self.n += 1
"""
    )
    ended = shell.run("run", shell.profile(path, market=synthetic(20_000, 5_000, 5_000)), "--duration", "3", "--json")
    summary = ended.summary
    assert summary["errors"] == 0, ended.err
    assert ended.code == 0, "a backlog of market data is no failure"
    market_data = summary["lanes"]["MARKET_DATA"]
    events = summary["events"]
    assert events["QUOTE"] > 20_000
    assert market_data["dispatched"] < events["QUOTE"] + events["TRADE"] + events["ORDER_BOOK"]
    adds_up(summary)
    assert market_data["conflated"] + market_data["dropped"] + market_data["waiting"] > 0


def test_several_symbols_and_strategies_run_side_by_side(shell):
    ended = shell.run("run", "paper", "--speed", "max", "--duration", "60", "--json")
    assert ended.code == 0
    symbols = {row["symbol"] for row in ended.summary["positions"]}
    assert symbols == {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"}


def test_async_strategies_trade_live(shell):
    path = shell.strategy(
        """
async def on_start(self):
    await self.clock.sleep(0.1)
    self.n = 0

async def on_quote(self, quote):
    self.n += 1
    await asyncio.sleep(0)
    if self.n % 20 == 1:
        self.submit(quote.symbol, OrderSide.BUY if self.n % 40 == 1 else OrderSide.SELL, "0.010")

async def on_fill(self, fill):
    await self.clock.sleep(0.001)
    self.emit(EventType.BAR, {"fill": str(fill.price)})
"""
    )
    ended = shell.run("run", shell.profile(path, quotes_hz=100), "--duration", "2", "--json")
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert summary["fills"] >= 3
    assert summary["fills"] - 1 <= summary["events"]["BAR"] <= summary["fills"], "the last may still sleep at the end"
    assert summary["errors"] == 0


class Fed(Node):
    """A live node with a market that is faster than anyone can follow."""

    def __init__(self, rate_hz, **options):
        super().__init__(NodeOptions(simulated=False, duration_s=1.0, **options))
        self.rate_hz = rate_hz

    def _open(self):
        instrument = Instrument(
            "BTC/USDT", "synthetic", base="BTC", quote="USDT", price_decimals=2, size_decimals=3, tick_size="0.01",
            lot_size="0.001", kind=ContractKind.SPOT,
        )  # fmt: skip
        market = {
            "instrument": instrument, "start_price": "60000.00", "volatility_bps": 3.0, "spread_ticks": 1,
            "quote_rate_hz": self.rate_hz, "trade_rate_hz": self.rate_hz, "book_rate_hz": self.rate_hz / 10,
            "book_levels": 10, "level_size": "0.5",
        }  # fmt: skip
        self.core.add_synthetic(1, time.time_ns(), [market])
        self.core.start_feed()

    def _stop_sources(self):
        self.core.stop_feed()


class Follower(Actor):
    """The only subscriber of everything; slow."""

    nap_s = 0.002
    is_async = False

    def on_start(self):
        self.last = 0
        self.seen = dict.fromkeys(("QUOTE", "TRADE", "ORDER_BOOK"), 0)
        for event_type in (EventType.QUOTE, EventType.TRADE, EventType.ORDER_BOOK):
            self.subscribe(event_type, self.follow)

    def follow(self, event):
        self.seen[event.event_type.name] += 1
        if event.event_type is EventType.TRADE:
            assert event.sequence > self.last, "trades stay in order, whatever is dropped"
            self.last = event.sequence
        time.sleep(self.nap_s)


@pytest.mark.parametrize("capacity", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 1_000))])
def test_an_overload_is_conflated_and_dropped_and_every_event_is_accounted_for(capacity):
    node = Fed(20_000, lane_capacity=capacity)
    node.add_actor("follower", Follower)
    outcome = node.run_blocking()
    assert outcome.errors == 0
    counts = node.core.counts()
    row = counts["lanes"]["MARKET_DATA"]
    offered = sum(counts["events"][kind] for kind in ("QUOTE", "TRADE", "ORDER_BOOK"))
    assert offered > 5_000
    adds_up(counts)
    # One subscriber, and nothing but the life cycle that nobody listens to: each event once, dispatched or lost.
    unheard = counts["events"]["ACTOR_STATE"]
    assert row["published"] == offered + unheard
    assert offered == row["dispatched"] + row["dropped"] + row["conflated"] + row["waiting"]
    assert row["conflated"] > 100
    assert row["dropped"] > 100
    assert row["dispatched"] < offered / 4


def test_signals_beyond_the_room_of_who_decides_are_refused_to_their_sender():
    refused = []

    class Loud(Actor):
        def on_start(self):
            self.set_timer("go", 0.01)

        def on_timer(self, name):
            refused.extend(self.emit(EventType.SIGNAL, {"n": n}) for n in range(20))
            refused.extend(not self.actor("deaf").tell(n) for n in range(20))

    class Deaf(Actor):
        def on_signal(self, signal):
            pass

        def on_message(self, message):
            pass

    node = Fed(10, lane_capacity=8)
    node.add_actor("loud", Loud)
    node.add_actor("deaf", Deaf)
    assert node.run_blocking().errors == 0
    assert refused[:20] == [True] * 8 + [False] * 12
    assert refused[20:] == [True] * 20
    counts = node.core.counts()
    assert counts["events"]["SIGNAL"] == 8, "what was refused was not published"
    adds_up(counts)
