"""An actor of an account's node that is no strategy, and wants to see its orders."""

import asyncio

import pytest

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.model import OrderReport


async def test_it_sees_every_order_of_every_strategy_and_each_fill_behind_its_order(running, script):
    seen = []

    class Sees(Actor):
        async def on_order(self, order):
            await asyncio.sleep(0)
            seen.append((order.strategy, order.status))

        async def on_fill(self, fill):
            await asyncio.sleep(0)
            seen.append((fill.trade_id, str(fill.size)))

    async with running(before=lambda node: node.add_actor("sees", Sees)) as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered)
        # Nobody else publishes anything under that name.
        with pytest.raises(ValueError, match="ORDER_FILLED is a fact of an account"):
            node.strategy.emit(EventType.ORDER_FILLED, {"order": order_id})
        for trade_id, size in ((1, "0.005"), (2, "0.015")):
            script.report(OrderReport(order_id, "FILLED", trade_id=trade_id, price="100.1", size=size, fee="0"))
        await node.until(lambda: len(seen) == 6)
    orders = [("idle", status) for status in ("NEW", "SUBMITTED", "PARTIALLY_FILLED", "FILLED")]
    assert seen == [*orders[:3], (1, "0.005"), orders[3], (2, "0.015")]
    assert node.outcome.errors == 0
