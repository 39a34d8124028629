"""Cancels that wait for their turn of the rate budget: they keep their place, and nobody has to find them first."""

import asyncio
import time

import pytest

from libra.gateways.budget import Limit, RateBudget, Urgency
from libra.gateways.turnstile import NoTurn, Turnstile
from libra.model import OrderReport

S = 1_000_000_000


class Paying:
    """Cancels and queries take their turns as a venue's gateway has them do."""

    def __init__(self, script):
        self.turns = Turnstile(RateBudget([Limit("w", "weight", 6_000, 3_600 * S, 600)]))
        self.left = []
        script.on_cancel, script.on_query = self.cancel, self.query

    async def cancel(self, order_id):
        self.turns.used(await self.turns.take(Urgency.CANCEL, {"weight": 1}))
        self.left.append((time.monotonic(), order_id))
        return True

    async def query(self, order_id):
        self.turns.used(await self.turns.take(Urgency.QUERY, {"weight": 4}))
        return [OrderReport(order_id, "ACCEPTED", venue_order_id=f"v-{order_id}")]


async def resting(node, script, price="99.0"):
    order_id = node.submit(price=price)
    await node.until(lambda: order_id in script.ordered)
    script.report(OrderReport(order_id, "ACCEPTED", venue_order_id=f"v-{order_id}"))
    await node.until(lambda: node.status(order_id) == "ACCEPTED")
    return order_id


async def test_a_cancel_goes_first_behind_a_silence_longer_than_its_answer_may_take(running, script):
    paying = Paying(script)
    async with running(silence_ms=100) as node:
        # All but the reserve is spent: no query gets a turn any more.
        paying.turns.used(await paying.turns.take(Urgency.SNAPSHOT, {"weight": 5_400}))
        orders = [await resting(node, script, price) for price in ("99.0", "98.0", "97.0")]
        paying.turns.penalise(0.6)
        over = time.monotonic() + 0.6
        node.node.cancel_outside(node.account, node.account.kill("the test"))
        await node.until(lambda: len(paying.left) == 3, within_s=10)
        assert all(over <= at < over + 0.5 for at, _ in paying.left)
        assert {order_id for _, order_id in paying.left} == set(orders)
        # Each went once: one that waits is not asked for again beside itself.
        await asyncio.sleep(0.05)
        assert len(paying.left) == 3
        script.on_query = lambda order_id: [OrderReport(order_id, "CANCELLED", venue_order_id=f"v-{order_id}")]


@pytest.mark.parametrize("code", ["QUEUE_FULL", "EXPIRED"])
async def test_a_cancel_that_got_no_turn_is_tried_again_without_a_query(running, script, code):
    tried = []

    async def cancel(order_id):
        tried.append(order_id)
        if len(tried) == 1:
            raise NoTurn(code)
        return True

    async with running(silence_ms=60_000) as node:
        order_id = await resting(node, script)
        script.on_cancel = cancel
        asked = len(script.queried)
        node.strategy.cancel(order_id)
        await node.until(lambda: len(tried) == 2, within_s=10)
        assert script.queried[asked:] == []
        script.report(OrderReport(order_id, "CANCELLED", venue_order_id=f"v-{order_id}"))
        script.on_query = lambda order_id: [OrderReport(order_id, "CANCELLED", venue_order_id=f"v-{order_id}")]
        await node.until(lambda: not node.account.cancelling())
