"""Strategies that end with their node, and have no `on_stop` that does its work: what becomes of what they leave."""

import pytest

from libra.assembly import trading_node
from libra.config import load
from libra.core.actor import ActorState

RESTS = """
def on_quote(self, quote):
    if not getattr(self, "asked", None):
        self.asked = self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
"""
RAISES = RESTS + "\ndef on_stop(self):\n    print('bye')\n    raise BrokenPipeError\n"
RAISES_LATER = RESTS + "\nasync def on_stop(self):\n    await asyncio.sleep(0)\n    raise BrokenPipeError\n"
NEVER_ENDS = RESTS + "\nasync def on_stop(self):\n    await asyncio.Event().wait()\n"
WAITS = RESTS + "\ndef on_order(self, order):\n    if order.status == 'ACCEPTED':\n        raise RuntimeError('once')\n"
STILL_STARTS = """
async def on_start(self):
    market = "BTC/USDT:USDT"
    while True:
        await asyncio.sleep(0.05)
        self.submit(market, OrderSide.BUY, "0.001", price="59000.0")
"""
AWAITS = """
async def on_quote(self, quote):
    if getattr(self, "asked", None):
        self.log.warning("awaits")
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                {then}
        return
    self.asked = self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)

def on_stop(self):
    self.log.warning("on_stop")
    self.cancel(self.asked)
"""
ONE_RESTART = "[node.supervision]\nbackoff_s = 60\nmax_backoff_s = 60\njitter = 0"
ENDS = "strategy mine ends with the node"
LEAVES = ENDS + " and leaves 1 open order: {why}, so its on_vanish says what becomes of that: {policy}"


@pytest.fixture
def run(shell, caplog):
    """Runs a strategy until its order rests and, where that is asked for, it is in that state; gives the result."""

    def run(body, state=ActorState.RUNNING, *, on_vanish="cancel", orders=1):
        more = f'on_vanish = "{on_vanish}"'
        settings = f"control = false\nduration_s = 20\n{ONE_RESTART}"
        profile = shell.profile(shell.strategy(body), node=settings, strategy_more=more)
        node = trading_node.build(load(shell.folder / profile))

        def look(_status):
            is_there = node.accounts["paper"].standing()["open_orders"] >= orders
            if is_there and node.actor_states()["mine"] is state and ("awaits" in caplog.text) is ("awaits" in body):
                node.stop()

        return node, node.run(look, 0.02)

    return run


@pytest.mark.parametrize(
    ("body", "state", "why", "failed"),
    [
        (RAISES, ActorState.RUNNING, "its on_stop raised", ["mine"]),
        (RAISES_LATER, ActorState.RUNNING, "its on_stop raised", ["mine"]),
        (NEVER_ENDS, ActorState.RUNNING, "its handler did not end", ["mine"]),
        (AWAITS.format(then="pass"), ActorState.RUNNING, "its handler did not end", ["mine"]),
        (WAITS, ActorState.DEGRADED, "it waited to be started again", []),
    ],
    ids=["raises", "raises later", "never ends", "a handler never ends", "waits to be started again"],
)
@pytest.mark.parametrize(("on_vanish", "left"), [("cancel", "CANCELLED"), ("keep", "ACCEPTED")])
def test_its_policy_applies_and_it_is_named(run, caplog, body, state, why, failed, on_vanish, left):
    node, result = run(body, state, on_vanish=on_vanish)
    assert [row["status"] for row in result.orders] == [left]
    assert (result.exit_code, result.summary["failed"]) == (1, failed)
    assert [gone[:2] for gone in node.accounts["paper"].vanished()] == [("mine", on_vanish)]
    assert LEAVES.format(why=why, policy=on_vanish) in caplog.text


def test_one_that_has_not_started_is_named_too(run, caplog):
    _, result = run(STILL_STARTS, ActorState.STARTING)
    assert {row["status"] for row in result.orders} <= {"CANCELLED", "REJECTED"}
    assert (result.exit_code, "it had not started, so its on_vanish" in caplog.text) == (1, True)


def test_a_handler_that_can_be_cancelled_is_followed_by_on_stop(run, caplog):
    node, result = run(AWAITS.format(then="raise"))
    assert [row["status"] for row in result.orders] == ["CANCELLED"]
    assert [record.message for record in caplog.records if record.name == "libra.actor.mine"] == ["awaits", "on_stop"]
    # Its event was not handled to its end.
    assert (result.exit_code, result.summary["failed"], node.accounts["paper"].vanished()) == (1, [], [])
    assert "actor mine: its handler of QUOTE awaits something" in caplog.text


