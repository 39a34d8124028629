"""What is lost is told by its numbers, and stands in the status."""

import time

from tests.chaos.driven import Place
from tests.chaos.wires import EVENTS, event, frame, wire

from libra.assembly.bridge import bridge_row
from libra.core.events import EventType


def test_losses_are_told_by_all_of_their_numbers_and_stand_in_the_status():
    with Place(["pub", "con"]) as place:
        con = place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: con.told("connected"))
        epoch = str(time.time_ns() // 1_000_000).encode()
        keys = [f"libra:driven:{kind}:ORDERS:all:pub".encode() for kind in ("chan", "stream", "ack")]
        # The second and the fifth are of types that nobody knows.
        events = [event(number, seq=seq) for seq, number in enumerate((24, 9999, 24, 24, 9998), 1)]
        made = frame(EVENTS, "pub", int(epoch), 1, lane=1, shard="all", events=events)
        with wire(place.server.socket) as ours:
            ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", epoch, b"0", b"x")
        with wire(place.server.socket) as ours:
            channel = b"libra:driven:ORDERS:all"
            ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], channel, epoch, b"1", b"5", made)
        place.until(lambda: sum(news.count for news in con.told("gap_lost")) == 2)
        runs = [run for news in con.told("gap_lost") for run in news.runs]
        assert runs == [(int(epoch), 2, 2), (int(epoch), 5, 5)]
        row = bridge_row(con.bridge.stats(), None)
        assert row is not None
        assert (row["lost"], row["losses"]) == (2, 2)
