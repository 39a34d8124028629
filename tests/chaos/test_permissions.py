"""A user of the server who may not do all that a node needs: told, and mended without another start."""

from collections.abc import Iterator

import pytest
from tests.chaos.driven import Driven, Place

from libra.core.events import EventType


@pytest.fixture
def place() -> Iterator[Place]:
    with Place(["pub", "con"], username="trader", password="pw") as place:
        place.server.ask("ACL SETUSER trader on >pw ~* &* +@all")
        yield place


def found(node: Driven, what: str) -> list[str]:
    return [news.detail for news in node.told("server_finding") if what in news.detail]


def test_what_may_not_be_published_is_appended_all_the_same_and_the_channel_goes_on(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    place.server.ask("ACL SETUSER trader resetchannels")
    for number in range(3):
        assert pub.publish(EventType.ORDER_FILLED, number)
    place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 3)
    place.until(lambda: found(pub, "server refuses") or found(pub, "may not publish"))
    place.server.ask("ACL SETUSER trader allchannels")
    assert pub.publish(EventType.ORDER_FILLED, 3)
    place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 4)
    con = place.node("con", EventType.ORDER_FILLED)
    place.until(lambda: len(con.handled) == 4)
    assert [number for _, number in con.handled] == [0, 1, 2, 3]
