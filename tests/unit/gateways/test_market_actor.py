"""Market data from a gateway in Python: decimals, accounts first, and a stream that is lost."""

import asyncio

from libra.core.node import Node, NodeOptions
from libra.core.supervision import RestartPolicy
from libra.gateways.market import MarketActor
from libra.model import ContractKind, Instrument, Quote

BTC = Instrument(
    "BTC/USDT",
    "test",
    base="BTC",
    quote="USDT",
    price_decimals=2,
    size_decimals=3,
    tick_size="0.01",
    lot_size="0.001",
    kind=ContractKind.SPOT,
)


class Ticks:
    """Streams what it is told to; counts its connections."""

    name = "test"
    connections = 0

    def __init__(self, items, error=None):
        self.items, self.error = items, error

    async def connect(self, config):
        Ticks.connections += 1

    async def disconnect(self):
        """Nothing is open."""

    async def subscribe(self, symbols):
        self.symbols = symbols

    async def stream_ticks(self):
        for item in self.items:
            yield item
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


def run(gateway, seen, stop_after):
    from libra.core.actor import Actor

    class Watcher(Actor):
        def on_quote(self, quote):
            seen.append((quote.instrument, quote.bid, quote.ask_size))
            if len(seen) >= stop_after:
                node.stop()

    restarts = RestartPolicy(max_restarts=5, period_s=60, backoff_s=0.01, max_backoff_s=0.01)
    node = Node(NodeOptions(restarts=restarts, duration_s=5, signals=False))
    node.endless = True
    node.core.list_instruments([BTC])
    node.add_actor("watcher", Watcher)
    node.add_actor("market", lambda: MarketActor(gateway, ["BTC/USDT"], [BTC.id], {}))
    return node.run_blocking(), node


def quote(bid="100.5", ask="100.75", size="1"):
    return Quote("BTC/USDT", bid, ask, size, size)


def test_quotes_come_in_the_decimals_of_their_instrument():
    from decimal import Decimal

    seen = []
    gateway = Ticks([quote(), quote(bid="100.555"), quote(size="2.5")])
    outcome, _ = run(gateway, seen, stop_after=2)
    assert [(name, str(bid), size) for name, bid, size in seen] == [
        ("BTC/USDT@test", "100.50", Decimal("1.000")),
        ("BTC/USDT@test", "100.50", Decimal("2.500")),
    ]
    assert outcome.errors == 0
    assert gateway.symbols == ("BTC/USDT",)


def test_a_stream_that_raises_is_a_failure_and_the_actor_is_started_anew():
    Ticks.connections = 0
    outcome, _ = run(Ticks([quote()], error=ConnectionError("gone")), [], stop_after=3)
    assert Ticks.connections == 3
    assert outcome.errors >= 2
    assert outcome.failed == []


def test_a_stream_that_ends_by_a_cancellation_of_its_own_is_a_failure_like_any_other():
    """As that of a library does one of whose inner tasks was cancelled."""
    Ticks.connections = 0
    outcome, _ = run(Ticks([quote()], error=asyncio.CancelledError()), [], stop_after=3)
    assert Ticks.connections == 3
    assert outcome.errors >= 2
    assert outcome.failed == []


def test_a_market_that_is_stopped_has_lost_no_stream():
    outcome, _ = run(Ticks([quote()]), [], stop_after=1)
    assert (outcome.errors, outcome.failed) == (0, [])


def test_a_stream_of_something_else_is_a_failure():
    outcome, _ = run(Ticks([quote(), object()]), [], stop_after=2)
    assert outcome.errors >= 1
