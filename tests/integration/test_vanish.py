"""What becomes of orders and position of a strategy that failed for good, beside one that trades on unharmed."""

import json
import signal
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from tests.profiles import BESIDE

FAILS = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 1 and self.name == "mine":
        self.submit(quote.symbol, OrderSide.BUY, "0.020")
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 20:
        self.log.warning("fails")
        raise RuntimeError("for good")
"""
GOES_ON = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.050")
        self.submit(quote.symbol, OrderSide.BUY, "0.002", price=quote.bid - 500)
    if self.n == 60:
        self.submit(quote.symbol, OrderSide.SELL, "0.010")

def on_fill(self, fill):
    if self.n >= 60:
        self.log.warning("trades on")
"""
NEVER_AGAIN = "[node.supervision]\nmax_restarts = 0"


def profile(shell, policy: str, **more) -> str:
    shell.strategy(GOES_ON, "other.py")
    strategy_more = (f'on_vanish = "{policy}"' if policy else "") + BESIDE
    return shell.profile(shell.strategy(FAILS), node=NEVER_AGAIN, strategy_more=strategy_more, **more)


def rows_of(shell, strategy):
    """Orders of a strategy: (side, size, status)."""
    rows = pq.read_table(shell.folder / "out" / "orders.parquet", columns=list(COLUMNS)).to_pylist()
    return [
        (row["side"], Decimal(row["size"]), row["status"], row["reason"]) for row in rows if row["strategy"] == strategy
    ]


PACE = {"simulated": ("--speed", "max"), "live": ()}
COLUMNS = ("strategy", "side", "size", "status", "reason")
RESTS = ("BUY", Decimal("0.001"))
EXPECTED = {
    "keep": ("ACCEPTED", Decimal("0.060")),
    "cancel": ("CANCELLED", Decimal("0.060")),
    "": ("CANCELLED", Decimal("0.060")),
    "flatten": ("CANCELLED", Decimal("0.040")),
}


@pytest.mark.parametrize(
    ("policy", "clock"),
    [
        *((policy, "simulated") for policy in EXPECTED),
        ("flatten", "live"),
        *(pytest.param(policy, "live", marks=pytest.mark.slow) for policy in ("keep", "cancel", "")),
    ],
)
def test_the_policy_of_a_strategy_that_failed_for_good(shell, policy, clock):
    path = profile(shell, policy, clock=clock)
    ended = shell.start("run", path, "--json", "--out", "out", "--duration", "3", *PACE[clock]).end()
    assert ended.code == 1, ended.err
    assert ended.summary["failed"] == ["mine"]
    status, position = EXPECTED[policy]
    mine = rows_of(shell, "mine")
    [resting] = [row for row in mine if row[:2] == RESTS]
    assert resting[2] == status
    [held] = ended.summary["positions"]
    assert Decimal(held["size"]) == position
    closing = [row for row in mine if row[0] == "SELL"]
    assert closing == ([("SELL", Decimal("0.020"), "FILLED", "")] if policy == "flatten" else [])
    [gone] = ended.summary["vanished"]
    assert gone["on_vanish"] == (policy or "cancel")
    states = [closing["state"] for closing in gone["flattening"]]
    assert states == (["flat"] if policy == "flatten" else [])
    assert ("its BTC/USDT:USDT@synthetic is flat" in ended.err) == (policy == "flatten")
    # The other one is unharmed: its order rests, and it goes on to trade.
    other = rows_of(shell, "other")
    assert ("BUY", Decimal("0.002"), "ACCEPTED", "") in other
    assert ("SELL", Decimal("0.010"), "FILLED", "") in other


def test_two_simulated_runs_flatten_alike(shell):
    path = profile(shell, "flatten", clock="simulated")
    runs = (shell.start("run", path, "--json", "--duration", "3", *PACE["simulated"]) for _ in range(2))
    digests = {running.end().summary["digest"] for running in runs}
    assert len(digests) == 1


def test_a_killed_account_is_not_flattened_and_that_is_told(shell):
    kills = FAILS.replace(
        'raise RuntimeError("for good")', "self.emit(EventType.CIRCUIT_BREAKER, {})\n        self.stop()"
    )
    path = profile(shell, "flatten", clock="simulated")
    shell.strategy(kills)
    ended = shell.start("run", path, "--json", "--duration", "3", *PACE["simulated"]).end()
    # That it stays open was asked for: nothing has failed, and the account does not trade.
    assert (ended.code, ended.summary["failures"]) == (3, [])
    [gone] = ended.summary["vanished"]
    [closing] = gone["flattening"]
    assert (closing["state"], closing["code"]) == ("given up", "KILL_SWITCH")
    assert "could not be flattened: KILL_SWITCH" in ended.err
    [held] = ended.summary["positions"]
    assert Decimal(held["size"]) == Decimal("0.070")


@pytest.mark.parametrize(("duration", "what"), [("5", "position"), ("8", "BTC/USDT:USDT@synthetic")])
def test_a_position_that_the_end_of_the_run_left_no_time_to_close_fails_it(shell, duration, what):
    """Its orders are cancelled first, which takes as long again."""
    path = profile(shell, "flatten", clock="simulated")
    text = (shell.folder / path).read_text(encoding="utf-8")
    (shell.folder / path).write_text(text.replace("latency_ms = 5,", "latency_ms = 1500,"), encoding="utf-8")
    shell.strategy(FAILS.replace('raise RuntimeError("for good")', "self.stop()").replace("n == 20:", "n == 300:"))
    ended = shell.start("run", path, "--json", "--duration", duration, *PACE["simulated"]).end()
    assert (ended.code, ended.summary["failed"]) == (1, [])
    assert ended.summary["failures"] == [f"strategy mine is gone, its {what} was not flattened"]
    assert f"its {what} is not flat, and the node stops: position left open" in ended.err


