"""What one strategy sets or changes for itself, in a real run: another one's orders are those of a run without it."""

import pyarrow.parquet as pq
import pytest
from tests.integration.hostile import SECOND

PRICES = """\
from decimal import Decimal

from libra.model import OrderSide
from libra.strategies import Strategy


class Victim(Strategy):
    \"\"\"Bids below the bid and asks above the ask, by its own sums.\"\"\"

    def on_start(self):
        self.quotes = 0

    def on_quote(self, quote):
        self.quotes += 1
        if self.quotes % 10 == 0:
            size = (Decimal(600) / quote.ask).quantize(Decimal("0.001"))
            self.submit(quote.symbol, OrderSide.BUY, size, price=quote.bid - Decimal("0.1"))
            self.submit(quote.symbol, OrderSide.SELL, size, price=quote.ask + Decimal("0.1"))
"""
ENTRY = '\n[[strategies]]\nname = "{name}"\nclass = "other.py:{name}"\naccount = "paper"\nsymbols = ["BTC/USDT:USDT"]\n'


@pytest.fixture
def orders(shell):
    """Runs a strategy beside the one that sums; gives that one's orders, and the end of the process."""
    (shell.folder / "victim.py").write_text(PRICES, encoding="utf-8")

    def orders(body, prelude=""):
        path = shell.strategy(body)
        file = shell.folder / path.partition(":")[0]
        file.write_text(prelude + file.read_text(encoding="utf-8"), encoding="utf-8")
        profile = shell.profile(path, strategy_more=SECOND, clock="simulated", node="duration_s = 3")
        ended = shell.start("run", profile, "--json", "--out", shell.folder / "out", "--speed", "max").end(60)
        assert (ended.code, ended.summary["failed"], ended.summary["errors"]) == (0, [], 0), ended.err
        rows = pq.read_table(shell.folder / "out" / "orders.parquet", columns=["side", "price", "size", "strategy"])
        return [row for row in rows.to_pylist() if row["strategy"] == "victim"], ended

    return orders


HOWS = {
    "on_start": "def on_start(self):\n    import decimal\n    decimal.getcontext().prec = 4",
    "handler": "async def on_quote(self, quote):\n    import decimal\n    decimal.setcontext(decimal.Context(prec=3))",
    "task": """
def on_start(self):
    self.task = asyncio.get_running_loop().create_task(self.sums())
async def sums(self):
    import decimal
    while True:
        decimal.getcontext().prec = 3
        await self.clock.sleep(0.01)
""",
}


def test_decimals_of_one_are_no_others(orders):
    alone, _ = orders("pass")
    assert len(alone) > 4
    for body in HOWS.values():
        assert orders(body)[0] == alone
    beside, ended = orders("pass", "import decimal\n\ndecimal.getcontext().prec = 4\ndecimal.DefaultContext.prec = 4\n")
    assert beside == alone
    assert "changes prec, DefaultContext.prec of decimal when it is imported: that holds for no actor" in ended.err


def test_a_fresh_instance_has_the_profiles_parameters(shell):
    body = """
def on_start(self):
    self.log.warning("began with %r", self.params)
    self.quotes = 0

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes == 5:
        self.params["levels"].pop()
        self.params["map"]["x"] = 99
        raise ValueError("no")
"""
    params = "params = { levels = [1, 2, 3], map = { x = 1 } }"
    terms = {"clock": "simulated", "node": "duration_s = 3"}
    profile = shell.profile(shell.strategy(body), strategy_more=params, **terms)
    ended = shell.start("run", profile, "--json", "--speed", "max").end(60)
    begins = [line.partition("began with ")[2] for line in ended.err.splitlines() if "began with" in line]
    assert begins == ["{'levels': [1, 2, 3], 'map': {'x': 1}}"] * 4


OTHERS = """
from libra.core.events import EventType
from libra.strategies import Strategy


class First(Strategy):
    def on_start(self):
        self.subscribe(EventType.SIGNAL, self.see)

    def see(self, event):
        event.payload["size"] = 1000


class Second(First):
    def see(self, event):
        self.log.warning("it is %r", event.payload)
"""


def test_an_object_that_is_published_is_handed_over_itself(shell):
    """As docs/actors.md says of payloads of one's own; what is said there is to be mended with this."""
    (shell.folder / "other.py").write_text(OTHERS, encoding="utf-8")
    body = """
def on_quote(self, quote):
    if not hasattr(self, "sent"):
        self.sent = self.emit(EventType.SIGNAL, {"size": 1})
"""
    more = "".join(ENTRY.format(name=name) for name in ("First", "Second"))
    terms = {"clock": "simulated", "node": "duration_s = 1"}
    profile = shell.profile(shell.strategy(body), strategy_more=more, **terms)
    ended = shell.start("run", profile, "--json", "--speed", "max").end(60)
    assert "it is {'size': 1000}" in ended.err
