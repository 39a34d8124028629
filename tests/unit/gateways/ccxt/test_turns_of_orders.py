"""An order waits for the venue's rate limits first, and is looked at last: what was stopped meanwhile never leaves."""

import asyncio
import time
from decimal import Decimal
from typing import ClassVar

import pytest
from tests.unit.gateways import fake_gateway
from tests.unit.gateways.conftest import *  # noqa: F403 - its fixtures

from libra.gateways.budget import Limit, RateBudget, Urgency
from libra.gateways.ccxt.actors import CcxtGatewayActor
from libra.gateways.turnstile import Turnstile
from libra.model import OrderReport, OrderSide


class Slow(fake_gateway.FakeGateway):
    """A gateway whose orders need a turn, of which there are few."""

    turnstile: Turnstile
    only_reduces: ClassVar[dict[str, bool]] = {}

    async def turn(self, *, within_s, wanted):
        return await self.turnstile.take(Urgency.ORDER, {"orders": 1}, within_s=within_s, wanted=wanted)

    def give_back(self, turn):
        self.turnstile.give_back(turn)

    def drop_unwanted(self):
        self.turnstile.drop_unwanted()

    clock_offset_ns = 0

    async def order(self, order, turn=None, *, only_reduces=False):
        self.turnstile.used(turn)
        self.only_reduces[order.order_id] = only_reduces
        return await super().order(order)


@pytest.fixture
def one_turn(monkeypatch, script):
    """One order, and then none for an hour."""
    Slow.script = script
    Slow.turnstile = Turnstile(RateBudget([Limit("orders", "orders", 1, 3_600 * 10**9)], most_waiting=8))
    monkeypatch.setattr(
        "libra.assembly.accounts.GatewayActor", lambda made, *args, **named: CcxtGatewayActor(Slow(), *args, **named)
    )
    return Slow.turnstile


async def test_an_order_that_waits_is_not_sent_and_one_that_was_stopped_never_is(running, script, one_turn):
    async with running(window_ms=60_000) as node:
        first = node.submit()
        await node.until(lambda: script.ordered == [first])
        second = node.submit()
        await node.until(lambda: one_turn.budget.waiting() == 1)
        assert node.status(second) == "NEW", "it has not left"
        node.account.kill("a test")
        await node.until(lambda: node.status(second) in ("REJECTED", "CANCELLED"))
        await node.until(lambda: one_turn.budget.waiting() == 0, within_s=15)
    assert script.ordered == [first]


async def test_an_order_that_is_too_late_when_its_turn_comes_never_leaves(running, script, one_turn):
    async with running(window_ms=200) as node:
        first = node.submit()
        await node.until(lambda: script.ordered == [first])
        second = node.submit()
        await node.until(lambda: node.status(second) == "REJECTED")
        assert node.account.order(second).reason == "EXPIRED"
        assert one_turn.counters()["left"] == {"orders": 0}
    assert script.ordered == [first]


async def test_an_order_that_finds_the_queue_full_is_rejected_and_never_leaves(running, script, one_turn):
    async with running() as node:
        first = node.submit()
        await node.until(lambda: script.ordered == [first])
        waiting = [
            asyncio.create_task(one_turn.take(Urgency.ORDER, {"orders": 1}, wanted=lambda: True)) for _ in range(7)
        ]
        await asyncio.sleep(0)
        second = node.submit()
        await node.until(lambda: node.status(second) == "REJECTED")
        assert node.account.order(second).reason == "RATE_QUEUE_FULL"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert script.ordered == [first]


async def long(node, script):
    """Makes the account long 0.020; gives the order."""
    opens = node.submit()
    await node.until(lambda: script.ordered == [opens])
    fill = {"price": Decimal("100.0"), "size": Decimal("0.020"), "fee": Decimal(0), "fee_currency": "USDT"}
    script.report(OrderReport(opens, "FILLED", venue_order_id="v1", trade_id=1, ts_venue_ns=1, **fill))
    await node.until(lambda: node.account.positions())
    return opens


async def test_the_gateway_is_told_which_orders_only_reduce(running, script, monkeypatch, one_turn):
    Slow.turnstile = Turnstile(RateBudget([Limit("orders", "orders", 100, 3_600 * 10**9)], most_waiting=8))
    async with running() as node:
        opens = await long(node, script)
        orders = [
            node.strategy.submit("BTC/USDT:USDT", OrderSide.SELL, size, price="101.0")
            for size in ("0.015", "0.005", "0.001")
        ]
        await node.until(lambda: len(script.ordered) == 4)
        assert [Slow.only_reduces[order_id] for order_id in [opens, *orders]] == [False, True, True, False]
        assert node.gateway_actor._bound.reducing == set()


async def test_an_order_that_takes_the_place_of_one_that_is_being_cancelled_only_reduces(
    running, script, monkeypatch, one_turn
):
    Slow.turnstile = Turnstile(RateBudget([Limit("orders", "orders", 3, 3_600 * 10**9)], most_waiting=8))
    # The venue takes its time for a cancel.
    script.on_cancel = lambda order_id: asyncio.sleep(3_600)
    async with running(window_ms=60_000) as node:
        opens = await long(node, script)
        takes = node.strategy.submit("BTC/USDT:USDT", OrderSide.SELL, "0.020", price="101.0")
        await node.until(lambda: script.ordered == [opens, takes])
        node.strategy.cancel(takes)
        closes = node.strategy.submit("BTC/USDT:USDT", OrderSide.SELL, "0.020", price="99.0")
        await node.until(lambda: script.ordered == [opens, takes, closes])
        assert Slow.only_reduces[takes] is Slow.only_reduces[closes] is True


async def test_what_is_cancelled_while_an_order_waits_for_its_turn_counts(running, script, one_turn):
    Slow.turnstile = Turnstile(RateBudget([Limit("orders", "orders", 2, 10**9)], most_waiting=8))
    script.on_cancel = lambda order_id: asyncio.sleep(3_600)
    async with running(window_ms=60_000) as node:
        opens = await long(node, script)
        takes, closes = (
            node.strategy.submit("BTC/USDT:USDT", OrderSide.SELL, "0.020", price=price) for price in ("101.0", "99.0")
        )
        await node.until(lambda: Slow.turnstile.budget.waiting() == 1)
        assert script.ordered == [opens, takes]
        node.strategy.cancel(takes)
        await node.until(lambda: script.ordered == [opens, takes, closes])
        assert Slow.only_reduces[closes] is True


@pytest.mark.parametrize("ahead_s", [4, -40])
async def test_the_account_hears_of_the_venues_clock_before_its_first_intent(
    running, script, monkeypatch, one_turn, ahead_s
):
    monkeypatch.setattr(Slow, "clock_offset_ns", ahead_s * 10**9)
    script.on_order = lambda order: asyncio.sleep(3_600)
    script.on_query = lambda order_id: [
        OrderReport(order_id, "NOT_FOUND", ts_venue_ns=time.time_ns() + Slow.clock_offset_ns)
    ]
    async with running(window_ms=1_500, silence_ms=100) as node:
        began = time.monotonic()
        order_id = node.submit(price="99.0")
        await node.until(lambda: node.status(order_id) == "REJECTED", within_s=30)
        assert node.account.order(order_id).reason == "NOT_FOUND"
        assert time.monotonic() - began >= 1.5, "the venue could have taken it still"
