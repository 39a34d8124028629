"""A simulated exchange as a process of its own, and what it says of an account when it is asked directly.

The questions are signed and sent by the standard library: what is compared with ours must not come by our own code.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from pathlib import Path

LIBRA = Path(sys.executable).parent / "libra"
KEYS = {"LIBRA_SIM_KEY": "sim-key", "LIBRA_SIM_SECRET": "sim-secret"}
PATHS = {
    "spot": ("/api/v3", "myTrades", "BTCUSDT"),
    "linear": ("/fapi/v1", "userTrades", "BTCUSDT"),
}


class Exchange:
    """A running exchange."""

    def __init__(self, process):
        line = process.stdout.readline()
        assert line, process.communicate()
        self.url = json.loads(line)["url"]

    def ask(self, method, path, *, who="sim", **params):
        """A signed request; gives the answer, or the venue's code."""
        query = urllib.parse.urlencode({**params, "timestamp": int(time.time() * 1e3), "recvWindow": 5_000})
        signature = hmac.new(f"{who}-secret".encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.url}{path}?{query}&signature={signature}"
        request = urllib.request.Request(url, method=method, headers={"X-MBX-APIKEY": f"{who}-key"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read(), parse_float=str)
        except urllib.error.HTTPError as error:
            return json.loads(error.read())["code"]

    def fills(self, market):
        """All executions of the account there: trade id, price, size, fee."""
        base, trades, symbol = PATHS[market]
        rows = self.ask("GET", f"{base}/{trades}", symbol=symbol, limit=1000)
        assert len(rows) < 1_000, "one page is enough for a test"
        return sorted(
            (int(row["id"]), Decimal(row["price"]), Decimal(row["qty"]), Decimal(row["commission"])) for row in rows
        )

    def open_orders(self, market):
        """Client ids of what is open."""
        return sorted(row["clientOrderId"] for row in self.orders(market))

    def orders(self, market):
        """What is open."""
        base, _, symbol = PATHS[market]
        return self.ask("GET", f"{base}/openOrders", symbol=symbol)

    def control(self, path, fault=None):
        """What the exchange knows, or a fault that it is to have."""
        body = None if fault is None else json.dumps(fault).encode()
        with urllib.request.urlopen(f"{self.url}/control/{path}", body, timeout=10) as answer:
            return json.loads(answer.read())

    def traded(self, market):
        """All executions of the account there, by its raw log: order, trade id, price, size, fee."""
        rows = [row for row in self.control("trades?account=sim")["trades"] if row["side"] == market]
        numbers = [[Decimal(row[key]) for key in ("price", "quantity", "fee")] for row in rows]
        return sorted((row["client_order_id"], row["trade_id"], *more) for row, more in zip(rows, numbers, strict=True))

    def cancel(self, market, order_id):
        base, _, symbol = PATHS[market]
        return self.ask("DELETE", f"{base}/order", symbol=symbol, origClientOrderId=order_id)


@contextlib.contextmanager
def exchange(*arguments):
    """An exchange on any free port, which ends well."""
    command = [str(LIBRA), "exchange-sim", "--json", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Exchange(process)
        process.terminate()
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
