import asyncio

import pytest
from tests.unit.gateways.ccxt.fake_binance import FakeBinance

from libra.gateways.ccxt import CcxtGateway, CcxtOptions, Credentials, make_turnstile
from libra.model import ContractKind, Instrument

KEYS = Credentials("the-api-key", "the-secret-of-it")


async def until(holds):
    """Waits for what is on its way through sockets."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the other end is a server, not a task of ours
            await asyncio.sleep(0.005)


def listed(**changed):
    terms = {
        "base": "BTC",
        "quote": "USDT",
        "price_decimals": 2,
        "size_decimals": 5,
        "tick_size": "0.01",
        "lot_size": "0.00001",
        "kind": ContractKind.SPOT,
        "min_size": "0.00001",
        "max_size": "9000",
        "min_notional": "5",
    }
    return Instrument("BTC/USDT", "binance", **{**terms, **changed})


@pytest.fixture
async def venue():
    fake = await FakeBinance().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def connect(venue):
    """Connects a gateway; keywords are options."""
    made = []

    async def connect(instruments=(), *, credentials=KEYS, known=None, strict=True, connected=True, **options):
        options = {"timeout_ms": 2_000, **options}
        options = CcxtOptions("binance", redirect=venue.url, credentials=credentials, account="a", **options)
        turnstile = make_turnstile("binance")
        gateway = CcxtGateway(options, turnstile, instruments or [listed()], known=known, strict=strict)
        made.append(gateway)
        if connected:
            await gateway.connect()
        return gateway

    yield connect
    for gateway in made:
        await gateway.disconnect()
