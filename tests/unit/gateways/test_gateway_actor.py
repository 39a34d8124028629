"""The gateway actor against a gateway that misbehaves in every way that the protocol leaves open."""

import asyncio
import dataclasses
import itertools
import time
from decimal import Decimal

import pytest
from tests.unit.gateways.fake_gateway import not_found

from libra.assembly.operator import Operator
from libra.assembly.summary import summary
from libra.control.peer import Peer
from libra.core.events import Event, EventType
from libra.execution import Execution
from libra.gateways.protocol import Gateway, ReportingGateway
from libra.model import OrderReport
from libra.risk import Risk


def accepted(order_id):
    return OrderReport(order_id, "ACCEPTED", venue_order_id="v1")


def cancelled(order_id):
    return OrderReport(order_id, "CANCELLED", reason="REQUESTED")


def filled(order_id, trade_id=1, size="0.020"):
    return OrderReport(order_id, "FILLED", trade_id=trade_id, price="100.1", size=size, fee="0.001")


def test_the_protocols_can_be_asked_at_run_time(fake, script):
    class OrdersOnly:
        name = "half"

        async def order(self, order):
            raise NotImplementedError

    assert isinstance(fake(), Gateway)
    assert isinstance(fake(), ReportingGateway)
    assert not isinstance(OrdersOnly(), Gateway)


async def test_an_order_goes_out_and_its_answers_are_booked_once(running, script):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered == [order_id])
        script.report(
            accepted(order_id), accepted(order_id), filled(order_id, 1, "0.005"), filled(order_id, 1, "0.005")
        )
        await node.until(lambda: node.status(order_id) == "PARTIALLY_FILLED")
        script.report(filled(order_id, 2, "0.015"), filled(order_id, 2, "0.015"), filled(order_id, 1, "0.005"))
        await node.until(lambda: node.status(order_id) == "FILLED")
        await asyncio.sleep(0)
        assert [fill.trade_id for fill in node.account.fills()] == [1, 2]
        assert script.sessions == [{"key": "value"}]
    assert script.ordered == [order_id]
    assert node.outcome.errors == 0


async def test_an_execution_behind_the_end_reaches_the_strategy_once(running, script):
    script.on_query = lambda order_id: [cancelled(order_id)]
    async with running() as node:
        fills, seen = [], []
        node.strategy.on_fill = fills.append
        node.strategy.on_order = lambda order: seen.append((order.status, order.filled))
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.report(accepted(order_id), cancelled(order_id))
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        script.report(filled(order_id, 1, "0.005"), filled(order_id, 1, "0.005"), filled(order_id, 2, "0.015"))
        await node.until(lambda: seen and seen[-1][1] == Decimal("0.020"))
        assert [(fill.trade_id, str(fill.size)) for fill in fills] == [(1, "0.005"), (2, "0.015")]
        assert [str(status) for status, _ in seen][-3:] == ["CANCELLED"] * 3, "its end stands"
        assert [position["size"] for position in node.account.positions()] == [Decimal("0.020")]


async def test_an_order_that_works_behind_its_rejection_is_cancelled(running, script, caplog):
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.report(OrderReport(order_id, "REJECTED", reason="-1"), accepted(order_id))
        await node.until(lambda: script.cancelled == [order_id])
        assert node.status(order_id) == "REJECTED"
        refused = node.submit(price="99.0")
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == "INCIDENT"
        script.report(cancelled(order_id))
        await node.until(lambda: not node.account.cancelling())
    assert "ACCEPTED_AFTER_END" in caplog.text
    assert script.ordered == [order_id]


async def test_a_replica_that_lags_once_at_each_of_two_reconnects_ends_no_order(running, script):
    lags = []
    script.on_query = lambda order_id: [not_found(order_id) if lags and lags.pop() else accepted(order_id)]
    async with running(window_ms=100) as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        over_ns = time.time_ns() + 150_000_000
        await node.until(lambda: time.time_ns() > over_ns)
        for _ in range(2):
            script.connected = False
            await node.until(lambda: node.account.is_reconciling)
            lags.append(True)
            script.connected = True
            await node.until(lambda: not lags and not node.account.is_reconciling)
        assert node.status(order_id) == "ACCEPTED", "it works at the venue all the time"


