"""Two requests under one id that ask for different things: the first one's order is all that anybody sees of it."""

from decimal import Decimal

ASKS_TWICE = """
def on_start(self):
    self.asked = False
    self.subscribe(EventType.ORDER_REQUEST_REJECTED, self.on_conflict)

def on_quote(self, quote):
    if not self.asked:
        self.asked = True
        context, instrument = self._context, self.instruments[quote.symbol].id
        for size in ("0.020", "0.050"):
            context.core.emit_order_request(
                context.slot, self.account, instrument, OrderSide.BUY, size, None, "IOC", 0, 7
            )

def on_order(self, order):
    self.log.warning("order of %s is %s", order.size, order.status)

def on_conflict(self, event):
    self.log.warning("%s %s: %s", event.instrument, event.payload.code, event.payload.detail)
"""


def test_whoever_asks_for_something_else_is_told_so_and_the_order_goes_on(shell):
    path = shell.profile(shell.strategy(ASKS_TWICE), clock="simulated")
    ended = shell.run("run", path, "--speed", "max", "--duration", "1", "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["rejections"] == {"REQUEST_CONFLICT": 1}
    assert ended.summary["events"]["ORDER_REQUEST_REJECTED"] == 1
    assert "ORDER_REJECTED" not in ended.summary["events"]
    assert "BTC/USDT:USDT@synthetic REQUEST_CONFLICT: L" in ended.err
    assert "was requested with other content" in ended.err
    told = [line.partition("order of ")[2] for line in ended.err.splitlines() if "order of " in line]
    assert told == [f"0.020 is {status}" for status in ("NEW", "SUBMITTED", "ACCEPTED", "FILLED")]
    [held] = ended.summary["positions"]
    assert Decimal(held["size"]) == Decimal("0.020")
