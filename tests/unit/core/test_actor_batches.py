"""Batches in actors: lists and NumPy blocks of market data; urgent lanes go before them."""

import asyncio

import pytest

from libra.core import blocks
from libra.core.actor import Actor
from libra.core.events import EventType
from libra_core import Quote, Trade

BTC, ETH = "BTC/USDT@binance", "ETH/USDT@binance"
TRADE, RISK, SIGNAL = EventType.TRADE, EventType.RISK_LIMIT_BREACH, EventType.SIGNAL


class Storm(Actor):
    """Emits many trades, and something urgent behind them, at the first quote."""

    count = 600

    def on_quote(self, quote):
        if quote.bid == 100:
            for n in range(self.count):
                self.emit(TRADE, Trade(BTC, n + 1, 1, trade_id=n))
            self.emit(RISK, {"limit": "any"})


def run(stage, *actors, times=(0, 100), **options):
    set_up = stage(**options)
    set_up.quotes(*times)
    for number, factory in enumerate(actors):
        set_up.add(f"actor-{number}", factory)
    return set_up.run()


@pytest.mark.parametrize("batch", [True, "block"])
def test_batches_have_all_events_in_order_and_are_short_enough(stage, batch):
    got, single = [], []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, got.append, batch=batch)

    class Single(Actor):
        def on_start(self):
            self.subscribe(TRADE, single.append)

    outcome = run(stage, Storm, Reader, Single)
    assert outcome.errors == 0
    assert [len(part) for part in got] == [256, 256, 88]
    if batch == "block":
        assert all(part.dtype == blocks.dtype(TRADE) for part in got)
        numbers = [number for part in got for number in part["sequence"].tolist()]
        assert [n for part in got for n in part["trade_id"].tolist()] == list(range(600))
    else:
        numbers = [event.sequence for part in got for event in part]
        assert [event.payload.trade_id for part in got for event in part] == list(range(600))
    assert numbers == [event.sequence for event in single]


@pytest.mark.parametrize("batch", [True, "block"])
def test_what_is_urgent_goes_before_a_batch(stage, batch):
    log = []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda part: log.append(len(part)), batch=batch)
            self.subscribe(RISK, lambda event: log.append("risk"))

    run(stage, Storm, Reader)
    assert log == ["risk", 256, 256, 88]


@pytest.mark.parametrize("owing_too", [False, True])
def test_what_comes_up_while_a_batch_gathers_goes_before_it(stage, owing_too):
    """The last trade of the batch causes a RISK event of another actor: that one is first, the batch is owed."""
    log = []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda part: log.append((self.name, len(part))), batch=True)
            self.subscribe(TRADE, self.on_last)

        def on_last(self, event):
            if event.payload.trade_id == 9:
                self.emit(EventType.DRAWDOWN_WARNING, self.name)

    class Guard(Actor):
        def on_start(self):
            self.subscribe(EventType.DRAWDOWN_WARNING, lambda event: log.append(("guard", event.payload)))

    class Ten(Storm):
        count = 10

    readers = [Reader, Reader] if owing_too else [Reader]
    run(stage, Ten, *readers, Guard)
    names = [f"actor-{n + 1}" for n in range(len(readers))]
    guard, owed = [("guard", name) for name in names], [(name, 10) for name in names]
    if owing_too:
        assert sorted(log) == sorted(guard + owed)
        assert all(log.index(("guard", name)) < log.index((name, 10)) for name in names)
    else:
        assert log == guard + owed


def test_something_urgent_for_the_actor_itself_ends_no_batch(stage):
    log = []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda part: log.append(len(part)), batch=True)
            self.subscribe(TRADE, self.on_fifth)
            self.subscribe(EventType.DRAWDOWN_WARNING, lambda event: log.append("urgent"))

        def on_fifth(self, event):
            if event.payload.trade_id == 4:
                self.emit(EventType.DRAWDOWN_WARNING)

    class Ten(Storm):
        count = 10

    run(stage, Ten, Reader)
    assert log == ["urgent", 10], "five trades still waited"


def test_events_of_other_types_end_no_batch(stage):
    log = []

    class Mixed(Actor):
        def on_quote(self, quote):
            if quote.bid == 100:
                for n in range(5):
                    self.emit(TRADE, Trade(BTC, 1, 1, trade_id=n))
                    self.emit(EventType.BAR, {"n": n})

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda block: log.append(block["trade_id"].tolist()), batch="block")
            self.subscribe(EventType.BAR, lambda event: log.append(event.payload["n"]))

    run(stage, Mixed, Reader)
    assert log == [0, 1, 2, 3, 4, [0, 1, 2, 3, 4]]


def test_an_actor_whose_other_handler_is_suspended_gets_its_batch_afterwards(stage):
    log = []

    class Few(Storm):
        count = 3

        def on_quote(self, quote):
            super().on_quote(quote)
            if quote.bid == 100:
                self.emit(EventType.BAR, {})

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda events: log.append(len(events)), batch=True)
            self.subscribe(EventType.BAR, self.slow)

        async def slow(self, event):
            log.append("slow")
            await self.clock.sleep(5)
            await asyncio.sleep(0.001)
            log.append("awake")

    outcome = run(stage, Few, Reader)
    assert outcome.errors == 0
    assert log == ["slow", "awake", 3]


