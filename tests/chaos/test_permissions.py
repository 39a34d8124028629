"""A user of the server who may not do all that a node needs: told, and mended without another start."""

from collections.abc import Iterator
from pathlib import Path

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


def refusals(node: Driven) -> list[str]:
    return [news.detail for news in node.told("server_refuses")]


def tried(node: Driven) -> int:
    return node.link()["connections"]["calls"]["failures"]


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


KEEPS = ["hset", "hget", "hmget", "hgetall", "xadd", "xrange", "xrevrange", "xtrim", "del"]


@pytest.mark.parametrize("command", [*KEEPS, "hscan", "set"])
def test_who_may_not_keep_and_read_what_lasts_does_not_start_and_is_told_what_to_change(place: Place, command: str):
    # Somebody with all rights was here before: nothing has to be made anew.
    place.server.ask("ACL SETUSER boss on >pw ~* &* +@all")
    boss = place.join(Driven(place.settings | {"username": "boss"}, "con"))
    place.until(lambda: boss.told("connected"))
    place.server.ask(f"ACL SETUSER trader -{command}")
    with pytest.raises(ConnectionRefusedError, match=rf"NOPERM.*; to change: ACL SETUSER trader \+{command}$"):
        place.node("pub")
    assert place.server.ask("KEYS *:trial") in ("", "*0"), "it leaves nothing behind"


def test_each_other_refusal_on_a_connection_that_stands_is_told_once(place: Place):
    pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
    place.until(lambda: pub.told("node_up") and con.told("node_up"))

    def refuses(change: str, back: str, reason: str) -> None:
        assert place.server.ask(change) == "+OK"
        tried = pub.outboxes()["ORDERS"]["refusals"]
        assert pub.publish(EventType.ORDER_FILLED, reason)
        place.until(lambda: found(pub, reason) and pub.outboxes()["ORDERS"]["refusals"] >= tried + 5)
        assert place.server.ask(back) == "+OK"
        place.until(lambda: pub.outboxes()["ORDERS"]["events"] == 0)

    refuses("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS")
    refuses("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM")
    refuses("ACL SETUSER trader -xadd", "ACL SETUSER trader +xadd", "'xadd'")
    place.until(lambda: len(con.handled) == 3)
    refused = found(pub, "the server refuses")
    assert [reason for reason in refused if "'xadd'" in reason and "; to change: ACL SETUSER trader +xadd" in reason]
    assert all(sum(reason in told for told in refused) == 1 for reason in ("NOREPLICAS", "OOM", "'xadd'")), refused
    assert pub.link()["connections"]["calls"]["connects"] == 1, "it stood"
    # Another connection may be to another server.
    place.server.ask("CLIENT KILL USER trader")
    place.until(lambda: len(pub.told("connected")) == 2)
    refuses("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM")
    place.until(lambda: len(found(pub, "OOM")) == 2)


def test_a_server_whose_settings_may_not_be_read_is_told_as_one_that_nobody_has_checked(place: Place):
    place.server.ask("ACL SETUSER trader -config -info")
    pub = place.node("pub")
    place.until(lambda: found(pub, "SERVER_UNREADABLE"))
    [finding] = found(pub, "SERVER_UNREADABLE")
    assert "; to change: ACL SETUSER <user> +config|get +info; where that cannot be had" in finding
    assert "maxmemory-policy noeviction" in finding


def test_a_server_with_the_buffers_it_came_with_is_told_of_the_setting(place: Place):
    pub = place.node("pub")
    place.until(lambda: found(pub, "PUBSUB_BUFFER"))
    [finding] = found(pub, "PUBSUB_BUFFER")
    assert '; to change: CONFIG SET client-output-buffer-limit "pubsub 256mb 128mb 60"' in finding


def test_what_is_good_to_know_of_a_server_is_told_once_and_stays_to_be_seen(place: Place):
    assert place.server.ask('CONFIG SET save "3600 1"') == "+OK"
    pub = place.node("pub")

    def notes() -> list[str]:
        return [news.detail for news in pub.told("server_note")]

    # It is told when the connection for calls stands; that both do, maybe later.
    place.until(lambda: notes() and pub.told("connected"))
    place.server.ask("CLIENT KILL USER trader")
    # Its connections are ended one by one.
    place.until(lambda: len(pub.told("connected")) >= 2)
    [note] = notes()
    assert note.startswith("PERSISTENCE_SNAPSHOTS: ")
    assert "; to change: CONFIG SET appendonly yes" in note
    found_out = {finding["code"]: finding for finding in pub.link()["findings"]}
    assert found_out["PERSISTENCE_SNAPSHOTS"]["severity"] == "note"
    assert found_out["PUBSUB_BUFFER"]["severity"] == "warning"
    assert found_out["PERSISTENCE_SNAPSHOTS"]["change"].startswith("CONFIG SET appendonly yes")
    assert not found(pub, "PERSISTENCE")


