"""How long events have waited for whom: what an operator sees of an actor that gets no turn."""

from libra.core.events import EventType
from libra_core import NodeCore

T0_NS = 1_723_161_600_000_000_000


def test_the_age_of_the_oldest_event_by_actor_and_lane():
    core = NodeCore(simulated=True)
    core.enter_simulation(1, T0_NS)
    try:
        slot, idle, gone = (core.add_actor(name) for name in ("late", "idle", "gone"))
        for event_type in (EventType.BAR, EventType.ORDER_REQUEST):
            core.subscribe(slot, event_type, print)
            core.subscribe(gone, event_type, print)
        core.emit(idle, EventType.BAR)
        core.set_simulated_time(T0_NS + 2_000_000_000)
        core.emit(idle, EventType.BAR)
        core.emit(idle, EventType.ORDER_REQUEST)
        core.remove_actor(gone)
        core.set_simulated_time(T0_NS + 2_500_000_000)
        assert core.waiting_s() == {"late": {"ORDERS": 0.5, "MARKET_DATA": 2.5}, "idle": {}}
        core.drain(1, 1_000_000)
        assert core.waiting_s()["late"] == {"MARKET_DATA": 2.5}, "the order was the more urgent"
    finally:
        core.leave_simulation()


def test_an_event_of_the_future_has_not_waited():
    core = NodeCore(simulated=True)
    core.enter_simulation(1, T0_NS)
    slot = core.add_actor("one")
    core.subscribe(slot, EventType.BAR, print)
    core.emit(slot, EventType.BAR)
    core.leave_simulation()
    core.enter_simulation(1, T0_NS - 5)
    try:
        assert core.waiting_s() == {"one": {"MARKET_DATA": 0.0}}
    finally:
        core.leave_simulation()
