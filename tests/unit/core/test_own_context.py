"""What an actor sets for itself, of decimals and of context variables, holds in its own turns and nowhere else."""

import asyncio
import contextvars
import decimal
from decimal import Decimal
from typing import ClassVar

import pytest

from libra.core.actor import Actor
from libra.core.own_context import context_for_an_actor, plain_decimals, under_a_copy
from libra.core.supervision import RestartPolicy
from libra_core import NodeCore

ONCE = RestartPolicy(max_restarts=0)
AGAIN = RestartPolicy(max_restarts=1, backoff_s=0.1, jitter=0)
WHO = contextvars.ContextVar("who", default="nobody")
THIRD = Decimal(1) / 3


def precision():
    return decimal.getcontext().prec


def lower():
    """A mistake: meant for one's own sums."""
    WHO.set("sets")
    decimal.getcontext().prec = 4


def replace():
    WHO.set("sets")
    decimal.setcontext(decimal.Context(prec=4))


class Sees(Actor):
    """Notes the precision that it has in each of its hooks."""

    notes: ClassVar[list[object]]

    def __init__(self):
        super().__init__()
        self.note("made")

    def note(self, where):
        self.notes.append((where, precision(), WHO.get()))

    def on_start(self):
        self.note("start")
        self.set_timer("due", 1.5)

    def on_quote(self, quote):
        self.note("quote")

    async def on_trade(self, trade):
        await self.clock.sleep(0.1)
        self.note("trade")

    def on_message(self, message):
        self.note("message")

    async def on_timer(self, name):
        await asyncio.create_task(self.task())
        self.note("timer")

    async def task(self):
        await asyncio.sleep(0)
        self.note("task")

    def on_stop(self):
        self.note("stop")


class Sets(Actor):
    """Sets it in one of its hooks."""

    snapshot_interval_s = 0
    where = how = None

    def __init__(self):
        super().__init__()
        self.do("made")

    def do(self, where):
        if where == self.where:
            self.how()

    def on_start(self):
        self.do("start")
        self.set_timer("due", 0.5)

    def on_quote(self, quote):
        self.do("quote")
        self.actor("before").tell("look")
        self.actor("behind").tell("look")

    async def on_timer(self, name):
        self.do("timer")
        await asyncio.create_task(self.task())
        await self.clock.sleep(0.5)
        self.do("behind a wait")

    async def task(self):
        self.do("task")
        await asyncio.sleep(0)

    def on_message(self, message):
        self.do("message")

    async def on_stop(self):
        await asyncio.sleep(0)
        self.do("stop")

    def snapshot(self):
        self.do("snapshot")
        return [1]

    def restore(self, state):
        self.do("restore")


WHERES = ("made", "start", "quote", "timer", "task", "behind a wait", "stop", "snapshot")


@pytest.fixture(autouse=True)
def as_it_was():
    before = decimal.getcontext().copy()
    # Not what a library has made of the thread's in a test before: once CCXT has rounded, all rounds as it does.
    decimal.setcontext(decimal.Context())
    yield
    decimal.setcontext(before)


@pytest.fixture
def watch(stage):
    """A stage whose node notes what its own code sees when one of its actors has ended."""

    def made(**options):
        set_up = stage(**{"restarts": ONCE, **options})
        set_up.quotes(0, 1, 2, 3)
        set_up.own = []

        def ended(name):
            set_up.own.append((name, precision(), WHO.get()))

        set_up.node._actors._on_stopped = set_up.node._actors._recoveries._on_given_up = ended
        return set_up

    return made


@pytest.mark.parametrize("how", [lower, replace])
@pytest.mark.parametrize("where", WHERES)
def test_it_is_no_other_actors_and_not_the_nodes(watch, where, how):
    set_up = watch()
    sees = type("SeesIt", (Sees,), {"notes": []})
    set_up.add("before", sees)
    set_up.add("sets", type("SetsIt", (Sets,), {"where": where, "how": staticmethod(how)}))
    set_up.add("behind", sees)
    outcome = set_up.run()
    assert (outcome.errors, outcome.failed) == (0, [])
    assert {note[0] for note in sees.notes} == {"made", "start", "quote", "message", "timer", "task", "stop"}
    assert {note[1:] for note in sees.notes} == {(28, "nobody")}
    assert (precision(), WHO.get()) == (28, "nobody")


@pytest.mark.parametrize("how", [lower, replace])
@pytest.mark.parametrize("is_async", [False, True])
def test_it_lasts_in_all_of_its_own_turns(watch, how, is_async):
    notes = []

    class Own(Sees):
        def note(self, where):
            notes.append((where, precision(), WHO.get()))

        def on_message(self, message):
            self.note("message")

        def on_quote(self, quote):
            self.note("quote")
            self.ref.tell("look")

    if is_async:

        async def on_start(self):
            await asyncio.sleep(0)
            how()
            self.set_timer("due", 1.5)
    else:

        def on_start(self):
            how()
            self.set_timer("due", 1.5)

    Own.on_start = on_start
    set_up = watch()
    set_up.add("own", Own)
    assert set_up.run().errors == 0
    assert {where for where, *_ in notes} == {"made", "quote", "message", "timer", "task", "stop"}
    assert {note[1:] for note in notes if note[0] != "made"} == {(4, "sets")}


def test_what_raises_leaves_it_and_the_next_instance_begins_anew(watch):
    starts = []

    class Raises(Actor):
        def on_start(self):
            starts.append((precision(), WHO.get()))
            lower()

        def on_quote(self, quote):
            raise ValueError("no")

    set_up = watch(restarts=AGAIN)
    sees = type("SeesIt", (Sees,), {"notes": []})
    set_up.add("raises", Raises)
    set_up.add("behind", sees)
    outcome = set_up.run()
    assert (outcome.errors, outcome.failed) == (2, ["raises"])
    assert starts == [(28, "nobody")] * 2
    assert set_up.own == [("raises", 28, "nobody")]
    assert {note[1:] for note in sees.notes} == {(28, "nobody")}


