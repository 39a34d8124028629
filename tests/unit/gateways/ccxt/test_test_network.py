"""A venue's test network, without touching it: each private request is signed, and would go there and nowhere else."""

import asyncio
from types import SimpleNamespace
from urllib.parse import urlsplit

import ccxt
import pytest

from libra.gateways.ccxt import CcxtOptions, Credentials, make_turnstile
from libra.gateways.ccxt import venue as module
from libra.gateways.ccxt.shown import account_gateway
from libra.model import Order

ID = "L" + "ab" * 16
HOSTS = {"spot": "testnet.binance.vision", "swap": "demo-fapi.binance.com"}
SOCKETS = {
    "spot": {"stream.testnet.binance.vision", "ws-api.testnet.binance.vision"},
    "swap": {"fstream.binancefuture.com", "testnet.binancefuture.com"},
}
SYMBOLS = {"spot": "BTC/USDT", "swap": "BTC/USDT:USDT"}


@pytest.fixture
def sent(monkeypatch):
    """What would leave: method, address, and whether it is signed."""
    seen = []
    real = module.guarded

    def offline(exchange_class, hooks):
        guarded = real(exchange_class, hooks)

        async def fetch(self, url, method="GET", headers=None, body=None):
            seen.append((method, url, "signature=" in f"{url}{body}"))
            raise ccxt.NetworkError("nothing leaves this machine")

        async def load_markets(self, *args, **named):
            steps = {"amount": "0.001", "price": "0.1"}
            types = {"orderTypes": ["LIMIT", "MARKET"]}
            row = {"id": "BTCUSDT", "base": "BTC", "quote": "USDT", "active": True, "precision": steps, "info": types}
            kinds = dict.fromkeys(("spot", "margin", "swap", "future", "option", "contract", "inverse"), False)
            spot = {**row, **kinds, "symbol": "BTC/USDT", "type": "spot", "spot": True}
            swap = {**row, **kinds, "symbol": "BTC/USDT:USDT", "settle": "USDT", "type": "swap", "swap": True}
            contract = {"contract": True, "linear": True, "contractSize": "1"}
            self.set_markets([self.safe_market_structure(market) for market in (spot, {**swap, **contract})])
            return self.markets

        async def fetch_time(self, *args):
            return self.milliseconds()

        guarded.fetch, guarded.load_markets, guarded.fetch_time = fetch, load_markets, fetch_time
        return guarded

    monkeypatch.setattr(module, "guarded", offline)
    return seen


@pytest.mark.parametrize("market", ["spot", "swap"])
async def test_every_private_request_is_signed_for_the_test_network(sent, market):
    keys = Credentials("key" * 10, "secret" * 10)
    options = CcxtOptions("binance", market=market, testnet=True, credentials=keys, use_websocket_orders=False)
    known = SimpleNamespace(order_id=ID, symbol=SYMBOLS[market], venue_order_id="7", filled=0)
    gateway = account_gateway(options, make_turnstile("binance"), known=lambda order_id: known)
    await gateway._venue.open()
    try:
        order = Order(f"{SYMBOLS[market]}@binance", "BUY", "1.000", price="100.0", order_id=ID)
        asks = {
            "order": lambda: gateway.order(order),
            "cancel": lambda: gateway.cancel(ID),
            "query": lambda: gateway.query_order(ID),
            "open_orders": gateway.open_orders,
            "account_state": gateway.account_state,
            "executions": lambda: gateway._venue.exchange.fetch_my_trades(SYMBOLS[market]),
            "balance": gateway.balance,
            "positions": gateway.positions,
        }
        if market == "swap":
            # Of spot it is asked for by a WebSocket.
            asks["listen_key"] = lambda: gateway._venue.exchange.authenticate(gateway._user._params())
            asks["flows"] = lambda: gateway.flows_since(gateway._venue.venue_now_ns())
        for name, ask in asks.items():
            before = len(sent)
            (failed,) = await asyncio.gather(ask(), return_exceptions=True)
            assert not isinstance(failed, Exception) or "nothing leaves this machine" in str(failed), (
                f"{name}: {failed}"
            )
            # Spot has no positions.
            assert len(sent) > before or (name, market) == ("positions", "spot"), name
        private = [entry for entry in sent if "listenKey" not in entry[1]]
        assert all(is_signed for _, _, is_signed in private)
        assert {urlsplit(url).hostname for _, url, _ in sent} == {HOSTS[market]}
        sockets = gateway._venue.exchange.urls["api"]["ws"]
        used = "linear" if market == "swap" else "spot"
        assert {urlsplit(sockets[used]).hostname, urlsplit(sockets["ws-api"][used]).hostname} == SOCKETS[market]
    finally:
        await gateway.disconnect()
