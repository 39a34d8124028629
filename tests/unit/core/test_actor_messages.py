"""Messages between actors: tell, ask and its time, and what becomes of an ask whose other side is in trouble."""

import asyncio

import pytest

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.core.mail import AskFailed
from libra.core.supervision import RestartPolicy


class Asker(Actor):
    """Asks another actor at each quote, and writes down what it got and when."""

    target = "other"
    timeout_s = 5.0

    def __init__(self, log):
        super().__init__()
        self.record = log

    async def on_quote(self, quote):
        began = self.clock.now_ns()
        try:
            answer = await self.actor(self.target).ask(str(quote.bid), timeout=self.timeout_s)
        except (TimeoutError, AskFailed) as error:
            answer = error
        self.record.append((answer, (self.clock.now_ns() - began) / 1e9))


def ask(stage, other, *, quotes=(0,), **options):
    log = []
    set_up = stage(**options)
    set_up.quotes(*quotes, 100)
    set_up.add("asker", lambda: Asker(log))
    set_up.add("other", other)
    set_up.run()
    return log[: len(quotes)]


def test_a_reply_comes_back_at_the_same_instant_of_simulated_time(stage):
    class Echo(Actor):
        def on_message(self, message):
            return message.upper() + "!"

    assert ask(stage, Echo, quotes=(0, 1, 2)) == [("100.00!", 0.0), ("101.00!", 0.0), ("102.00!", 0.0)]


def test_an_async_reply_takes_its_time_on_the_clock(stage):
    class Slow(Actor):
        async def on_message(self, message):
            await self.clock.sleep(3)
            await asyncio.sleep(0.001)
            return message

    assert ask(stage, Slow) == [("100.00", 3.0)]


def test_an_asker_is_answered_before_the_next_input_comes_in(stage):
    """However many inputs are at hand, and however fast the engine takes them."""
    log = []

    class Echo(Actor):
        def on_message(self, message):
            return message

    class Witness(Actor):
        def on_quote(self, quote):
            log.append(f"quote {quote.bid}")

    class Curious(Actor):
        async def on_quote(self, quote):
            answer = await self.actor("echo").ask(str(quote.bid), timeout=1000)
            log.append(f"answer {answer}")

    set_up = stage()
    set_up.quotes(*(n / 1000 for n in range(200)))
    set_up.add("witness", Witness)
    set_up.add("curious", Curious)
    set_up.add("echo", Echo)
    assert set_up.run().errors == 0
    assert log == [text for n in range(200) for text in (f"quote {100 + n}.00", f"answer {100 + n}.00")]


def test_an_answer_that_comes_too_late_is_a_timeout_on_the_simulated_clock(stage):
    class TooSlow(Actor):
        async def on_message(self, message):
            await self.clock.sleep(60)
            return message

    [(error, seconds)] = ask(stage, TooSlow)
    assert isinstance(error, TimeoutError)
    assert "no reply within 5.0 s" in str(error)
    assert seconds == 5.0


def test_what_the_other_raises_reaches_the_asker_and_the_supervisor(stage):
    class Angry(Actor):
        def on_message(self, message):
            raise ValueError("not today")

    class AngryLater(Actor):
        async def on_message(self, message):
            await self.clock.sleep(1)
            raise ValueError("not today")

    for other, seconds in ((Angry, 0.0), (AngryLater, 1.0)):
        [(error, waited)] = ask(stage, other)
        assert isinstance(error, AskFailed)
        assert str(error) == "ValueError: not today"
        assert waited == seconds


def test_a_stopped_actor_takes_no_questions(stage):
    class Gone(Actor):
        def on_start(self):
            self.stop()

    [(error, seconds)] = ask(stage, Gone)
    assert isinstance(error, AskFailed)
    assert "other does not take the message" in str(error)
    assert seconds == 0.0


def test_a_question_that_waits_when_its_actor_ends_fails_at_once(stage):
    class Leaving(Actor):
        async def on_quote(self, quote):
            self.stop()
            await self.clock.sleep(2)

    [(error, seconds)] = ask(stage, Leaving)
    assert isinstance(error, AskFailed)
    assert str(error) == "other is no more"
    assert seconds == 2.0


