"""An actor that publishes to itself without end, beside others: whose turn it is, in a node as it drains."""

import asyncio
import time

import pytest

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.core.node import Node, NodeOptions
from libra_core import NodeCore

OVERTAKES, TURN = 256, 64
BOUND = 2 * OVERTAKES + TURN
"""What a flooded actor is given at most before each other one gets its turn: `router/fairness.rs`."""

MOST = 50 * BOUND

FLOODS = (EventType.CIRCUIT_BREAKER, EventType.ORDER_REQUEST, EventType.SIGNAL, EventType.BAR)


class Loop:
    """A node's native side, driven by hand; writes down whose handlers ran."""

    def __init__(self, *, simulated):
        self.core = NodeCore(simulated=simulated)
        self.ran = []

    def actor(self, name, event_type, handle=lambda: None, **more):
        slot = self.core.add_actor(name)

        def handler(event):
            self.ran.append(name)
            if len(self.ran) > MOST:
                raise RuntimeError("a drain without end")
            return handle()

        self.core.subscribe(slot, event_type, handler, **more)
        return slot

    def drain(self, most):
        while len(self.ran) < most:
            used, suspended = self.core.drain(256, 1_000_000)
            assert used
            assert not suspended

    def longest_wait(self, name, of):
        """The most turns that ``of`` had between two of ``name``."""
        waits, wait = [], 0
        for ran in self.ran:
            if ran == of:
                wait += 1
            elif ran == name:
                waits.append(wait)
                wait = 0
        assert len(waits) > 5, f"{name} starves: {len(waits)} turns of {len(self.ran)}"
        return max(waits)


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("flood", FLOODS)
def test_whatever_one_publishes_to_itself_each_other_one_gets_its_turns(flood, simulated):
    loop = Loop(simulated=simulated)
    storm = loop.actor("storm", flood, lambda: loop.core.emit(storm, flood))
    quotes = loop.actor("quotes", EventType.TICK, lambda: loop.core.emit(quotes, EventType.TICK, instrument="x"))
    asked = loop.actor("asked", EventType.CANCEL_REQUEST, lambda: loop.core.emit(asked, EventType.CANCEL_REQUEST))
    for slot, event_type in ((storm, flood), (quotes, EventType.TICK), (asked, EventType.CANCEL_REQUEST)):
        loop.core.emit(slot, event_type, instrument="x" if slot == quotes else None)
    loop.drain(20 * BOUND)
    assert loop.longest_wait("quotes", "storm") <= BOUND
    assert loop.longest_wait("asked", "storm") <= BOUND


def test_a_flood_of_one_lane_starves_no_other_lane_of_its_receiver():
    """The storm is in one actor's mailbox, and comes from another."""
    loop = Loop(simulated=True)
    ticks = []
    victim = loop.actor("victim", EventType.CIRCUIT_BREAKER)
    loop.core.subscribe(victim, EventType.TICK, lambda event: ticks.append(len(loop.ran)), instruments=["x"])
    storm = loop.actor("storm", EventType.CIRCUIT_BREAKER, lambda: loop.core.emit(storm, EventType.CIRCUIT_BREAKER))
    for _ in range(10):
        loop.core.emit(storm, EventType.TICK, instrument="x")
    loop.core.emit(storm, EventType.CIRCUIT_BREAKER)
    loop.drain(20 * BOUND)
    assert len(ticks) == 10
    assert ticks[0] <= 2 * BOUND


def test_an_honest_burst_overtakes_all_market_data():
    loop = Loop(simulated=True)
    slow = loop.actor("market data", EventType.TICK)
    facts = loop.actor("facts", EventType.ORDER_FILLED)
    for _ in range(500):
        loop.core.emit(slow, EventType.TICK, instrument="x")
    for _ in range(OVERTAKES):
        loop.core.emit(slow, EventType.ORDER_FILLED)
    assert facts != slow
    loop.drain(500 + OVERTAKES)
    assert loop.ran == ["facts"] * OVERTAKES + ["market data"] * 500


