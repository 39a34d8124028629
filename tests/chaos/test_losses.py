"""What is lost is told by its numbers, and stands in the status."""

import time

from tests.chaos.driven import Place
from tests.chaos.topology import Server
from tests.chaos.wires import EVENTS, event, frame, wire

from libra.assembly.bridge import bridge_row, lost_events
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
            ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", epoch, b"0", ours.run())
        with wire(place.server.socket) as ours:
            channel = b"libra:driven:ORDERS:all"
            ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], channel, epoch, b"1", b"5", made)
        place.until(lambda: sum(news.count for news in con.told("gap_lost")) == 2)
        runs = [run for news in con.told("gap_lost") for run in news.runs]
        assert runs == [(int(epoch), 2, 2), (int(epoch), 5, 5)]
        row = bridge_row(con.bridge.stats(), None)
        assert row is not None
        assert (row["lost"], row["losses"]) == (2, 2)


def test_a_server_that_was_restarted_with_its_data_has_lost_nothing_that_is_known():
    with Place(["pub", "con"], serving=False) as place:
        place.server = Server(place.folder, appendonly=True)
        place.server.start()

        def run(first: int) -> tuple[list[str], dict[str, int], int]:
            pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
            place.until(lambda: pub.told("node_up") and con.told("node_up"))
            for number in range(first, first + 3):
                assert pub.publish(EventType.ORDER_FILLED, number)
            place.until(lambda: len(con.handled) == 3 and pub.bridge.stats()["outbox"] == 0)
            stats = con.bridge.stats()
            row = bridge_row(stats, None)
            assert row is not None
            told = [news.kind for news in con.news if news.kind.startswith("gap_")]
            place.leave(pub)
            place.leave(con)
            return told, lost_events(stats), row["suspected"]

        assert run(0) == ([], {}, 0)
        place.server.kill()
        place.server.start()
        told, lost, suspected = run(3)
        # The process that keeps the end of the life before is another one: it may lack what came last.
        assert (set(told), lost) == ({"gap_suspected"}, {})
        assert suspected > 0
        assert run(6) == ([], {}, 0)
