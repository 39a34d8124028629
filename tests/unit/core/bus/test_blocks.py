"""Blocks: market events as one NumPy structured array. `libra.core.blocks` documents the fields."""

import asyncio
import subprocess
import sys

import numpy
import pytest
from tests.unit.core.bus.tools import TICK, event, until

from libra.core import blocks
from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra_core import Bar, BookDelta, Quote, Trade

BTC, ETH = "BTC/USDT@X", "ETH/USDT@X"


def gather(run, event_type, payloads, **options):
    """The blocks of a bus, and the events as another handler saw them."""

    async def main():
        bus, got, seen = MessageBus(), [], []
        bus.subscribe(event_type, got.append, batch="block", **options)
        for payload in payloads:
            bus.emit(event(payload, event_type))
        async with bus:
            pass
        assert bus.stats["errors"] == 0
        again = MessageBus()
        again.subscribe(event_type, seen.append)
        for payload in payloads:
            again.emit(event(payload, event_type))
        async with again:
            pass
        return got, seen

    return run(main())


def one_of(run, event_type, payloads):
    """All blocks as one: a drain may end in the middle, by its time."""
    got, _ = gather(run, event_type, payloads)
    return numpy.concatenate(got)


def test_quotes(run):
    block = one_of(
        run,
        EventType.QUOTE,
        [Quote(BTC, "100.1", "100.2", "1.5", "2", ts_venue_ns=7, venue_seq=8), Quote(ETH, 3, 4, 5, 6)],
    )
    assert [blocks.instrument_of(number) for number in block["instrument"]] == [BTC, ETH]
    assert block["instrument"][0] == blocks.instrument_number(BTC)
    price = 10.0 ** -block["price_decimals"].astype(int)
    size = 10.0 ** -block["size_decimals"].astype(int)
    assert (block["bid"] * price).tolist() == pytest.approx([100.1, 3])
    assert (block["ask"] * price).tolist() == pytest.approx([100.2, 4])
    assert (block["bid_size"] * size).tolist() == pytest.approx([1.5, 5])
    assert (block["ask_size"] * size).tolist() == pytest.approx([2, 6])
    assert block["sequence"].tolist() == [1, 2]
    assert (block["ts_venue_ns"].tolist(), block["venue_seq"].tolist()) == ([7, 0], [8, 0])


def test_trades(run):
    sides = {"buyer": 1, "seller": -1, None: 0}
    payloads = [Trade(BTC, "1.25", "3", trade_id=n, aggressor=side) for n, side in enumerate(sides)]
    block = one_of(run, EventType.TRADE, payloads)
    assert block["side"].tolist() == list(sides.values())
    assert block["trade_id"].tolist() == [0, 1, 2]
    assert {(row["price"], row["size"], row["price_decimals"]) for row in block} == {(125, 3, 2)}


def test_bars(run):
    bar = Bar(BTC, 1, 3, "0.5", 2, 10, ts_open_ns=60_000_000_000, interval_ms=60_000)
    block = one_of(run, EventType.BAR, [bar])
    row = block[0]
    names = ("open", "high", "low", "close", "volume", "ts_open_ns", "interval_ms")
    assert [row[name].item() for name in names] == [10, 30, 5, 20, 10, 60_000_000_000, 60_000]


def test_books_have_a_row_a_level(run):
    deltas = [
        BookDelta(BTC, [("99", "1"), ("98", "2")], [("101", "3")], snapshot=True, first_id=4, last_id=5),
        BookDelta(BTC, [], [], first_id=6, last_id=7, previous_id=5),
        BookDelta(BTC, [], [("102", "0")], first_id=8, last_id=9, previous_id=7),
    ]
    block = one_of(run, EventType.ORDER_BOOK, deltas)
    names = ("sequence", "side", "price", "size", "is_snapshot", "first_id", "last_id", "previous_id")
    assert [tuple(row[name].item() for name in names) for row in block] == [
        (1, 1, 99, 1, True, 4, 5, -1),
        (1, 1, 98, 2, True, 4, 5, -1),
        (1, -1, 101, 3, True, 4, 5, -1),
        (2, 0, 0, 0, False, 6, 7, 5),
        (3, -1, 102, 0, False, 8, 9, 7),
    ]


