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
    assert pub.outboxes()["ORDERS"]["refusals"] == 0, "nothing has to be tried again"
    place.until(lambda: found(pub, "server refuses") or found(pub, "may not publish"))
    place.server.ask("ACL SETUSER trader allchannels")
    assert pub.publish(EventType.ORDER_FILLED, 3)
    place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 4)
    con = place.node("con", EventType.ORDER_FILLED)
    place.until(lambda: len(con.handled) == 4)
    assert [number for _, number in con.handled] == [0, 1, 2, 3]


@pytest.mark.parametrize("refused", ["-subscribe", "-publish", "resetchannels", "resetchannels &libra:driven:control*"])
def test_who_may_not_listen_or_speak_does_not_start(place: Place, refused: str):
    place.server.ask(f"ACL SETUSER trader {refused}")
    with pytest.raises(ConnectionRefusedError, match="NOPERM"):
        place.node("pub")


@pytest.mark.parametrize("command", ["hset", "hget", "hmget", "hgetall", "xadd", "xrange", "xrevrange", "xtrim", "del"])
def test_who_may_not_keep_what_is_durable_does_not_start(place: Place, command: str):
    place.server.ask(f"ACL SETUSER trader -{command}")
    with pytest.raises(ConnectionRefusedError, match=f"NOPERM.*{command}"):
        place.node("pub")
    assert place.server.ask("KEYS *:trial") in ("", "*0"), "it leaves nothing behind"


def test_a_subscription_that_is_refused_is_told_and_tried_again(place: Place):
    con = place.node("con", EventType.ORDER_FILLED)
    place.until(lambda: con.told("connected"))
    # Who is subscribed where he may not be is cut off.
    place.server.ask("ACL SETUSER trader resetchannels")
    place.until(lambda: found(con, "does not let this node listen: NOPERM"))
    assert con.link()["connected"] is False
    assert "NOPERM" in con.link()["connections"]["hears"]["error"]
    place.server.ask("ACL SETUSER trader allchannels")
    place.until(lambda: con.link()["connected"])
    assert len(found(con, "does not let this node listen")) == 1, "once"
    pub = place.node("pub")
    assert pub.publish(EventType.ORDER_FILLED, 1)
    place.until(lambda: con.handled)


def test_market_data_that_may_not_be_listened_to_is_told_and_tried_again(place: Place):
    place.server.ask("ACL SETUSER trader resetchannels &libra:driven:control* &libra:driven:RISK:*")
    place.server.ask("ACL SETUSER trader &libra:driven:ORDERS:* &libra:driven:SIGNALS:*")
    pub, con = place.node("pub"), place.node("con", EventType.TICK)
    place.until(lambda: pub.publish(EventType.TICK, 1) and found(con, "does not let this node listen: NOPERM"))
    place.server.ask("ACL SETUSER trader allchannels")
    place.until(lambda: pub.publish(EventType.TICK, 1) and con.handled)
    assert len(found(con, "does not let this node listen")) == 1, "once"


def test_a_server_that_wants_a_password_names_where_it_would_be_taken_from():
    with Place(["pub", "con"]) as place:
        assert place.server.ask("CONFIG SET requirepass right") == "+OK"
        with pytest.raises(ConnectionRefusedError, match=r"NOAUTH.*bridge\.password_env"):
            place.node("pub")
