"""Hand-written answers of Binance (`fake_binance`) on a thread of their own, for nodes in processes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

from tests.unit.gateways.ccxt.fake_binance import FakeBinance

PROFILE = """
[node]
name = "test"
log_level = "debug"

[market]
kind = "ccxt"
venue = "binance"
redirect = "{url}"
symbols = ["BTC/USDT"]
books = false

[[instruments]]
symbol = "BTC/USDT"
venue = "binance"
kind = "spot"
price_decimals = 2
size_decimals = 5
tick_size = "0.01"
lot_size = "0.00001"
max_size = "9000"
min_notional = "5"
maker_fee = "0"
taker_fee = "0"

[risk]
max_position_notional = "50000"
max_order_notional = "20000"
max_daily_loss = "1000"

[[account_groups]]
name = "spot"
gateway = {{ kind = "ccxt", venue = "binance", redirect = "{url}", api_key_env = "TEST_KEY", \
secret_env = "TEST_SECRET", websocket_orders = false }}
log = {{ path = "gate.log", resume = true }}
sizing = {{ kind = "fixed_notional", value = "50" }}

[[strategies]]
name = "mine"
class = "{strategy}"
account = "spot"
symbols = ["BTC/USDT"]
{more}
"""


@contextmanager
def serving():
    """A venue that quotes, and fills what it takes."""
    loop = asyncio.new_event_loop()
    fake = FakeBinance()
    ready, over = threading.Event(), asyncio.Event()

    async def serve():
        await fake.start()
        ready.set()
        number = 100
        while not over.is_set():
            number += 1
            await fake.market_event("bookTicker", u=number, s="BTCUSDT", b="100.00", B="5", a="100.01", A="5")
            for order in [order for order in fake.orders.values() if order["status"] == "NEW"]:
                size = order["origQty"]
                order |= {"status": "FILLED", "executedQty": size}
                trade = {"id": number, "orderId": order["orderId"], "symbol": "BTCUSDT", "qty": size, "price": "100.01"}
                trade |= {"isBuyer": order["side"] == "BUY", "isMaker": False, "time": fake.now_ms()}
                fake.trades.append({**trade, "commission": "0", "commissionAsset": "USDT"})
                told = fake.report(order["clientOrderId"], "FILLED", "TRADE", t=number, l=size, L="100.01")
                await fake.user_event(**{**told, "i": order["orderId"]})
            await asyncio.sleep(0.02)
        await fake.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
