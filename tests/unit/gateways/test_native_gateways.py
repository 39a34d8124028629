"""The gateways that are used without a node: they follow the protocol, and trade on paper."""

import asyncio
import gzip
import json
from decimal import Decimal

import pytest

from libra.errors import GatewayError
from libra.gateways import Gateway, PaperGateway, ReplayGateway, ReportingGateway, SyntheticGateway
from libra.model import BookDelta, ContractKind, Instrument, Order, OrderSide, Quote, Trade


def instrument(venue="synthetic", symbol="BTC/USDT:USDT"):
    return Instrument(
        symbol,
        venue,
        base="BTC",
        quote="USDT",
        price_decimals=1,
        size_decimals=3,
        tick_size="0.1",
        lot_size="0.001",
        kind=ContractKind.LINEAR,
        taker_fee="0.0005",
    )


def synthetic(seed=3, speed=0.0):
    return SyntheticGateway({instrument(): "60000"}, seed=seed, speed=speed, start_ns=1_000_000_000)


async def take(gateway, count):
    items = []
    async for item in gateway.stream_ticks():
        items.append(item)
        if len(items) == count:
            break
    return items


def test_they_follow_the_protocol():
    market = synthetic()
    assert isinstance(market, Gateway)
    assert isinstance(ReplayGateway([]), Gateway)
    assert isinstance(PaperGateway(market, [instrument()], {"USDT": "1000"}), ReportingGateway)
    assert not isinstance(market, ReportingGateway)
    assert not isinstance(object(), Gateway)


async def test_a_synthetic_market_repeats_itself():
    pictures = []
    for _ in range(2):
        gateway = synthetic()
        await gateway.connect({"quote_rate_hz": 20.0})
        pictures.append([(type(item), item.ts_ns, repr(item)) for item in await take(gateway, 200)])
        await gateway.disconnect()
        assert not gateway.is_connected
    assert [(kind, ts) for kind, ts, _ in pictures[0]] == [(kind, ts) for kind, ts, _ in pictures[1]]
    assert {kind for kind, _, _ in pictures[0]} == {Quote, Trade, BookDelta}
    times = [ts for _, ts, _ in pictures[0]]
    assert times == sorted(times)


async def test_what_cannot_be_is_a_gateway_error():
    with pytest.raises(GatewayError, match="no such settings: colour"):
        await synthetic().connect({"colour": 1})
    with pytest.raises(GatewayError, match=r"nowhere\.gz"):
        await ReplayGateway(["nowhere.gz"]).connect()
    with pytest.raises(GatewayError, match="not connected"):
        await anext(synthetic().stream_ticks())
    market = synthetic()
    await market.connect()
    with pytest.raises(GatewayError, match="PaperGateway"):
        await market.order(Order("x", OrderSide.BUY, 1))
    assert await market.cancel("L" + "0" * 32) is False


async def test_a_replay_streams_recorded_frames(tmp_path):
    frame = {"u": 7, "s": "BTCUSDT", "b": "61685.9", "B": "1.258", "a": "61686.0", "A": "2.448"}
    lines = [f"{1_000 + i} " + json.dumps({"stream": "btcusdt@bookTicker", "data": frame}) for i in range(3)]
    path = tmp_path / "frames.gz"
    path.write_bytes(gzip.compress("\n".join([*lines, "9999 {broken"]).encode()))
    gateway = ReplayGateway([path], instruments=[instrument("binance", "BTC/USDT")])
    await gateway.connect()
    items = await take(gateway, 10)
    assert [(item.ts_ns, item.symbol, item.bid) for item in items] == [
        (1_000 + i, "BTC/USDT", Decimal("61685.9")) for i in range(3)
    ]
    assert gateway.counters()["malformed"] == 1
    [(place, _, _)] = gateway.problems()
    assert place.endswith("frames.gz:4")


async def test_a_paper_gateway_trades_against_its_market():
    gateway = PaperGateway(synthetic(), [instrument()], {"USDT": "100000"})
    await gateway.connect()
    await gateway.subscribe(["BTC/USDT:USDT"])
    quote = next(item for item in await take(gateway, 50) if isinstance(item, Quote))
    order = Order(quote.instrument, OrderSide.BUY, "0.010")
    await gateway.order(order)
    resting = Order(quote.instrument, OrderSide.BUY, "0.010", price="30000.0")
    await gateway.order(resting)
    assert await gateway.cancel(resting.order_id) is True
    await gateway.disconnect()
    reports = [report async for report in gateway.stream_reports()]
    mine = [report for report in reports if report.order_id == order.order_id]
    assert mine[0].status == "ACCEPTED"
    fills = [report for report in mine if report.status == "FILLED"]
    assert sum(report.size for report in fills) == Decimal("0.010")
    fees = sum(report.fee for report in fills)
    notional = sum(report.price * report.size for report in fills)
    assert abs(fees - notional * Decimal("0.0005")) < Decimal("0.00000001") * len(fills)
    assert [report.status for report in reports if report.order_id == resting.order_id] == ["ACCEPTED", "CANCELLED"]
    assert await gateway.positions() == [(quote.instrument, Decimal("0.010"))]
    assert (await gateway.balance())["USDT"] == Decimal(100000) - fees
    queried = await gateway.query_order(order.order_id)
    assert [report.trade_id for report in queried if report.status == "FILLED"] == [r.trade_id for r in fills]


async def test_orders_that_the_venue_cannot_take():
    gateway = PaperGateway(synthetic(), [instrument()], {"USDT": "100000"})
    await gateway.connect()
    with pytest.raises(GatewayError, match="not listed"):
        await gateway.order(Order("ETH/USDT@elsewhere", OrderSide.BUY, 1))
    with pytest.raises(GatewayError, match="more decimals"):
        await gateway.order(Order("BTC/USDT:USDT@synthetic", OrderSide.BUY, "0.0001"))
    assert await gateway.cancel("L" + "0" * 32) is False
    with pytest.raises(TypeError, match="not exact"):
        Order("BTC/USDT:USDT@synthetic", OrderSide.BUY, 0.1)


async def test_real_time_takes_its_time():
    gateway = synthetic(speed=1.0)
    await gateway.connect()
    started = asyncio.get_running_loop().time()
    items = await take(gateway, 8)
    elapsed_s = asyncio.get_running_loop().time() - started
    assert elapsed_s >= (items[-1].ts_ns - items[0].ts_ns) / 1e9 - 0.001
