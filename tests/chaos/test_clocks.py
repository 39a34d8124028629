"""What a node makes of the clocks of the others, and of its own where that is set."""

import json
import sys
import time
from pathlib import Path

import pytest
from tests.chaos.driven import Place
from tests.chaos.wires import BEACON, EVENTS, beacon, event, frame, wire
from tests.set_clock import SetClock

from libra.core.events import EventType

LANES = ((1, "ORDERS", 16), (0, "RISK", 48))


def test_what_a_node_asks_waits_for_its_clock_and_a_word_of_risk_does_not():
    with Place(["pub", "con"], accounts=["con"]) as place, wire(place.server.socket) as ours:
        con = place.node("con", EventType.ORDER_REQUEST, EventType.RISK_LIMIT_BREACH)
        place.until(lambda: con.told("connected"))
        epoch = time.time_ns() // 1_000_000
        said = str(epoch).encode()
        for lane, name, number in LANES:
            keys = [f"libra:driven:{kind}:{name}:all:pub".encode() for kind in ("chan", "stream", "ack")]
            ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", said, b"0", ours.run())
            made = frame(EVENTS, "pub", epoch, 1, lane=lane, shard="all", events=[event(number)])
            channel = f"libra:driven:{name}:all".encode()
            ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], channel, said, b"1", b"1", made)
        place.until(lambda: con.handled)
        assert [kind for kind, _ in con.handled] == ["RISK_LIMIT_BREACH"]
        ours.call(b"PUBLISH", b"libra:driven:control", frame(BEACON, "pub", epoch, preface=beacon()))
        place.until(lambda: len(con.handled) == 2)
        assert con.handled[-1][0] == "ORDER_REQUEST"


def test_what_a_node_asks_waits_no_longer_than_until_it_is_called_missing():
    with Place(["pub", "con"], accounts=["con"]) as place, wire(place.server.socket) as ours:
        con = place.node("con", EventType.ORDER_REQUEST)
        place.until(lambda: con.told("connected"))
        said = str(time.time_ns() // 1_000_000).encode()
        keys = [f"libra:driven:{kind}:ORDERS:all:pub".encode() for kind in ("chan", "stream", "ack")]
        ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", said, b"0", ours.run())
        made = frame(EVENTS, "pub", int(said), 1, lane=1, shard="all", events=[event(16)])
        ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], b"libra:driven:ORDERS:all", said, b"1", b"1", made)
        place.until(lambda: con.handled)
        assert con.told("node_missing")


def test_a_clock_that_is_far_off_is_told_of_once_it_is_sure():
    with Place(["pub", "con"], accounts=["con"]) as place, wire(place.server.socket) as ours:
        con = place.node("con")
        place.until(lambda: con.told("connected"))
        for _ in range(4):
            # Their time is that of 1970.
            ours.call(b"PUBLISH", b"libra:driven:control", frame(BEACON, "pub", 5, preface=beacon()))
            began = time.monotonic()
            place.until(lambda began=began: time.monotonic() - began > 1.1)
        [told] = con.told("clock_differs")
        assert told.node == "pub"
        assert (
            "behind ours; bridge.max_clock_skew_ms is 2000, and what it asks with a deadline is refused" in told.detail
        )
        assert con.link()["nodes"]["pub"]["clock_ahead_us"] < -1e15


@pytest.mark.skipif(sys.platform != "linux", reason="a clock is set by LD_PRELOAD")
def test_what_waits_does_not_go_by_a_clock_that_is_set(tmp_path: Path):
    began = time.monotonic()
    ran = SetClock.run(tmp_path, "tests.chaos.clock_is_set")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["handled"] == ["before", "meanwhile"]
    # Nobody is behind, given up, dead or has stood still.
    assert found["told"] == ["connected", "node_up", "server_finding"]
    assert 0 < found["refused_s"] < time.monotonic() - began
