"""Frames that nobody of ours made, and that nothing is wrong with but what they say: they do no harm that lasts."""

import struct

import pytest
from tests.chaos.driven import Place
from tests.chaos.wires import BEACON, EVENTS, SNAPSHOT, beacon, event, frame, wire, word

from libra.core.events import EventType

IMPOSSIBLE = (1 << 53, (1 << 64) - 1)


@pytest.mark.parametrize("epoch", IMPOSSIBLE)
@pytest.mark.parametrize("channel", ["control", "control:con", "control:pub"])
def test_an_epoch_that_cannot_be_ends_no_name_and_buries_nobody(channel: str, epoch: int):
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), place.node("con")
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        with wire(place.server.socket) as ours:
            heard = ours.call(
                b"PUBLISH", f"libra:driven:{channel}".encode(), frame(BEACON, "pub", epoch, preface=beacon())
            )
            assert heard in (b":1", b":2")
        hit = pub if channel.endswith("pub") else con
        place.until(lambda: hit.link()["refused_frames"].get("bad_header"))
        beacons = con.link()["nodes"]["pub"]["heard_ns"]
        place.until(lambda: con.link()["nodes"]["pub"]["heard_ns"] > beacons)
        assert con.link()["nodes"]["pub"]["up"]
        assert pub.link()["fenced"] is False
        place.leave(pub)
        again = place.node("pub")
        place.until(lambda: again.told("connected"))


def test_market_data_of_a_sequence_that_cannot_be_is_refused_and_the_shard_goes_on():
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), place.node("con", EventType.TICK)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        place.until(lambda: pub.publish(EventType.TICK, 1) and con.handled)
        epoch = pub.link()["epoch"]
        with wire(place.server.socket) as ours:
            for first in (2**53, 2**64 - 3):
                forged = frame(EVENTS, "pub", epoch, first, lane=3, shard="0", events=[event(1)])
                assert ours.call(b"PUBLISH", b"libra:driven:MARKET_DATA:0", forged) == b":1"
        before = len(con.handled)
        place.until(lambda: pub.publish(EventType.TICK, 2) and len(con.handled) > before)
        assert con.link()["market_in"]["lost"] == 0


def test_names_of_a_stranger_use_up_nobody_elses():
    with Place(["pub", "con"]) as place:
        pub, con = place.node("pub"), place.node("con")
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        many = [[f"x{part}{number}" for number in range(65_000)] for part in range(2)]
        with wire(place.server.socket) as ours:

            def say(*parts: bytes) -> None:
                assert ours.call(b"PUBLISH", b"libra:driven:control:con", *parts) == b":1"

            for names in many:
                # Of nobody here, in a message that has none, and under our own name.
                say(frame(SNAPSHOT, "stranger", 5, preface=snapshot("stranger"), events=[event(34)], names=names))
                say(frame(BEACON, "pub", 5, preface=beacon(), names=names))
                say(frame(SNAPSHOT, "con", 5, preface=snapshot("con"), events=[event(34)], names=names))
            of_pub = frame(
                SNAPSHOT,
                "pub",
                5,
                preface=snapshot("pub"),
                events=[event(34, source=1, instrument=2)],
                names=["a", "b"],
            )
            say(of_pub)
        place.until(lambda: con.link()["foreign_frames"] >= 2 and con.link()["refused_frames"].get("bad_header") == 2)
        beacons = con.link()["nodes"]["pub"]["beacons"]
        place.until(lambda: con.link()["nodes"]["pub"]["beacons"] > beacons)
        assert "too_many_names" not in con.link()["refused_frames"]


def snapshot(publisher: str) -> bytes:
    """The preface of a snapshot for `con` in one part, of the orders of a publisher."""
    position = bytes([1]) + word("all") + word(publisher) + struct.pack("<QQ", 1, 1)
    return (7).to_bytes(16, "little") + word("con") + struct.pack("<IIH", 0, 1, 1) + position