def test_an_async_batch_handler_holds_up_its_actor_only(stage):
    log = []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, self.slow, batch="block")
            self.subscribe(RISK, lambda event: log.append("risk"))

        async def slow(self, block):
            log.append(len(block))
            await self.clock.sleep(1)
            log.append("awake")

    class Other(Actor):
        def on_start(self):
            self.subscribe(TRADE, lambda block: log.append(f"other {len(block)}"), batch="block")

    outcome = run(stage, Storm, Reader, Other)
    assert outcome.errors == 0
    own = [entry for entry in log if not str(entry).startswith("other")]
    assert own == ["risk", 256, "awake", 256, "awake", 88, "awake"]
    assert log.index("awake") > log.index("other 88"), "the other actor did not wait"


@pytest.mark.parametrize("batch", [True, "block"])
def test_a_batch_handler_that_raises_is_a_failure_of_its_actor(stage, batch):
    got, starts = [], []

    class Reader(Actor):
        def on_start(self):
            starts.append(self.clock.now_ns())
            self.subscribe(TRADE, self.handle, batch=batch)

        def handle(self, part):
            if len(starts) == 1:
                raise ValueError("the first batch")
            got.append(len(part))

    outcome = run(stage, Storm, Reader)
    assert outcome.errors == 1
    assert len(starts) == 2
    assert got == [256, 88], "the failed batch is not delivered again"


def test_an_event_without_rows_is_a_failure_of_the_actor_that_asked_for_them(stage):
    seen = []

    class Wrong(Actor):
        def on_quote(self, quote):
            if quote.bid == 100:
                self.emit(TRADE, {"price": 1})

    class Reader(Actor):
        def on_start(self):
            self.subscribe(TRADE, seen.append, batch="block")

    class Other(Actor):
        def on_start(self):
            self.subscribe(TRADE, seen.append)

    outcome = run(stage, Wrong, Reader, Other)
    assert outcome.errors == 1
    assert [event.payload for event in seen] == [{"price": 1}]


def test_what_a_batch_has_gathered_goes_with_its_subscription(stage):
    log = []

    class Reader(Actor):
        def on_start(self):
            self.id = self.subscribe(TRADE, log.append, batch=True)
            self.subscribe(TRADE, self.on_one)

        def on_one(self, event):
            if event.payload.trade_id == 9:
                assert self.unsubscribe(self.id)

    class Ten(Storm):
        count = 10

    outcome = run(stage, Ten, Reader)
    assert (outcome.errors, log) == (0, [])


def test_instruments(stage):
    got = []

    class Both(Actor):
        def on_quote(self, quote):
            if quote.bid == 100:
                for n in range(6):
                    self.emit(EventType.BAR, n, instrument=(BTC, ETH)[n % 2])

    class Reader(Actor):
        def on_start(self):
            self.subscribe(EventType.BAR, got.append, instruments=[ETH], batch=True)

    run(stage, Both, Reader)
    assert [[event.payload for event in part] for part in got] == [[1, 3, 5]]


def test_only_market_data_is_gathered(stage):
    errors = []

    class Reader(Actor):
        def on_start(self):
            for event_type, batch in ((SIGNAL, True), (RISK, True), (EventType.TICK, "block"), (TRADE, "blocks")):
                try:
                    self.subscribe(event_type, print, batch=batch)
                except (TypeError, ValueError) as error:
                    errors.append(str(error))

    run(stage, Reader)
    assert errors == [
        "an actor gathers market data only: SIGNAL is handled one by one",
        "an actor gathers market data only: RISK_LIMIT_BREACH is handled one by one",
        "TICK has no blocks: QUOTE, TRADE, BAR and ORDER_BOOK have; batch=True gives a list of any events",
        "batch is True, False or \"block\", not 'blocks'",
    ]


@pytest.mark.parametrize("batch", [False, True, "block"])
def test_what_cannot_be_called_is_no_handler(stage, batch):
    errors = []

    class Reader(Actor):
        def on_start(self):
            for handler in (5, "on_quote", [], object()):
                try:
                    self.subscribe(EventType.QUOTE, handler, batch=batch)
                except TypeError as error:
                    errors.append(str(error).partition(" not ")[0])

    run(stage, Reader)
    assert errors == ["a handler has to be callable,"] * 4


def test_a_live_node_hands_over_before_it_sleeps(stage):
    got = []

    class Reader(Actor):
        def on_start(self):
            self.subscribe(EventType.QUOTE, self.handle, batch="block")

        def handle(self, block):
            got.extend(block["bid"].tolist())
            if len(got) == 3:
                self.node_stop()

    set_up = stage(simulated=False, duration_s=20)

    class Source(Actor):
        def on_start(self):
            for n in range(3):
                self.emit(EventType.QUOTE, Quote(BTC, n + 1, n + 2, 1, 1))

    Reader.node_stop = lambda self: set_up.node.stop()
    set_up.add("reader", Reader)
    set_up.add("source", Source)
    outcome = set_up.run()
    assert got == [1, 2, 3]
    assert outcome.why != "duration"