async def test_nothing_leaves_before_the_venue_is_connected(running, script):
    script.connect_errors = [ConnectionRefusedError("not yet")]
    async with running(ready=False) as node:
        await node.until(lambda: node.strategy is not None and node.account.markets())
        early = node.submit()
        await node.ready()
        late = node.submit()
        await node.until(lambda: script.ordered)
        assert node.account.order(early).reason == "RECONCILING"
        assert script.ordered == [late]


@pytest.mark.parametrize("found", [True, False])
async def test_an_order_call_that_raises_is_queried_and_never_sent_again(running, script, found):
    def no_answer(order):
        raise TimeoutError("no answer")

    script.on_order = no_answer
    if found:
        script.on_query = lambda order_id: [filled(order_id), accepted(order_id)]
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == ("FILLED" if found else "REJECTED"))
        assert node.account.order(order_id).reason == ("" if found else "NOT_FOUND")
    assert script.ordered == [order_id]


async def test_an_order_whose_answer_alone_was_lost_is_asked_about_at_once(running, script):
    def no_answer(order):
        raise ConnectionError("the answer was lost")

    script.on_order, script.on_query = no_answer, lambda order_id: [filled(order_id), accepted(order_id)]
    async with running(window_ms=60_000, silence_ms=60_000) as node:
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == "FILLED", within_s=10)
        assert script.queried == [order_id]
    assert script.ordered == [order_id]


async def test_a_cancellation_of_the_gateways_own_is_no_answer_and_is_told(running, script, caplog):
    def cancelled_within(_):
        raise asyncio.CancelledError

    script.on_order = script.on_cancel = script.on_query = cancelled_within
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: f"order {order_id}: no answer (CancelledError())" in caplog.text)
        await node.until(lambda: f"query of {order_id}: no answer (CancelledError())" in caplog.text)
        script.on_query = lambda order_id: [accepted(order_id)]
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        node.strategy.cancel(order_id)
        await node.until(lambda: f"cancel of {order_id}: no answer (CancelledError())" in caplog.text)
        assert script.ordered == [order_id]
        assert (node.node.failed, node.node.errors) == ([], 0)


async def test_a_request_under_way_when_its_node_ends_is_given_up_in_silence(running, script, caplog):
    script.on_order = lambda order: asyncio.Event().wait()
    async with running(window_ms=600_000) as node:
        node.submit(price="99.0")
        await node.until(lambda: script.ordered)
    assert "no answer" not in caplog.text


async def test_not_found_is_final_only_behind_the_window_and_twice(running, script):
    script.on_order = lambda order: asyncio.sleep(60)
    async with running(window_ms=300) as node:
        order_id = node.submit()
        intent_ns = None
        await node.until(lambda: script.queried)
        intent_ns = node.account.order(order_id).ts_ns
        assert node.status(order_id) == "SUBMITTED"
        await node.until(lambda: node.status(order_id) == "REJECTED")
        assert node.account.order(order_id).ts_ns - intent_ns > 200_000_000
        assert len(script.queried) >= 2
    assert script.ordered == [order_id]


async def test_an_order_call_that_hangs_is_cancelled_within_the_window(running, script):
    given_up = []

    async def hang(order):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            given_up.append(order.order_id)
            raise

    script.on_order = hang
    async with running(window_ms=300) as node:
        hangs = node.submit()
        await node.until(lambda: given_up == [hangs])
        assert node.status(hangs) == "SUBMITTED", "what may still arrive is not over yet"
        script.on_order = lambda order: None
        other = node.submit()
        await node.until(lambda: other in script.ordered)


