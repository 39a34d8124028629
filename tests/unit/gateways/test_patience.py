"""Looks beside a venue whose histories lag, at an account that holds what nobody trades, and at one of many symbols."""

import asyncio
import time
from decimal import Decimal

import pytest

from libra.gateways.protocol import VenueFlow

SYMBOL = "BTC/USDT:USDT"


async def rejected(node):
    """Why a new order does not leave; empty for one that does."""
    order_id = node.submit(price="99.0")
    await node.until(lambda: node.status(order_id) is not None)
    order = node.account.order(order_id)
    return order.reason if str(order.status) == "REJECTED" else ""


async def test_a_history_that_lags_behind_the_wallet_stops_nothing(running, script, caplog):
    more = ", reconcile_every_s = 0.02, histories_lag_s = 3"
    async with running(gateway="ShownGateway", more=more) as node:
        script.balances = {"USDT": Decimal(99_990)}
        await node.until(lambda: node.account.last_look()["undecided"])
        looks, end = script.looks, time.monotonic() + 1
        while time.monotonic() < end:
            assert await rejected(node) == ""
            await asyncio.sleep(0.1)
        assert script.looks > looks + 2
        script.flows = [
            VenueFlow("FUNDING_FEE 1 USDT", "funding", "USDT", Decimal(-10), SYMBOL, time.time_ns()),
        ]
        await node.until(lambda: node.account.last_look()["settled"])
        assert await rejected(node) == ""
        assert node.account.standing()["stopped"] is None
    assert "DIFFERS" not in caplog.text


async def test_what_no_history_explains_is_an_incident_when_it_may_lag_no_longer(running, script):
    more = ", reconcile_every_s = 0.02, histories_lag_s = 1"
    async with running(gateway="ShownGateway", more=more) as node:
        began = time.monotonic()
        script.balances = {"USDT": Decimal(99_990)}
        await node.until(lambda: (node.account.standing()["stopped"] or ("",))[0] == "INCIDENT")
        assert 1 <= time.monotonic() - began < 10
        assert node.account.last_look()["differences"][0][:2] == ("BALANCE_DIFFERS", "USDT")


async def test_money_that_nobody_trades_is_taken_over_and_told(running, script, caplog):
    script.balances = {"USDT": Decimal(100_000), "LDUSDT": Decimal(5_000)}
    more = ", reconcile_every_s = 0.02, histories_lag_s = 0.2"
    async with running(gateway="ShownGateway", more=more) as node:
        script.balances = {"USDT": Decimal(100_000), "LDUSDT": Decimal("5000.00000001")}
        await node.until(lambda: "LDUSDT, in which nothing is traded" in caplog.text)
        totals = {row["currency"]: row["total"] for row in node.account.balances()}
        assert totals["LDUSDT"] == Decimal("5000.00000001")
        assert await rejected(node) == ""
        assert node.account.standing()["stopped"] is None
        # What is traded stops all the same.
        script.balances = {"USDT": Decimal("100000.00000001"), "LDUSDT": Decimal("5000.00000001")}
        await node.until(lambda: (node.account.standing()["stopped"] or ("",))[0] == "INCIDENT")


@pytest.mark.parametrize("waits_s", [0.0, 0.8])
async def test_the_wait_for_rate_limits_is_no_part_of_a_look(running, script, caplog, waits_s):
    from libra.gateways.budget import Limit, RateBudget, Urgency
    from libra.gateways.turnstile import Turnstile

    gate = Turnstile(RateBudget([Limit("w", "weight", 1, 3_600 * 10**9)]))

    async def on_state(state):
        gate.penalise(waits_s)
        gate.give_back(await gate.take(Urgency.QUERY, {"weight": 1}))
        return state

    script.on_state = on_state
    async with running(gateway="ShownGateway", more=", reconcile_every_s = 0.02, look_within_s = 0.3") as node:
        await node.until(lambda: node.account.last_look()["settled"])
    assert "no look at the account" not in caplog.text
