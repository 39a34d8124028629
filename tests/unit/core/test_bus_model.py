"""The bus against a model in plain Python: lanes, order, capacity, reentrance, nothing lost, nothing twice.

A programme is a list of steps. Each published event carries a script, which the first handler that gets the event
performs: it publishes more (with scripts of their own), subscribes, unsubscribes, stops the bus. The model performs the
same steps on plain lists, and everything that can be seen has to be equal.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libra.core.events import EVENT_PRIORITY_MAP, Event, EventType
from libra.core.message_bus import MessageBus

TYPES = [EventType.TICK, EventType.TRADE, EventType.SIGNAL, EventType.RISK_LIMIT_BREACH]
STYLES = ["sync", "async", "suspends", "raises", "async raises", "odd only"]
CAPACITY, MAX_HANDLERS = 12, 3

types = st.sampled_from(TYPES)
subscribing = st.tuples(st.just("subscribe"), types, st.sampled_from(STYLES))
unsubscribing = st.tuples(st.just("unsubscribe"), st.integers(0, 9))
leaf = st.one_of(subscribing, unsubscribing, st.just(("stop",)))
scripts = st.recursive(
    st.lists(leaf, max_size=2),
    lambda inner: st.lists(st.one_of(st.tuples(st.just("publish"), types, inner), leaf), max_size=4),
    max_leaves=12,
)
publishing = st.tuples(st.just("publish"), types, scripts)
steps = st.one_of(
    publishing, publishing, publishing, subscribing, unsubscribing, st.sampled_from([("run",), ("drop",)])
)
programmes = st.builds(list.__add__, st.lists(subscribing, min_size=4, max_size=9), st.lists(steps, max_size=60))


@dataclass
class Seen:
    """What can be seen of a run: which handler got which event with which sequence, and what each call said."""

    handled: list[tuple[int, int, int]] = field(default_factory=list)
    results: list[object] = field(default_factory=list)
    errors: int = 0
    batches: list[int] = field(default_factory=list)


class Model:
    def __init__(self):
        self.seen, self.lanes = Seen(), [deque() for _ in range(4)]
        self.handlers, self.accepting, self.running = {}, True, False
        self.events = self.made = self.sequence = self.dispatched = self.dropped = 0

    def waiting(self):
        return sum(map(len, self.lanes))

    def publish(self, kind, script):
        number, self.events = self.events, self.events + 1
        taken = self.accepting and self.waiting() < CAPACITY
        if taken:
            self.sequence += 1
            self.lanes[EVENT_PRIORITY_MAP[kind]].append((number, self.sequence, kind, script))
        self.seen.results.append(taken)

    def subscribe(self, kind, style):
        if sum(handler[0] is kind for handler in self.handlers.values()) == MAX_HANDLERS:
            self.seen.results.append("Max handlers")
            return
        self.handlers[self.made] = (kind, style)
        self.made += 1

    def unsubscribe(self, which):
        self.seen.results.append(self.handlers.pop(which, None) is not None)

    def perform(self, action, style):
        match action:
            case ("stop",):
                if style in {"async", "suspends", "async raises"}:
                    self.accepting = False
            case (name, *arguments):
                getattr(self, name)(*arguments)

    def run(self):
        self.accepting = True
        while self.waiting():
            number, sequence, kind, script = next(lane for lane in self.lanes if lane).popleft()
            self.dispatched += 1
            is_done = False
            if kind is EventType.TICK:
                self.seen.batches.append(number)
            for which, (wanted, style) in list(self.handlers.items()):
                if wanted is not kind or which not in self.handlers or (style == "odd only" and number % 2 == 0):
                    continue
                self.seen.handled.append((which, number, sequence))
                if not is_done:
                    is_done = True
                    for action in script:
                        self.perform(action, style)
                self.seen.errors += style.endswith("raises")
        self.accepting = False

    def drop(self):
        self.seen.results.append(self.waiting())
        self.dropped += self.waiting()
        for lane in self.lanes:
            lane.clear()
        self.accepting = False


class Real:
    """The same steps on a real bus."""

    def __init__(self):
        self.bus, self.seen = MessageBus(max_queue_size=CAPACITY, max_handlers_per_type=MAX_HANDLERS + 1), Seen()
        self.ids, self.performed = [], set()
        self.events = self.busy = self.dropped = 0
        self.bus.subscribe(EventType.TICK, lambda b: self.seen.batches.extend(e.payload[0] for e in b), batch=True)
        for kind in TYPES[1:]:  # One of four places of each type is taken, so that all have three.
            self.bus.subscribe(kind, lambda event: None)

    def publish(self, kind, script):
        number, self.events = self.events, self.events + 1
        self.seen.results.append(self.bus.emit(Event.create(kind, "model", (number, script))))

    def subscribe(self, kind, style):
        which = len(self.ids)

        def note(event):
            self.seen.handled.append((which, event.payload[0], event.sequence))

        def is_first(event):
            if event.payload[0] in self.performed:
                return False
            self.performed.add(event.payload[0])
            return True

        def sync(event):
            note(event)
            for action in event.payload[1] if is_first(event) else ():
                if action != ("stop",):
                    getattr(self, action[0])(*action[1:])
            if style == "raises":
                raise ValueError(style)

        async def asynchronous(event):
            note(event)
            self.busy += 1
            for action in event.payload[1] if is_first(event) else ():
                if style == "suspends":
                    await asyncio.sleep(0)
                if action == ("stop",):
                    assert await self.bus.stop() == 0
                else:
                    getattr(self, action[0])(*action[1:])
            if style == "suspends":
                await asyncio.sleep(0)
            self.busy -= 1
            if style == "async raises":
                raise ValueError(style)

        handler = asynchronous if style in {"async", "suspends", "async raises"} else sync
        odd_only = (lambda event: event.payload[0] % 2) if style == "odd only" else None
        try:
            self.ids.append(self.bus.subscribe(kind, handler, odd_only))
        except RuntimeError as error:
            self.seen.results.append(str(error)[:12])

    def unsubscribe(self, which):
        self.seen.results.append(which < len(self.ids) and self.bus.unsubscribe(self.ids[which]))

    async def run(self):
        task = asyncio.create_task(self.bus.start())
        await asyncio.sleep(0)
        while self.bus.is_running and (self.busy or self.bus.queue_size):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert await self.bus.stop() == 0
        await task

    async def drop(self):
        dropped = await self.bus.stop()
        self.seen.results.append(dropped)
        self.dropped += dropped


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """Handlers raise by the thousand here; what is logged is another test's business."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@given(programme=programmes)
@example(programme=[("subscribe", TYPES[0], "sync"), *[("publish", TYPES[0], [])] * (CAPACITY + 1), ("run",)])
@settings(max_examples=300, deadline=None)
def test_the_bus_does_what_the_model_does(factory, programme):
    model, real = Model(), Real()

    async def main():
        for name, *arguments in [*programme, ("run",)]:
            getattr(model, name)(*arguments)
            outcome = getattr(real, name)(*arguments)
            if outcome is not None:
                await outcome
            assert real.seen.handled == model.seen.handled
            assert real.seen.results == model.seen.results
            assert real.bus.queue_size == model.waiting()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    stats = real.bus.stats
    assert real.seen.batches == model.seen.batches
    assert (stats["published"], stats["dispatched"]) == (model.sequence, model.dispatched)
    assert stats["errors"] == model.seen.errors
    assert stats["published"] == stats["dispatched"] + real.dropped
    sequences = [sequence for *_, sequence in real.seen.handled]
    assert len(set(real.seen.handled)) == len(real.seen.handled), "no handler gets an event twice"
    assert set(sequences) <= set(range(1, stats["published"] + 1))


@given(st.lists(types, max_size=400), st.integers(1, 50), st.booleans())
@settings(max_examples=50, deadline=None)
def test_sources_that_publish_while_the_bus_runs_lose_nothing(kinds, burst, is_async):
    """Order within a lane holds, whatever the interleaving of publishers and dispatch."""
    handled = []

    async def main():
        bus = MessageBus()

        async def handle(event):
            handled.append(event)
            if len(handled) % 7 == 0:
                await asyncio.sleep(0)

        for kind in TYPES:
            bus.subscribe(kind, handle if is_async else handled.append)
        async with bus:
            for n, kind in enumerate(kinds):
                assert bus.emit(Event.create(kind, "source", n))
                if n % burst == 0:
                    await asyncio.sleep(0)

    asyncio.run(main())
    assert sorted(event.payload for event in handled) == list(range(len(kinds)))
    for kind in {EVENT_PRIORITY_MAP[kind] for kind in TYPES}:
        lane = [event for event in handled if event.priority is kind]
        assert [event.payload for event in lane] == sorted(event.payload for event in lane)
        assert [event.sequence for event in lane] == [event.payload + 1 for event in lane]
