"""What a venue lists otherwise than the profile: refused at the start, and told beside a market that is traded."""

import asyncio
import logging

import pytest
from tests.unit.gateways.ccxt.conftest import listed, until
from tests.unit.gateways.ccxt.test_gateway import ID, order, told

from libra.errors import ConfigError, GatewayError
from libra.gateways.ccxt import gateway as gateway_module

BREAK = {"status": "BREAK"}
COARSER = {"filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.05", "minPrice": "0.05", "maxPrice": "1000000"}]}


def listings(venue):
    return [what for what, _ in venue.requests].count("exchangeInfo")


async def test_every_difference_of_an_instrument_is_told(connect):
    wrong = listed(tick_size="0.015", price_decimals=3, min_notional="1", max_size="10000")
    with pytest.raises(ConfigError) as refused:
        await connect([wrong])
    for part in ("tick_size is 0.015", "min_notional is 1", "max_size is 10000"):
        assert part in str(refused.value)


async def test_decimals_that_cannot_hold_the_venues_prices_are_refused(connect):
    coarse = {"price_decimals": 1, "tick_size": "0.1", "size_decimals": 4, "lot_size": "0.0001", "min_size": "0.0001"}
    with pytest.raises(ConfigError) as refused:
        await connect([listed(**coarse)])
    assert "price_decimals is 1, too few for the venue's tick_size 0.01, which needs 2" in str(refused.value)
    assert "size_decimals is 4, too few for the venue's lot_size 0.00001, which needs 5" in str(refused.value)
    await connect([listed(tick_size="0.10", lot_size="0.00100", min_size="0.00100")])


@pytest.mark.parametrize(
    ("otherwise", "why"),
    [
        ([BREAK], "the venue does not trade it at the moment"),
        ([COARSER], "tick_size is 0.01, no multiple of the venue's 0.05"),
        ([{"symbol": "ETHUSDT", "baseAsset": "ETH"}], "the venue does not list it"),
    ],
)
async def test_what_changes_while_it_is_traded_stops_its_new_orders_alone(
    connect, venue, caplog, monkeypatch, otherwise, why
):
    venue.listed = otherwise
    with pytest.raises(ConfigError):
        await connect()
    monkeypatch.setattr(gateway_module, "_CLOCK_EVERY_S", 0.05)
    monkeypatch.setattr(gateway_module, "_CLOCK_PAUSE_S", 0.01)
    gateway = await connect(strict=False)
    told_of = [record for record in caplog.records if record.levelno == logging.ERROR and why in record.getMessage()]
    assert len(told_of) == 1
    turn = await gateway.turn(within_s=1, wanted=lambda: True)
    assert await gateway.order(order(), turn) is None
    (report,) = await told(gateway, 1)
    assert (report.status, report.reason, report.detail) == ("REJECTED", "LISTING_CHANGED", why)
    assert not [what for what, _ in venue.requests if "order" in what], "it has not left"
    assert turn.state == "WITHDRAWN", "its turn is somebody else's"

    asked = listings(venue)
    await until(lambda: listings(venue) > asked)
    venue.listed = [{}]
    await until(lambda: "lists BTC/USDT as the profile does again" in caplog.text)
    assert len([record for record in caplog.records if why in record.getMessage()]) == 1, "it is told once"
    assert await gateway.order(order()) == "1000"
    asked = listings(venue)
    await asyncio.sleep(0.2)
    assert listings(venue) == asked, "nobody asks any more"


async def test_what_is_open_can_be_cancelled_though_its_market_stands_still(connect, venue):
    await (await connect()).order(order())
    venue.listed = [BREAK]
    gateway = await connect(strict=False, known=lambda _: order())
    assert await gateway.cancel(ID) is True
    assert venue.orders[ID]["status"] == "CANCELED"


async def test_markets_that_cannot_be_read_again_are_told_and_read_later(connect, venue, caplog, monkeypatch):
    monkeypatch.setattr(gateway_module, "_CLOCK_EVERY_S", 0.05)
    monkeypatch.setattr(gateway_module, "_CLOCK_PAUSE_S", 0.01)
    venue.listed = [BREAK]
    await connect(strict=False)
    venue.listed = [7]
    await until(lambda: "its markets could not be read again" in caplog.text)
    venue.listed = [{}]
    await until(lambda: "lists BTC/USDT as the profile does again" in caplog.text)


async def test_market_data_of_a_symbol_that_is_gone_is_no_end_of_the_others(connect, venue):
    both = [listed(), listed()]
    gateway = await connect(both, credentials=None)
    with pytest.raises(GatewayError, match="does not list ETH/USDT"):
        await gateway.subscribe(["BTC/USDT", "ETH/USDT"])
    gateway = await connect(both, credentials=None, strict=False)
    await gateway.subscribe(["BTC/USDT", "ETH/USDT"])
    await until(lambda: venue.market_sockets)