def test_a_batch_that_gives_way_again_and_again_is_no_way_around_it():
    loop = Loop(simulated=True)
    core = loop.core

    def storm_handles():
        core.emit(storm, EventType.BAR)
        core.emit(storm, EventType.TICK, instrument="y")

    storm = loop.actor("storm", EventType.CIRCUIT_BREAKER, storm_handles)
    core.subscribe(storm, EventType.BAR, lambda events: loop.ran.extend(["storm"] * len(events)), batch=True)
    core.subscribe(storm, EventType.TICK, lambda _: core.emit(storm, EventType.CIRCUIT_BREAKER), instruments=["y"])
    other = loop.actor(
        "other", EventType.TICK, lambda: core.emit(other, EventType.TICK, instrument="x"), instruments=["x"]
    )
    core.emit(other, EventType.TICK, instrument="x")
    core.emit(storm, EventType.CIRCUIT_BREAKER)
    loop.drain(20 * BOUND)
    # Its batches and its facts count together; the market data between them is handled in the same turns.
    assert loop.longest_wait("other", "storm") <= 2 * BOUND


def test_in_simulated_time_it_does_not_matter_how_long_a_handler_takes():
    def turns(seconds):
        loop = Loop(simulated=True)

        def again():
            if seconds:
                time.sleep(seconds)
            loop.core.emit(storm, EventType.CIRCUIT_BREAKER)

        storm = loop.actor("storm", EventType.CIRCUIT_BREAKER, again)
        other = loop.actor("other", EventType.TICK, lambda: loop.core.emit(other, EventType.TICK, instrument="x"))
        loop.core.emit(other, EventType.TICK, instrument="x")
        loop.core.emit(storm, EventType.CIRCUIT_BREAKER)
        loop.drain(BOUND)
        return loop.ran[:BOUND]

    assert turns(0.0005) == turns(0)


@pytest.mark.parametrize("is_async", [False, True])
def test_slow_handlers_of_a_storm_use_up_their_time_in_a_live_node(is_async):
    """How many events a storm is given ahead of others depends on what its handlers take: with 5 ms each it is one."""
    ran = []

    class Storm(Actor):
        def on_start(self):
            self.subscribe(EventType.CIRCUIT_BREAKER, self.again_later if is_async else self.again)
            self.emit(EventType.CIRCUIT_BREAKER)

        def again(self, event):
            ran.append("storm")
            until = self.clock.now_ns() + 5_000_000
            while self.clock.now_ns() < until:
                pass
            if not node.is_stopping:
                self.emit(EventType.CIRCUIT_BREAKER)

        async def again_later(self, event):
            await asyncio.sleep(0)
            self.again(event)

    class Other(Actor):
        def on_start(self):
            self.left = 20
            self.subscribe(EventType.TICK)
            self.emit(EventType.TICK)

        def on_event(self, event):
            ran.append("other")
            self.left -= 1
            if self.left:
                self.emit(EventType.TICK)
            else:
                node.is_stopping = True
                node.stop()

    node = Node(NodeOptions(simulated=False, signals=False, slow_handler_s=0, drain_timeout_s=5.0))
    node.endless, node.is_stopping = True, False
    node.add_actor("storm", Storm)
    node.add_actor("other", Other)

    assert node.run_blocking().errors == 0
    assert ran.count("other") == 20
    assert ran.count("storm") <= 60


def test_slow_handlers_behind_quick_ones_of_another_do_not_keep_the_loop():
    """The clock is looked at seldom where events are quick, and anew where another one's turn begins."""
    loop = Loop(simulated=False)
    loop.actor("quick", EventType.BAR)
    loop.actor("slow", EventType.TICK, lambda: time.sleep(0.02))
    source = loop.core.add_actor("source")
    for number in range(60):
        loop.core.emit(source, EventType.BAR)
        if number % 4 == 0:
            loop.core.emit(source, EventType.TICK)
    runs = []
    while loop.core.counts()["lanes"]["MARKET_DATA"]["waiting"]:
        before = loop.ran.count("slow")
        loop.core.drain(256, 15_000)
        runs.append(loop.ran.count("slow") - before)
    assert sum(runs) == 15
    assert max(runs) <= 2