async def test_a_query_that_hangs_holds_up_nothing(running, script):
    script.on_order = lambda order: asyncio.sleep(60)
    script.on_query = lambda order_id: asyncio.sleep(60)
    async with running() as node:
        first = node.submit()
        await node.until(lambda: script.queried)
        second = node.submit()
        await node.until(lambda: script.ordered == [first, second])
        # The answer is given up, and asked for again.
        await node.until(lambda: script.queried.count(first) >= 2)
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id)]
        await node.until(lambda: node.status(first) == "FILLED")


async def test_a_cancel_brings_the_end_with_its_executions(running, script):
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        # The stream says that it is over; its execution was never told.
        script.on_query = lambda order_id: [cancelled(order_id), filled(order_id, 7, "0.005"), accepted(order_id)]
        node.strategy.cancel(order_id)
        await node.until(lambda: script.cancelled == [order_id])
        script.report(cancelled(order_id))
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        assert [fill.trade_id for fill in node.account.fills()] == [7]
        assert node.account.cancelling() == []


async def test_a_refused_cancel_is_told_and_the_order_asked_about(running, script):
    script.on_cancel = lambda order_id: False
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        script.on_query = lambda order_id: [filled(order_id), accepted(order_id)]
        node.strategy.cancel(order_id)
        await node.until(lambda: node.status(order_id) == "FILLED")
        assert script.cancelled == [order_id]


@pytest.mark.parametrize("lost", ["raises", "hangs"])
async def test_a_cancel_without_an_answer_is_repeated_behind_a_query(running, script, lost):
    def no_answer(order_id):
        if lost == "hangs":
            return asyncio.sleep(60)
        raise ConnectionError("gone")

    script.on_cancel = no_answer
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        script.on_query = lambda order_id: [accepted(order_id)]
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        node.strategy.cancel(order_id)
        await node.until(lambda: len(script.cancelled) == 1)
        asked_before = len(script.queried)
        await node.until(lambda: len(script.cancelled) == 2)
        assert len(script.queried) > asked_before
        script.on_query = lambda order_id: [cancelled(order_id)]
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        assert script.ordered == [order_id]


async def test_a_loss_over_its_limit_cancels_at_the_venue_at_once(running, script):
    async with running() as node:
        resting, traded = node.submit(price="99.0"), node.submit()
        await node.until(lambda: len(script.ordered) == 2)
        script.report(accepted(resting), accepted(traded))
        await node.until(lambda: node.status(traded) == "ACCEPTED")
        node.node.change_limits("acct", {"max_daily_loss": "0.000001"}, who="ops")
        assert script.cancelled == []
        # Nobody looks for what was cancelled by the account.
        node.gateway_actor.cancel_timer("look")
        # What it costs is over the limit.
        script.report(filled(traded))
        await node.until(lambda: script.cancelled, within_s=20.0)
        assert script.cancelled == [resting]
        assert script.queried == [], "by being told, not by being looked for"
        script.on_query = lambda order_id: [accepted(order_id), cancelled(order_id)]
        node.gateway_actor.set_timer("look", 0.02, interval_s=0.02)
        await node.until(lambda: node.status(resting) == "CANCELLED")


async def test_a_cancel_that_overtakes_its_order_is_repeated(running, script):
    known = set()
    script.on_cancel = lambda order_id: order_id in known
    async with running(window_ms=2_000) as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        node.strategy.cancel(order_id)
        await node.until(lambda: script.cancelled)
        assert order_id in node.account.cancelling()
        known.add(order_id)
        script.on_query = lambda order_id: [accepted(order_id)]
        await node.until(lambda: len(script.cancelled) == 2)


async def test_a_cancel_before_its_order_has_left_keeps_it_here(running, script):
    async with running() as node:
        account = node.account
        actor = node.gateway_actor
        held = []
        actor._spawn = held.append
        order_id = node.submit(price="99.0")
        await node.until(lambda: held)
        assert account.cancel_all() == []
        assert node.status(order_id) == "CANCELLED"
        await held[0]
        assert script.ordered == []