def test_a_block_is_no_longer_than_256_and_keeps_the_order(run):
    payloads = [Quote(BTC, n, n + 1, 1, 1) for n in range(1, 1001)]
    got, seen = gather(run, EventType.QUOTE, payloads)
    assert all(type(block) is numpy.ndarray and block.ndim == 1 for block in got)
    assert all(block.dtype == blocks.dtype(EventType.QUOTE) for block in got)
    assert all(0 < len(block) <= 256 for block in got)
    assert len(got) < 500, "blocks are blocks"
    whole = numpy.concatenate(got)
    assert whole["bid"].tolist() == list(range(1, 1001))
    assert whole["sequence"].tolist() == [event.sequence for event in seen]


def test_a_block_never_changes(run):
    got, _ = gather(run, EventType.QUOTE, [Quote(BTC, n, n + 1, 1, 1) for n in range(600)])
    assert not any(block.flags.writeable for block in got)
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        got[0].flags.writeable = True
    assert numpy.concatenate(got)["bid"].tolist() == list(range(600)), "no block wrote over another"


def test_times_are_the_events(run):
    async def main():
        bus, got = MessageBus(), []
        bus.subscribe(EventType.QUOTE, got.append, batch="block")
        sent = [Event.create(EventType.QUOTE, "test", Quote(BTC, 1, 2, 1, 1)) for _ in range(3)]
        await bus.publish_many(sent)
        async with bus:
            pass
        assert numpy.concatenate(got)["ts_ns"].tolist() == [event.ts_ns for event in sent]

    run(main())


def test_filters_hold_for_blocks_too(run):
    payloads = [Quote(name, n, n + 1, 1, 1) for n in range(4) for name in (BTC, ETH)]
    got, _ = gather(run, EventType.QUOTE, payloads, instruments=[ETH])
    assert numpy.concatenate(got)["bid"].tolist() == [0, 1, 2, 3]
    got, _ = gather(run, EventType.QUOTE, payloads, filter_fn=lambda event: event.payload.bid > 1)
    assert numpy.concatenate(got)["bid"].tolist() == [2, 2, 3, 3]


def test_other_handlers_see_the_events_as_ever(run):
    async def main():
        bus, got, single, listed = MessageBus(), [], [], []
        bus.subscribe(EventType.QUOTE, got.append, batch="block")
        bus.subscribe(EventType.QUOTE, single.append)
        bus.subscribe(EventType.QUOTE, listed.extend, batch=True)
        for n in range(300):
            bus.emit(event(Quote(BTC, n, n + 1, 1, 1), EventType.QUOTE))
        async with bus:
            pass
        expected = list(range(1, 301))
        assert numpy.concatenate(got)["sequence"].tolist() == expected
        assert [event.sequence for event in single] == [event.sequence for event in listed] == expected

    run(main())


@pytest.mark.parametrize("count", [1, 256])
def test_an_async_handler(run, count):
    async def main():
        bus, got = MessageBus(), []

        async def handle(block):
            await asyncio.sleep(0)
            assert bus._current().sequence == block["sequence"][-1]
            got.append(block)

        bus.subscribe(EventType.QUOTE, handle, batch="block")
        for n in range(count):
            bus.emit(event(Quote(BTC, n, n + 1, 1, 1), EventType.QUOTE))
        async with bus:
            pass
        assert numpy.concatenate(got)["bid"].tolist() == list(range(count))
        assert bus.stats["errors"] == 0

    run(main())


