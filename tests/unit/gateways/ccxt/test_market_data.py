"""Market data against hand-written frames of Binance: exact numbers, books in step, silence noticed."""

import asyncio
from decimal import Decimal

import pytest
from tests.unit.gateways.ccxt.conftest import until

from libra.gateways.ccxt import Credentials
from libra.gateways.ccxt.books import BookSync
from libra.model import BookDelta, Quote, Trade


def change(first, last, previous=None, **sides):
    frame = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": first, "u": last, "b": [], "a": [], **sides}
    return frame if previous is None else {**frame, "pu": previous}


def snapshot(last):
    return {"lastUpdateId": last, "bids": [["100.00", "1"]], "asks": [["100.01", "2"]]}


def ids(deltas):
    return [(delta.is_snapshot, delta.first_id, delta.last_id) for delta in deltas]


@pytest.fixture
def book():
    return BookSync("BTC/USDT@binance")


def test_changes_before_the_snapshot_wait_for_it(book):
    assert book.on_change(change(98, 100)) == []
    assert book.on_change(change(101, 103)) == []
    assert ids(book.on_snapshot(snapshot(101))) == [(True, 0, 101), (False, 101, 103)]
    assert ids(book.on_change(change(104, 104))) == [(False, 104, 104)]


def test_a_snapshot_that_is_older_than_the_changes_is_not_used(book):
    book.on_change(change(105, 107))
    assert book.on_snapshot(snapshot(101)) == []
    assert book.needs_snapshot
    assert ids(book.on_snapshot(snapshot(106))) == [(True, 0, 106), (False, 105, 107)]


def test_a_gap_of_spot_asks_for_the_next_snapshot(book):
    book.on_snapshot(snapshot(100))
    book.on_change(change(101, 101))
    assert book.on_change(change(103, 104)) == []
    assert (book.needs_snapshot, book.gaps) == (True, 1)
    assert ids(book.on_snapshot(snapshot(103))) == [(True, 0, 103), (False, 103, 104)]


def test_a_gap_of_futures_is_told_by_the_previous_id(book):
    book.on_snapshot(snapshot(100))
    assert ids(book.on_change(change(90, 100, 89))) == [(False, 90, 100)], "the first one contains the snapshot's id"
    assert ids(book.on_change(change(105, 110, 100))) == [(False, 105, 110)]
    assert book.on_change(change(115, 120, 114)) == []
    assert book.gaps == 1


def test_what_the_book_has_already_is_passed_over(book):
    book.on_snapshot(snapshot(100))
    assert book.on_change(change(90, 100)) == []
    assert not book.needs_snapshot


async def following(connect, **options):
    gateway = await connect(credentials=Credentials(), **options)
    await gateway.subscribe(["BTC/USDT"])
    return gateway, gateway.stream_ticks()


async def item(ticks):
    async with asyncio.timeout(5):
        return await anext(ticks)


async def subscribed(venue, count):
    await until(lambda: len(venue.subscribed) >= count)


async def test_quotes_and_trades_are_exact(connect, venue):
    gateway, ticks = await following(connect)
    await subscribed(venue, 3)
    await venue.market_event(
        "bookTicker", u=42, s="BTCUSDT", b="0.10000000", B="31.21000000", a="0.30000001", A="40.66000000"
    )
    quote = await item(ticks)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.ask, quote.venue_seq) == (Decimal("0.1"), Decimal("0.30000001"), 42)
    await venue.market_event("trade", e="trade", s="BTCUSDT", t=12345, p="100.00000001", q="0.1", T=5, m=True)
    trade = await item(ticks)
    assert isinstance(trade, Trade)
    assert (trade.price, trade.aggressor, trade.trade_id) == (Decimal("100.00000001"), "seller", 12345)
    assert gateway.is_connected


async def test_a_book_begins_with_a_snapshot_and_begins_again_behind_a_gap(connect, venue):
    gateway, ticks = await following(connect)
    await subscribed(venue, 3)
    await venue.market_event("depth", **change(99, 101, b=[["100.00", "1.25"]]))
    first = await item(ticks)
    assert isinstance(first, BookDelta)
    assert (first.is_snapshot, first.bids) == (True, [(Decimal(100), Decimal("1.5"))])
    assert (await item(ticks)).bids == [(Decimal(100), Decimal("1.25"))]
    venue.depth["lastUpdateId"] = 110
    await venue.market_event("depth", **change(105, 111))
    again = await item(ticks)
    assert (again.is_snapshot, again.last_id) == (True, 110)
    assert gateway.counters()["resyncs"] == 1


async def test_a_frame_that_makes_no_sense_is_left_out_and_counted(connect, venue):
    gateway, ticks = await following(connect)
    await subscribed(venue, 3)
    await venue.market_event("bookTicker", u=1, s="BTCUSDT", b="cheap", B="1", a="2", A="1")
    await venue.market_event("bookTicker", u=2, s="BTCUSDT", b="1", B="1", a="2", A="1")
    assert (await item(ticks)).venue_seq == 2
    assert gateway.counters()["malformed"] == 1


async def test_a_stream_that_is_silent_is_degraded_and_asked_for_again(connect, venue):
    gateway, ticks = await following(connect, stale_after_ms=200)
    await subscribed(venue, 3)
    before = len(venue.subscribed)
    await until(lambda: "spot-quotes-0" in gateway.degraded)
    await subscribed(venue, before + 1)
    await venue.market_event("bookTicker", u=2, s="BTCUSDT", b="1", B="1", a="2", A="1")
    assert isinstance(await item(ticks), Quote)
    assert "spot-quotes-0" not in gateway.degraded


async def test_a_stream_that_was_cut_is_made_anew(connect, venue):
    gateway, ticks = await following(connect)
    await subscribed(venue, 3)
    for socket in venue.market_sockets:
        await socket.close()
    await subscribed(venue, 6)
    await venue.market_event("bookTicker", u=2, s="BTCUSDT", b="1", B="1", a="2", A="1")
    assert (await item(ticks)).venue_seq == 2
    assert gateway.is_connected