async def test_the_kill_switch_between_the_intent_and_the_send(running, script):
    async with running() as node:
        actor = node.gateway_actor
        held = []
        actor._spawn = held.append
        order_id = node.submit()
        await node.until(lambda: held)
        assert node.status(order_id) == "NEW"
        node.strategy.emit(EventType.CIRCUIT_BREAKER, {"why": "the test"})
        await node.until(lambda: node.account.is_killed)
        await held[0]
        assert script.ordered == []
        order = node.account.order(order_id)
        assert (order.status, order.reason) == ("REJECTED", "KILL_SWITCH")


async def test_what_the_gateway_was_handed_is_cancelled_and_not_recalled(running, script):
    """An order that waits in a queue of the gateway's own has passed the last look: only the venue can end it."""
    leaves = asyncio.Event()
    script.on_order = lambda order: leaves.wait()
    async with running(window_ms=60_000) as node:
        handed = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [handed])
        actor, held = node.gateway_actor, []
        spawn, actor._spawn = actor._spawn, held.append
        waits = node.submit(price="99.0")
        await node.until(lambda: held)
        actor._spawn = spawn
        node.node.cancel_outside(node.account, node.account.kill("the test"))
        spawn(held[0])
        await node.until(lambda: script.cancelled == [handed])
        assert script.ordered == [handed], "the other one was stopped by the last look"
        assert (node.status(waits), node.account.order(waits).reason) == ("REJECTED", "KILL_SWITCH")
        assert node.status(handed) == "SUBMITTED", "it may be at the venue"
        leaves.set()
        script.on_query = lambda order_id: [cancelled(order_id)]
        script.report(accepted(handed), cancelled(handed))
        await node.until(lambda: node.status(handed) == "CANCELLED")


@pytest.mark.parametrize("answers", [True, False])
async def test_a_stop_waits_for_the_answers_to_cancels_and_not_for_ever(running, script, caplog, answers):
    def say(order_id):
        script.on_query = lambda order_id: [cancelled(order_id)]
        script.report(cancelled(order_id))

    def answer(order_id):
        asyncio.get_running_loop().call_later(0.15, say, order_id)
        return True

    script.on_cancel = answer if answers else lambda order_id: asyncio.sleep(60)
    script.on_query = lambda order_id: [accepted(order_id)]
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        # An answer comes in time, also on a machine that is busy with other things.
        drain_timeout_s = 20.0 if answers else 2.0
        node.node.options = dataclasses.replace(node.node.options, drain_timeout_s=drain_timeout_s)
        awaits, asked, before_stop = node.node._awaits_answers, itertools.count(), []
        node.node._awaits_answers = lambda: next(asked) >= 0 and awaits()
        node.strategy.on_stop = lambda: before_stop.append(next(asked))
        node.strategy.cancel(order_id)
        await node.until(lambda: script.cancelled)
    assert node.status(order_id) == ("CANCELLED" if answers else "ACCEPTED")
    assert node.outcome.drained, "no answer is nobody's failure"
    assert ("1 cancels are without an answer" in caplog.text) == (not answers)
    if not answers:
        # Once for each of its steps: who waits asks again every millisecond.
        assert next(asked) - before_stop[0] < 20, "actors stop without a further wait"


async def test_an_order_that_waited_too_long_is_not_sent(running, script):
    async with running(window_ms=100) as node:
        held = []
        node.gateway_actor._spawn = held.append
        order_id = node.submit()
        await node.until(lambda: held)
        await asyncio.sleep(0.06)
        await held[0]
        assert script.ordered == []
        assert node.account.order(order_id).reason == "EXPIRED"


async def test_an_order_behind_its_own_deadline_is_not_sent(running, script):
    async with running(window_ms=60_000) as node:
        held = []
        node.gateway_actor._spawn = held.append
        order_id = node.submit(ttl_s=0.03)
        await node.until(lambda: held)
        await asyncio.sleep(0.04)
        await held[0]
        assert script.ordered == []
        assert node.account.order(order_id).reason == "EXPIRED"


