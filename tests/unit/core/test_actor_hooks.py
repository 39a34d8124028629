"""Actors: typed hooks, what caused what, subscriptions that change, and one event at a time."""

import asyncio
import functools

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.worker import Worker


class Quiet(Actor):
    pass


def test_a_payload_hook_gets_the_payload_and_nothing_it_did_not_ask_for(stage):
    seen = []

    class Watcher(Actor):
        def on_quote(self, quote):
            seen.append((quote.symbol, str(quote.bid), self.clock.now_ns() == quote.ts_ns))

        def on_trade(self, trade):
            seen.append(trade)

    set_up = stage()
    set_up.quotes(0, 1, 2)
    set_up.add("watcher", Watcher)
    outcome = set_up.run()
    assert seen == [("BTC/USDT", "100.00", True), ("BTC/USDT", "101.00", True), ("BTC/USDT", "102.00", True)]
    assert (outcome.why, outcome.errors, outcome.failed, outcome.drained) == ("ended", 0, [], True)
    assert set_up.node.actor_states() == {"watcher": ActorState.STOPPED}


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_handler_publishes_is_a_child_of_what_it_handles(stage, is_async):
    seen = {}

    class First(Actor):
        def work(self):
            seen["quote"] = self.current_event
            self.emit(EventType.BAR, {"n": 1})

        if is_async:

            async def on_quote(self, quote):
                await asyncio.sleep(0)
                self.work()

        else:

            def on_quote(self, quote):
                self.work()

    class Second(Actor):
        def on_start(self):
            self.subscribe(EventType.BAR)

        def on_event(self, event):
            seen["bar"] = event
            self.actor("third").tell("a message")

    class Third(Actor):
        def on_message(self, message):
            seen["message"] = self.current_event

    set_up = stage()
    set_up.quotes(0)
    for name, actor in (("first", First), ("second", Second), ("third", Third)):
        set_up.add(name, actor)
    assert set_up.run().errors == 0
    quote, bar, message = seen["quote"], seen["bar"], seen["message"]
    assert quote.event_type is EventType.QUOTE
    assert bar.trace_id == message.trace_id == quote.trace_id
    assert len({quote.span_id, bar.span_id, message.span_id}) == 3
    assert (bar.source, message.source) == ("first", "second")
    assert quote.sequence < bar.sequence < message.sequence


def test_outside_a_handler_there_is_no_current_event_and_what_is_published_is_a_root(stage):
    seen = []

    class Starter(Actor):
        def on_start(self):
            seen.append(self.current_event)
            self.subscribe(EventType.BAR)
            self.emit(EventType.BAR)
            self.emit(EventType.BAR)

        def on_event(self, event):
            seen.append(event.trace_id)

        def on_stop(self):
            seen.append(self.current_event)

    set_up = stage()
    set_up.quotes(0)
    set_up.add("starter", Starter)
    set_up.run()
    assert seen[0] is None
    assert seen[-1] is None
    assert len(set(seen[1:3])) == 2


def test_a_suspended_handler_holds_back_every_later_event_whatever_its_lane(stage):
    log = []

    class Busy(Actor):
        def on_start(self):
            self.subscribe(EventType.SIGNAL, self.note)
            self.subscribe(EventType.CIRCUIT_BREAKER, self.note)
            self.subscribe(EventType.BAR, self.slow)

        async def slow(self, event):
            log.append("slow begins")
            for _ in range(3):
                await asyncio.sleep(0.001)
            log.append("slow ends")

        def note(self, event):
            log.append(event.event_type.name)

        def on_message(self, message):
            log.append(message)

    class Noisy(Actor):
        def on_quote(self, quote):
            self.emit(EventType.BAR)
            self.set_timer("later", 0.0)

        def on_timer(self, name):
            self.actor("busy").tell("MESSAGE")
            self.emit(EventType.SIGNAL, {})
            self.emit(EventType.CIRCUIT_BREAKER, {})

    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("busy", Busy)
    set_up.add("noisy", Noisy)

    class Kick(Actor):
        def on_start(self):
            self.set_timer("go", 0.0)

        async def on_timer(self, name):
            self.emit(EventType.BAR)
            await asyncio.sleep(0)
            self.emit(EventType.SIGNAL, {})
            self.actor("busy").tell("MESSAGE")
            self.emit(EventType.CIRCUIT_BREAKER, {})
            await self.clock.sleep(0.05)
            set_up.node.stop()

    set_up.add("kick", Kick)
    assert set_up.run().errors == 0
    assert log == ["slow begins", "slow ends", "CIRCUIT_BREAKER", "SIGNAL", "MESSAGE"]


