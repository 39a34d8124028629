"""The connections between nodes and server fail one by one, or carry what is no frame of ours."""

import signal
import struct
from collections.abc import Iterator

from tests.chaos.ledger import DURABLE
from tests.chaos.topology import TwoNodes, wait_until
from tests.chaos.wires import sealed, wire

KINDS = {"pub": ("calls", "hears", "market-out"), "con": ("calls", "hears", "market-in", "market-out")}


def test_each_connection_may_be_killed_in_turn_and_again_under_load():
    with TwoNodes(quotes=True) as two:
        two.start()
        names = [f"libra:chaos:{node}:libra-{kind}" for node, kinds in KINDS.items() for kind in kinds]
        wait_until(lambda: set(names) <= two.server.connections().keys(), two.tell)
        before = two.pub.accepted
        for _ in range(3):
            for name in names:
                killed = two.server.connections()[name]
                assert two.server.ask(f"CLIENT KILL ID {killed}") == ":1", name

                def is_back(name: str = name, killed: int = killed) -> bool:
                    return two.server.connections().get(name, killed) != killed

                wait_until(is_back, two.tell)
        two.publish_more(5_000)
        assert two.pub.accepted - before >= 10_000
        two.settle()
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()
        for node in (two.pub, two.con):
            link = node.status["stats"]["link"]
            lines = link["connections"] | {
                "in": link["market_in"]["connection"],
                "out": link["market_out"]["connection"],
            }
            used = [line for line in lines.values() if line["connects"] > 0]
            assert len(used) == len(KINDS[node.name])
            assert all(line["lost"] >= 3 and line["reconnects"] >= 3 for line in used), lines


def test_a_subscriber_that_is_so_slow_that_the_server_cuts_it_reads_what_it_missed():
    with TwoNodes(quotes=True) as two:
        two.server.start()
        assert two.server.ask('CONFIG SET client-output-buffer-limit "pubsub 64kb 32kb 1"') == "+OK"
        two.start_nodes()
        two.publish_more(2_000)
        wait_until(lambda: two.con.status["quotes"] > 0, two.tell)
        before = two.pub.accepted
        two.con.signal(signal.SIGSTOP)
        wait_until(lambda: two.server.count("client_output_buffer_limit_disconnections") >= 2, two.tell)
        wait_until(lambda: two.pub.accepted - before >= 10_000, two.tell)
        two.con.signal(signal.SIGCONT)
        two.publish_more(3_000)
        two.settle()
        assert two.con.status["stats"]["link"]["connections"]["hears"]["lost"] >= 1
        market = two.con.status["stats"]["link"]["market_in"]
        assert market["connection"]["lost"] >= 1
        # What the server threw away with the connection is accounted for.
        assert market["missed"] > 0, market
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()


def damaged(frame: bytes) -> Iterator[bytes]:
    """What may become of a frame on its way, and what others might send."""
    yield b""
    yield b"y" * 200
    yield from (frame[:length] for length in (1, 4, 59, 60, len(frame) // 2, len(frame) - 1))
    yield frame + b"x"
    yield frame + b"x" * (9 << 20)
    yield from (frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :] for at in (13, 20, 30, len(frame) - 1))
    # A later life, as the checksum does not say: nobody may believe it.
    yield frame[:21] + b"\xff" + frame[22:]
    # Epochs and sequences that cannot be.
    for at in (16, 24):
        yield from (sealed(frame[:at] + struct.pack("<Q", most) + frame[at + 8 :]) for most in (1 << 53, (1 << 64) - 1))
    # A newer major version, a kind that does not exist, another publisher, an earlier life.
    yield sealed(frame[:4] + b"\x02" + frame[5:])
    yield sealed(frame[:6] + b"\x63" + frame[7:])
    yield sealed(frame[:60] + b"pux" + frame[63:])
    yield sealed(frame[:16] + struct.pack("<Q", 7) + frame[24:])
    # Lengths of the body and of the preface that are none.
    yield sealed(frame[:36] + b"\xff\xff\xff\x7f" + frame[40:])
    yield sealed(frame[:48] + b"\xff\xff\xff\xff" + frame[52:])
    # As it was: it comes again, and on channels where it has no business.
    yield frame


def test_damaged_foreign_and_repeated_frames_are_refused_and_counted():
    with TwoNodes(per_s=5_000, quotes=True) as two:
        two.start()
        wait_until(lambda: two.con.status["quotes"] > 0, two.tell)
        heard = {}
        for lane in (*DURABLE, "MARKET_DATA"):
            with wire(two.server.socket) as ours:
                channel, frame = ours.hear(b"libra:chaos:%b:*" % lane.encode())
                heard[channel] = frame
        everywhere = [*heard, b"libra:chaos:control", b"libra:chaos:control:pub", b"libra:chaos:control:con"]
        before = two.pub.accepted
        with wire(two.server.socket) as ours:
            for channel, frame in heard.items():
                for bad in damaged(frame):
                    ours.call(b"PUBLISH", channel, bad)
            for frame in heard.values():
                for channel in everywhere:
                    for bad in list(damaged(frame))[-3:]:
                        ours.call(b"PUBLISH", channel, bad)
        wait_until(lambda: two.pub.accepted - before >= 10_000, two.tell)
        two.settle()
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("fenced"), two.tell()
        link = two.con.status["stats"]["link"]
        codes = link["refused_frames"]
        assert {"foreign", "truncated", "oversized", "corrupted", "newer_major", "unknown_kind"} <= codes.keys(), codes
        assert all(codes.values())
        assert link["foreign_frames"] >= len(DURABLE), link
