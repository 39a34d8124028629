"""What comes while an actor is starting, or waits to be started again: it is kept in order and handled after."""

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy

LANES = (EventType.BAR, EventType.SIGNAL, EventType.ORDER_REQUEST, EventType.DRAWDOWN_WARNING)
"""One of each lane, the least urgent first."""


class Sender(Actor):
    """Sends an event of each lane, tells and asks, while the other one is not ready."""

    log: list
    at: float = 0.5

    def on_start(self):
        self.set_timer("send", self.at)

    async def on_timer(self, name):
        self.log.append(f"sends at {self.actor('slow')!r}")
        for n in (1, 2):
            for event_type in LANES:
                self.emit(event_type, {"n": n})
            self.log.append(self.actor("slow").tell(f"tell {n}"))
        began = self.clock.now_ns()
        answer = await self.actor("slow").ask("ask", timeout=5)
        self.log.append((answer, (self.clock.now_ns() - began) / 1e9))


def ends(set_up, at_s):
    """Ends a live run some time after."""

    class Ends(Actor):
        def on_start(self):
            self.set_timer("end", at_s)

        def on_timer(self, name):
            set_up.node.stop()

    return Ends


def slow(log, *, fails):
    class Slow(Actor):
        lives = 0

        async def on_start(self):
            Slow.lives += 1
            for event_type in LANES:
                self.subscribe(event_type)
            log.append("starts")
            if not fails or Slow.lives > 1:
                await self.clock.sleep(1.0)
            log.append("started")

        def on_quote(self, quote):
            if fails and Slow.lives == 1 and quote.bid == 101:
                raise ValueError("no")

        def on_event(self, event):
            log.append((event.event_type.name, event.payload["n"]))

        def on_message(self, message):
            log.append(message)
            return "answer"

    return Slow


IN_ORDER = [
    *((name, n) for name in ("DRAWDOWN_WARNING", "ORDER_REQUEST") for n in (1, 2)),
    ("SIGNAL", 1),
    "tell 1",
    ("SIGNAL", 2),
    "tell 2",
    "ask",
    ("BAR", 1),
    ("BAR", 2),
]


@pytest.mark.parametrize("simulated", [True, False])
def test_an_async_start_holds_every_lane_back_in_order(stage, simulated):
    log = []
    set_up = stage(simulated=simulated)
    if simulated:
        set_up.quotes(0, 3)
    set_up.add("slow", slow(log, fails=False))
    set_up.add("sender", type("Made", (Sender,), {"log": log, "at": 0.1}))
    if not simulated:
        set_up.node.endless = True
        set_up.add("ends", ends(set_up, 1.5))
    assert set_up.run().errors == 0
    assert log[:5] == ["starts", "sends at ActorRef('slow')", True, True, "started"]
    assert [entry for entry in log[5:] if not (isinstance(entry, tuple) and entry[0] == "answer")] == IN_ORDER
    [(_answer, seconds)] = [entry for entry in log if isinstance(entry, tuple) and entry[0] == "answer"]
    if simulated:
        assert seconds == 0.9


def test_the_wait_for_a_restart_holds_them_back_as_well(stage):
    log = []
    set_up = stage(restarts=RestartPolicy(backoff_s=1.0, jitter=0))
    set_up.quotes(0, 1, 5)
    set_up.add("slow", slow(log, fails=True))
    set_up.add("sender", type("Made", (Sender,), {"log": log, "at": 1.5}))
    assert set_up.run().errors == 1
    assert log[:7] == ["starts", "started", "sends at ActorRef('slow')", True, True, "starts", "started"]
    assert [entry for entry in log[7:] if entry != ("answer", 1.5)] == IN_ORDER
    assert ("answer", 1.5) in log


def test_what_waits_for_a_starting_actor_is_bounded_by_the_policies_of_its_types(stage):
    log, answers = [], []

    class Slow(Actor):
        async def on_start(self):
            self.subscribe(EventType.BAR)
            self.subscribe(EventType.ORDER_FILLED)
            await self.clock.sleep(0.2)

        def on_event(self, event):
            log.append((event.event_type.name, event.payload["n"]))

        def on_message(self, message):
            log.append(message)

    class Fast(Actor):
        def on_start(self):
            self.set_timer("send", 0.05)

        def on_timer(self, name):
            answers.append(self.state)
            for n in range(6):
                self.emit(EventType.ORDER_FILLED, {"n": n})
                answers.append(self.actor("slow").tell(n))
                self.emit(EventType.BAR, {"n": n})

    set_up = stage(simulated=False, lane_capacity=4)
    set_up.add("slow", Slow)
    set_up.add("fast", Fast)
    set_up.node.endless = True
    set_up.add("ends", ends(set_up, 0.5))
    assert set_up.run().errors == 0
    assert answers == [ActorState.RUNNING, True, True, True, True, False, False]
    facts = [("ORDER_FILLED", n) for n in range(6)]
    assert log == [*facts, 0, 1, 2, 3, *(("BAR", n) for n in range(2, 6))], "facts all, messages until full, bars last"


def test_an_ask_of_one_that_never_comes_up_is_refused(stage):
    log = []

    class NeverUp(Actor):
        async def on_start(self):
            await self.clock.sleep(1)
            raise ConnectionError("refused")

    set_up = stage(restarts=RestartPolicy(max_restarts=1, backoff_s=0.5, jitter=0))
    set_up.quotes(0, 10)
    set_up.add("slow", NeverUp)

    class Asks(Actor):
        def on_start(self):
            self.set_timer("ask", 0.5)

        async def on_timer(self, name):
            try:
                await self.actor("slow").ask("x", timeout=60)
            except Exception as error:
                log.append((type(error).__name__, str(error), self.clock.now_ns() % 10**12))

    set_up.add("asks", Asks)
    set_up.run()
    assert log[0][:2] == ("AskFailed", "slow is no more")
    assert set_up.node.dead_letters.counts() == {"LEFT": {"slow": 1}}
