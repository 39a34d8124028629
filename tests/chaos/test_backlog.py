"""A consumer that was away is given what its publisher still holds, however much, and whatever became of the server."""

import os

from tests.chaos.driven import Place

from libra.core.events import EventType

LANES = (EventType.CIRCUIT_BREAKER, EventType.ORDER_FILLED, EventType.SIGNAL)


def test_a_consumer_that_is_restarted_while_its_server_comes_back_empty_is_given_all_that_its_publisher_holds():
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), place.node("con", *LANES)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for event_type in LANES:
            assert pub.publish(event_type, "first")
        place.until(lambda: len(con.handled) == 3 and pub.bridge.stats()["outbox"] == 0)
        place.leave(con)
        for event_type in LANES:
            assert all(pub.publish(event_type, number) for number in range(5))
        place.until(lambda: all(outbox["confirmed"] == 6 for outbox in pub.link()["outboxes"].values()))

        place.server.kill()
        place.server.start()
        con = place.node("con", *LANES)
        place.until(lambda: pub.bridge.stats()["outbox"] == 0 and len(con.handled) >= 15)
        for event_type in LANES:
            assert [payload for name, payload in con.handled if name == event_type.name] == list(range(5))
        assert not con.told("snapshot_loaded")
        assert not con.told("gap_lost")


def test_a_backlog_that_no_single_answer_can_carry_is_read_in_parts():
    size, many = 64 * 1024, 400
    # One that asks has a part of what its node holds: all of it has to fit.
    with Place(["pub", "con"], outbox_bytes=512 << 20) as place:
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        sent = [os.urandom(size) for _ in range(many)]
        assert all(pub.publish(EventType.SIGNAL, payload) for payload in sent)
        place.until(lambda: pub.link()["outboxes"]["SIGNALS"]["confirmed"] == many)

        con = place.node("con", *LANES)
        place.until(lambda: len(con.handled) == many)
        assert [payload for _, payload in con.handled] == sent
        assert con.link()["connections"]["calls"]["lost"] == 0
        assert pub.publish(EventType.CIRCUIT_BREAKER, "stop")
        place.until(lambda: con.handled[-1] == ("CIRCUIT_BREAKER", "stop"))


def test_the_kill_switch_passes_signals_that_a_node_which_is_away_does_not_acknowledge():
    with Place(["pub", "con", "away"], outbox_bytes=1_280 << 10, stale_after_ms=600_000) as place:
        con, pub = place.node("con", *LANES), place.node("pub")
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        # Until its part of the credits is used up.
        signals = 0
        while pub.publish(EventType.SIGNAL, os.urandom(500)):
            signals += 1
        assert 100 < signals < 2_000
        assert pub.publish(EventType.CIRCUIT_BREAKER, "stop")
        place.until(lambda: ("CIRCUIT_BREAKER", "stop") in con.handled)
        # The one that is away holds on to all of them, and its part has still no room for another.
        place.until(lambda: len(con.handled) == signals + 1)
        assert pub.bridge.stats()["credits_in_use"] == signals + 1
        assert not pub.publish(EventType.SIGNAL, os.urandom(500))


def test_a_node_that_was_away_for_too_long_learns_of_the_kill_switch_and_of_what_it_missed():
    with Place(["pub", "con"], stale_after_ms=1_000) as place:
        pub, con = place.node("pub"), place.node("con", *LANES)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for event_type in LANES:
            assert pub.publish(event_type, "first")
        place.until(lambda: len(con.handled) == 3 and pub.bridge.stats()["outbox"] == 0)
        place.leave(con)
        for event_type in (*LANES, EventType.RISK_LIMIT_BREACH):
            assert pub.publish(event_type, "missed")
        # It is given up, and the stream is trimmed.
        place.until(lambda: pub.bridge.stats()["outbox"] == 0 and len(pub.told("overflow")) >= 3)
        for lane in ("RISK", "ORDERS", "SIGNALS"):
            key = f"libra:driven:chan:{lane}:all:pub"
            place.until(lambda key=key: place.server.ask(f"HGET {key} floor").split()[-1:] in (["2"], ["3"]))

        con = place.node("con", *LANES)
        place.until(lambda: len(con.told("snapshot_loaded")) == 3)
        place.until(lambda: ("CIRCUIT_BREAKER", "missed") in con.handled)
        assert con.handled == [("CIRCUIT_BREAKER", "missed")]
        lost = {(news.channel, *run[1:]) for news in con.told("gap_lost") for run in news.runs}
        assert lost == {("RISK:all:pub", 2, 3), ("ORDERS:all:pub", 2, 2), ("SIGNALS:all:pub", 2, 2)}
        assert not con.told("gap_repaired")


def test_a_snapshot_stands_for_balances_and_for_nothing_that_happened_to_an_order():
    of_orders = (EventType.ORDER_REJECTED, EventType.BALANCE_UPDATED)
    with Place(["pub", "con", "looks"], stale_after_ms=1_000) as place:
        pub, con = place.node("pub"), place.node("con", *of_orders)
        looks = place.node("looks", EventType.BALANCE_UPDATED)
        place.until(lambda: len(pub.told("node_up")) == 2)
        assert pub.publish(EventType.ORDER_REJECTED, "heard")
        place.until(lambda: con.handled and pub.bridge.stats()["outbox"] == 0)
        place.leave(con)
        place.leave(looks)
        assert all(pub.publish(EventType.ORDER_REJECTED, number) for number in range(5))
        assert pub.publish(EventType.BALANCE_UPDATED, "newest")
        place.until(lambda: pub.bridge.stats()["outbox"] == 0 and len(pub.told("overflow")) >= 2)
        key = "libra:driven:chan:ORDERS:all:pub"
        place.until(lambda: place.server.ask(f"HGET {key} floor").split()[-1:] == ["7"])

        con, looks = place.node("con", *of_orders), place.node("looks", EventType.BALANCE_UPDATED)
        place.until(lambda: con.told("snapshot_loaded") and looks.told("gap_repaired"))
        place.until(lambda: all(("BALANCE_UPDATED", "newest") in node.handled for node in (con, looks)))
        assert [news.count for news in con.told("gap_lost")] == [6]
        assert not con.told("gap_repaired")
        assert not looks.told("gap_lost")
        assert [news.count for news in looks.told("snapshot_loaded")] == [6]
