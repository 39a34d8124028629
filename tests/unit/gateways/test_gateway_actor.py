"""The gateway actor against a gateway that misbehaves in every way that the protocol leaves open."""

from libra.model import OrderReport


def accepted(order_id):
    return OrderReport(order_id, "ACCEPTED", venue_order_id="v1")


def filled(order_id, trade_id=1, size="0.020", **terms):
    return OrderReport(order_id, "FILLED", trade_id=trade_id, price="100.1", size=size, fee="0.001", **terms)


async def test_a_stream_of_reports_that_raises_restarts_the_actor(running, script):
    async with running() as node:
        first = node.gateway_actor
        script.report(RuntimeError("torn"))
        await node.until(lambda: node.gateway_actor is not first)
        await node.until(lambda: len(script.sessions) == 2)
        await node.ready()
