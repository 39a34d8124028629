"""A simulated exchange as a process of its own, and what it says of an account when it is asked directly.

The questions are signed and sent by the standard library: what is compared with ours must not come by our own code.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
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
OPEN = ("NEW", "PARTIALLY_FILLED")


class Exchange:
    """A running exchange."""

    def __init__(self, process):
        line = process.stdout.readline()
        assert line, process.communicate()
        self.url = json.loads(line)["url"]

    def ask(self, method, path, *, who="sim", **params):
        """A signed request; gives the answer, or the venue's code.

        It comes from an address of its own, which a ban of ours does not meet, and is timed by the venue's clock.
        """
        params["timestamp"] = self.control("clock")["server_time_ms"]
        query = urllib.parse.urlencode({**params, "recvWindow": 5_000})
        signature = hmac.new(f"{who}-secret".encode(), query.encode(), hashlib.sha256).hexdigest()
        place = urllib.parse.urlsplit(self.url)
        # Others than Linux have one address of loopback.
        source = ("127.0.0.2", 0) if sys.platform == "linux" else None
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10, source_address=source)
        with contextlib.closing(connection):
            connection.request(method, f"{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": f"{who}-key"})
            answer = connection.getresponse()
            said = json.loads(answer.read(), parse_float=str)
        return said if answer.status == 200 else said["code"]

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

    def control(self, path, fault=None, *, method=None):
        """What the exchange knows, or a fault that it is to have."""
        body = None if fault is None else json.dumps(fault).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def clear(self):
        """Ends all faults."""
        self.control("faults", method="DELETE")

    def resting(self, market):
        """What is open, told by the exchange itself: a fault does not meet that."""
        rows = self.control("orders?account=sim")
        return [row for row in rows if row["side_of_venue"] == market and row["status"] in OPEN]

    def asked(self, market):
        """Client ids of all orders that the account has asked for there, as often as it did."""
        rows = self.control("requests")
        return [row["client_order_id"] for row in rows if (row["account"], row["side"]) == ("sim", market)]

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
        assert process.returncode == 0, said
        assert not said, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