def test_the_handlers_of_one_event_run_one_after_the_other_in_the_order_of_subscription(stage):
    log = []

    class Many(Actor):
        def on_start(self):
            self.subscribe(EventType.QUOTE, self.first)
            self.subscribe(EventType.QUOTE, self.second)
            self.subscribe(EventType.QUOTE, self.third)

        async def first(self, event):
            log.append("a")
            await asyncio.sleep(0.001)
            log.append("A")

        def second(self, event):
            log.append("b")

        async def third(self, event):
            await self.clock.sleep(0.5)
            log.append(f"c{self.current_event.sequence - event.sequence}")

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("many", Many)
    assert set_up.run().errors == 0
    assert log[:4] == ["a", "A", "b", "c0"]
    assert log[4:7] == ["a", "A", "b"]


def test_subscriptions_may_change_while_the_run_goes_on(stage):
    log = []

    class Fickle(Actor):
        def on_start(self):
            self.extra = self.subscribe(EventType.QUOTE, lambda event: log.append("extra"))
            self.subscribe(EventType.QUOTE, self.count)
            self.n = 0

        def count(self, event):
            self.n += 1
            log.append(self.n)
            if self.n == 2:
                assert self.unsubscribe(self.extra)
                assert not self.unsubscribe(self.extra)
            if self.n == 3:
                self.extra = self.subscribe(EventType.QUOTE, lambda event: log.append("again"), instruments=["none"])
                self.subscribe(EventType.QUOTE, lambda event: log.append("new"), instruments=["BTC/USDT@binance"])

    set_up = stage()
    set_up.quotes(0, 1, 2, 3)
    set_up.add("fickle", Fickle)
    assert set_up.run().errors == 0
    assert log == ["extra", 1, "extra", 2, 3, 4, "new"]


def test_an_actor_of_some_instruments_gets_no_others(stage):
    seen = []

    class Choosy(Actor):
        def _instruments(self):
            return ["ETH/USDT@binance"]

        def on_quote(self, quote):
            seen.append(quote)

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("choosy", Choosy)
    set_up.run()
    assert seen == []
    assert set_up.node.core.counts()["lanes"]["MARKET_DATA"]["dispatched"] == 0


def test_timeouts_and_task_groups_work_inside_handlers(stage):
    log = []

    class Modern(Actor):
        async def on_quote(self, quote):
            try:
                async with asyncio.timeout(0.005):
                    await asyncio.sleep(10)
            except TimeoutError:
                log.append("timeout")
            async with asyncio.TaskGroup() as group:
                group.create_task(self.part(2.0))
                group.create_task(self.part(1.0))
            log.append(self.current_event.event_type.name)

        async def part(self, seconds):
            await self.clock.sleep(seconds)
            log.append(seconds)

    set_up = stage()
    set_up.quotes(0, 10)
    set_up.add("modern", Modern)
    assert set_up.run().errors == 0
    assert log == ["timeout", 1.0, 2.0, "QUOTE", "timeout"][: len(log)]
    assert log[:4] == ["timeout", 1.0, 2.0, "QUOTE"]


def test_an_actor_stops_itself_when_the_event_being_handled_is_done(stage):
    log = []

    class Tired(Actor):
        def on_quote(self, quote):
            log.append(str(quote.bid))
            self.stop()
            log.append("the handler goes on")

        def on_stop(self):
            log.append("on_stop")

    set_up = stage()
    set_up.quotes(*range(50))
    ref = set_up.add("tired", Tired)
    outcome = set_up.run()
    assert log == ["100.00", "the handler goes on", "on_stop"]
    assert (outcome.errors, outcome.failed) == (0, [])
    assert set_up.node.actor_states() == {"tired": ActorState.STOPPED}
    assert not ref.tell("hello")


def test_an_actor_that_stops_itself_in_an_async_handler_ends_that_handler_first(stage):
    log = []

    class Tired(Actor):
        async def on_quote(self, quote):
            log.append("begins")
            self.stop()
            await self.clock.sleep(2.5)
            await asyncio.sleep(0.001)
            log.append("ends")

        async def on_stop(self):
            log.append("on_stop begins")
            await asyncio.sleep(0.001)
            log.append(f"on_stop ends, {self.state}")

    set_up = stage()
    set_up.quotes(*range(10))
    set_up.add("tired", Tired)
    outcome = set_up.run()
    assert log == ["begins", "ends", "on_stop begins", "on_stop ends, stopping"]
    assert (outcome.errors, outcome.drained) == (0, True)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_actor_may_stop_itself_while_it_starts(stage, is_async):
    log = []

    class Brief(Actor):
        if is_async:

            async def on_start(self):
                self.stop()
                await self.clock.sleep(1)

        else:

            def on_start(self):
                self.stop()

        def on_quote(self, quote):
            log.append(quote)

        def on_stop(self):
            log.append("on_stop")

    set_up = stage()
    set_up.quotes(0, 1, 2, 3)
    set_up.add("brief", Brief)
    outcome = set_up.run()
    assert log == ["on_stop"]
    assert outcome.errors == 0
    assert set_up.node.actor_states() == {"brief": ActorState.STOPPED}