async def test_an_order_is_sent_once_however_often_it_is_published(running, script):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered)
        (order,) = node.account.orders()
        for _ in range(3):
            node.gateway_actor.send(Event.create(EventType.ORDER_NEW, "acct.execution", order))
        await node.until(lambda: node.node.core.waiting(node.node.find_slot("acct.gateway")) == 0)
        await asyncio.sleep(0.02)
        assert script.ordered == [order_id]


async def test_an_order_of_an_earlier_process_is_queried_and_not_sent(running, script):
    async with running(window_ms=60_000) as node:
        node.gateway_actor._spawn = lambda coroutine: coroutine.close()
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == "NEW")
    async with running(window_ms=60_000, ready=False) as node:
        await node.until(lambda: script.queried.count(order_id) >= 2)
        assert node.account.is_reconciling, "the venue may still take it: nothing new leaves"
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id)]
        await node.ready()
        assert node.status(order_id) == "FILLED"
    assert script.ordered == []


async def test_new_orders_wait_for_a_query_that_fails(running, script):
    async with running() as node:
        resting = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(resting))
        await node.until(lambda: node.status(resting) == "ACCEPTED")

    def no_answer(order_id):
        raise ConnectionError("not now")

    script.on_query = no_answer
    async with running(ready=False) as node:
        await node.until(lambda: script.queried.count(resting) >= 3)
        assert node.account.is_reconciling
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id, 1, "0.005")]
        await node.ready()
        assert node.status(resting) == "PARTIALLY_FILLED"


async def test_a_report_of_an_unknown_order_stops_new_orders(running, script):
    async with running() as node:
        script.report(accepted("L" + "0" * 31 + "7"))
        await asyncio.sleep(0.02)
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == "REJECTED")
        assert node.account.order(order_id).reason == "INCIDENT"
        assert script.ordered == []


@pytest.mark.parametrize("end", [None, RuntimeError("torn")])
async def test_a_stream_of_reports_that_ends_or_raises_starts_the_actor_anew(running, script, end):
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        first, before = node.gateway_actor, script.made[-1]
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id, 3, "0.005")]
        script.report(end)
        await node.until(lambda: node.gateway_actor is not first)
        await node.until(lambda: len(script.sessions) == 2)
        await node.ready()
        assert before.disconnected
        assert [fill.trade_id for fill in node.account.fills()] == [3], "what the stream lost was asked for"
        script.report(filled(order_id, 4, "0.015"))
        await node.until(lambda: node.status(order_id) == "FILLED")
        assert node.outcome_errors() == 1


async def test_a_report_that_cannot_be_read_is_not_passed_over(running, script):
    async with running() as node:
        order_id = node.submit()
        await node.until(lambda: script.ordered)
        first = node.gateway_actor
        bad = OrderReport(order_id, "FILLED", trade_id=1, price="100.123456", size="0.020")
        script.on_query = lambda order_id: [bad]
        script.report(bad)
        await node.until(lambda: node.gateway_actor is not first and script.queried)
        await asyncio.sleep(0.03)
        assert node.account.is_reconciling
        assert node.account.fill_count == 0
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id)]
        await node.ready()
        assert node.status(order_id) == "FILLED"


async def test_a_venue_out_of_reach_stops_new_orders_until_all_is_asked(running, script):
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        script.connected = False
        await node.until(lambda: node.account.is_reconciling)
        refused = node.submit()
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == "RECONCILING"
        script.on_query = lambda order_id: [accepted(order_id), filled(order_id)]
        script.connected = True
        await node.ready()
        assert node.status(order_id) == "FILLED"
        assert script.ordered == [order_id]


async def resting(node, script):
    """An order that works at the venue."""
    order_id = node.submit(price="99.0")
    await node.until(lambda: order_id in script.ordered)
    script.report(accepted(order_id))
    await node.until(lambda: node.status(order_id) == "ACCEPTED")
    return order_id


