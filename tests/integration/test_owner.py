"""Two strategies on one account: neither cancels what is the other's, whatever it asks for and however."""

import pytest
from tests.profiles import BESIDE

OWNER = """
def on_start(self):
    self.id = ""
    self.asked = False

def on_quote(self, quote):
    if not self.asked:
        self.asked = True
        self.submit(quote.symbol, OrderSide.BUY, "0.002", price=quote.bid - 500)

def on_order(self, order):
    self.log.warning("mine of %s is %s", order.size, order.status)
"""

MEDDLER = """
def on_start(self):
    self.own = ""
    self.tried = 0
    self.subscribe(EventType.ORDER_ACCEPTED, self.meddle)

def on_quote(self, quote):
    if not self.own:
        self.own = self.submit(quote.symbol, OrderSide.BUY, "0.003", price=quote.bid - 500)

def meddle(self, event):
    order = event.payload
    if order.strategy == self.name:
        self.cancel(order.order_id)
        return
    # As itself, and as a payload that only looks like a request.
    self.cancel(order.order_id)
    self.emit(EventType.CANCEL_REQUEST, {"account": self.account, "strategy": "mine", "order_id": order.order_id})

def on_refused(self, notice):
    self.log.warning("told: %s", notice.detail)

def on_order(self, order):
    self.log.warning("its own of %s is %s", order.size, order.status)
"""

PACE = {"simulated": ("--speed", "max"), "live": ()}


@pytest.mark.parametrize("clock", ["simulated", "live"])
def test_a_strategy_cancels_its_own_orders_only(shell, clock):
    shell.strategy(MEDDLER, "other.py")
    path = shell.profile(shell.strategy(OWNER), clock=clock, strategy_more=BESIDE)
    ended = shell.run("run", path, "--json", "--duration", "2", *PACE[clock])
    assert ended.code == 0, ended.err
    assert ended.summary["rejections"] == {"NOT_OWNER": 1}
    assert "told: NOT_OWNER: limit strategy mine, value strategy other" in ended.err
    assert "its own of 0.003 is CANCELLED" in ended.err
    assert ended.summary["orders"] == {"ACCEPTED": 1, "CANCELLED": 1}, "what is left at the end is the owner's"
    assert "mine of 0.002 is CANCELLED" not in ended.err