@pytest.mark.parametrize("count", [1, 256])
def test_a_handler_that_raises(run, caplog, count):
    async def main():
        bus, got = MessageBus(), []

        def handle(block):
            got.append(block)
            raise ValueError(len(block))

        bus.subscribe(EventType.QUOTE, handle, batch="block")
        sent = [event(Quote(BTC, 1, 2, 1, 1), EventType.QUOTE) for _ in range(count)]
        await bus.publish_many(sent)
        async with bus:
            pass
        assert bus.stats["errors"] == len(got)
        assert sum(map(len, got)) == count
        assert sent[-1].trace_id in caplog.text

    run(main())


@pytest.mark.parametrize("others", [0, 1])
def test_an_event_without_a_native_payload_is_an_error_of_that_handler(run, caplog, others):
    async def main():
        bus, got, seen = MessageBus(), [], []
        bus.subscribe(EventType.QUOTE, got.append, batch="block")
        for _ in range(others):
            bus.subscribe(EventType.QUOTE, seen.append)
        for payload in (Quote(BTC, 1, 2, 1, 1), {"bid": 1}, Trade(BTC, 1, 1), Quote(BTC, 2, 3, 1, 1)):
            bus.emit(event(payload, EventType.QUOTE))
        async with bus:
            pass
        assert bus.stats["errors"] == 2
        assert "has no native payload, and so no row in a block" in caplog.text
        assert numpy.concatenate(got)["sequence"].tolist() == [1, 4]
        assert len(seen) == 4 * others

    run(main())


def test_what_gathers_and_is_cut_counts_as_dropped(run):
    async def main():
        bus, got = MessageBus(), []

        async def hang(_):
            await asyncio.sleep(60)

        bus.subscribe(EventType.QUOTE, got.append, batch="block")
        bus.subscribe(EventType.TRADE, hang)
        for n in range(3):
            bus.emit(event(Quote(BTC, n, n + 1, 1, 1), EventType.QUOTE))
        bus.emit(event(Trade(BTC, 1, 1), EventType.TRADE))
        task = asyncio.create_task(bus.start())
        await until(lambda: bus.queue_size == 0)
        assert await bus.stop(drain_timeout=0) == 3
        await task
        assert got == []

    run(main())


def test_what_has_no_blocks_is_refused():
    bus = MessageBus()
    for event_type in (TICK, EventType.SIGNAL, EventType.ORDER_NEW):
        with pytest.raises(TypeError, match=f"{event_type.name} has no blocks"):
            bus.subscribe(event_type, print, batch="block")
        with pytest.raises(TypeError, match="has no blocks"):
            blocks.dtype(event_type)
    for batch in ("blocks", 1, b"block"):
        with pytest.raises(TypeError, match='batch is True, False or "block"'):
            bus.subscribe(EventType.QUOTE, print, batch=batch)
    assert bus.stats["handlers"] == 0
    assert blocks.instrument_of(0) is None
    assert blocks.instrument_of(2**32) is None


def test_without_numpy_only_blocks_are_missing():
    program = """if True:
        import sys
        sys.modules["numpy"] = None
        from libra.core.events import EventType
        from libra.core.message_bus import MessageBus
        bus = MessageBus()
        bus.subscribe(EventType.QUOTE, print, batch=True)
        try:
            bus.subscribe(EventType.QUOTE, print, batch="block")
        except ImportError as error:
            print(error)
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "blocks need NumPy, which is not installed: install libra[numpy]\n"


def test_numpy_is_not_loaded_before_it_is_needed():
    program = "import sys, libra.core.blocks, libra.core.node; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_numpy_is_loaded_by_a_subscription_to_blocks_and_not_by_the_first_of_them():
    program = """
import sys
from libra.core.events import EventType
from libra_core import NodeCore
subscribed = NodeCore(simulated=False)
slot = subscribed.add_actor("one")
subscribed.subscribe(slot, EventType.QUOTE, print, batch=True)
assert "numpy" not in sys.modules
subscribed.subscribe(slot, EventType.QUOTE, print, batch="block")
assert "numpy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
