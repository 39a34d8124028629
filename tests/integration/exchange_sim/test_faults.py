"""Faults of a running exchange, as real clients meet them."""

import asyncio
import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import ccxt
import pytest

from .conftest import LIBRA, Exchange, running

SYMBOL = "BTC/USDT"
UPGRADE = (
    b"GET /ws-api/v3 HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def broken() -> Iterator[Exchange]:
    """An exchange that these tests break."""
    with running() as started:
        yield started


def fault(exchange: Exchange, kind: str, *arguments: str) -> Any:
    command = [str(LIBRA), "exchange-sim", "fault", kind, "--url", exchange.url, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked_for(exchange: Exchange) -> list[tuple[str, int]]:
    with urllib.request.urlopen(f"{exchange.url}/control/requests") as answer:
        return [(row["client_order_id"], row["code"]) for row in json.load(answer)]


@pytest.fixture
def mend(broken: Exchange) -> Iterator[None]:
    yield
    fault(broken, "clear")


async def orders(client: Any) -> dict[str, str]:
    return {one["clientOrderId"]: one["status"] for one in await client.fetch_orders(SYMBOL)}


@pytest.mark.usefixtures("mend")
async def test_requests_fail_are_lost_or_come_late(broken: Exchange, client_of: Callable[..., Any]):
    client = client_of(broken.url, SYMBOL)
    async with asyncio.timeout(60):
        await client.load_markets()
        await client.fetch_balance()
        price = float(client.price_to_precision(SYMBOL, (await client.fetch_ticker(SYMBOL))["bid"] * 0.95))

        async def place(client_id: str) -> Any:
            return await client.create_order(SYMBOL, "limit", "buy", 0.001, price, {"newClientOrderId": client_id})

        fault(broken, "error", "--path", "order", "--method", "POST", "--count", "2")
        with pytest.raises(ccxt.OperationFailed, match="-1001"):
            await place("refused")
        with pytest.raises(ccxt.OperationFailed, match="-1001"):
            await client.create_order_ws(SYMBOL, "limit", "buy", 0.001, price, {"newClientOrderId": "by socket"})
        fault(broken, "lost_answer", "--path", "order", "--count", "1", "--status", "503")
        with pytest.raises(ccxt.OperationFailed, match="-1007"):
            await place("unknown")
        fault(broken, "lost_answer", "--path", "order", "--method", "POST", "--count", "1")
        with pytest.raises(ccxt.NetworkError):
            await place("lost")
        fault(broken, "slow", "--path", "order", "--method", "POST", "--seconds", "3", "--count", "1")
        placing = asyncio.create_task(place("slow"))
        while "slow" not in await orders(client):
            assert not placing.done()
        await placing
        assert await orders(client) == {"unknown": "open", "lost": "open", "slow": "open"}
        taken = [("unknown", 0), ("lost", 0), ("slow", 0)]
        assert asked_for(broken) == [("refused", -1001), ("by socket", -1001), *taken], (
            "what a fault refused was asked for, too"
        )
        fault(broken, "maintenance", "--for", "60")
        with pytest.raises(ccxt.OperationFailed, match="-1001"):
            await client.fetch_balance()


@pytest.mark.usefixtures("mend")
async def test_a_ban_is_a_ban(broken: Exchange, client_of: Callable[..., Any]):
    client = client_of(broken.url, SYMBOL)
    fault(broken, "ban", "--seconds", "1")
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        await client.load_markets()
    assert client.last_response_headers["Retry-After"] == "1"
    fault(broken, "ban", "--seconds", "0")
    await client.load_markets()


@pytest.mark.usefixtures("mend")
async def test_streams_are_cut_and_come_again(broken: Exchange, client_of: Callable[..., Any]):
    client = client_of(broken.url, SYMBOL)
    async with asyncio.timeout(60):
        await client.watch_bids_asks([SYMBOL])
        assert fault(broken, "disconnect", "--stream", "btcusdt@bookTicker")["hits"] == 1
        with pytest.raises(ccxt.NetworkError):
            while True:
                await client.watch_bids_asks([SYMBOL])
        quotes = await client.watch_bids_asks([SYMBOL])
        assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]
        book = await client.watch_order_book(SYMBOL)
        assert book["bids"]
        fault(broken, "depth_gap", "--symbol", "BTCUSDT", "--side", "spot")
        with pytest.raises(ccxt.ChecksumError):
            while True:
                await client.watch_order_book(SYMBOL)


def test_what_cannot_be_broken_is_a_usage_error(broken: Exchange):
    command = [str(LIBRA), "exchange-sim", "fault", "meteor", "--url", broken.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "meteor" in done.stderr) == (2, True)
    command[-1] = "http://127.0.0.1:9"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "does not answer" in done.stderr) == (1, True)


def test_it_does_not_listen_for_others_unless_it_is_told_to():
    command = [str(LIBRA), "exchange-sim", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "--listen-anywhere" in done.stderr) == (2, True)


async def test_a_connection_that_is_cut_while_it_asks_leaves_no_error(broken: Exchange):
    """What the exchange says on standard error is looked at when it ends."""

    async def ask_without_end(socket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                for _ in range(100):
                    await socket.ping()
                await asyncio.sleep(0)

    async with aiohttp.ClientSession() as session:
        for path in ("/ws-api/v3", "/stream/ws", "/ws-fapi/v1"):
            async with session.ws_connect(f"{broken.url}{path}", autoping=False) as socket:
                asking = asyncio.create_task(ask_without_end(socket))
                await socket.receive()
                async with session.post(f"{broken.url}/control/faults", json={"kind": "disconnect"}) as done:
                    assert done.status == 200
                await asyncio.wait_for(asking, 10)
        host, port = broken.url.removeprefix("http://").split(":")
        for _ in range(20):
            # Gone before it was answered.
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(UPGRADE)
            await writer.drain()
            writer.transport.abort()