def test_what_a_user_may_not_do_any_more_is_seen_until_he_may(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))

    def refused() -> dict[str, str]:
        return {row["what"]: row["reason"] for row in pub.link()["refuses"]}

    place.server.ask("ACL SETUSER trader -xadd")
    assert pub.publish(EventType.ORDER_FILLED, 1)
    place.until(lambda: "append to ORDERS" in refused())
    assert refused()["append to ORDERS"].endswith("; to change: ACL SETUSER trader +xadd")
    # That it takes a call which needs no such right says nothing of those that do.
    beacons = pub.link()["connections"]["calls"]["connects"]
    first = next(row["for_ns"] for row in pub.link()["refuses"] if row["what"] == "append to ORDERS")
    place.until(
        lambda: any(row["for_ns"] > first + 1_500_000_000 for row in pub.link()["refuses"] if "ORDERS" in row["what"])
    )
    assert pub.link()["connected"]
    assert pub.link()["connections"]["calls"]["connects"] == beacons
    place.server.ask("ACL SETUSER trader +xadd")
    place.until(lambda: pub.outboxes()["ORDERS"]["events"] == 1 and not refused())
    # It takes what may not be published.
    place.server.ask("ACL SETUSER trader resetchannels")
    assert pub.publish(EventType.ORDER_FILLED, 2)
    place.until(lambda: "publish what is appended to ORDERS" in refused())
    place.server.ask("ACL SETUSER trader allchannels")
    # Nothing more is said on that lane: it is tried.
    place.until(lambda: not refused())


def test_what_may_not_be_read_for_a_while_is_not_refused_for_ever(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    assert pub.publish(EventType.ORDER_FILLED, 1)
    place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 1)
    place.server.ask("ACL SETUSER trader -hgetall")
    what = "read what is acknowledged of ORDERS"
    place.until(lambda: [row["what"] for row in pub.link()["refuses"]] == [what])
    place.server.ask("ACL SETUSER boss on >pw ~* &* +@all")
    con = place.join(Driven(place.settings | {"username": "boss"}, "con", EventType.ORDER_FILLED))
    # Nobody owes anything any more.
    place.until(lambda: pub.outboxes()["ORDERS"]["events"] == 0)
    place.server.ask("ACL SETUSER trader +hgetall")
    place.until(lambda: not pub.link()["refuses"])
    assert len(con.handled) == 1


def test_what_a_group_may_not_say_for_a_while_is_not_refused_for_ever(place: Place):
    lanes = " ".join(f"&libra:driven:{lane}:*" for lane in ("RISK", "ORDERS", "SIGNALS", "MARKET_DATA"))
    place.server.ask("ACL SETUSER quiet on >pw ~* +@all resetchannels &libra:driven:control &libra:driven:control:con")
    place.server.ask(f"ACL SETUSER quiet {lanes}")
    pub = place.node("pub")
    con = place.join(Driven(place.settings | {"username": "quiet"}, "con", EventType.ORDER_FILLED))
    place.until(lambda: pub.told("node_up") and con.told("node_up"))
    assert pub.publish(EventType.ORDER_FILLED, 1)
    what = "publish what is acknowledged of ORDERS:all:pub"
    place.until(lambda: [row["what"] for row in con.link()["refuses"]] == [what])
    place.server.ask("ACL SETUSER quiet &libra:driven:control:pub")
    place.until(lambda: not con.link()["refuses"])


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
    [why] = refusals(con)
    assert "ACL SETUSER <user> &libra:*" in why
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


