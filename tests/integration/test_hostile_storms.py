"""One strategy's storm leaves the others of its account their part: of open orders, of queues, of cancels that wait."""

import re

import pytest
from tests.integration.hostile import RATES, run_beside

RESTS = """
def on_quote(self, quote):
    for _ in range(5):
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price="59300.0")
"""

RESTS_AND_CLOSES = """
def on_start(self):
    self.quotes = self.closed = 0

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.005")
    for _ in range(5):
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price="59300.0")
    if self.quotes in (50, 60, 70):
        self.submit(quote.symbol, OrderSide.SELL, "0.001")

def on_fill(self, fill):
    self.closed += fill.side == OrderSide.SELL
    if self.closed == 3:
        self.log.warning("closed three times behind its own storm")
"""

BURSTS = """
def on_start(self):
    self.bursts = 0
    self.set_timer("burst", 0.5, interval_s=1.5)

def on_timer(self, name):
    self.bursts += 1
    if self.bursts > 2:
        return
    taken = sum(self.submit("BTC/USDT:USDT", OrderSide.BUY, "0.001") is not None for _ in range(90_000))
    self.log.warning(f"taken {taken} of 90000")
"""

CANCELS_WHAT_NOBODY_KNOWS = """
def on_start(self):
    self.set_timer("cancel", 1.0)

def on_timer(self, name):
    for number in range(11_000):
        self.cancel(f"L{number:032x}")
"""

STORMS_AND_COUNTS = """
def on_start(self):
    import sys

    self.heard, self.board = 0, sys.modules
    self.set_timer("burst", 0.5, interval_s=0.5)

def on_timer(self, name):
    for _ in range(10_000):
        self.submit("BTC/USDT:USDT", OrderSide.BUY, "0.001")

def on_order(self, order):
    self.heard += 1
    self.board["mine.heard"] = self.heard
"""

LISTENS = """\
import sys

from libra.model import OrderSide
from libra.strategies import Strategy


class Victim(Strategy):
    \"\"\"How much another strategy is told between its own request and the first word about that.\"\"\"

    def on_start(self):
        self.asked, self.waited = {}, []

    def on_quote(self, quote):
        self.asked[self.submit(quote.symbol, OrderSide.BUY, "0.001")] = sys.modules.get("mine.heard", 0)

    def on_order(self, order):
        before = self.asked.pop(order.order_id, None)
        if before is not None:
            self.waited.append(sys.modules.get("mine.heard", 0) - before)

    def on_stop(self):
        self.log.warning(f"waited for {max(self.waited)} of {sys.modules['mine.heard']}, of {len(self.waited)} orders")
"""

TAKES_BACK = """\
from libra.model import OrderSide
from libra.strategies import Strategy


class Victim(Strategy):
    \"\"\"Asks for an order and takes it back at once.\"\"\"

    def on_quote(self, quote):
        self.cancel(self.submit(quote.symbol, OrderSide.BUY, "0.010"))
"""


@pytest.fixture
def run(shell):
    return run_beside(shell)


@pytest.mark.parametrize("limit", ["max_open_orders", "max_orders_per_instrument"])
def test_one_that_rests_orders_without_end_leaves_the_other_its_part(run, limit):
    simulated = ("--speed", "max", "--duration", "6")
    alone = run("pass", *simulated)[1]
    ended, fills = run(RESTS, *simulated, risk=f"{limit} = 12")
    assert fills == alone
    assert len(fills) > 15
    code = {"max_open_orders": "OPEN_ORDERS_LIMIT", "max_orders_per_instrument": "INSTRUMENT_ORDERS_LIMIT"}[limit]
    assert ended.summary["rejections"][code] > 500


def test_one_that_rests_orders_without_end_may_still_close_what_it_holds(run):
    ended, _fills = run(RESTS_AND_CLOSES, "--speed", "max", "--duration", "6", risk="max_open_orders = 12")
    assert "closed three times behind its own storm" in ended.err, ended.err


def test_a_burst_of_requests_fills_no_queue_of_the_others(run):
    ended, fills = run(BURSTS, "--duration", "5", clock="live", risk=RATES, node="drain_timeout_s = 30")
    assert ended.code == 0, ended.err
    taken = [int(line.split("taken ")[1].split()[0]) for line in ended.err.splitlines() if " of 90000" in line]
    # A fifth of a lane of 65,536, and what was handled meanwhile; the rest of it is refused where it is asked for.
    assert len(taken) == 2
    assert all(0 < count < 30_000 for count in taken), taken
    assert ended.summary["dead_letters"]["REFUSED"] > 90_000
    assert "REFUSED at mine" in ended.err
    assert "at victim" not in ended.err
    assert "PRESSURE" not in ended.summary["rejections"]
    assert len(fills) >= 8


def test_a_storm_of_refusals_is_waited_for_by_nobody_else(run, shell):
    (shell.folder / "victim.py").write_text(LISTENS, encoding="utf-8")
    ended, _fills = run(STORMS_AND_COUNTS, "--duration", "4", clock="live", risk=RATES, node="drain_timeout_s = 30")
    assert ended.code == 0, ended.err
    word = next(line for line in ended.err.splitlines() if "waited for " in line)
    waited, heard, orders = (int(number) for number in re.findall(r"\d+", word.partition("waited for")[2]))
    assert heard > 30_000, word
    assert orders > 50, word
    # Some turns of the loop at most, and not what stood in the queue before it.
    assert waited < 2_000, word


def test_cancels_of_what_nobody_knows_let_no_order_go_that_another_takes_back(run, shell):
    (shell.folder / "victim.py").write_text(TAKES_BACK, encoding="utf-8")
    ended, fills = run(CANCELS_WHAT_NOBODY_KNOWS, "--duration", "3", clock="live")
    assert ended.code == 0, ended.err
    assert ended.summary["rejections"]["UNKNOWN_ORDER"] > 1_000
    assert ended.summary["rejections"]["CANCELLED_EARLY"] > 50
    assert fills == []


def test_a_limit_that_nobody_has_a_part_of_is_named_at_the_start(run):
    ended, _fills = run("pass", "--duration", "1", risk="max_open_orders = 1")
    assert (
        "WARNING libra.assembly.trading_node: account paper: max_open_orders = 1 is below its 2 strategies" in ended.err
    )
    ended, _fills = run("pass", "--duration", "1", risk="max_open_orders = 2")
    assert "has a part of its own" not in ended.err
