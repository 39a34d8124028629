"""An actor that publishes without end: it is refused, and the others are served."""

from libra.core.actor import Actor
from libra.core.events import EventType


class Storm(Actor):
    """Each event causes two of its own."""

    def on_start(self):
        self.subscribe(EventType.BAR)

    def on_quote(self, quote):
        self.emit(EventType.BAR)

    def on_event(self, event):
        self.emit(EventType.BAR)
        self.emit(EventType.BAR)


def witness(log):
    class Witness(Actor):
        def on_quote(self, quote):
            log.append((str(quote.bid), self.clock.now_ns()))
            self.emit(EventType.TICK, {"bid": quote.bid})

        def on_tick(self, tick):
            log.append(str(tick["bid"]))

    return Witness


def run(stage, *, storm, **options):
    log = []
    set_up = stage(publish_limit=2_000, **options)
    set_up.quotes(*range(5))
    if storm:
        set_up.add("storm", Storm)
    set_up.add("witness", witness(log))
    return log, set_up.run(), set_up.node


def test_in_simulated_time_the_others_do_what_they_do_without_it(stage):
    log, outcome, node = run(stage, storm=True)
    assert log == run(stage, storm=False)[0]
    assert len(log) == 10
    assert (outcome.why, outcome.errors) == ("ended", 0)
    counts = node.dead_letters.counts()["STORM"]
    assert list(counts) == ["storm"]
    letter = next(letter for letter in node.dead_letters.last() if letter.reason == "STORM")
    assert (letter.event_type, letter.source, letter.sequence) == (None, "storm", 0)
    assert repr(letter) == 'DeadLetter(STORM: an event from "storm", actor "storm")'


def test_a_run_with_a_storm_is_repeatable(stage):
    assert run(stage, storm=True)[2].core.digest() == run(stage, storm=True)[2].core.digest()


def test_live_another_actor_waits_for_a_bounded_number_of_events(stage):
    """What is left of its turn of 64 events, and one more that it had lined up already: counted and not timed."""
    order = []

    class Loud(Actor):
        def on_start(self):
            self.subscribe(EventType.BAR)
            self.emit(EventType.BAR)

        def on_event(self, event):
            order.append("loud")
            if order.count("loud") == 1_000:
                self.actor("quiet").tell("now")
            if len(order) < 5_000:
                self.emit(EventType.BAR)

    class Quiet(Actor):
        def on_message(self, message):
            order.append("quiet")

    set_up = stage(simulated=False, publish_limit=0)
    set_up.add("loud", Loud)
    set_up.add("quiet", Quiet)
    set_up.run()
    assert 1_000 <= order.index("quiet") <= 1_000 + 2 * 64


def test_a_cancel_has_a_reserve(stage):
    """What is left of the allowance for orders does not decide whether one gets out of the market."""
    answers = {}

    class Trader(Actor):
        def on_quote(self, quote):
            core, slot = self._context.core, self._context.slot
            while self.emit(EventType.BAR):
                pass
            order_id = "L" + "0" * 31
            answers["cancel"] = cancels(core, slot, order_id)
            answers["after"] = self.emit(EventType.BAR)

    def cancels(core, slot, order_id):
        count = 0
        while True:
            try:
                if not core.emit_cancel_request(slot, "paper", order_id):
                    return count
            except ValueError:
                pass
            count += 1

    set_up = stage(publish_limit=80)
    set_up.quotes(1)
    set_up.add("trader", Trader)
    set_up.run()
    assert answers == {"cancel": 10, "after": False}


def test_the_kill_switch_is_told_once_a_second_however_much_was_published_before(stage):
    answers = []

    class Trader(Actor):
        def on_quote(self, quote):
            while self.emit(EventType.BAR):
                pass
            answers.append([self.emit(EventType.CIRCUIT_BREAKER) for _ in range(3)])

    set_up = stage(publish_limit=80)
    set_up.quotes(1, 2)
    set_up.add("trader", Trader)
    set_up.run()
    assert answers[0] == [True, False, False]
    assert sum(sum(told) for told in answers) <= 2


def test_the_node_tells_of_an_actors_end_whatever_that_one_has_published(stage):
    seen = []

    class Watch(Actor):
        def on_start(self):
            self.subscribe(EventType.ACTOR_STATE)

        def on_event(self, event):
            seen.append((event.payload["actor"], event.payload["state"]))

    class Fails(Actor):
        def on_quote(self, quote):
            while self.emit(EventType.BAR):
                pass
            raise RuntimeError("for good")

    set_up = stage(publish_limit=80)
    set_up.quotes(*range(5))
    set_up.add("watch", Watch)
    set_up.add("fails", Fails)
    set_up.run()
    assert ("fails", "degraded") in seen
    assert ("fails", "failed") in seen
