"""Our process is killed at each step of an order's way, started again, and held against the venue's ledger."""

import random

import pytest
from tests.integration.crash.compare import SIGKILL, check

from libra.control.folder import run_folder

STEPS = [
    ("request.unasked", 3),
    ("request.asked", 3),
    ("on_request.before", 3),
    ("on_request.after", 3),
    ("on_approved.before", 3),
    ("on_approved.after", 3),
    ("may_send.before", 3),
    ("may_send.after", 3),
    ("on_submitted.after", 3),
    ("order.unsent", 3),
    ("order.sent", 3),
    ("order.answered", 3),
    ("on_report.before", 4),
    ("on_report.after", 4),
    ("partly_filled", 1),
    ("on_signal.before", 1),
    ("on_signal.after", 1),
    ("confirm.before", 4),
    ("confirm.after", 4),
    ("on_cancel.before", 1),
    ("on_cancel.after", 1),
    ("cancel.unsent", 1),
    ("cancel.sent", 1),
    ("cancel.answered", 1),
]

RECOVERY = [
    ("connected", 1),
    ("query.unsent", 1),
    ("query.answered", 1),
    ("recovery.on_report.before", 1),
    ("recovery.on_report.after", 1),
    ("recovery.on_report.after", 2),
    ("set_reconciled.before", 1),
    ("set_reconciled.after", 1),
]


@pytest.mark.parametrize(("point", "nth"), STEPS, ids=[f"{point}-{nth}" for point, nth in STEPS])
def test_a_kill_at_each_step(make_world, point, nth):
    world = make_world()
    assert world.live(point, nth) == SIGKILL, world.lines()
    assert world.live() == 0, world.lines()
    check(world)


@pytest.mark.parametrize(("point", "nth"), RECOVERY, ids=[f"{point}-{nth}" for point, nth in RECOVERY])
def test_a_kill_during_recovery(make_world, point, nth):
    world = make_world()
    assert world.live("order.sent", 4) == SIGKILL, world.lines()
    assert world.live(point, nth) == SIGKILL, world.lines()
    assert world.live() == 0, world.lines()
    check(world)


@pytest.mark.parametrize(
    "deaths",
    [
        ["latched"],
        ["cancel.unsent"],
        ["cancel.sent"],
        ["latched", "cancel_all.before"],
        # Not "latched": the account's own word of the latch comes first, and cancels may have left by it.
        ["cancel.unsent", "cancel.sent"],
    ],
    ids=" ".join,
)
def test_the_kill_latch_outlives_a_crash(make_world, deaths):
    world = make_world(orders=20, kill_switch=4, open_at_most=9, ways=["resting"])
    assert world.live(deaths[0]) == SIGKILL, world.lines()
    sent_before = [row["order_id"] for row in world.ledger if row["op"] == "order"]
    for death in deaths[1:]:
        assert world.live(death) == SIGKILL, world.lines()
    assert world.live() == 0, world.lines()
    assert world.told["is_killed"]
    assert world.told["run_folder"] != str(run_folder()), "no operator's command from outside reaches a life"
    assert world.told["exit_code"] == 3
    assert [row["order_id"] for row in world.ledger if row["op"] == "order"] == sent_before
    assert {order["reason"] for order in world.told["orders"] if order["status"] == "REJECTED"} == {"KILL_SWITCH"}
    check(world)


def test_many_random_kills(make_world):
    world = make_world(orders=300, open_at_most=6, seed=5)
    rng = random.Random(5)
    kills = 0
    while kills < 12:
        ended = world.live("*", int(rng.expovariate(1 / 400)) + 1)
        assert ended in (SIGKILL, 0), world.lines()
        if ended == 0:
            break
        kills += 1
    assert kills >= 8
    assert world.live() == 0, world.lines()
    check(world)


MUTANTS = {
    "sends again": (("on_approved.after", 3), ["buy", "sell"], "sent twice|an order of an earlier life left"),
    "loses fills": (("cancel.sent", 2), ["half lost"], "filled"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_comparison_notices_a_guard_that_is_missing(make_world, mutant):
    death, ways, complaint = MUTANTS[mutant]
    world = make_world(ways=ways, orders=6)
    assert world.live(*death) == SIGKILL, world.lines()
    assert world.live(mutant=mutant) == 0, world.lines()
    with pytest.raises(AssertionError, match=complaint):
        check(world)


def test_a_life_without_a_kill(make_world):
    world = make_world(orders=60, open_at_most=6, seed=2)
    assert world.live() == 0, world.lines()
    check(world)
    assert {row["op"] for row in world.ledger} >= {"order", "cancel", "query", "touch"}
    statuses = {order["status"] for order in world.told["orders"]}
    assert statuses >= {"FILLED", "CANCELLED"}
    digest = world.told["digest"]
    assert world.live() == 0, world.lines()
    assert world.told["digest"] == digest
    check(world)
