"""What may be a handler, and what is refused before it is one."""

import functools
import types

import pytest

from libra.core.actor import HOOKS, Actor
from libra.core.events import EventType
from libra.core.handlers import check_handler, check_hooks
from libra.core.message_bus import MessageBus
from libra.core.supervision import RestartPolicy


def yields(*_):
    yield 1


async def yields_too(*_):
    yield 1


class Calls:
    def __call__(self, event):
        yield event


GENERATORS = [
    yields,
    yields_too,
    functools.partial(yields, 1),
    types.MethodType(yields, 1),
    Calls(),
    lambda event: (yield event),
]


def plain(*_):
    return None


async def plain_too(*_):
    return None


@pytest.mark.parametrize("handler", GENERATORS)
def test_a_generator_is_no_handler_of_a_subscription(stage, handler):
    refused = []

    class Subscribes(Actor):
        def on_start(self):
            with pytest.raises(TypeError, match="is a generator, whose body would never run") as raised:
                self.subscribe(EventType.QUOTE, handler)
            refused.append(str(raised.value))

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("subscribes", Subscribes)
    assert (set_up.run().errors, len(refused)) == (0, 1)


@pytest.mark.parametrize("handler", GENERATORS)
def test_nor_is_it_one_of_a_bus(handler):
    bus = MessageBus()
    with pytest.raises(TypeError, match="is a generator, whose body would never run"):
        bus.subscribe(EventType.QUOTE, handler)
    assert bus.stats["handlers"] == 0


@pytest.mark.parametrize("handler", [plain, plain_too, functools.partial(plain), print, int, [].append, Actor])
def test_everything_else_that_can_be_called_is_one(handler):
    check_handler(handler)


@pytest.mark.parametrize("written", [yields, yields_too])
@pytest.mark.parametrize("hook", [hook for hooks in HOOKS for hook in hooks])
def test_a_hook_that_is_a_generator_is_named_where_its_actor_starts(stage, caplog, hook, written):
    made = type("Mine", (Actor,), {hook: written})
    with pytest.raises(TypeError, match=rf"Mine\.{hook} is a generator"):
        check_hooks(made, *HOOKS)
    set_up = stage(restarts=RestartPolicy(1, 60, backoff_s=0.1, jitter=0))
    set_up.quotes(0, 1)
    set_up.add("mine", made)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == (["mine"], 2)
    assert f"TypeError: Mine.{hook} is a generator, whose body would never run" in caplog.text


@pytest.mark.parametrize("hook", HOOKS[1])
def test_what_nobody_awaits_is_not_async(hook):
    with pytest.raises(TypeError, match=f"Mine.{hook} is called between two events and not awaited"):
        check_hooks(type("Mine", (Actor,), {hook: plain_too})(), *HOOKS)


def test_a_hook_that_an_instance_has_by_itself_is_looked_at_as_well():
    actor = Actor()
    actor.on_timer = types.MethodType(yields, actor)
    with pytest.raises(TypeError, match=r"Actor\.on_timer is a generator"):
        check_hooks(actor, *HOOKS)


def test_the_hooks_are_all_that_an_actor_has():
    # `_attach` calls these, and nothing else of a subclass's own.
    assert {"on_start", "on_stop", "on_event", "on_message", "on_timer", "on_terminated", "on_risk"} < {*HOOKS[0]}
    check_hooks(Actor, *HOOKS)
