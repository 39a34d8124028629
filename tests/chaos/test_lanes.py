"""Lanes are apart, and nobody waits for ever for a node that lives and applies nothing, or whose loop hangs."""

import os
import time

from tests.chaos.driven import Driven, Place

from libra.core.events import EventType

FACTS = 55_000
"""More than the facts with which a mailbox counts as one that nobody empties (52,429)."""


def fill(node: Driven, event_type: EventType) -> int:
    """Publishes until no room is left for it; how many were taken."""
    number = 0
    while node.publish(event_type, number):
        number += 1
        node.turn()
    return number


def test_a_lane_that_is_full_holds_up_no_other_and_who_acknowledges_nothing_is_not_waited_for():
    with Place(["a", "b", "c"], outbox_events=5_000, stale_after_ms=2_000) as place:
        a, b = place.node("a"), place.node("b", EventType.SIGNAL, EventType.ORDER_REQUEST)
        still = Driven(place.settings, "c", EventType.SIGNAL).start()
        try:
            place.until(lambda: len(a.told("node_up")) == 2)
            # A fifth of what is held for all of the node.
            assert fill(a, EventType.SIGNAL) == 750
            assert a.publish(EventType.ORDER_REQUEST, "urgent")
            place.until(lambda: ("ORDER_REQUEST", "urgent") in b.handled)
            # Its loop stands still while its threads go on: it is told of, and then it is not waited for any more.
            place.until(lambda: {news.node for news in a.told("node_behind")} == {"c"})
            place.until(lambda: a.told("overflow") and a.outboxes()["SIGNALS"]["events"] == 0)
            assert {news.node for news in a.told("overflow")} == {"c"}
            assert "SIGNALS" in a.link()["nodes"]["c"]["given_up"]
            assert a.publish(EventType.SIGNAL, "later")
            place.until(lambda: ("SIGNAL", "later") in b.handled)
            assert len(b.handled) == 752
        finally:
            place.nodes.append(still)
        # Whoever gets on is waited for again: what it was given it had, and nothing was skipped.
        place.until(lambda: len(still.handled) == 751 and a.link()["nodes"]["c"]["given_up"] == [])
        assert [payload for _, payload in still.handled] == [*range(750), "later"]
        assert not still.told("gap_lost")


def test_an_actor_that_keeps_up_with_nothing_is_given_up_where_its_facts_come_from_elsewhere_too():
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), Driven(place.settings, "con", EventType.ORDER_FILLED).start()
        try:
            place.until(lambda: pub.told("node_up"))
            for number in range(FACTS):
                assert pub.publish(EventType.ORDER_FILLED, number)

            def has_too_many() -> list[tuple[int, int]]:
                con.core.unpark()
                while con.core.ingest():
                    pass
                return con.core.overfull()

            place.until(has_too_many)
            [(slot, waiting)] = con.core.overfull()
            assert (slot, waiting > 52_000) == (con.slot, True)
        finally:
            con.bridge.stop(0.0)


def test_a_node_whose_loop_hangs_is_dead_for_the_others_until_it_comes_round():
    with Place(["a", "b"]) as place:
        a, b = place.node("a"), place.node("b")
        place.until(lambda: a.told("node_up") and b.told("node_up"))
        # Its threads go on, its handlers do not.
        place.nodes.remove(b)
        try:
            place.until(lambda: a.told("node_down"))
            assert [(news.node, news.detail) for news in a.told("node_down")] == [("b", "its beacon is missing")]
            assert b.link()["connected"]
        finally:
            place.nodes.append(b)
        place.until(lambda: len(a.told("node_up")) == 2 and b.told("loop_stood_still"))
        assert not a.told("gap_lost")
        assert a.link()["nodes"]["b"]["up"]


def test_a_node_whose_loop_may_be_held_lives_for_so_long_and_no_longer():
    with Place(["a", "b"]) as place:
        a, b = place.node("a"), Driven(place.settings | {"loop_patience_ms": 6_000}, "b")
        place.join(b)
        place.until(lambda: a.told("node_up") and b.told("node_up"))
        place.nodes.remove(b)
        began = time.monotonic()
        try:
            place.until(lambda: a.told("node_down"))
            assert time.monotonic() - began > 6
        finally:
            place.nodes.append(b)
        place.until(lambda: len(a.told("node_up")) == 2 and b.told("loop_stood_still"))


def test_answers_that_find_no_room_are_refused_too():
    with Place(["a", "b"], serving=False, outbox_bytes=1 << 20) as place:
        node, body, taken = place.node("a"), os.urandom(900_000), 0
        for number in range(50):
            taken += node.core.post(node.slot, "b/", "reply", number + 1, body) > 0
            node.turn()
        assert taken == 1
        # That there is no answer is short, and has a reserve of its own.
        assert node.core.post(None, "b/", "refusal", 51, "no room") > 0