async def fail_too_often(node, script, error):
    """The stream ends, and no connection is made until the test lets one be made."""
    script.connect_errors = [error] * 99
    script.report(ConnectionError("the stream is gone"))
    await node.until(lambda: node.account.standing()["unattended"] is not None)


async def test_a_venue_that_is_gone_for_long_leaves_its_account_unattended(running, script, caplog):
    async with running() as node:
        await fail_too_often(node, script, ValueError("the key was revoked"))
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == "REJECTED")
        order = node.account.order(order_id)
        assert (order.reason, "acct.gateway failed" in order.detail) == ("UNATTENDED", True)
        tried = len(script.connect_errors)
        await node.until(lambda: len(script.connect_errors) <= tried - 2)
    assert node.outcome.failed == []
    told = summary(node.node, node.outcome)
    assert "acct.gateway failed" in told["unattended"]["acct"]
    assert told["failures"] == [f"account acct is unattended: {told['unattended']['acct']}"]
    assert caplog.text.count("account acct is unattended") == 1
    assert script.ordered == []


@pytest.mark.parametrize("how", ["at once", "killed", "asked for"])
async def test_a_gateway_that_failed_too_often_cancels_as_soon_as_the_venue_can_be_reached(
    running, script, caplog, how
):
    async with running() as node:
        order_id = await resting(node, script)
        script.on_query = lambda order_id: [accepted(order_id)]
        if how == "asked for":
            # Between two instances.
            script.connect_errors = [ValueError("a wrong key")] * 99
            script.report(ConnectionError("the stream is gone"))
            await node.until(lambda: node.gateway_actor is None)
            node.strategy.cancel(order_id)
            await node.until(lambda: "its gateway does not run" in caplog.text)
        await fail_too_often(node, script, ValueError("a wrong key"))
        if how == "killed":
            node.node.cancel_outside(node.account, node.account.kill("the test"))
        assert script.cancelled == []
        script.connect_errors = []
        await node.until(lambda: script.cancelled == [order_id])
        script.on_query = lambda order_id: [accepted(order_id), cancelled(order_id)]
        script.report(cancelled(order_id))
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        assert "will be queried" not in caplog.text
        refused = node.submit()
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == ("KILL_SWITCH" if how == "killed" else "UNATTENDED")
    assert script.ordered == [order_id]


async def test_an_unattended_account_trades_again_when_an_operator_says_so_and_its_gateway_runs(running, script):
    async with running() as node:
        await fail_too_often(node, script, ValueError("a wrong key"))
        operator = Operator(node.node, 0, "test", "0")
        (row,) = operator.resume(Peer(0, 1), {})["accounts"]
        assert row["stopped"][0] == "UNATTENDED", "there is nobody to carry its orders"
        script.connect_errors = []
        await node.until(lambda: str(node.node.actor_states()["acct.gateway"]) == "running")
        await node.until(lambda: not node.account.is_reconciling)
        early = node.submit()
        await node.until(lambda: node.status(early) == "REJECTED")
        (row,) = operator.resume(Peer(0, 1), {})["accounts"]
        assert (row["unattended"], row["stopped"]) == (None, None)
        order_id = await resting(node, script)
    assert script.ordered == [order_id]
    assert summary(node.node, node.outcome)["failures"] == []


async def test_an_account_whose_risk_was_given_up_stays_unattended(running, script):
    async with running() as node:
        order_id = await resting(node, script)
        node.node._actor_given_up("acct.risk")
        node.node.failed.append("acct.risk")
        await node.until(lambda: script.cancelled == [order_id])
        assert not node.node.attend(node.account)
        assert "needs a restart" in node.account.standing()["unattended"]
        node.node.failed.clear()


