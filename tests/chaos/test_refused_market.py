"""A user of the server who may not publish market data: it is told, and what was refused is counted at both ends."""

from tests.chaos.driven import Driven, Place

from libra.core.events import EventType

DURABLE = " ".join(f"&libra:driven:{lane}*" for lane in ("control", "RISK:", "ORDERS:", "SIGNALS:"))


def test_market_data_that_may_not_be_published_is_told_and_counted():
    with Place(["pub", "con"]) as place:
        place.server.ask(f"ACL SETUSER speaker on >pw ~* +@all resetchannels {DURABLE}")
        con = place.node("con", EventType.TICK)
        pub = place.join(Driven(place.settings | {"username": "speaker", "password": "pw"}, "pub"))
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        place.until(lambda: pub.publish(EventType.TICK, 1) and pub.link()["market_out"]["refused"] > 0)
        place.until(lambda: [news for news in pub.news if news.kind == "server_finding" and "NOPERM" in news.detail])
        place.until(
            lambda: (
                pub.link()["market_out"]["refused"] == pub.link()["market_out"]["events"]
                and pub.link()["market_out"]["unanswered"] == 0
            )
        )
        assert not con.handled
        [row] = pub.link()["market_out"]["refuses"]
        assert row["what"].startswith("publish market data of shard ")
        assert "NOPERM" in row["reason"]
        place.server.ask("ACL SETUSER speaker &libra:driven:MARKET_DATA:*")
        place.until(lambda: pub.publish(EventType.TICK, 1) and con.handled)
        place.until(lambda: pub.link()["market_out"]["unanswered"] == 0)
        assert pub.link()["market_out"]["refuses"] == []
        out = pub.link()["market_out"]
        told = [news for news in pub.news if news.kind == "server_finding" and "NOPERM" in news.detail]
        assert len(told) == 1
        place.until(
            lambda: (
                sum(con.link()["market_in"][of] for of in ("events", "lost", "missed", "unfollowed")) == out["events"]
            )
        )
        market = con.link()["market_in"]
        assert market["lost"] + market["unfollowed"] >= out["refused"] > 0


def test_a_shard_that_nobody_asks_for_any_more_is_not_refused_for_ever():
    with Place(["pub", "con"]) as place:
        place.server.ask(f"ACL SETUSER speaker on >pw ~* +@all resetchannels {DURABLE}")
        con = place.node("con", EventType.TICK)
        pub = place.join(Driven(place.settings | {"username": "speaker", "password": "pw"}, "pub"))
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        place.until(lambda: pub.publish(EventType.TICK, 1) and pub.link()["market_out"]["refuses"])
        place.leave(con)
        place.until(lambda: pub.link()["market_out"]["unanswered"] == 0)
        place.server.ask("ACL SETUSER speaker &libra:driven:MARKET_DATA:*")
        place.until(lambda: not pub.link()["market_out"]["refuses"])
