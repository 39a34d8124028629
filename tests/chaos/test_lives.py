"""Which end of a node is a loss for those that are joined with it, and that none stays unnoticed."""

import time

from tests.chaos.driven import Driven, Place
from tests.chaos.topology import NodeProcess
from tests.chaos.wires import BEACON, EVENTS, beacon, event, frame, wire

from libra.core.events import EventType


def publisher(place: Place) -> NodeProcess:
    order = {"role": "publisher", "bridge": place.settings | {"node": "pub"}, "per_s": 50}
    return NodeProcess(place.folder, "pub", order)


def kill(node: NodeProcess) -> None:
    assert node.process is not None
    node.process.kill()
    node.process.wait()


def lives(con: Driven) -> list[str]:
    return [news.kind for news in con.news if news.kind.startswith("node_")]


def test_a_life_of_which_something_came_is_lost_also_where_it_is_the_older_one():
    with Place(["pub", "con"]) as place:
        pub = publisher(place)
        pub.start()
        place.until(lambda: pub.status)
        # More than two clocks may differ by.
        began = time.monotonic()
        place.until(lambda: time.monotonic() - began > 3)
        con = place.node("con", EventType.ORDER_FILLED)
        try:
            place.until(lambda: con.told("node_up") and con.handled)
            kill(pub)
            pub.start()
            place.until(lambda: len(con.told("node_up")) == 2)
            assert lives(con) == ["node_up", "node_down", "node_up"]
        finally:
            kill(pub)


def test_a_life_of_which_nothing_came_gives_way_to_the_next_unless_something_of_it_comes_late():
    with Place(["pub", "con"]) as place, wire(place.server.socket) as ours:
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.told("connected"))
        epoch = time.time_ns() // 1_000_000
        keys = [f"libra:driven:{kind}:ORDERS:all:pub".encode() for kind in ("chan", "stream", "ack")]
        said = str(epoch).encode()
        ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", said, b"0", ours.run())
        for life in (epoch, epoch + 1):
            ours.call(b"PUBLISH", b"libra:driven:control", frame(BEACON, "pub", life, preface=beacon()))
            place.until(lambda life=life: len(con.told("node_up")) == life + 1 - epoch)
        assert lives(con) == ["node_up", "node_replaced", "node_up"]
        # What the first of them had appended before it ended.
        made = frame(EVENTS, "pub", epoch, 1, lane=1, shard="all", events=[event(23)])
        channel = b"libra:driven:ORDERS:all"
        ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], channel, said, b"1", b"1", made)
        place.until(lambda: con.handled)
        assert lives(con)[:4] == ["node_up", "node_replaced", "node_up", "node_down"]


def test_a_node_that_is_never_heard_is_missing_and_one_that_left_is_not():
    with Place(["pub", "con", "never"]) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.told("node_up") and pub.told("node_up"))
        began = time.monotonic()
        place.leave(pub)
        place.until(lambda: con.told("node_left"))
        place.until(lambda: con.told("node_missing"))
        assert time.monotonic() - began < 15
        # The silence of the one that left is over, too.
        place.until(lambda: time.monotonic() - began > 12)
        assert [(news.kind, news.node) for news in con.news if news.kind in ("node_missing", "node_down")] == [
            ("node_missing", "never")
        ]


def test_a_node_that_left_has_left_until_it_is_there_again():
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.told("node_up"))

        def is_there() -> tuple[bool, bool]:
            row = con.link()["nodes"]["pub"]
            return row["up"], row["left"]

        assert is_there() == (True, False)
        place.leave(pub)
        place.until(lambda: con.told("node_left"))
        assert is_there() == (False, True)
        again = publisher(place)
        again.start()
        place.until(lambda: len(con.told("node_up")) == 2)
        assert is_there() == (True, False)
        kill(again)
        place.until(lambda: con.told("node_down"))
        assert is_there() == (False, False)


def test_a_death_is_noticed_though_the_listener_is_cut_again_and_again():
    with Place(["pub", "con"]) as place:
        pub, con = publisher(place), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.told("connected"))
        pub.start()
        place.until(lambda: con.told("node_up"))
        kill(pub)
        began = cut = time.monotonic()
        cuts = 0

        def is_told() -> bool:
            nonlocal cut, cuts
            if (now := time.monotonic()) - cut >= 2:
                for name, number in place.server.connections().items():
                    if name.endswith(":con:libra-hears"):
                        place.server.ask(f"CLIENT KILL ID {number}")
                        cut, cuts = now, cuts + 1
            return bool(con.told("node_down")) or now - began > 40

        place.until(is_told)
        assert con.told("node_down"), cuts
        assert cuts >= 2, "it was cut before"
