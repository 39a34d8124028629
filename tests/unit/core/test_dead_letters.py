"""Dead letters: each reason, counted, kept, told to those that ask, and logged at a sane rate."""

import logging

from libra.core.actor import Actor
from libra.core.dead_letters import DeadLetters
from libra.core.events import EventType
from libra.core.mail import AskFailed
from libra.core.supervision import RestartPolicy

NONE = RestartPolicy(max_restarts=0)


class Gone(Actor):
    def on_start(self):
        self.stop()


def test_what_is_sent_to_an_actor_that_is_no_more(stage):
    told = []

    class Sender(Actor):
        async def on_quote(self, quote):
            told.append(self.actor("gone").tell("a"))
            try:
                await self.actor("gone").ask("b", timeout=1)
            except AskFailed:
                told.append("refused")

    set_up = stage()
    set_up.quotes(1)
    set_up.add("gone", Gone)
    set_up.add("sender", Sender)
    assert set_up.run().errors == 0
    assert told == [False, "refused"]
    letters = set_up.node.dead_letters
    assert letters.counts() == {"GONE": {"gone": 2}}
    assert len(letters) == 2
    letter = letters.last()[0]
    assert (letter.reason, letter.actor, letter.event_type, letter.source) == (
        "GONE",
        "gone",
        EventType.MESSAGE,
        "sender",
    )
    assert (len(letter.trace_id), len(letter.span_id), letter.sequence) == (32, 16, 0)
    assert letter.instrument == "BTC/USDT@binance"
    assert letter.ts_ns == 1_723_161_601_000_000_000
    assert repr(letter) == 'DeadLetter(GONE: MESSAGE from "sender", actor "gone")'


def test_what_waits_in_a_mailbox_that_is_taken_away_but_not_its_market_data(stage):
    class Brief(Actor):
        def on_message(self, message):
            self.stop()

        def on_quote(self, quote):
            raise AssertionError("never")

        def on_signal(self, signal):
            raise AssertionError("never")

    class Sender(Actor):
        def on_quote(self, quote):
            for n in range(3):
                self.actor("brief").tell(n)
            self.emit(EventType.SIGNAL, {})

    set_up = stage()
    set_up.add("sender", Sender)
    set_up.add("brief", Brief)
    set_up.quotes(1)
    set_up.run()
    assert set_up.node.dead_letters.counts() == {"LEFT": {"brief": 3}}
    assert [letter.event_type.name for letter in set_up.node.dead_letters.last()] == ["MESSAGE", "MESSAGE", "SIGNAL"]


def test_the_event_whose_handler_raised_with_its_trace(stage):
    seen = {}

    class Shaky(Actor):
        def on_quote(self, quote):
            seen["sync"] = self.current_event
            raise ValueError("no")

    class ShakyLater(Actor):
        async def on_quote(self, quote):
            seen["async"] = self.current_event
            await self.clock.sleep(0.1)
            raise ValueError("no")

    class NeverStarts(Actor):
        def on_start(self):
            raise ValueError("no")

    set_up = stage(restarts=NONE)
    set_up.quotes(1, 2)
    for name, actor in (("sync", Shaky), ("async", ShakyLater), ("never", NeverStarts)):
        set_up.add(name, actor)
    set_up.run()
    assert set_up.node.dead_letters.counts() == {"RAISED": {"sync": 1, "async": 1}}
    for letter in set_up.node.dead_letters.last():
        event = seen[letter.actor]
        assert (letter.trace_id, letter.span_id, letter.sequence) == (event.trace_id, event.span_id, event.sequence)


def test_what_was_refused_is_its_senders(stage):
    answers = []

    class Sender(Actor):
        def on_start(self):
            answers.extend(self.actor("full").tell(n) for n in range(6))
            answers.extend(self.emit(EventType.SIGNAL, {}) for _ in range(2))
            self.ref.tell("self")

    class Full(Actor):
        def on_signal(self, signal):
            pass

    set_up = stage(simulated=False, lane_capacity=4)
    set_up.add("full", Full)
    set_up.add("sender", Sender)
    set_up.run()
    assert answers == [True] * 4 + [False] * 4
    assert set_up.node.dead_letters.counts() == {"REFUSED": {"sender": 4}}


def test_who_subscribes_sees_each_once_and_what_fails_there_is_only_counted(stage):
    seen = []

    class Undertaker(Actor):
        def on_start(self):
            self.subscribe(EventType.DEAD_LETTER)

        def on_event(self, event):
            seen.append((event.payload.reason, event.payload.actor, event.trace_id == event.payload.trace_id))
            raise ValueError("too many")

    class Sender(Actor):
        def on_quote(self, quote):
            self.actor("gone").tell(1)

    set_up = stage(restarts=RestartPolicy(max_restarts=100, backoff_s=0.01))
    set_up.quotes(1, 2)
    set_up.add("gone", Gone)
    set_up.add("undertaker", Undertaker)
    set_up.add("sender", Sender)
    set_up.run()
    assert seen == [("GONE", "gone", True)] * 2
    assert set_up.node.dead_letters.by_reason() == {"GONE": 2, "RAISED": 2}
    assert set_up.node.core.counts()["events"]["DEAD_LETTER"] == 2


def test_a_run_without_any_has_none(stage):
    set_up = stage()
    set_up.quotes(1)
    set_up.add("actor", Actor)
    set_up.run()
    assert (len(set_up.node.dead_letters), set_up.node.dead_letters.last(), set_up.node.dead_letters.counts()) == (
        0,
        [],
        {},
    )
    assert "DEAD_LETTER" not in set_up.node.core.counts()["events"]


def test_the_log_has_a_line_a_second_however_many_there_are(stage, caplog):
    set_up = stage()
    core = set_up.node.core
    slot = core.add_actor("victim")
    letters = DeadLetters(core)
    core.remove_actor(slot)

    def lose(count):
        for _ in range(count):
            assert core.send(slot, EventType.MESSAGE, None, {}) is False

    with caplog.at_level(logging.WARNING):
        letters.log_news(0)
        lose(3)
        letters.log_news(1)
        for now_ns in range(2, 1_000_000_000, 100_000_000):
            lose(100)
            letters.log_news(now_ns)
        letters.log_news(1_000_000_001)
        letters.log_news(5_000_000_000)
        lose(1)
        letters.log_news(5_000_000_001, at_once=True)
    assert [record.getMessage() for record in caplog.records] == [
        "dead letters: 3 GONE at victim",
        "dead letters: 1000 GONE at victim",
        "dead letters: 1 GONE at victim",
    ]
    assert (len(letters), len(letters.last())) == (1_004, 1_004)


def test_an_unknown_reason_is_an_error(stage):
    seen = []

    class Odd(Actor):
        def on_quote(self, quote):
            try:
                set_up.node.core.note_dead(1, "BORED", self.current_event)
            except ValueError as error:
                seen.append(str(error))

    set_up = stage()
    set_up.quotes(1)
    set_up.add("odd", Odd)
    set_up.run()
    assert seen == ['no reason of a dead letter: "BORED"']
