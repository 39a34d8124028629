"""What is cancelled for a strategy that ends with its node, and had no `on_stop` that did its work."""

import asyncio
import dataclasses

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
