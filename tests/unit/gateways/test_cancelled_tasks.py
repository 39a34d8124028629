"""A strategy that cancels every task of the loop, beside actors that run a gateway written in Python."""

import asyncio
from contextlib import asynccontextmanager

import pytest


@pytest.fixture
def spoiled(running):
    """A node whose strategy cancels every task but the test's own, at each event of an order."""

    @asynccontextmanager
    async def run():
        spared = set(asyncio.all_tasks())
        async with running() as node:
            spared |= {task for task in asyncio.all_tasks() if task.get_coro().__name__ == "run_async"}

            def clean_up(order):
                for task in asyncio.all_tasks() - spared:
                    task.cancel()
                node.cleaned_up = True

            node.strategy.on_order = node.strategy.on_message = clean_up
            yield node

    return run


async def test_a_strategy_that_cancels_every_task_leaves_its_accounts_gateway_alone(spoiled, script):
    async with spoiled() as node:
        orders = [node.submit(price="99.0") for _ in range(4)]
        await node.until(lambda: len(script.ordered) == 4)
        assert node.account.standing()["stopped"] is None
        await node.until(lambda: all(node.account.send_by_ns(order) is None for order in orders))
        assert len(script.sessions) == 1, "the gateway was not made anew"
        node.strategy.cancel(orders[0])
        await node.until(lambda: orders[0] in script.cancelled)
        assert (node.node.failed, node.node.errors) == ([], 0)


async def test_a_cancel_that_an_operator_asked_for_is_the_gateways_own(spoiled, script):
    told, ends = asyncio.Event(), []

    async def on_cancel(order_id):
        try:
            await told.wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        ends.append("told")
        return True

    async with spoiled() as node:
        script.on_cancel = on_cancel
        order = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order])
        node.node.cancel_outside(node.account, node.account.kill("enough"))
        await node.until(lambda: script.cancelled == [order])
        node.node.ref("idle").tell("clean up")
        await node.until(lambda: hasattr(node, "cleaned_up"))
        # A task that was cancelled ends in the loop's next turn.
        await asyncio.sleep(0)
        told.set()
        await node.until(lambda: ends)
        assert ends == ["told"]


async def test_a_strategy_that_cancels_every_task_leaves_the_market_alone(spoiled):
    def readers():
        return {task for task in asyncio.all_tasks() if task.get_name() == "libra-ticks-market"}

    async with spoiled() as node:
        before = readers()
        assert len(before) == 1
        node.submit(price="99.0")
        await node.until(lambda: hasattr(node, "cleaned_up"))
        await asyncio.sleep(0)
        assert readers() == before, "the stream of ticks is read on"
        assert (node.node.failed, node.node.errors) == ([], 0)
