"""Waiting for turns on a loop: who is served, who is taken out, and that nothing is counted that never left."""

import asyncio

import pytest

from libra.gateways.budget import Limit, RateBudget, Urgency
from libra.gateways.turnstile import NoTurn, Turnstile, patient

S = 1_000_000_000
ONE = {"weight": 1}


def turnstile(most=2, *, interval_s=3600.0, reserve=0, most_waiting=16):
    limit = Limit("weight", "weight", most, round(interval_s * 1e9), reserve=reserve)
    return Turnstile(RateBudget([limit], most_waiting=most_waiting))


async def begun(coroutine):
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_a_turn_that_is_given_back_serves_the_most_urgent_who_waits():
    gate = turnstile(most=1)
    turn = await gate.take(Urgency.ORDER, ONE)
    query = await begun(gate.take(Urgency.QUERY, ONE))
    cancel = await begun(gate.take(Urgency.CANCEL, ONE))
    gate.give_back(turn)
    assert (await cancel).urgency is Urgency.CANCEL
    assert not query.done()
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    assert gate.counters()["waiting"] == {"CANCEL": 0, "ORDER": 0, "QUERY": 0, "SNAPSHOT": 0}


async def test_what_was_used_stays_counted():
    gate = turnstile(most=1)
    turn = await gate.take(Urgency.ORDER, ONE)
    gate.used(turn)
    gate.give_back(turn)
    assert gate.counters()["left"] == {"weight": 0}


async def test_who_is_no_longer_wanted_is_not_served_and_takes_nothing():
    gate = turnstile(most=1)
    turn = await gate.take(Urgency.ORDER, ONE)
    killed = False
    order = await begun(gate.take(Urgency.ORDER, ONE, wanted=lambda: not killed))
    killed = True
    gate.give_back(turn)
    with pytest.raises(NoTurn, match="NOT_WANTED"):
        await order
    assert gate.counters()["left"] == {"weight": 1}


async def test_a_kill_switch_takes_out_who_waits_at_once():
    gate = turnstile(most=1)
    await gate.take(Urgency.ORDER, ONE)
    killed = False
    order = await begun(gate.take(Urgency.ORDER, ONE, wanted=lambda: not killed))
    killed = True
    gate.drop_unwanted()
    with pytest.raises(NoTurn) as refused:
        await order
    assert refused.value.code == "NOT_WANTED"


async def test_a_full_queue_refuses_with_a_code_and_keeps_room_for_cancels():
    gate = turnstile(most=1, most_waiting=8)
    await gate.take(Urgency.ORDER, ONE)
    waiting = [await begun(gate.take(Urgency.SNAPSHOT, ONE)) for _ in range(7)]
    with pytest.raises(NoTurn, match="QUEUE_FULL"):
        await asyncio.wait_for(gate.take(Urgency.QUERY, ONE), 5)
    cancel = await begun(gate.take(Urgency.CANCEL, ONE))
    assert not cancel.done()
    for task in [*waiting, cancel]:
        task.cancel()
    await asyncio.gather(*waiting, cancel, return_exceptions=True)


async def test_a_deadline_ends_the_waiting():
    gate = turnstile(most=1)
    await gate.take(Urgency.ORDER, ONE)
    with pytest.raises(NoTurn, match="EXPIRED"):
        await gate.take(Urgency.ORDER, ONE, within_s=0.01)


async def test_the_clock_serves_who_waits():
    gate = turnstile(most=1, interval_s=0.05)
    gate.used(await gate.take(Urgency.ORDER, ONE))
    assert (await gate.take(Urgency.SNAPSHOT, ONE)).state == "granted"
    assert sum(gate.counters()["waited_ns"]["SNAPSHOT"]) == 1


async def test_the_venues_silence_holds_cancels_too():
    gate = turnstile(most=5)
    gate.penalise(0.05)
    cancel = await begun(gate.take(Urgency.CANCEL, ONE))
    assert not cancel.done()
    assert (await cancel).state == "granted"


async def test_the_venues_count_holds_where_it_is_higher():
    gate = turnstile(most=5)
    gate.sync("weight", 4)
    gate.sync("weight", 2)
    assert gate.counters()["left"] == {"weight": 1}


async def test_orders_leave_the_reserve_to_cancels():
    gate = turnstile(most=3, reserve=1)
    for _ in range(2):
        await gate.take(Urgency.ORDER, ONE)
    order = await begun(gate.take(Urgency.ORDER, ONE))
    await asyncio.wait_for(gate.take(Urgency.CANCEL, ONE), 5)
    assert not order.done()
    order.cancel()
    await asyncio.gather(order, return_exceptions=True)


