"""Filters: by a function, and natively by instrument."""

import asyncio

import pytest
from tests.unit.core.bus.tools import TICK, event, until

from libra.core.events import EventType
from libra.core.message_bus import MessageBus
from libra_core import Quote


def test_filter_fn(run, caplog):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload), filter_fn=lambda event: event.payload % 2)
        bus.subscribe(TICK, lambda event: seen.append(-event.payload), lambda event: 10 // (event.payload - 3) > 0)
        async with bus:
            for n in range(6):
                bus.emit(event(n))
        assert seen == [1, 3, -4, 5, -5]
        assert bus.stats["errors"] == 1, "a filter that raises counts, and its handler is not called"
        assert "ZeroDivisionError" in caplog.text

    run(main())


def test_instruments_are_filtered(run):
    async def main():
        bus, seen = MessageBus(), []

        def add(name):
            return lambda event: seen.append((name, event.instrument))

        bus.subscribe(EventType.QUOTE, add("btc"), instruments=["BTC/USDT@X"])
        bus.subscribe(EventType.QUOTE, add("both"), instruments=["BTC/USDT@X", "ETH/USDT@X"])
        bus.subscribe(EventType.QUOTE, add("all"))
        async with bus:
            for name in ("BTC/USDT@X", "ETH/USDT@X", "SOL/USDT@X"):
                bus.emit(event(Quote(name, 1, 2, 1, 1), EventType.QUOTE))
            bus.emit(event({}, EventType.QUOTE))
        btc, eth, sol = "BTC/USDT@X", "ETH/USDT@X", "SOL/USDT@X"
        assert seen == [
            ("btc", btc), ("both", btc), ("all", btc), ("both", eth), ("all", eth), ("all", sol), ("all", None),
        ]  # fmt: skip

    run(main())


def test_an_instrument_keeps_the_order_of_subscription_while_lists_change(run):
    async def main():
        bus, seen = MessageBus(), []

        def add(name, *instruments):
            return bus.subscribe(EventType.QUOTE, lambda _: seen.append(name), instruments=instruments)

        async def asked(instrument):
            seen.clear()
            bus.emit(event(Quote(instrument, 1, 2, 1, 1), EventType.QUOTE))
            await until(lambda: bus.queue_size == 0)
            await asyncio.sleep(0)
            return "".join(seen)

        async with bus:
            a, b, c = add("a", "X@1"), add("b"), add("c", "X@1", "Y@1", "X@1")
            assert (await asked("X@1"), await asked("Y@1"), await asked("Z@1")) == ("abc", "bc", "b")
            own = add("o", "X@1")
            assert (await asked("X@1"), await asked("Y@1")) == ("abco", "bc")
            assert bus.unsubscribe(own)
            add("d")
            assert (await asked("X@1"), await asked("Y@1"), await asked("Z@1")) == ("abcd", "bcd", "bd")
            assert bus.unsubscribe(c)
            assert (await asked("X@1"), await asked("Y@1"), await asked("Z@1")) == ("abd", "bd", "bd")
            assert bus.unsubscribe(b)
            assert bus.unsubscribe(a)
            e = add("e", "Y@1")
            assert (await asked("X@1"), await asked("Y@1"), await asked("Z@1")) == ("d", "de", "d")
            assert bus.unsubscribe(e)
            assert not bus.unsubscribe(e)
            assert await asked("Y@1") == "d"
            assert bus.stats["handlers"] == 1

    run(main())


def test_ten_thousand_instruments_with_a_handler_each(run):
    async def main():
        names = [f"I{n}/USDT@X" for n in range(10_000)]
        bus, seen = MessageBus(max_handlers_per_type=len(names)), []
        for n, name in enumerate(names):
            bus.subscribe(EventType.QUOTE, lambda event, n=n: seen.append((n, event.instrument)), instruments=[name])
        with pytest.raises(RuntimeError, match="Max handlers"):
            bus.subscribe(EventType.QUOTE, print)
        async with bus:
            for name in reversed(names):
                bus.emit(event(Quote(name, 1, 2, 1, 1), EventType.QUOTE))
            await until(lambda: bus.queue_size == 0)
        assert seen == list(reversed(list(enumerate(names))))

    run(main())
