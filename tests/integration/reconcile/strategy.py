"""A strategy that has as many orders accepted as a file says: resting ones, or bought at the market."""

from pathlib import Path

from libra.model import OrderSide
from libra.strategies import Strategy

SYMBOL = "BTC/USDT:USDT"


class Asker(Strategy):
    """Params: ``wanted``, a file with how many orders of this life there shall be and ``rest`` or ``buy``."""

    def on_start(self):
        self.accepted = 0
        self.under_way = None
        self.quotes = 0

    def on_quote(self, quote):
        self.quotes += 1
        wanted = Path(self.params["wanted"])
        if self.under_way is not None or self.quotes % 20 or not wanted.exists():
            return
        count, how = wanted.read_text(encoding="utf-8").split()
        if self.accepted < int(count):
            price = "99.0" if how == "rest" else None
            self.under_way = self.submit(SYMBOL, OrderSide.BUY, "0.020", price=price)

    def on_order(self, order):
        if order.order_id == self.under_way and order.status in ("ACCEPTED", "FILLED", "REJECTED"):
            self.accepted += order.status != "REJECTED"
            self.under_way = None