@pytest.mark.parametrize("actor", ["risk", "execution"])
async def test_what_is_asked_of_an_account_is_answered_though_its_own_actor_failed_too_often(
    running, script, monkeypatch, actor
):
    failing, handler, code = {
        "risk": (Risk, "check", "RISK_FAILED"),
        "execution": (Execution, "cancel", "EXECUTION_FAILED"),
    }[actor]
    is_broken, inner = False, getattr(failing, handler)

    def fail(self, event):
        if is_broken:
            raise RuntimeError("a fault of our own")
        inner(self, event)

    monkeypatch.setattr(failing, handler, fail)
    async with running() as node:
        open_order = await resting(node, script)
        is_broken = True
        while node.account.standing()["unattended"] is None:
            asked = node.account.tally()["rejections"].get(code, 0)
            if actor == "risk":
                node.submit()
            else:
                node.strategy.cancel(open_order)
            await node.until(lambda asked=asked: node.account.tally()["rejections"].get(code, 0) > asked)
        is_broken = False
        late = node.submit()
        await node.until(lambda: node.status(late) == "REJECTED")
        assert node.account.order(late).reason == "UNATTENDED"
        await node.until(lambda: script.cancelled == [open_order])
        await node.until(lambda: str(node.node.actor_states()[f"acct.{actor}"]) == "running")
        assert node.node.attend(node.account)
        await resting(node, script)
    assert node.outcome.failed == []


async def test_what_a_suspended_actor_has_not_handled_is_not_confirmed(running, script):
    async with running() as node:
        first = node.submit(price="99.0")
        await node.until(lambda: node.status(first) == "SUBMITTED" and node.account.confirm())
        hold = node.strategy.hold = asyncio.Event()
        script.report(accepted(first), filled(first))
        await node.until(lambda: node.status(first) == "FILLED")
        await asyncio.sleep(0.01)
        assert not node.account.confirm(), "the strategy still has the fill before it"
        hold.set()
        await node.until(node.account.confirm)
        assert [str(order.status) for order in node.strategy.seen][-2:] == ["ACCEPTED", "FILLED"]


@pytest.mark.parametrize("how", ["kill", "vanish"])
async def test_a_cancel_that_must_be_is_repeated_until_the_venue_takes_it(running, script, how):
    refusals = [False]
    script.on_cancel = lambda order_id: refusals.pop() if refusals else True
    async with running() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered)
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        script.on_query = lambda order_id: [accepted(order_id)]
        if how == "kill":
            node.node.cancel_outside(node.account, node.account.kill("the test"))
        else:
            node.node.stop_strategy("idle")
        await node.until(lambda: script.cancelled and not node.account.cancelling())
        assert node.account.cancels_pending == 0, "it was refused"
        assert node.account.standing()["cancelling"] == 1, "and is shown as what has to go"
        await node.until(lambda: len(script.cancelled) == 2)
        script.on_query = lambda order_id: [accepted(order_id), cancelled(order_id)]
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        assert script.ordered == [order_id]
        assert node.account.standing()["cancelling"] == 0


async def test_an_order_whose_sending_never_began_is_ended_by_the_next_instance(running, script):
    async with running(window_ms=600_000) as node:
        actor, lost = node.gateway_actor, []
        actor._spawn = lost.append
        order_id = node.submit()
        await node.until(lambda: lost)
        lost.pop().close()
        script.report(ConnectionError("the stream is gone"))
        await node.until(lambda: node.status(order_id) == "REJECTED")
        assert node.account.order(order_id).reason == "RECONCILING"
        assert (script.ordered, script.queried) == ([], [])
        await node.until(lambda: not node.account.is_reconciling)


async def test_an_order_that_nobody_begins_to_send_ends_when_its_time_is_over(running, script):
    async with running(window_ms=300) as node:
        held = []
        node.gateway_actor._spawn = held.append
        order_id = node.submit()
        await node.until(lambda: node.status(order_id) == "REJECTED")
        assert node.account.order(order_id).reason == "EXPIRED"
        assert node.account.unanswered() == []
        sending, *others = held
        await sending
        assert script.ordered == []
        for other in others:
            other.close()