def test_latest_values_that_may_not_be_looked_up_are_told_and_looked_up_again(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    pub.core.take_voice().announce(pub.slot, EventType.GATEWAY_CONNECTED, {"gateway": "one"})
    place.until(lambda: "GATEWAY" in place.server.ask("HKEYS libra:driven:state:pub"))
    # Another type of the same shard: what is said again to who is new has come and gone.
    con = place.node("con", EventType.ACTOR_STATE)
    place.until(lambda: con.link()["market_in"]["unwanted"] > 0)
    place.server.ask("ACL SETUSER trader -hscan")
    con.core.subscribe(con.slot, EventType.GATEWAY_CONNECTED, con._handle)
    place.until(lambda: found(con, "NOPERM"))
    assert found(con, "ACL SETUSER trader +hscan")
    assert con.link()["market_in"]["loaded"] == 0
    place.server.ask("ACL SETUSER trader +hscan")
    place.until(lambda: con.handled)
    assert con.link()["market_in"]["loaded"] == 1
    assert len(found(con, "NOPERM")) == 1, "once"


def test_who_may_not_load_functions_is_told_what_that_costs(place: Place):
    place.server.ask("ACL SETUSER boss on >pw ~* &* +@all")
    boss = place.join(Driven(place.settings | {"username": "boss"}, "con"))
    place.until(lambda: boss.told("connected"))
    place.server.ask("ACL SETUSER trader -function|load")
    pub = place.node("pub")
    place.until(lambda: found(pub, "FUNCTIONS_FIXED"))
    assert not found(boss, "FUNCTIONS_FIXED")
    assert place.server.ask("FUNCTION LIST").count("library_code") == 0
    assert place.server.ask("FUNCTION LIST").count("libra1\r\n") == 1, "nothing else was loaded"


def cut_off(place: Place, change: str) -> Driven:
    """A node that was connected, and has tried for a while to be again since something was changed at the server."""
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    place.server.ask(change)
    place.server.ask("CLIENT KILL USER trader")
    place.until(lambda: tried(pub) >= 5)
    return pub


def test_a_password_that_was_changed_is_told_once_with_what_to_change_and_ends_with_the_right_one(place: Place):
    pub = cut_off(place, "ACL SETUSER trader resetpass >other")
    [why] = refusals(pub)
    assert "WRONGPASS" in why
    assert "; to change: bridge.username names the server's user, and bridge.password_env" in why
    assert not pub.link()["connected"]
    place.server.kill()
    place.until(lambda: "cannot connect" in pub.told("disconnected")[-1].detail)
    place.server.start()
    # It comes back without that user.
    place.until(lambda: len(refusals(pub)) == 2)
    place.server.ask("ACL SETUSER trader on >pw ~* &* +@all")
    place.until(lambda: len(pub.told("connected")) == 2)
    assert len(refusals(pub)) == 2


def test_a_new_password_in_its_file_is_used_without_another_start(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("old\n", encoding="utf-8")
    with Place(["pub", "con"], username="trader", password_file=str(secret)) as place:
        place.server.ask("ACL SETUSER trader on >old ~* &* +@all")
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        place.server.ask("ACL SETUSER trader resetpass >new")
        place.server.ask("CLIENT KILL USER trader")
        place.until(lambda: [why for why in refusals(pub) if "WRONGPASS" in why])
        secret.unlink()
        place.until(lambda: [why for why in refusals(pub) if f"the password: file {secret}" in why])
        secret.write_text("new\nsince the last change\n", encoding="utf-8")
        place.until(lambda: len(pub.told("connected")) == 2)
        assert pub.link()["connected"]


def test_a_server_that_another_one_leads_now_is_told_with_what_to_change(place: Place):
    pub = cut_off(place, "REPLICAOF 127.0.0.1 1")
    [why] = refusals(pub)
    assert "is a replica, and a master is needed: name its master in the configuration" in why
    place.server.ask("REPLICAOF NO ONE")
    place.until(lambda: len(pub.told("connected")) == 2)


def test_a_replica_is_no_server_for_a_node_that_has_nothing_to_say(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    # Its connections stand.
    place.server.ask("REPLICAOF 127.0.0.1 1")
    place.until(lambda: refusals(pub))
    assert "is a replica, and a master is needed" in refusals(pub)[0]
    assert not pub.link()["connected"]
    assert not pub.link()["refuses"], "that is told by what it is not connected for"
    place.server.ask("REPLICAOF NO ONE")
    place.until(lambda: len(pub.told("connected")) == 2)


def test_why_there_is_no_connection_is_told_once_for_each_reason(place: Place):
    pub = place.node("pub")
    place.until(lambda: pub.told("connected"))
    place.server.kill()
    place.until(lambda: tried(pub) >= 6)
    why = [news.detail for news in pub.told("disconnected")]
    assert len(why) == len(set(why)), why
    assert sum("cannot connect" in reason for reason in why) == 1, why


def test_a_server_that_wants_a_password_names_where_it_would_be_taken_from():
    with Place(["pub", "con"]) as place:
        assert place.server.ask("CONFIG SET requirepass right") == "+OK"
        with pytest.raises(ConnectionRefusedError, match=r"NOAUTH.*bridge\.password_env"):
            place.node("pub")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///nowhere"])
def test_authorities_turn_no_connection_into_another(url: str):
    settings = {"environment": "driven", "nodes": ["pub"], "url": url, "ca_file": "/ca.pem"}
    with pytest.raises(ValueError, match="ca_file needs TLS"):
        Driven(settings, "pub")