async def test_what_a_cancel_does_not_lack_yet_is_kept_for_it():
    limits = [Limit("weight", "weight", 2, 3_600 * 10**9), Limit("requests", "requests", 2, 3_600 * 10**9)]
    gate = Turnstile(RateBudget(limits))
    first = await gate.take(Urgency.ORDER, {"weight": 2, "requests": 1})
    cancel = await begun(gate.take(Urgency.CANCEL, {"weight": 1, "requests": 1}))
    snapshot = await begun(gate.take(Urgency.SNAPSHOT, {"requests": 1}))
    assert not snapshot.done(), "then the cancel would wait for it once there is weight"
    gate.give_back(first)
    assert (await cancel).urgency is Urgency.CANCEL
    assert (await snapshot).urgency is Urgency.SNAPSHOT


def spent_until(budget, urgency=Urgency.CANCEL, *, cost, from_ns, most_s=120):
    """When a turn that is asked for at a time is granted, in seconds behind it."""
    turn, at = budget.ask(from_ns, urgency, cost), from_ns
    while turn.state == "waiting" and at < from_ns + most_s * S:
        at += S // 20
        budget.pump(at)
    return (at - from_ns) / S


@pytest.mark.parametrize("second", [0.5, 14.0, 46.0, 59.0])
def test_what_others_used_is_over_with_the_venues_minute(second):
    budget = RateBudget([Limit("weight", "weight", 2_400, 61 * S, reserve=240, slack_ns=S)])
    now_ns, venue_ns = 1_000 * S, 1_700_000_040 * S + round(second * S)
    budget.sync(now_ns, "weight", 2_401, left_ns=now_ns, venue_ns=venue_ns)
    budget.penalise(now_ns + 1 * S)
    waited_s = spent_until(budget, cost={"weight": 1}, from_ns=now_ns)
    # No longer than the venue's minute and a second, and never before it.
    assert 60 - second <= waited_s <= 61 - second + 0.05


def test_an_answer_from_before_the_turn_of_the_minute_says_nothing_of_this_one():
    budget = RateBudget([Limit("weight", "weight", 2_400, 61 * S, reserve=240, slack_ns=S)])
    now_ns, minute_ns = 1_000 * S, 1_700_000_040 * S
    budget.sync(now_ns, "weight", 10, left_ns=now_ns, venue_ns=minute_ns + 4 * S)
    # It left 4.5 s ago, when the minute before was at its end.
    budget.sync(now_ns, "weight", 2_400, left_ns=now_ns - 4 * S - S // 2, venue_ns=minute_ns - S // 2)
    assert spent_until(budget, cost={"weight": 1}, from_ns=now_ns) == 0


def test_what_is_spent_behind_the_venues_word_counts_with_it():
    budget = RateBudget([Limit("weight", "weight", 10, 61 * S, slack_ns=S)])
    now_ns, venue_ns = 1_000 * S, 1_700_000_040 * S
    budget.sync(now_ns, "weight", 8, left_ns=now_ns, venue_ns=venue_ns)
    assert spent_until(budget, cost={"weight": 2}, from_ns=now_ns) == 0
    assert spent_until(budget, cost={"weight": 1}, from_ns=now_ns) == 61


async def test_the_wait_for_a_turn_is_no_silence():
    gate = turnstile(most=5)
    gate.penalise(0.3)
    async with patient(0.1):
        turn = await gate.take(Urgency.CANCEL, ONE)
    assert turn.state == "granted"
    with pytest.raises(TimeoutError):
        async with patient(0.05):
            await gate.take(Urgency.CANCEL, ONE)
            await asyncio.sleep(30)


async def test_a_task_that_outlives_who_was_patient_waits_on():
    gate = turnstile(most=5)
    gate.penalise(0.1)
    async with patient(5):
        task = await begun(gate.take(Urgency.CANCEL, ONE))
    assert (await task).state == "granted"


def test_the_first_word_of_a_new_minute_ends_the_count_of_the_old_one():
    budget = RateBudget([Limit("weight", "weight", 10, 61 * S, slack_ns=S)])
    now_ns, minute_ns = 1_000 * S, 1_700_000_040 * S
    budget.sync(now_ns, "weight", 10, left_ns=now_ns, venue_ns=minute_ns - S // 2)
    later_ns = now_ns + 3 * S // 4
    budget.sync(later_ns, "weight", 1, left_ns=later_ns, venue_ns=minute_ns + S // 4)
    assert spent_until(budget, cost={"weight": 9}, from_ns=later_ns) == 0
