"""The stream of reports of a USD-M account is there for longer than its listen key is good for."""

import asyncio

from tests.integration.ccxt_gateway.venue import exchange
from tests.integration.ccxt_gateway.world import VENUE

from libra.gateways.ccxt import CcxtGateway, CcxtOptions, Credentials, make_turnstile, user_stream


async def test_the_stream_of_reports_outlives_its_listen_key(tmp_path, monkeypatch):
    monkeypatch.setattr(user_stream, "_KEEP_KEY_S", 0.5)
    config = tmp_path / "venue.toml"
    # Longer than a test may be held up between two of its requests.
    text = VENUE.format(funding_s=28_800).replace("[limits]", "[limits]\nlisten_key_s = 3")
    config.write_text(text, encoding="utf-8")
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
