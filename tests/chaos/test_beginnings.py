"""How a node joins a server: refused for good where it must not, and within its bounds where nobody is there yet."""

import os
import threading
import time

import pytest
from tests.chaos.driven import Driven, Place
from tests.chaos.wires import BEACON, beacon, frame, wire

from libra.assembly.bridge import lost_events
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


def test_of_two_that_start_in_one_moment_one_is_refused_and_the_other_goes_on():
    with Place(["pub", "con"]) as place:
        refused: list[tuple[Driven, str]] = []

        def start(node: Driven) -> None:
            try:
                node.start()
            except ConnectionRefusedError as error:
                refused.append((node, str(error)))
            else:
                place.nodes.append(node)

        both = [threading.Thread(target=start, args=(Driven(place.settings, "pub"),)) for _ in range(2)]
        for thread in both:
            thread.start()
        place.until(lambda: not any(thread.is_alive() for thread in both))
        [(second, why)] = refused
        assert 'a node "pub" of environment "driven" runs already: stop it' in why
        second.bridge.stop()
        [first] = place.nodes
        assert first.publish(EventType.ORDER_FILLED, 1)
        place.until(lambda: first.outboxes()["ORDERS"]["confirmed"] == 1)
        assert first.link()["fenced"] is False


def test_who_has_just_claimed_a_life_and_does_not_listen_yet_is_waited_for():
    with Place(["pub", "con"]) as place, wire(place.server.socket) as ours:
        place.leave(place.node("pub"))
        found = ours.call(b"HGET", b"libra:driven:epochs", b"pub")
        epoch = str(time.time_ns() // 1_000_000).encode()
        claimed = ours.call(b"FCALL", b"libra1_claim", b"1", b"libra:driven:epochs", b"pub", epoch, b"another", found)
        lives, says = frame(BEACON, "pub", int(claimed), preface=beacon()), True

        def say() -> None:
            while says:
                ours.call(b"PUBLISH", b"libra:driven:control", lives)
                time.sleep(0.05)

        saying = threading.Thread(target=say)
        saying.start()
        second = Driven(place.settings, "pub")
        try:
            with pytest.raises(ConnectionRefusedError, match="runs already"):
                second.start()
        finally:
            says = False
            saying.join()
            second.bridge.stop()
        # It has died, or never lived: nothing is heard of it.
        third = place.node("pub")
        place.until(lambda: third.told("connected"))
        assert third.link()["epoch"] > int(claimed)


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


def publish_early(place: Place, count: int) -> Driven:
    """A publisher without a server, whose facts have all come to the thread that cuts: what is left of them stays."""
    node = place.node("pub")
    for number in range(count):
        assert node.publish(EventType.ORDER_FILLED, number)
        if number % 500 == 0:
            node.turn()
    place.until(lambda: node.outboxes()["ORDERS"]["offered"] == count)
    return node


def test_facts_before_the_first_connection_are_cut_and_told_and_the_newest_arrive():
    with Place(["pub", "con"], serving=False, outbox_events=1_000) as place:
        count = 20_000
        node = publish_early(place, count)
        place.until(lambda: sum(news.count for news in node.told("overflow")) == node.outboxes()["ORDERS"]["cut"])
        kept = node.bridge.stats()["credits_in_use"]
        cut = count - kept
        assert sum(news.count for news in node.told("overflow")) == cut
        # It is in the account of the run, also where no server ever comes.
        assert lost_events(node.bridge.stats()) == {"ORDERS, cut": cut}
        place.server.start()
        place.until(lambda: node.told("connected"))
        # They have their numbers, so whoever is there hears which are lost.
        place.until(lambda: node.outboxes()["ORDERS"]["confirmed"] == count)
        assert lost_events(node.bridge.stats()) == {"ORDERS, cut": cut}
        assert sum(news.count for news in node.told("overflow")) == cut, "it is told once"
        # Whoever comes later than a stream is cut that nobody is waited for is given what is left all the same.
        later = time.monotonic() + 2.0
        place.until(lambda: time.monotonic() > later)
        heard = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: len(heard.handled) == kept)
        assert [number for _, number in heard.handled] == list(range(cut, count))
        # It had no place in the channel: nothing that it was owed is missing, and nothing stops, as the word says.
        place.until(lambda: heard.told("gap_suspected"))
        assert [news.runs[0][1:] for news in heard.told("gap_suspected")] == [(1, cut)]
        assert not heard.told("gap_lost")

        def counted() -> tuple[int, bool, int]:
            channel = heard.link()["channels"]["ORDERS:all:pub"]
            return channel["suspected"], channel["gap"], channel["applied"]

        # The link says it a moment later than the news.
        place.until(lambda: counted() == (1, False, count))


def test_who_is_there_before_hears_which_facts_were_cut_before_the_first_connection():
    with Place(["pub", "con"], outbox_events=1_000) as place:
        heard = place.node("con", EventType.ORDER_FILLED)
        # An earlier life, so that it has a place in the channel.
        before = place.node("pub")
        assert before.publish(EventType.ORDER_FILLED, -1)
        place.until(lambda: [number for _, number in heard.handled] == [-1])
        place.leave(before)
        place.server.kill()
        place.until(lambda: heard.told("disconnected"))
        count = 5_000
        node = publish_early(place, count)
        cut = count - node.bridge.stats()["credits_in_use"]
        place.server.start()
        place.until(lambda: len(heard.handled) == 1 + count - cut)
        assert [number for _, number in heard.handled[1:]] == list(range(cut, count))
        place.until(lambda: heard.told("gap_lost"))
        lost = [run for news in heard.told("gap_lost") for run in news.runs]
        assert (node.link()["epoch"], 1, cut) in lost, heard.news


def test_a_kill_switch_that_was_cut_before_the_first_connection_is_in_the_snapshot():
    with Place(["pub", "con"], serving=False, outbox_events=1_000) as place:
        node = place.node("pub")
        assert node.publish(EventType.CIRCUIT_BREAKER, {"reason": "looks wrong"})
        for number in range(5_000):
            assert node.publish(EventType.RISK_LIMIT_BREACH, number)
            if number % 500 == 0:
                node.turn()
        place.until(lambda: node.outboxes()["RISK"]["cut"] > 3_000)
        place.server.start()
        place.until(lambda: node.told("connected"))
        heard = place.node("con", EventType.CIRCUIT_BREAKER, EventType.RISK_LIMIT_BREACH)
        place.until(lambda: ("RISK_LIMIT_BREACH", 4_999) in heard.handled and heard.told("snapshot_loaded"))
        assert [told for told in heard.handled if told[0] == "CIRCUIT_BREAKER"] == [
            ("CIRCUIT_BREAKER", {"reason": "looks wrong"})
        ]


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
