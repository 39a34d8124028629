"""What an execution costs beside its fee, in a further currency: booked once, later, or told."""

from decimal import Decimal

import pytest
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


def asked_as_of_a_venue(node, script):
    """Of what is booked here already a venue is not asked for its executions, nor for what these cost."""

    def on_query(order_id):
        is_whole = node.account.order(order_id).is_final
        return [accepted(order_id), *([] if is_whole else [filled(order_id), fee_beside(order_id)])]

    script.on_query = on_query


@pytest.mark.parametrize("how", ["stream", "query"])
async def test_no_execution_is_booked_ahead_of_what_it_cost(running, script, how):
    async with running() as node:
        asked_as_of_a_venue(node, script)
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        node.gateway_actor._account = failing = Failing(node.account, 3)
        seen = []
        failing.on_report = lambda report: seen.append(held(node, "GT")) or node.account.on_report(report)
        if how == "stream":
            script.report(accepted(order_id), fee_beside(order_id), filled(order_id))
            await node.until(lambda: node.status(order_id) == "FILLED")
            del seen[0]
        else:
            node.gateway_actor._ask_about([order_id])
            await node.until(lambda: node.status(order_id) == "FILLED")
        # A process that ends between both records asks again, and books the fee once.
        assert seen == [[Decimal("-2.5")]] * len(seen), "by then the fee is in the log"
        assert held(node, "GT") == [Decimal("-2.5")]


async def test_what_the_log_did_not_take_is_booked_by_the_next_instance(running, script):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        asked_as_of_a_venue(node, script)
        first = node.gateway_actor
        first._account = Failing(node.account, 10**9)
        # A gateway of its own makes may say it the other way round.
        script.report(accepted(order_id), filled(order_id), fee_beside(order_id))
        await node.until(lambda: first._flows)
        assert (node.status(order_id), held(node, "GT")) == ("FILLED", [])
        script.report(ConnectionError("the stream is gone"))
        await node.until(lambda: held(node, "GT") == [Decimal("-2.5")])
        assert node.gateway_actor is not first


async def test_an_execution_behind_a_fee_that_was_not_booked_is_booked_though_the_venues_answers_lag(running, script):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        script.on_query = lambda _: [accepted(order_id)]
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        # The log takes nothing, once: it was about the fee.
        node.gateway_actor._account = Failing(node.account, 1)
        script.report(fee_beside(order_id), filled(order_id))
        await node.until(lambda: node.status(order_id) == "FILLED", within_s=20.0)
        assert held(node, "GT") == [Decimal("-2.5")]
