"""Strategies that storm before their end, hang on their way out, or whose end an operator asks for again."""

import signal
from dataclasses import replace
from decimal import Decimal

import pytest

from libra.assembly import trading_node
from libra.assembly.options import node_options
from libra.config import load

NEVER_AGAIN = "[node.supervision]\nmax_restarts = 0"
STORMS = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.020")
    if self.n == 150:
        for _ in range(200):
            self.submit(quote.symbol, OrderSide.BUY, "0.001")
        raise RuntimeError("for good")
"""


def test_what_a_storm_left_is_flattened(shell):
    """Refusals beyond those that are recorded one by one: of a request among them no more than its code is kept."""
    path = shell.profile(
        shell.strategy(STORMS), node=NEVER_AGAIN, strategy_more='on_vanish = "flatten"', clock="simulated"
    )
    ended = shell.start("run", path, "--json", "--speed", "max", "--duration", "120").end()
    [gone] = ended.summary["vanished"]
    assert [row["state"] for row in gone["flattening"]] == ["flat"]
    assert all(Decimal(row["size"]) == 0 for row in ended.summary["positions"])


HANGS = """
def on_start(self):
    self.n = 0
    self.subscribe(EventType.ORDER_NEW)
    self.subscribe(EventType.ORDER_FILLED)

async def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 20:
        {first}
        await asyncio.Event().wait()
"""
STOPS_FOR_EVER = """
def on_start(self):
    self.n = 0

async def on_stop(self):
    await asyncio.Event().wait()

def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 20:
        self.stop()
"""
VICTIM = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, OrderSide.BUY if self.n % 2 else OrderSide.SELL, "0.001")
"""
BESIDE = """
[[strategies]]
name = "victim"
class = "victim.py:Mine"
account = "paper"
symbols = ["BTC/USDT:USDT"]
"""


@pytest.mark.parametrize(
    "code",
    [HANGS.format(first="pass"), HANGS.format(first="self.stop()"), STOPS_FOR_EVER],
    ids=["hangs", "stops itself and hangs", "never ends its on_stop"],
)
def test_one_that_hangs_is_gone_for_its_account(shell, monkeypatch, caplog, code):
    small = {"lane_capacity": 40, "keep_up_s": 0.2, "duration_s": 30.0}
    monkeypatch.setattr(trading_node, "node_options", lambda settings: replace(node_options(settings), **small))
    shell.strategy(VICTIM, "victim.py")
    profile = shell.profile(shell.strategy(code), strategy_more=BESIDE, quotes_hz=200, node="control = false")
    node = trading_node.build(load(shell.folder / profile))
    looks = []

    def look(_status):
        if node.failed:
            looks.append(node.accounts["paper"].standing()["open_orders"])
            if looks[-1] == 0 or len(looks) > 100:
                node.stop()

    result = node.run(look, 0.05)
    assert result.summary["failed"] == ["mine"]
    assert [gone[:2] for gone in node.accounts["paper"].vanished()] == [("mine", "cancel")]
    assert [row["status"] for row in result.orders if row["strategy"] == "mine"] == ["CANCELLED"]
    assert "given up: actor mine" in caplog.text


STEADY = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.020")
    if self.n == 20:
        self.log.warning("holds")
"""


def test_what_a_kill_switch_kept_is_flattened_when_an_operator_asks_again(shell):
    path = shell.profile(shell.strategy(STEADY), strategy_more='on_vanish = "flatten"')
    running = shell.start("run", path, "--json")
    running.wait_for("holds")
    assert shell.run("kill-switch").code == 0
    assert shell.run("stop", "--strategy", "mine").code == 0
    running.wait_for("could not be flattened: KILL_SWITCH")
    assert shell.run("resume", "--yes").code == 0
    assert shell.run("stop", "--strategy", "mine").code == 0
    running.wait_for("its BTC/USDT:USDT@synthetic is flat")
    running.signal(signal.SIGINT)
    [held] = running.end().summary["positions"]
    assert Decimal(held["size"]) == 0


KILLS = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 100:
        self.emit(EventType.CIRCUIT_BREAKER, {})
"""


def test_a_resume_stands_that_was_faster_than_the_risk_actor(shell):
    profile = shell.profile(shell.strategy(KILLS), quotes_hz=200, node="control = false")
    node = trading_node.build(load(shell.folder / profile))
    risk, stood = [], []

    def look(_status):
        account = node.accounts["paper"]
        if not risk:
            # As while it waits for its restart, or behind a backlog.
            risk.append(node.find_slot("paper.risk"))
            node.core.set_paused(risk[0], True)
        elif not stood and account.is_killed:
            account.resume("an operator")
            stood.append(account.standing()["killed"])
            node.core.set_paused(risk[0], False)
        elif stood:
            stood.append(account.standing()["killed"])
            if len(stood) > 6:
                node.stop()

    node.run(look, 0.05)
    assert len(stood) > 6
    assert set(stood) == {None}


def test_only_operators_ask_again(shell, monkeypatch, caplog):
    """A strategy that fails behind its stop lets nothing loose that the kill switch had ended."""
    small = {"keep_up_s": 0.5, "duration_s": 30.0}
    monkeypatch.setattr(trading_node, "node_options", lambda settings: replace(node_options(settings), **small))
    hangs = STEADY + "\nasync def on_stop(self):\n    await asyncio.Event().wait()\n"
    profile = shell.profile(shell.strategy(hangs), strategy_more='on_vanish = "flatten"', node="control = false")
    node = trading_node.build(load(shell.folder / profile))
    done, states = [], []

    def look(_status):
        account = node.accounts["paper"]
        if not done and account.positions():
            account.kill("the test")
            node.stop_strategy("mine")
            done.append("stopped")
        elif done == ["stopped"] and flattening(account) == "given up":
            account.resume("the test")
            done.append("resumed")
        elif node.failed:
            states.append(flattening(account))
            if len(states) > 20:
                node.stop()

    node.run(look, 0.05)
    assert node.failed == ["mine"]
    assert states == ["given up"] * 21
    assert "its on_stop has not ended within 0.5 s" in caplog.text


def flattening(account):
    """How far the closing of the one instrument is."""
    [(_name, _policy, [(_instrument, state, _code, _detail)])] = account.vanished()
    return state
