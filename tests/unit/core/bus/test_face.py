"""The bus's names, what may be subscribed and what is counted."""

import inspect
import uuid

import pytest
from tests.unit.core.bus.tools import ORDER, SIGNAL, TICK, event, until

from libra.core import message_bus
from libra.core.message_bus import MessageBus


def test_names_and_signatures():
    assert message_bus.__all__ == ["MessageBus"]
    parameters = inspect.signature(MessageBus).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "max_queue_size": 100_000,
        "max_handlers_per_type": 100,
    }
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    with pytest.raises(TypeError):
        MessageBus(10)
    subscribe = list(inspect.signature(MessageBus.subscribe).parameters)
    assert subscribe[1:4] == ["event_type", "handler", "filter_fn"]
    assert inspect.signature(MessageBus.subscribe).parameters["filter_fn"].default is None
    assert inspect.signature(MessageBus.stop).parameters["drain_timeout"].default == 5.0
    for name in ("publish_many", "start", "stop"):
        assert inspect.iscoroutinefunction(getattr(MessageBus, name))
    assert not inspect.iscoroutinefunction(MessageBus.emit)


@pytest.mark.parametrize("name", ["max_queue_size", "max_handlers_per_type"])
def test_sizes_of_nothing_are_refused(name):
    for size in (0, -1, -(2**70), 2**64):
        with pytest.raises(ValueError, match=f"^{name} is how many there may be: from 1 to .*, not {size}\\b"):
            MessageBus(**{name: size})
    with pytest.raises(TypeError):
        MessageBus(**{name: "many"})
    MessageBus(**{name: 1})


def test_subscription_ids_are_uuids():
    bus = MessageBus()
    ids = [bus.subscribe(TICK, print) for _ in range(50)]
    assert all(isinstance(one, str) and str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)
    assert len(set(ids)) == 50


def test_max_handlers():
    bus = MessageBus(max_handlers_per_type=2)
    first = bus.subscribe(TICK, print)
    bus.subscribe(TICK, print)
    with pytest.raises(RuntimeError, match="Max handlers"):
        bus.subscribe(TICK, print)
    bus.subscribe(SIGNAL, print)
    assert bus.unsubscribe(first)
    bus.subscribe(TICK, print)
    assert bus.stats["handlers"] == 3


def test_what_may_be_subscribed():
    bus = MessageBus()
    with pytest.raises(TypeError, match="callable"):
        bus.subscribe(TICK, "not callable")
    with pytest.raises(TypeError, match="EventType"):
        bus.subscribe("TICK", print)
    with pytest.raises(TypeError):
        bus.subscribe(TICK, print, None, ["BTC/USDT@X"])


def test_unsubscribe():
    bus = MessageBus()
    one = bus.subscribe(TICK, print)
    assert bus.unsubscribe(one) is True
    assert bus.unsubscribe(one) is False
    assert bus.unsubscribe("nonsense") is False
    assert bus.stats["handlers"] == 0


def test_unsubscribe_handler():
    class Actor:
        def on_tick(self, event): ...

    bus, actor, other = MessageBus(), Actor(), Actor()
    bus.subscribe(TICK, actor.on_tick)
    bus.subscribe(TICK, actor.on_tick)
    bus.subscribe(SIGNAL, actor.on_tick)
    assert bus.unsubscribe_handler(TICK, other.on_tick) is False
    assert bus.unsubscribe_handler(ORDER, actor.on_tick) is False
    assert bus.unsubscribe_handler(TICK, actor.on_tick) is True
    assert bus.unsubscribe_handler(TICK, actor.on_tick) is False
    assert bus.stats["handlers"] == 1
    assert bus.unsubscribe_handler(SIGNAL, actor.on_tick) is True


def test_stats_and_size(run):
    async def main():
        bus = MessageBus(max_queue_size=3)
        assert bus.stats == {"published": 0, "dispatched": 0, "pending": 0, "errors": 0, "handlers": 0}
        bus.subscribe(TICK, lambda event: 1 / event.payload["n"])
        assert [await bus.publish(event({"n": n})) for n in (0, 1, 2, 3)] == [True, True, True, False]
        assert (bus.queue_size, bus.is_running) == (3, False)
        assert bus.stats == {"published": 3, "dispatched": 0, "pending": 3, "errors": 0, "handlers": 1}
        async with bus:
            assert bus.is_running
            await until(lambda: bus.queue_size == 0)
        assert not bus.is_running
        assert bus.stats == {"published": 3, "dispatched": 3, "pending": 0, "errors": 1, "handlers": 1}

    run(main())
