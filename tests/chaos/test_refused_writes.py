"""A server that takes nothing, or came back empty: nobody is given up who lives, and nothing is lost."""

import time

import pytest
from tests.chaos.driven import Driven, Place

from libra.core.events import EventType

FACT = EventType.ORDER_FILLED
STALE_MS = 1_000
REFUSALS = {
    "replicas": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    "memory": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
}


def come(node: Driven) -> list[str]:
    return [payload for _, payload in node.handled]


def last(place: Place, seconds: float) -> None:
    """A fault has to last; the nodes go on."""
    ends = time.monotonic() + seconds
    place.until(lambda: time.monotonic() > ends)


@pytest.mark.parametrize("way", REFUSALS)
def test_who_lives_is_waited_for_while_the_server_refuses_for_longer_than_anybody_may_be_silent(way: str):
    refuse, take = REFUSALS[way]
    with Place(["pub", "con"], stale_after_ms=STALE_MS) as place:
        pub, con = place.node("pub"), place.node("con", FACT)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        assert pub.publish(FACT, "before")
        place.until(lambda: come(con) == ["before"] and pub.outboxes()["ORDERS"]["events"] == 0)
        assert place.server.ask(refuse) == "+OK"
        assert pub.publish(FACT, "meanwhile")
        last(place, 3 * STALE_MS / 1000)
        assert place.server.ask(take) == "+OK"
        place.until(lambda: come(con) == ["before", "meanwhile"] and pub.outboxes()["ORDERS"]["events"] == 0)
        assert not pub.told("overflow")
        assert not con.told("gap_lost")


@pytest.mark.parametrize("way", REFUSALS)
def test_a_server_that_takes_nothing_is_seen_by_who_has_nothing_to_say(way: str):
    refuse, take = REFUSALS[way]
    with Place(["pub", "con"]) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        assert pub.link()["refuses"] == []
        assert place.server.ask(refuse) == "+OK"
        place.until(lambda: pub.link()["refuses"])
        [row] = pub.link()["refuses"]
        assert row["what"] == "write"
        assert {"replicas": "NOREPLICAS", "memory": "OOM"}[way] in row["reason"]
        # From the first time on, which each further one leaves as it is.
        place.until(lambda: pub.link()["refuses"][0]["for_ns"] > row["for_ns"] + 1_500_000_000)
        [told] = [news.detail for news in pub.told("server_finding") if row["reason"] in news.detail]
        assert told.startswith("the server refuses: ")
        assert pub.link()["connected"]
        assert place.server.ask(take) == "+OK"
        place.until(lambda: pub.link()["refuses"] == [])


def test_who_cannot_acknowledge_what_it_has_done_is_waited_for_also_by_a_publisher_that_says_nothing():
    refuse, take = REFUSALS["replicas"]
    stale_ms = 3 * STALE_MS  # It looks once a second whether the server takes anything.
    with Place(["pub", "con"], stale_after_ms=stale_ms) as place:
        pub, con = place.node("pub"), place.node("con", FACT)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        assert pub.publish(FACT, "done")
        while pub.outboxes()["ORDERS"]["confirmed"] == 0:
            pub.turn()
        # It is appended, and handled by nobody yet.
        assert place.server.ask(refuse) == "+OK"
        last(place, 2 * stale_ms / 1000)
        assert come(con) == ["done"]
        assert pub.outboxes()["ORDERS"]["events"] == 1
        assert place.server.ask(take) == "+OK"
        place.until(lambda: pub.outboxes()["ORDERS"]["events"] == 0)
        assert not pub.told("overflow")


def test_what_a_new_life_says_first_on_a_server_that_came_back_empty_arrives():
    with Place(["pub", "con"], accounts=["con"], stale_after_ms=600_000) as place:
        pub, con = place.node("pub"), place.node("con", FACT, EventType.ORDER_REQUEST)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for number in range(5):
            assert pub.publish(FACT, f"old{number}")
        place.until(lambda: len(con.handled) == 5 and pub.outboxes()["ORDERS"]["events"] == 0)
        place.leave(pub)
        place.server.kill()
        place.server.start()
        # What it had done of the life before stands on the server again before the next life comes there.
        knows = "HGETALL libra:driven:ack:ORDERS:all:pub"
        place.until(lambda: "con" in place.server.ask(knows))
        again = place.join(Driven(place.settings, "pub"))
        said = 0
        place.until(lambda: again.link()["connected"])
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            assert again.publish(EventType.ORDER_REQUEST if said % 2 else FACT, f"new{said}"), "it is refused"
            said += 1
            again.turn()
            con.turn()
            time.sleep(0.002)
        place.until(lambda: again.outboxes()["ORDERS"]["events"] == 0)
        assert [payload for payload in come(con) if payload.startswith("new")] == [f"new{n}" for n in range(said)]
        assert not again.told("overflow")
        assert not again.told("unanswered")