def test_stopping_twice_or_from_a_message_is_one_stop(stage):
    log = []

    class Target(Actor):
        def on_message(self, message):
            self.stop()
            self.stop()

        def on_stop(self):
            log.append("on_stop")

    class Other(Actor):
        def on_quote(self, quote):
            log.append(self.actor("target").tell("go"))

    set_up = stage()
    set_up.quotes(0, 1, 2)
    set_up.add("target", Target)
    set_up.add("other", Other)
    assert set_up.run().errors == 0
    assert log == [True, "on_stop", False, False]


def test_the_life_cycle_is_published(stage):
    states = []

    class Watcher(Actor):
        def on_start(self):
            self.subscribe(EventType.ACTOR_STATE, lambda event: states.append(tuple(event.payload.values())))

    class Brief(Actor):
        def on_quote(self, quote):
            self.stop()

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("watcher", Watcher)
    set_up.add("brief", Brief)
    set_up.run()
    assert [state for name, state in states if name == "brief"] == ["starting", "running", "stopping", "stopped"]


def test_names_are_unique_and_unknown_names_are_an_error(stage):
    set_up = stage()
    set_up.quotes(0)
    set_up.add("one", Quiet)
    with pytest.raises(ValueError, match="named 'one' already"):
        set_up.add("one", Quiet)
    with pytest.raises(ValueError, match="named 'supervisor' already"):
        set_up.add("supervisor", Quiet)
    with pytest.raises(KeyError):
        set_up.node.ref("nobody")


def test_each_actor_draws_its_own_random_numbers_and_the_same_ones_again(stage):
    def draw(seed):
        drawn = {}

        class Gambler(Actor):
            def on_start(self):
                drawn[self.name] = [self.random.random() for _ in range(3)]

        set_up = stage(seed=seed)
        set_up.quotes(0)
        set_up.add("a", Gambler)
        set_up.add("b", Gambler)
        set_up.run()
        return drawn

    first, again, other = draw(1), draw(1), draw(2)
    assert first == again
    assert first["a"] != first["b"]
    assert first["a"] != other["a"]


def test_an_actor_with_several_async_handlers_is_never_left_behind(stage):
    """Three of one event, each suspended, many events in a row: the budget of the actor's task ends amidst an event."""
    handled = []

    class Busy(Actor):
        def on_start(self):
            for number in range(3):
                self.subscribe(EventType.BAR, functools.partial(self.later, number))

        def on_quote(self, quote):
            for number in range(300):
                self.emit(EventType.BAR, number)

        async def later(self, handler, event):
            await asyncio.sleep(0)
            handled.append((event.payload, handler))

    set_up = stage()
    set_up.quotes(1)
    set_up.add("busy", Busy)
    outcome = set_up.run()
    assert handled == [(number, handler) for number in range(300) for handler in range(3)]
    assert (outcome.why, outcome.errors, outcome.failed) == ("ended", 0, [])


def test_a_fault_of_ours_in_an_actors_task_ends_the_run(stage, monkeypatch):
    """A handler's failure is its actor's; what fails around it must not leave an actor behind unnoticed."""

    class Suspends(Actor):
        async def on_quote(self, quote):
            await asyncio.sleep(0)

    async def broken(self, awaitable):
        awaitable.close()
        raise ValueError("a fault of ours")

    monkeypatch.setattr(Worker, "_await", broken)
    set_up = stage()
    set_up.quotes(1)
    set_up.add("suspends", Suspends)
    with pytest.raises(ValueError, match="a fault of ours"):
        set_up.run()


def test_whoever_wants_to_hears_of_risk(stage):
    log = []
    risky = (
        EventType.RISK_LIMIT_BREACH,
        EventType.DRAWDOWN_WARNING,
        EventType.CIRCUIT_BREAKER,
        EventType.TRADING_RESUMED,
    )

    class Hears(Actor):
        def on_risk(self, event):
            log.append(event.event_type)

    class Says(Actor):
        def on_quote(self, quote):
            for event_type in (*risky, EventType.RISK_LIMITS_CHANGED):
                self.emit(event_type, {})

    set_up = stage()
    set_up.quotes(0)
    set_up.add("hears", Hears)
    set_up.add("says", Says)
    assert set_up.run().errors == 0
    assert log == list(risky)


def test_what_only_looks_like_an_order_is_nothing_to_an_actor(stage):
    seen = []

    class Looks(Actor):
        def on_order(self, order):
            seen.append(order)

        on_fill = on_order

    class Says(Actor):
        def on_quote(self, quote):
            self.emit(EventType.ORDER_FILLED, {"order_id": "1", "last_fill": {"size": "1"}})

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("looks", Looks)
    set_up.add("says", Says)
    outcome = set_up.run()
    assert (seen, outcome.errors) == ([], 0)