def test_a_question_that_waits_through_a_restart_is_answered_by_the_next_instance(stage):
    class Shaky(Actor):
        failed = False

        def on_quote(self, quote):
            if not Shaky.failed:
                Shaky.failed = True
                raise RuntimeError("once")

        def on_message(self, message):
            return f"second life {message}"

    policy = RestartPolicy(backoff_s=0.5, jitter=0)
    log = []
    set_up = stage(restarts=policy)
    set_up.quotes(0, 100)
    set_up.add("other", Shaky)
    set_up.add("asker", lambda: Asker(log))
    set_up.run()
    assert log[0] == ("second life 100.00", 0.5)


def test_two_actors_that_ask_each_other_time_out_and_go_on(stage):
    log = []

    class Side(Actor):
        def __init__(self, other, timeout_s):
            super().__init__()
            self.other, self.timeout_s = other, timeout_s

        async def on_quote(self, quote):
            try:
                log.append(await self.actor(self.other).ask("ping", timeout=self.timeout_s))
            except TimeoutError:
                log.append((self.name, self.clock.now_ns() // 10**9 % 1000))

        async def on_message(self, message):
            return f"pong of {self.name}"

    set_up = stage()
    set_up.quotes(0, 10)
    set_up.add("a", lambda: Side("b", 1.0))
    set_up.add("b", lambda: Side("a", 2.0))
    outcome = set_up.run()
    assert outcome.errors == 0
    # b waits for a, which waits for b: a gives up after one second, then answers b, whose own answer comes too late.
    assert log[:2] == [("a", 601), "pong of a"]


def test_asking_oneself_times_out(stage):
    class Narcissus(Actor):
        async def on_quote(self, quote):
            with pytest.raises(TimeoutError):
                await self.ref.ask("who", timeout=1.0)
            log.append(self.clock.now_ns())

    log = []
    set_up = stage()
    set_up.quotes(0, 10)
    set_up.add("narcissus", Narcissus)
    assert set_up.run().errors == 0
    assert len(log) >= 1


def test_tell_delivers_in_order_whatever_is_told(stage):
    got = []

    class Sink(Actor):
        def on_message(self, message):
            got.append(message)
            return "a reply that nobody asked for"

    class Teller(Actor):
        def on_quote(self, quote):
            for message in (1, None, "text", {"a": [1]}, quote):
                assert self.actor("sink").tell(message)

    set_up = stage()
    set_up.quotes(0)
    set_up.add("sink", Sink)
    set_up.add("teller", Teller)
    assert set_up.run().errors == 0
    assert got[:4] == [1, None, "text", {"a": [1]}]
    assert str(got[4].bid) == "100.00"


async def test_asking_from_outside_a_node_works_in_live_time(stage):
    class Echo(Actor):
        async def on_message(self, message):
            await asyncio.sleep(message)
            return "slept"

    set_up = stage(simulated=False)
    set_up.node.endless = True
    ref = set_up.add("echo", Echo)
    run = asyncio.create_task(set_up.node.run_async())
    await asyncio.sleep(0.02)
    assert await ref.ask(0.001, timeout=5) == "slept"
    with pytest.raises(TimeoutError):
        await ref.ask(0.3, timeout=0.01)
    set_up.node.stop()
    outcome = await run
    assert outcome.errors == 0
    with pytest.raises(AskFailed):
        await ref.ask(0.001, timeout=5)


def test_an_asker_that_is_stopped_while_it_waits_leaves_nothing_behind(stage):
    class Silent(Actor):
        async def on_message(self, message):
            await self.clock.sleep(50)
            raise ValueError("too late for anyone")

    [*log] = ask(stage, Silent, quotes=(0,))
    assert isinstance(log[0][0], TimeoutError)


def test_a_message_event_is_on_the_signals_lane_and_counted(stage):
    class Echo(Actor):
        def on_message(self, message):
            return message

    set_up = stage()
    set_up.quotes(0)
    set_up.add("asker", lambda: Asker([]))
    set_up.add("other", Echo)
    set_up.run()
    counts = set_up.node.core.counts()
    assert counts["events"][EventType.MESSAGE.name] == 1
    assert counts["lanes"]["SIGNALS"]["dispatched"] == 1