def test_an_operators_stop_follows_the_policy_too(shell):
    steady = FAILS.replace('raise RuntimeError("for good")', "pass")
    path = profile(shell, "flatten")
    shell.strategy(steady)
    running = shell.start("run", path, "--json")
    running.wait_for("fails")
    assert "flatten" in shell.run("stop", "--strategy", "mine").out
    running.wait_for("its BTC/USDT:USDT@synthetic is flat")
    running.wait_for("trades on")
    assert "flattening mine BTC/USDT:USDT@synthetic  flat" in shell.run("status").out
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    [held] = ended.summary["positions"]
    assert Decimal(held["size"]) == Decimal("0.040")


STOPS_ITSELF = FAILS.replace('raise RuntimeError("for good")', "self.stop()")


@pytest.mark.parametrize("policy", EXPECTED)
def test_the_policy_of_a_strategy_that_stops_itself(shell, policy):
    path = profile(shell, policy, clock="simulated")
    shell.strategy(STOPS_ITSELF)
    ended = shell.start("run", path, "--json", "--out", "out", "--duration", "3", *PACE["simulated"]).end()
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    status, position = EXPECTED[policy]
    mine = rows_of(shell, "mine")
    [resting] = [row for row in mine if row[:2] == RESTS]
    assert resting[2] == status
    [held] = ended.summary["positions"]
    assert Decimal(held["size"]) == position
    [gone] = ended.summary["vanished"]
    assert (gone["strategy"], gone["on_vanish"]) == ("mine", policy or "cancel")


def test_one_that_stopped_itself_is_gone_and_may_be_stopped_again(shell):
    path = profile(shell, "flatten")
    shell.strategy(STOPS_ITSELF)
    running = shell.start("run", path, "--json", "--out", "out")
    running.wait_for("its BTC/USDT:USDT@synthetic is flat")
    again = shell.run("stop", "--strategy", "mine")
    assert (again.code, "flatten" in again.out) == (0, True), again.err
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    assert [strategy["state"] for strategy in node["strategies"]] == ["stopped", "running"]
    assert [(row["strategy"], row["can_resume"]) for row in node["vanished"]] == [("mine", False)]
    until = "its requests are refused until its account's node is started again"
    assert f"strategy mine  ENDED on paper (flatten): {until}" in shell.run("status").out
    refused = shell.run("resume", "--strategy", "mine", "--yes")
    assert (refused.code, "start its account's node again" in refused.err) == (1, True), refused.err
    running.signal(signal.SIGINT)
    ended = running.end()
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    assert {row[2] for row in rows_of(shell, "mine")} == {"FILLED", "CANCELLED"}
    assert len([row for row in rows_of(shell, "mine") if row[0] == "SELL"]) == 1, "flattened once"


def test_orders_of_one_that_stops_with_its_node_are_kept_through_it(shell):
    path = profile(shell, "flatten", clock="simulated")
    shell.strategy(FAILS.replace('raise RuntimeError("for good")', "pass"))
    ended = shell.start("run", path, "--json", "--out", "out", "--duration", "3", *PACE["simulated"]).end()
    assert (ended.code, ended.summary["vanished"]) == (0, []), ended.err
    assert {row[2] for row in rows_of(shell, "mine")} == {"FILLED", "ACCEPTED"}


def test_a_strategy_that_is_back_after_a_restart_trades_again(shell):
    account = f'log = {{ path = "{shell.folder / "gate.log"}", resume = true }}'
    path = profile(shell, "cancel", account=account)
    shell.start("run", path, "--json", "--duration", "1").end()
    shell.start("run", path, "--json", "--out", "out", "--duration", "1").end()
    bought = [row for row in rows_of(shell, "mine") if row[:3] == ("BUY", Decimal("0.020"), "FILLED")]
    assert len(bought) == 2


LEAVES_ORDERS = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.002")
    if self.n <= 3:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)

def on_order(self, order):
    self.left = getattr(self, "left", 0) + (order.status in ("ACCEPTED", "FILLED"))
    if self.left == 5:
        self.log.warning("ready")
"""


def test_what_a_strategy_left_that_is_in_the_profile_no_more_is_told_and_cancelled(shell):
    account = f'log = {{ path = "{shell.folder / "gate.log"}", resume = true }}'
    first = shell.start("run", shell.profile(shell.strategy(LEAVES_ORDERS), account=account), "--json")
    first.wait_for("ready")
    first.process.kill()
    first.end()
    profile = shell.profile(shell.strategy("pass", "another.py"), account=account)
    path = shell.folder / "test.toml"
    path.write_text(path.read_text().replace('name = "mine"', 'name = "another"'))
    ended = shell.run("run", profile, "--json", "--duration", "2")
    told = "account paper: strategy mine is in the profile no more, but in the account's log: "
    assert told in ended.err, ended.err
    assert "it holds 0.002 BTC/USDT:USDT@synthetic, which stays" in ended.err
    orders = {state: count for state, count in ended.summary["orders"].items() if count}
    assert not {"NEW", "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED"} & set(orders), orders
    again = shell.run("run", shell.profile("another.py:Mine", account=account), "--json", "--duration", "1")
    assert "in the profile no more" not in again.err, "mine is back"
