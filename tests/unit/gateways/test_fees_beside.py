"""What an execution costs beside its fee, in a further currency: booked once, later, or told."""

from decimal import Decimal

from tests.unit.gateways.test_gateway_actor import accepted, filled

from libra.gateways.protocol import VenueFlow


def fee_beside(order_id, trade_id=1, amount="-2.5"):
    return VenueFlow(f"FEE {order_id} {trade_id} GT", "fee", "GT", Decimal(amount), "BTC/USDT:USDT", 1)


def held(node, currency):
    return [balance["total"] for balance in node.account.balances() if balance["currency"] == currency]


async def test_what_an_execution_costs_in_a_further_currency_is_booked_once(running, script):
    script.on_query = lambda order_id: [accepted(order_id), filled(order_id), fee_beside(order_id)]
    async with running() as node:
        told = [node.submit(), node.submit()]
        await node.until(lambda: script.ordered == told)
        # Of the first by the stream, twice, of the second by a query.
        script.report(accepted(told[0]), filled(told[0]), fee_beside(told[0]), fee_beside(told[0]))
        node.gateway_actor._ask_about(told)
        await node.until(lambda: [node.status(order_id) for order_id in told] == ["FILLED"] * 2)
        await node.until(lambda: held(node, "GT") == [Decimal(-5)])
        assert sorted(script.queried) == sorted(told)
    assert node.outcome.errors == 0


class Failing:
    """An account whose log takes no flow so often."""

    def __init__(self, account, times):
        self._account, self._times = account, times

    def __getattr__(self, name):
        return getattr(self._account, name)

    def on_flow(self, flow):
        self._times -= 1
        return self._times < 0 and self._account.on_flow(flow)


async def test_a_fee_that_the_log_does_not_take_is_booked_later(running, script, caplog):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        node.gateway_actor._account = Failing(node.account, 3)
        script.report(accepted(order_id), filled(order_id), fee_beside(order_id))
        await node.until(lambda: held(node, "GT") == [Decimal("-2.5")])
        assert node.gateway_actor._flows == []
    assert f"FEE {order_id} 1 GT: -2.5 GT could not be booked, it is tried again" in caplog.text


async def test_a_fee_that_fits_no_book_is_told_and_the_next_ones_are_booked(running, script, caplog):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        finest = Decimal(1).scaleb(-18)
        script.report(accepted(order_id), filled(order_id), fee_beside(order_id, 1, finest), fee_beside(order_id, 2))
        await node.until(lambda: held(node, "GT") == [Decimal("-2.5")])
    assert f"FEE {order_id} 1 GT: 1E-18 GT is in no book" in caplog.text
