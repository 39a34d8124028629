"""How a node joins a server: refused for good where it must not, and within its bounds where nobody is there yet."""

import os
import time

import pytest
from tests.chaos.driven import Driven, Place

from libra.core.events import EventType


def test_a_node_whose_name_lives_is_refused_and_the_living_one_goes_on():
    with Place(["pub", "con"]) as place:
        first = place.node("pub")
        place.until(lambda: first.told("connected"))
        second = Driven(place.settings, "pub")
        with pytest.raises(ConnectionRefusedError, match='a node "pub" of environment "driven" runs already: stop it'):
            second.start()
        second.bridge.stop()
        assert first.publish(EventType.ORDER_FILLED, 1)
        place.until(lambda: first.outboxes()["ORDERS"]["confirmed"] == 1)
        assert first.link()["fenced"] is False
        place.leave(first)
        third = place.node("pub")
        place.until(lambda: third.told("connected"))


def test_a_wrong_password_ends_the_start_and_is_not_repeated():
    with Place(["pub", "con"], password="wr0ng-secret") as place:
        assert place.server.ask("CONFIG SET requirepass right") == "+OK"
        with pytest.raises(ConnectionRefusedError, match="WRONGPASS") as refused:
            place.node("pub")
        assert "wr0ng-secret" not in str(refused.value)


def test_commands_are_bounded_in_bytes_without_a_server():
    with Place(["pub", "con"], serving=False, outbox_bytes=1 << 20) as place:
        node = place.node("pub")
        accepted = 0
        while node.publish(EventType.SIGNAL, os.urandom(100_000)):
            accepted += 1
            assert accepted < 100
        assert 0 < accepted * 100_000 < 1 << 20


def test_facts_before_the_first_connection_are_cut_and_told_and_the_newest_arrive():
    with Place(["pub", "con"], serving=False, outbox_events=1_000) as place:
        node = place.node("pub")
        count = 20_000
        for number in range(count):
            assert node.publish(EventType.ORDER_FILLED, number)
            if number % 500 == 0:
                node.turn()
        place.until(lambda: node.bridge.stats()["credits_in_use"] <= 1_000)
        place.until(lambda: node.told("overflow"))
        kept = node.bridge.stats()["credits_in_use"]
        assert sum(news.count for news in node.told("overflow")) == count - kept
        place.server.start()
        place.until(lambda: node.told("connected"))
        place.until(lambda: node.outboxes()["ORDERS"]["confirmed"] == kept)


def test_what_stops_a_node_is_not_its_server():
    # The thread that leaves waits for its time, and whoever asked for it can do something else meanwhile.
    with Place(["pub", "con"]) as place:
        node = place.node("pub")
        place.until(lambda: node.told("connected"))
        place.server.kill()
        place.until(lambda: node.told("disconnected"))
        assert node.publish(EventType.ORDER_FILLED, 1)
        started = time.monotonic()
        node.bridge.leave(0.3)
        assert place.leave(node, 30.0)["credits_in_use"] == 1
        assert time.monotonic() - started < 30.0, "it has left already"
