"""Signatures by key, limits and user streams of a configured exchange, as real clients meet them."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .conftest import Exchange, running

pytestmark = pytest.mark.filterwarnings("default")

CONFIG = """
[limits]
spot_weight = 400
ban_after = 3
ban_s = 300
linear_orders_10s = 4
[[markets]]
symbol = "BTC/USDT"
start_price = 60000
tick_size = 0.01
lot_size = 0.00001
[[markets]]
symbol = "BTC/USDT:USDT"
start_price = 60000
tick_size = 0.1
lot_size = 0.001
[[accounts]]
name = "keyed"
api_key = "keyed"
public_key = '''{key}'''
spot = {{ USDT = 10000 }}
linear = {{ USDT = 10000 }}
"""


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def keyed(key: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    path: Path = tmp_path_factory.mktemp("exchange") / "exchange.toml"
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    path.write_text(CONFIG.format(key=public), encoding="utf-8")
    with running("--config", str(path)) as started:
        yield started


@pytest.fixture
def credentials(key: Ed25519PrivateKey) -> dict[str, str]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"apiKey": "keyed", "secret": pem}


async def test_ed25519_signs_orders_and_user_streams_everywhere(
    keyed: Exchange, client_of: Callable[..., Any], credentials: dict[str, str]
):
    for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
        client = client_of(keyed.url, symbol, **credentials)
        async with asyncio.timeout(60):
            await client.load_markets()
            balance = await client.fetch_balance()
            assert balance["USDT"]["total"] <= 10_000
            watching = asyncio.create_task(client.watch_orders(symbol))
            while not any("ws-api" in url or "private" in url for url in client.clients):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await client.create_order_ws(symbol, "market", "buy", 0.01)
            bought = await client.create_order(symbol, "market", "sell", 0.005)
            assert bought["filled"] == 0.005
            assert (await watching)[0]["symbol"] == symbol


async def test_weight_is_told_refused_and_then_banned(keyed: Exchange, client_of: Callable[..., Any]):
    client = client_of(keyed.url, "BTC/USDT")
    async with asyncio.timeout(60):
        await client.load_markets()
        assert int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) >= 20
        said = set()
        while "418" not in said:
            try:
                await client.fetch_order_book("BTC/USDT", 1_000)
            except ccxt.DDoSProtection as error:
                said.add(str(error).split()[1])
                assert int(client.last_response_headers["Retry-After"]) >= 1
        assert said == {"429", "418"}


async def test_too_many_orders_are_refused(keyed: Exchange, client_of: Callable[..., Any], credentials: dict[str, str]):
    client = client_of(keyed.url, "BTC/USDT:USDT", **credentials)
    async with asyncio.timeout(60):
        await client.load_markets()
        with pytest.raises(ccxt.DDoSProtection, match="-1015"):
            while True:
                await client.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 50_000)
        assert int(client.last_response_headers["Retry-After"]) >= 1
