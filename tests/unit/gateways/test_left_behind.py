"""What is cancelled for a strategy that ends with its node, and had no `on_stop` that did its work."""

import asyncio
import dataclasses

import pytest
from tests.unit.gateways import conftest
from tests.unit.gateways.test_gateway_actor import accepted, cancelled

OTHER = """
[[strategies]]
name = "idle{number}"
class = "{{here}}/idle_strategy.py:Idle"
account = "acct"
symbols = ["BTC/USDT:USDT"]
"""


async def test_its_cancel_has_what_is_left_of_the_drain_also_where_its_own_part_is_over(running, script, monkeypatch):
    # It is stopped behind so many others that it has used up the time in which answers were waited for.
    others = "".join(OTHER.format(number=number) for number in range(11))
    monkeypatch.setattr(conftest, "PROFILE", conftest.PROFILE + others)
    sent = []

    async def cancel(order_id):
        await asyncio.sleep(0.02)  # as a connection takes it that is made anew
        sent.append(order_id)
        script.on_query = lambda asked: [cancelled(asked)]
        script.report(cancelled(order_id))
        return True

    script.on_cancel = cancel
    script.on_query = lambda order_id: [accepted(order_id)]
    async with running(silence_ms=2_000) as node:
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=4.0)
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        node.strategy.on_stop = asyncio.Event().wait
        node.node.stop()
    assert (sent, node.status(order_id)) == ([order_id], "CANCELLED")


@pytest.mark.parametrize(("drain_s", "answer_s"), [(0.8, 0.1), (4.0, 0.4)])
async def test_one_that_hangs_takes_nothing_of_the_next_ones_time(running, script, monkeypatch, drain_s, answer_s):
    monkeypatch.setattr(conftest, "PROFILE", conftest.PROFILE + OTHER.format(number=0))
    did, gone = [], set()

    async def cancel(order_id):
        await asyncio.sleep(answer_s)
        gone.add(order_id)
        script.report(cancelled(order_id))
        return True

    script.on_cancel = cancel
    script.on_query = lambda order_id: [cancelled(order_id) if order_id in gone else accepted(order_id)]

    async def on_stop():
        did.append("began")
        await asyncio.sleep(0)
        did.append("ended")

    async with running(silence_ms=60_000) as node:
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=drain_s)
        hangs = node.node.actor_named("idle0")
        theirs, kept = hangs.submit("BTC/USDT:USDT", conftest.OrderSide.BUY, "0.020", price="99.0"), node.submit()
        await node.until(lambda: len(script.ordered) == 2)
        for order_id in (theirs, kept):
            script.report(accepted(order_id))
        await node.until(lambda: node.status(theirs) == node.status(kept) == "ACCEPTED")
        hangs.on_stop = asyncio.Event().wait
        node.strategy.on_stop = on_stop
        node.node.stop()
    assert (did, gone, node.status(kept)) == (["began", "ended"], {theirs}, "ACCEPTED")


@pytest.mark.parametrize("late_s", [0.1, 2.3], ids=["soon", "when answers were waited for long enough"])
async def test_one_that_stops_itself_while_the_node_drains_has_its_cancel_answered(running, script, late_s):
    gone = []

    async def cancel(order_id):
        await asyncio.sleep(0.3)
        gone.append(order_id)
        script.on_query = lambda asked: [cancelled(asked)]
        script.report(cancelled(order_id))
        return True

    class Hold:
        async def wait(self):
            await asyncio.sleep(late_s)
            strategy.stop()

    script.on_cancel = cancel
    script.on_query = lambda order_id: [accepted(order_id)]
    async with running(silence_ms=2_000) as node:
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=4.0)
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        strategy = node.strategy
        strategy.hold = Hold()
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        node.node.stop()
    assert (gone, node.status(order_id)) == ([order_id], "CANCELLED")


async def test_several_whose_handlers_await_something_have_what_their_on_stop_cancels_answered(
    running, script, monkeypatch
):
    """Each handler is cancelled in the actor's own part of the time, and its cancel leaves only then."""
    monkeypatch.setattr(conftest, "PROFILE", conftest.PROFILE + OTHER.format(number=0) + OTHER.format(number=1))
    heard = []

    async def cancel(order_id):
        await asyncio.sleep(0.02)  # as a wire has it
        heard.append(order_id)
        script.report(cancelled(order_id))
        return True

    script.on_cancel = cancel
    script.on_query = lambda order_id: [cancelled(order_id) if order_id in heard else accepted(order_id)]
    waits = []

    class Hold:
        async def wait(self):
            waits.append(1)
            await asyncio.Event().wait()

    async with running(silence_ms=60_000) as node:
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=4.0)
        strategies = [node.strategy, *(node.node.actor_named(f"idle{number}") for number in range(2))]
        orders = [
            strategy.submit("BTC/USDT:USDT", conftest.OrderSide.BUY, "0.020", price="99.0") for strategy in strategies
        ]
        await node.until(lambda: len(script.ordered) == 3)
        for strategy in strategies:
            strategy.hold = Hold()
        script.report(*map(accepted, orders))
        await node.until(lambda: len(waits) == 3 and {node.status(order) for order in orders} == {"ACCEPTED"})
        for strategy, order_id in zip(strategies, orders, strict=True):
            strategy.on_stop = lambda strategy=strategy, order_id=order_id: strategy.cancel(order_id)
        node.node.stop()
    assert sorted(heard) == sorted(orders)
    assert {node.status(order_id) for order_id in orders} == {"CANCELLED"}


async def test_one_that_an_answer_woke_and_that_hangs_since_has_what_its_on_stop_cancels_answered(running, script):
    """It is at rest when the drain begins, and is not when no answer is waited for any longer."""
    heard = []

    async def cancel(order_id):
        await asyncio.sleep(0.5 if order_id == early else 0.1)
        heard.append(order_id)
        script.report(cancelled(order_id))
        return True

    script.on_cancel = cancel
    script.on_query = lambda order_id: [cancelled(order_id) if order_id in heard else accepted(order_id)]

    class Hold:
        async def wait(self):
            await asyncio.Event().wait()

    async with running(silence_ms=60_000) as node:
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=4.0)
        strategy, early, late = node.strategy, node.submit(price="98.0"), node.submit(price="99.0")
        await node.until(lambda: len(script.ordered) == 2)
        script.report(accepted(early), accepted(late))
        await node.until(lambda: node.status(early) == node.status(late) == "ACCEPTED")
        strategy.cancel(early)
        await node.until(lambda: script.cancelled)
        strategy.on_stop = lambda: strategy.cancel(late) and None
        asyncio.get_running_loop().call_later(0.2, setattr, strategy, "hold", Hold())
        node.node.stop()
    assert heard == [early, late]
    assert node.status(late) == "CANCELLED"
