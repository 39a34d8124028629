"""Limits of an account that trades: changed by an operator, written down, published, and held over a restart."""

import asyncio
import dataclasses
import shutil
import time
from decimal import Decimal
from pathlib import Path

import pytest

from libra.assembly import build
from libra.config import load
from libra.core.events import EventType
from libra.errors import ConfigError
from libra.risk import LimitChange

PROFILE = """\
include = ["{shipped}/paper.toml"]

[risk]
max_gross_exposure = "90000"
max_leverage = 2.5
per_symbol = {{ "BTC/USDT:USDT" = {{ max_order_size = "0.5", max_concentration_pct = 40 }} }}

[[account_groups]]
name = "paper"
log = {{ path = "{log}", resume = true }}
sizing = {{ kind = "volatility_target", target_pct = 30, interval_s = 0.05, warmup = 5, max_notional = "4000" }}
"""
SHIPPED = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def lives(tmp_path):
    """Runs the profile live, once for each of `steps`, on one log; each is called when the account trades."""

    def run(*steps):
        for number, step in enumerate(steps):
            log = tmp_path / f"gate-{number}.log"
            if number:
                # A process owns its log to its end: the next one, played here by this one, takes a copy.
                shutil.copy(tmp_path / f"gate-{number - 1}.log", log)
            path = tmp_path / "limits.toml"
            path.write_text(PROFILE.format(shipped=SHIPPED, log=log), encoding="utf-8")
            node = build(load(str(path), environ={}))
            node.options = dataclasses.replace(node.options, signals=False)
            asyncio.run(_live(node, step))

    return run


async def _live(node, step):
    task = asyncio.create_task(node.run_async())
    try:
        await _until(lambda: node.accounts and len(node.accounts["paper"].markets()) == 3)
        await step(node)
    finally:
        node.stop()
        await asyncio.wait_for(task, 20)


async def _until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.005)


def test_a_change_holds_is_published_and_survives_a_restart(lives, caplog):
    async def first(node):
        account = node.accounts["paper"]
        before = dict(account.limits())
        assert (before["max_gross_exposure"], before["max_leverage"]) == ("90000", "2.5")
        assert before["instruments.BTC/USDT:USDT@synthetic.max_order_size"] == "0.5"
        assert before["instruments.BTC/USDT:USDT@synthetic.max_concentration_pct"] == "40"
        changes = {
            "max_drawdown_pct": Decimal("5.50"),
            "instruments.BTC/USDT:USDT.max_order_size": 0.25,
            "max_order_size": "10",
        }
        changed = node.change_limits("paper", changes, who="ops")
        assert (changed.account, changed.who, changed.version, account.limits_version) == ("paper", "ops", 2, 2)
        assert changed.time_ns > 0
        assert changed.changes == (
            LimitChange("max_drawdown_pct", "10", "5.5"),
            LimitChange("instruments.BTC/USDT:USDT@synthetic.max_order_size", "0.5", "0.25"),
            LimitChange("max_order_size", None, "10"),
        )
        assert node.limits("paper")["max_drawdown_pct"] == "5.5"
        assert node.core.counts()["events"]["RISK_LIMITS_CHANGED"] == 1
        again = node.change_limits("paper", changes, who="ops")
        assert (again.version, again.changes) == (2, ())
        node.change_limits("paper", {"max_daily_loss": "none", "max_open_orders": 70}, confirmed=True, who="ops")
        assert "max_daily_loss" not in node.limits("paper")

    async def second(node):
        limits = node.limits("paper")
        assert limits["max_drawdown_pct"] == "5.5", "lowered stays lowered"
        assert limits["instruments.BTC/USDT:USDT@synthetic.max_order_size"] == "0.25"
        assert (limits["max_daily_loss"], limits["max_open_orders"]) == ("5000", "50"), "raised for one run"

    lives(first, second)
    assert "max_drawdown_pct is 5.5 by its log, not 10 as in the profile" in caplog.text


def test_what_is_wrong_or_not_confirmed_is_told_at_once_and_changes_nothing(lives):
    async def step(node):
        account = node.accounts["paper"]
        before = account.limits()
        bad = {"max_drawdown_pct": "11", "max_leverage": -1, "max_open": 5, "max_open_orders": True}
        with pytest.raises(ConfigError) as told:
            node.change_limits("paper", bad, who="ops")
        assert told.value.problems == (
            "max_leverage has to be above zero, is -1",
            "max_open: no such limit",
            'max_open_orders is no number: "True"',
        )
        with pytest.raises(ConfigError, match="would loosen from 10 to 11: confirm it"):
            node.change_limits("paper", {"max_drawdown_pct": "11"}, who="ops")
        with pytest.raises(ConfigError, match="needs the name of who asks"):
            node.change_limits("paper", {"max_drawdown_pct": "9"}, who=" ")
        with pytest.raises(ConfigError, match="no open account 'other'; there is paper"):
            node.change_limits("other", {"max_drawdown_pct": "9"}, who="ops")
        assert (account.limits(), account.limits_version) == (before, 1)

    lives(step)


def test_no_event_of_a_strategy_changes_limits(lives):
    async def step(node):
        account = node.accounts["paper"]
        before = account.limits()
        strategy = node.actor_named("sma_crossover")
        for payload in ({"max_open_orders": "1000"}, {"account": "paper", "changes": {"max_open_orders": "1000"}}):
            with pytest.raises(ValueError, match="RISK_LIMITS_CHANGED is a fact of an account"):
                strategy.emit(EventType.RISK_LIMITS_CHANGED, payload)
        assert "RISK_LIMITS_CHANGED" not in node.core.counts()["events"]
        assert (account.limits(), account.limits_version) == (before, 1)

    lives(step)


def test_sizes_come_of_volatility_when_it_is_known(lives):
    async def step(node):
        account = node.accounts["paper"]
        instrument = "BTC/USDT:USDT@synthetic"
        await _until(lambda: account.volatility(instrument) is not None)
        sigma = account.volatility(instrument)
        # The synthetic market moves by 3 basis points in the root of a second.
        assert 0.2 < sigma / (0.0003 * 31_557_600**0.5) < 5

    lives(step)
