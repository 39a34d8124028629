"""The order socket of a venue that is not Binance, by CCXT's own class of it: what it keeps of requests."""

import asyncio
import json
from contextlib import suppress

import ccxt
import pytest
from aiohttp import WSMsgType, web
from tests.unit.gateways.ccxt.conftest import until

from libra.gateways.ccxt.guard import Hooks, guarded, paid
from libra.gateways.ccxt.rules import VenueRules
from libra.gateways.ccxt.venue import make_turnstile, require_venue

MARKET = {
    "id": "BTC-USDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "type": "spot",
    "spot": True,
    "active": True,
    "precision": {"price": 0.1, "amount": 0.00001},
    "limits": {"amount": {"min": 0.00001}},
}


class Okx:
    """Logs in, and answers orders as a test says: ``None`` for not at all."""

    def __init__(self):
        self.asked = []
        self.code = "0"

    async def socket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT or message.data == "ping":
                continue
            asked = json.loads(message.data)
            self.asked.append(asked["op"])
            if asked["op"] == "login":
                await socket.send_json({"event": "login", "msg": "", "code": "0", "connId": "1"})
            elif self.code is not None:
                (order,) = asked["args"]
                row = {"ordId": "7", "clOrdId": order.get("clOrdId", ""), "tag": "", "sCode": self.code, "sMsg": "said"}
                code = "0" if self.code == "0" else "1"
                await socket.send_json({"id": asked["id"], "op": asked["op"], "code": code, "msg": "", "data": [row]})
        return socket


@pytest.fixture
async def okx():
    venue = Okx()
    app = web.Application()
    app.add_routes([web.get("/private", venue.socket)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hooks = Hooks(make_turnstile("okx"), VenueRules("okx"), "acct")
    keys = {"apiKey": "k", "secret": "s", "password": "p"}
    exchange = guarded(require_venue("okx"), hooks)({**keys, "enableRateLimit": False})
    exchange.urls["api"]["ws"] = f"ws://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    exchange.set_markets([exchange.safe_market_structure(MARKET)])
    exchange.open()
    client = exchange.client(exchange.get_url("orders", "private"))
    await client.connect(exchange.session)
    yield exchange, venue, client
    await exchange.close()
    await runner.cleanup()


async def test_nothing_is_kept_of_orders_and_cancels_and_a_login_is_made_once(okx):
    exchange, venue, client = okx

    async def order():
        with paid(only_connected=True):
            return await exchange.create_order_ws("BTC/USDT", "limit", "buy", 1, 100)

    for number in range(30):
        venue.code = ["0", "51008", None][number % 3]
        with suppress(ccxt.BaseError, TimeoutError):
            async with asyncio.timeout(0.02 if venue.code is None else 5):
                await order()
    venue.code = "0"
    for _ in range(10):
        with paid(only_connected=True):
            await exchange.cancel_order_ws("7", "BTC/USDT")
    assert (await order())["id"] == "7", "it is the same connection, and answers"
    assert venue.asked.count("login") == 1
    assert len(venue.asked) == 1 + 30 + 10 + 1
    await until(lambda: client.subscriptions.keys() == {"authenticated"})
    assert [kept for kept in client.futures if kept != "authenticated"] == []
