"""A server that is full of what nobody has applied yet: whoever comes makes room, and nothing is lost or doubled."""

import pytest
from tests.chaos.driven import Driven, Place

from libra.core.events import EventType

TEXT = "x" * 400


def used(place: Place) -> int:
    return int(place.server.ask("INFO memory").split("used_memory:")[1].split()[0])


def check_all_were_handled_once(place: Place, con: Driven, pub: Driven, count: int) -> None:
    place.until(lambda: len(con.handled) == count and pub.outboxes()["ORDERS"]["events"] == 0)
    assert [int(payload.removeprefix(TEXT)) for _, payload in con.handled] == list(range(count))


def test_who_comes_back_to_a_full_server_makes_room_there():
    with Place(["pub", "con"], outbox_events=100_000) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        place.server.ask(f"CONFIG SET maxmemory {used(place) + (2 << 20)}")
        published = 0
        # The last ones do not find room there.
        while pub.outboxes()["ORDERS"]["refusals"] == 0:
            for _ in range(50):
                assert pub.publish(EventType.ORDER_FILLED, f"{TEXT}{published}")
                published += 1
            pub.turn()
            assert published < 50_000
        con = place.node("con", EventType.ORDER_FILLED)
        check_all_were_handled_once(place, con, pub, published)


@pytest.mark.parametrize("joins_anew", [False, True])
def test_a_node_joins_a_full_server_and_empties_it(joins_anew: bool):
    with Place(["pub", "con"], outbox_events=100_000) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        if joins_anew:
            place.leave(place.node("con", EventType.ORDER_FILLED))
        for number in range(2_000):
            assert pub.publish(EventType.ORDER_FILLED, f"{TEXT}{number}")
            pub.turn()
        place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 2_000)
        # The stream alone is more than the server may have; nobody but the consumer can change that.
        place.server.ask(f"CONFIG SET maxmemory {used(place) - (1 << 19)}")
        con = place.join(Driven(place.settings, "con", EventType.ORDER_FILLED))
        check_all_were_handled_once(place, con, pub, 2_000)