STOPS_ITSELF = """
async def on_quote(self, quote):
    if getattr(self, "asked", None):
        self.log.warning("awaits")
        await asyncio.sleep(0.1)
        self.stop()
        return
    self.asked = self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
"""


@pytest.mark.parametrize(
    ("body", "left", "vanished"),
    [
        (STOPS_ITSELF, "CANCELLED", [("mine", "cancel")]),
        (RESTS + "\ndef on_stop(self):\n    self.stop()\n", "ACCEPTED", []),
    ],
    ids=["while it drains", "while it is stopped"],
)
def test_one_that_stops_itself_has_ended_for_good_unless_it_is_being_stopped(run, body, left, vanished):
    node, result = run(body)
    assert ([row["status"] for row in result.orders], result.exit_code) == ([left], 0)
    assert [gone[:2] for gone in node.accounts["paper"].vanished()] == vanished


@pytest.mark.parametrize(
    ("body", "state", "code"),
    [
        ("def on_quote(self, quote):\n    raise RuntimeError('once')", ActorState.DEGRADED, 0),
        ("def on_stop(self):\n    raise BrokenPipeError", ActorState.RUNNING, 1),
    ],
    ids=["waits to be started again", "raises"],
)
def test_of_one_that_leaves_nothing_a_failure_of_its_on_stop_alone_is_one(run, caplog, body, state, code):
    node, result = run(body, state, orders=0)
    assert (result.exit_code, result.summary["failed"]) == (code, ["mine"] if code else [])
    assert node.accounts["paper"].vanished() == []
    assert "ends with the node and leaves" not in caplog.text


def test_an_on_stop_that_sleeps_in_simulated_time_is_cut_short_and_named(shell, caplog):
    """That time stands still by then, so no cancel has an answer either."""
    sleeps = RESTS + "\nasync def on_stop(self):\n    await self.clock.sleep(1)\n    self.cancel(self.asked)\n"
    profile = shell.profile(shell.strategy(sleeps), clock="simulated", node="control = false\nduration_s = 2")
    result = trading_node.build(load(shell.folder / profile)).run()
    assert [row["status"] for row in result.orders] == ["ACCEPTED"]
    assert (result.exit_code, result.summary["failed"]) == (1, [])
    assert LEAVES.format(why="its on_stop was cut short", policy="cancel") in caplog.text


STOPS_WELL = """
snapshot_interval_s = 0

def snapshot(self):
    return getattr(self, "stopped", False)

def on_quote(self, quote):
    if not getattr(self, "protects", None):
        self.protects = self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
        self.works = self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 400)

{kind}def on_stop(self):
    {waits}
    self.cancel(self.works)
    self.stopped = True

async def on_order(self, order):
    if order.status == "CANCELLED":
        {then}
"""
NOT_AT_ONCE = """for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
"""


@pytest.mark.parametrize(("kind", "waits"), [("", "pass"), ("async ", "await asyncio.sleep(0)")], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("then", "failed"),
    [
        ("await asyncio.sleep(0)\n        raise RuntimeError('nobody hears')", []),
        ("await asyncio.Event().wait()", []),
        ("await asyncio.shield(asyncio.Event().wait())", []),
        (NOT_AT_ONCE, ["mine"]),
    ],
    ids=["raises", "is slow", "shields", "never ends"],
)
def test_what_an_on_stop_keeps_is_kept_whatever_a_handler_does_behind_it(shell, caplog, kind, waits, then, failed):
    body = STOPS_WELL.format(kind=kind, waits=waits, then=then)
    state = shell.folder / "state"
    profile = shell.profile(shell.strategy(body), node=f'control = false\nduration_s = 20\nstate_dir = "{state}"')
    node = trading_node.build(load(shell.folder / profile))

    def look(_status):
        if node.accounts["paper"].standing()["open_orders"] >= 2:
            node.stop()

    result = node.run(look, 0.02)
    assert sorted(row["status"] for row in result.orders) == ["ACCEPTED", "CANCELLED"]
    assert (result.summary["failed"], node.accounts["paper"].vanished()) == (failed, [])
    assert "ends with the node and leaves" not in caplog.text
    # What goes on may be in the middle of something.
    assert [path.name for path in state.rglob("*.snapshot")] == ([] if failed else ["mine.snapshot"])
