"""What a node sends to one actor cannot be published to all: who tries fails, and nobody else notices."""

import pytest

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.core.supervision import RestartPolicy

ADDRESSED = (EventType.TIMER, EventType.ACTOR_TERMINATED)


@pytest.mark.parametrize("payload", [{}, 1, None])
@pytest.mark.parametrize("event_type", ADDRESSED)
def test_who_publishes_what_only_a_node_sends_harms_only_itself(stage, event_type, payload):
    log = []

    class Forges(Actor):
        def on_quote(self, quote):
            self.emit(event_type, payload)

    class Fine(Actor):
        def on_start(self):
            self.set_timer("timer", 1.5)
            self.watch("forges")

        def on_timer(self, name):
            log.append(name)

        def on_terminated(self, terminated):
            log.append(terminated.detail)

    set_up = stage(restarts=RestartPolicy(max_restarts=0))
    set_up.quotes(0, 1, 2)
    set_up.add("fine", Fine)
    set_up.add("forges", Forges)
    outcome = set_up.run()
    name = event_type.name
    assert log == [f"ValueError: {name} is sent to one actor by its node: nobody publishes it", "timer"]
    assert (outcome.failed, outcome.errors) == (["forges"], 1)


@pytest.mark.parametrize("event_type", ADDRESSED)
def test_nor_does_a_whole_event_of_that_type_get_out(stage, event_type):
    with pytest.raises(ValueError, match="nobody publishes it"):
        stage().node.core.publish(Event.create(event_type, "forged"))
