"""What a strategy says of a market, in a run of two nodes: everybody may hear it, and no account believes it."""

import pytest
from tests.cluster.conftest import TWO_NODES
from tests.integration.conftest import LOG, synthetic

SAYS = """
def on_start(self):
    self.quote, self.said = None, 0
    self.set_timer("go", 1.0, interval_s=0.1)

def on_quote(self, quote):
    if self.quote is None:
        self.quote = quote

def on_timer(self, name):
    from libra.model import Quote, Trade
    if self.quote is None:
        return
    name = self.quote.instrument
    self.emit(EventType.QUOTE, Quote(name, "90000.0", "90000.1", "1", "1"))
    self.emit(EventType.TRADE, Trade(name, "90000.0", "500"))
    self.said += 1
    if self.said == 5:
        self.submit(self.quote.symbol, OrderSide.BUY, "0.010", price="90000.0")
    if self.said == 10:
        self.submit(self.quote.symbol, OrderSide.BUY, "0.300")
"""
RISK = 'price_collar_pct = "1"\nmax_participation_pct = "1"\nmax_daily_loss = "2000"\nmax_quote_age_ms = 5000\n'


@pytest.mark.parametrize("nodes", ["", TWO_NODES], ids=["one", "two"])
def test_no_order_passes_risk_by_what_its_strategy_says_of_the_market(shell, nodes):
    profile = shell.profile(
        shell.strategy(SAYS), strategy_more=nodes, clock="live", account=LOG, risk=RISK, market=synthetic(10, 2, 1)
    )
    ended = shell.start("run", profile, "--json", "--duration", "4").end(60)
    assert (ended.code, ended.summary["stopped"]) == (0, {}), ended.err
    assert set(ended.summary["rejections"]) <= {"PRICE_COLLAR", "PARTICIPATION_LIMIT", "NO_VOLUME"}
    assert sum(ended.summary["rejections"].values()) == 2
    assert ended.summary["fills"] == 0
