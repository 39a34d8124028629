"""The stream of reports of a USD-M account is there for longer than its listen key is good for."""

import asyncio

from tests.integration.ccxt_gateway.venue import exchange

from libra.gateways.ccxt import CcxtGateway, CcxtOptions, Credentials, make_turnstile, user_stream

# Longer than a test may be held up between two of its requests.
VENUE = """
[limits]
listen_key_s = 3
[[markets]]
symbol = "BTC/USDT:USDT"
start_price = 60000
tick_size = 0.1
lot_size = 0.001
[[accounts]]
name = "sim"
api_key = "sim-key"
secret = "sim-secret"
linear = { USDT = 1000 }
"""


async def test_the_stream_of_reports_outlives_its_listen_key(tmp_path, monkeypatch):
    monkeypatch.setattr(user_stream, "_KEEP_KEY_S", 0.5)
    config = tmp_path / "venue.toml"
    config.write_text(VENUE, encoding="utf-8")
    with exchange("--config", config) as sim:
        keys = Credentials("sim-key", "sim-secret")
        options = CcxtOptions("binance", market="swap", redirect=sim.url, credentials=keys, account="a")
        gateway = CcxtGateway(options, make_turnstile("binance"))
        await gateway.connect()
        try:
            reports = asyncio.create_task(anext(gateway.stream_reports()))
            done, _ = await asyncio.wait([reports], timeout=4.0)
            assert not done, reports.exception()
            assert gateway.is_connected
            reports.cancel()
        finally:
            await gateway.disconnect()