@pytest.mark.parametrize("error", [ValueError, SystemExit])
@pytest.mark.parametrize(
    "how", ["start", "async start", "handler", "async handler", "task", "task of one that sets it"]
)
def test_the_node_deals_with_a_failure_in_its_own(watch, how, error):
    async def fails():
        replace()
        await asyncio.sleep(0)
        raise error("no")

    def fails_at_once():
        replace()
        raise error("no")

    hooks = {
        "start": {"on_start": lambda self: fails_at_once()},
        "async start": {"on_start": lambda self: fails()},
        "handler": {"on_quote": lambda self, quote: fails_at_once()},
        "async handler": {"on_quote": lambda self, quote: fails()},
        "task": {"on_quote": lambda self, quote: setattr(self, "task", asyncio.create_task(fails()))},
    }
    hooks["task of one that sets it"] = {**hooks["task"], "on_start": lambda self: lower()}
    set_up = watch()
    set_up.add("fails", type("Fails", (Actor,), hooks[how]))
    assert set_up.run().failed == ["fails"]
    assert set_up.own == [("fails", 28, "nobody")]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_node_goes_on_in_its_own_when_one_has_stopped(watch, is_async):
    async def stops(self):
        await asyncio.sleep(0)
        replace()

    hooks = {"on_quote": lambda self, quote: self.stop(), "on_start": lambda self: replace()}
    hooks["on_stop"] = stops if is_async else lambda self: replace()
    set_up = watch()
    set_up.add("stops", type("Stops", (Actor,), hooks))
    set_up.run()
    assert set_up.own == [("stops", 28, "nobody")]


def test_a_task_has_a_copy_as_any_task(watch):
    notes = []

    class Own(Actor):
        def on_start(self):
            self.task = asyncio.create_task(self.sums())

        async def sums(self):
            with decimal.localcontext() as mine:
                mine.prec = 4
                while len(notes) < 4:
                    notes.append(("task", precision()))
                    await self.clock.sleep(1)

        def on_quote(self, quote):
            notes.append(("quote", precision()))

    set_up = watch()
    set_up.add("own", Own)
    assert set_up.run().errors == 0
    assert set(notes) == {("task", 4), ("quote", 28)}


def test_a_task_that_another_asks_for_is_its_own_actors(watch):
    notes = []

    class Serves(Actor):
        def on_start(self):
            decimal.getcontext().prec = 50

        async def serve(self):
            notes.append(precision())
            await asyncio.sleep(0)
            notes.append(precision())

    class Asks(Actor):
        def on_start(self):
            lower()

        async def on_quote(self, quote):
            await set_up.node.make_task("serves", served.serve())

    served = Serves()
    set_up = watch()
    set_up.add("serves", lambda: served)
    set_up.add("asks", Asks)
    assert set_up.run().errors == 0
    assert notes == [50, 50] * 4


def test_what_the_nodes_maker_has_set_is_seen_but_for_decimals(watch):
    set_up = watch()
    sees = type("SeesIt", (Sees,), {"notes": []})
    set_up.add("before", sees)
    token = WHO.set("maker")
    try:
        decimal.getcontext().prec = 9
        set_up.run()
        assert precision() == 9
    finally:
        WHO.reset(token)
    assert {note[1:] for note in sees.notes} == {(28, "maker")}


def test_default_context_is_nobodys_to_change():
    default = decimal.DefaultContext
    try:
        default.prec, default.traps[decimal.Inexact] = 3, True
        made = context_for_an_actor(contextvars.copy_context())
        assert made.run(lambda: Decimal(1) / 3) == THIRD
        assert made.run(precision) == 28
    finally:
        default.prec, default.traps[decimal.Inexact] = 28, False


def test_a_turn_within_a_turn_of_the_same_actor_sees_the_same():
    core = NodeCore(simulated=True)
    slot, other = core.add_actor("one"), core.add_actor("other")
    assert core.context_of(slot) is None
    assert core.turn(slot, precision) == 28
    for each in (slot, other):
        core.set_context(each, context_for_an_actor(contextvars.copy_context()))

    def inner():
        assert (precision(), WHO.get()) == (4, "sets")
        decimal.getcontext().prec = 5
        return "came back"

    def outer():
        replace()
        assert core.turn(other, precision) == 28
        assert core.turn(other, core.turn, slot, inner) == "came back"
        with pytest.raises(KeyError):
            core.turn(slot, {}.__getitem__, "nothing")
        return precision()

    assert core.turn(slot, outer) == 5
    assert (precision(), core.turn(slot, precision), core.turn(other, precision)) == (28, 5, 28)
    assert core.context_of(slot).run(precision) == 5


def test_what_is_called_under_a_copy_is_told_of():
    def changes():
        lower()
        decimal.getcontext().traps[decimal.Inexact] = True
        decimal.DefaultContext.rounding = decimal.ROUND_UP
        return "done"

    before = plain_decimals()
    assert under_a_copy(changes) == ("done", ["prec", "traps", "DefaultContext.rounding"])
    assert under_a_copy(replace) == (None, ["prec"])
    assert under_a_copy(len, "four") == (4, [])
    own = decimal.getcontext()
    assert (own.prec, own.traps, decimal.DefaultContext.rounding) == (28, before.traps, before.rounding)
    assert WHO.get() == "nobody"

    def fails():
        changes()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        under_a_copy(fails)
    assert (precision(), decimal.DefaultContext.rounding) == (28, before.rounding)
