"""A key of the server is gone, or a part of it: what its living publisher holds comes all the same."""

import threading

import pytest
from tests.chaos.driven import Driven, Place

from libra.core.events import EventType


@pytest.mark.parametrize("behind", [0, 3], ids=["quiet", "goes on"])
@pytest.mark.parametrize("kind", ["stream", "chan", "ack"])
def test_what_the_server_threw_away_is_filled_again_by_its_living_publisher(kind: str, behind: int):
    with Place(["pub", "con"]) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        for number in range(5):
            pub.publish(EventType.ORDER_FILLED, number)
        place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 5)
        assert place.server.ask(f"DEL libra:driven:{kind}:ORDERS:all:pub") == ":1"
        for number in range(5, 5 + behind):
            pub.publish(EventType.ORDER_FILLED, number)
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: len(con.handled) == 5 + behind)
        assert [number for _, number in con.handled] == list(range(5 + behind))
        assert not con.told("gap_lost")


ACKNOWLEDGED = "libra:driven:ack:ORDERS:all:pub"


def place_of(place: Place, node: str) -> str:
    return place.server.ask(f"HGET {ACKNOWLEDGED} {node}").split()[-1]


def with_all_applied(place: Place) -> tuple[Driven, Driven]:
    """A publisher and a consumer that has applied and acknowledged five events."""
    pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
    place.until(lambda: pub.told("node_up") and con.told("node_up"))
    for number in range(5):
        pub.publish(EventType.ORDER_FILLED, number)
    place.until(lambda: len(con.handled) == 5 and pub.outboxes()["ORDERS"]["events"] == 0)
    return pub, con


def test_what_was_acknowledged_and_thrown_away_is_put_back_by_its_living_publisher():
    with Place(["pub", "con"]) as place:
        with_all_applied(place)
        there = place_of(place, "con")
        assert there.endswith("-5")
        assert place.server.ask(f"DEL {ACKNOWLEDGED}") == ":1"
        # Neither has anything to say.
        place.until(lambda: place_of(place, "con") == there)


@pytest.mark.parametrize("waits", [["pub", "con"], ["pub", "con", "away"]], ids=["all have all", "somebody is owed it"])
def test_who_is_started_again_while_its_place_is_gone_goes_on_where_it_was(waits: list[str]):
    with Place(waits) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for number in range(5):
            pub.publish(EventType.ORDER_FILLED, number)
        place.until(lambda: len(con.handled) == 5 and place_of(place, "con").endswith("-5"))
        place.leave(con, 2.0)
        # At once: nobody has looked for it meanwhile.
        assert place.server.ask(f"DEL {ACKNOWLEDGED}") == ":1"
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.link()["connected"])
        pub.publish(EventType.ORDER_FILLED, 5)
        place.until(lambda: con.handled)
        assert con.handled == [("ORDER_FILLED", 5)], "each once"
        assert not con.told("gap_lost")
        assert not con.told("gap_suspected")


def test_who_is_started_again_where_the_server_came_back_older_goes_on_where_it_was():
    # Somebody is owed all of it, so the stream has it.
    with Place(["pub", "con", "away"]) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for number in range(5):
            pub.publish(EventType.ORDER_FILLED, number)
        place.until(lambda: len(con.handled) == 5 and place_of(place, "con").endswith("-5"))
        place.leave(con, 2.0)
        epoch = place.server.ask("HGET libra:driven:chan:ORDERS:all:pub epoch").split()[-1]
        begun = threading.Event()

        def is_older() -> None:
            # As the data of some time ago have it, which another process wrote: until it has begun, whoever looks
            # for it meanwhile.
            while not begun.wait(0.005):
                place.server.ask(f"HSET {ACKNOWLEDGED} con {epoch}-2")
                place.server.ask("HSET libra:driven:chan:ORDERS:all:pub opened another")

        older = threading.Thread(target=is_older)
        older.start()
        try:
            con = place.node("con", EventType.ORDER_FILLED)
            place.until(lambda: con.link()["channels"]["ORDERS:all:pub"]["reads"])
        finally:
            begun.set()
            older.join()
        pub.publish(EventType.ORDER_FILLED, 5)
        place.until(lambda: con.handled)
        assert con.handled == [("ORDER_FILLED", 5)], "each once"
        assert not con.told("gap_lost")
        assert not con.told("gap_suspected")


def test_what_was_acknowledged_to_the_dead_is_put_back_by_who_applied_it():
    with Place(["pub", "con"]) as place:
        pub, con = with_all_applied(place)
        there = place_of(place, "con")
        place.leave(pub)
        place.until(lambda: con.told("node_left"))
        assert place.server.ask(f"DEL {ACKNOWLEDGED}") == ":1"
        place.until(lambda: place_of(place, "con") == there)


def test_the_keys_of_a_node_that_an_operator_has_removed_stay_gone():
    with Place(["pub", "con"]) as place:
        pub, con = with_all_applied(place)
        place.leave(pub)
        place.until(lambda: con.told("node_left"))
        for kind in ("chan", "stream", "ack"):
            place.server.ask(f"DEL libra:driven:{kind}:ORDERS:all:pub")
        reads = con.link()["channels"]["ORDERS:all:pub"]["reads"]
        # It has looked a few times since.
        place.until(lambda: con.link()["channels"]["ORDERS:all:pub"]["reads"] > reads + 2)
        assert place.server.ask(f"EXISTS {ACKNOWLEDGED}") == ":0"


def test_what_somebody_deleted_from_the_middle_of_a_stream_is_said_again_by_its_living_publisher():
    with Place(["pub", "con"]) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        # An entry each.
        for number in range(8):
            pub.publish(EventType.ORDER_FILLED, number)
            place.until(lambda sent=number + 1: pub.outboxes()["ORDERS"]["confirmed"] == sent)
        stream = "libra:driven:stream:ORDERS:all:pub"
        assert place.server.ask(f"XTRIM {stream} MAXLEN = 3") == ":5"
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: len(con.handled) == 8)
        assert [number for _, number in con.handled] == list(range(8))
        assert con.told("gap_opened")
        assert con.told("gap_repaired")
        assert not con.told("gap_lost")
