"""A key of the server is gone, or a part of it: what its living publisher holds comes all the same."""

import pytest
from tests.chaos.driven import Place

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
        # There is no hash of acknowledgements yet.
        assert place.server.ask(f"DEL libra:driven:{kind}:ORDERS:all:pub") == (":0" if kind == "ack" else ":1")
        for number in range(5, 5 + behind):
            pub.publish(EventType.ORDER_FILLED, number)
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: len(con.handled) == 5 + behind)
        assert [number for _, number in con.handled] == list(range(5 + behind))
        assert not con.told("gap_lost")


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
