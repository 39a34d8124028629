"""What finds no room: commands are refused, facts are cut and told, and who was cut off hears which ones it missed."""

import signal
import time
from itertools import pairwise

import pytest
from tests.chaos.ledger import assert_all_is_accounted_for, handled, published
from tests.chaos.topology import TwoNodes, wait_until


def test_commands_that_find_no_room_are_refused_and_those_that_were_taken_arrive():
    with TwoNodes(lanes=["SIGNALS"], quotes=True, outbox_events=80_000) as two:
        # One that asks without end has a fifth of the credits.
        room = 12_000
        two.start()
        two.publish_more(5_000)
        # What waits is little, so nearly all of the room is left for the time without a server.
        wait_until(lambda: two.pub.status["stats"]["credits_in_use"] < 1_000, two.tell)
        two.server.kill()
        before = two.pub.accepted
        wait_until(lambda: two.pub.status["refused"] >= 2_000, two.tell)
        accepted = two.pub.accepted
        assert accepted - before >= 10_000, two.tell()
        # Handlers have done at least what was acknowledged, and nothing reaches them now.
        assert accepted - len(handled(two.con.ledger)["SIGNALS"]) <= room
        stats = two.pub.status["stats"]
        assert stats["credits_in_use"] == room
        assert stats["lanes"]["SIGNALS"]["refused"] >= 2_000

        two.server.start()
        # There is room again.
        two.publish_more(3_000)
        two.settle()
        status = two.pub.status
        assert status["stats"]["lanes"]["SIGNALS"]["refused"] == status["refused"]
        assert not two.pub.told("overflow"), two.tell()
        assert not two.con.told("gap_lost"), two.tell()


def passed(two: TwoNodes, kind: str) -> list[tuple[int, int]]:
    """What the consumer was told to pass over: first and last number, all of the publisher's one life."""
    runs = two.con.status["passed"]
    assert {(run[0], run[1]) for run in runs} <= {(kind, "ORDERS:all:pub")}, two.tell()
    assert len({epoch for _, _, epoch, _, _ in runs}) <= 1
    return [(first, last) for _, _, _, first, last in runs]


def counted(two: TwoNodes) -> tuple[int, int, int]:
    """Events of the publisher's ORDERS at the consumer: handed over, replaced by snapshots, lost."""
    channel = two.con.status["stats"]["link"]["channels"]["ORDERS:all:pub"]
    assert channel["events"] + channel["replaced"] + channel["lost_events"] == channel["applied"], channel
    return channel["events"], channel["replaced"], channel["lost_events"]


def test_facts_that_find_no_room_push_out_the_oldest_and_both_ends_are_told():
    limit = 8_000
    with TwoNodes(lanes=["ORDERS"], quotes=True, per_s=10_000, outbox_events=limit) as two:
        two.start()
        two.publish_more(limit + 2_000)
        two.server.kill()
        before = two.pub.accepted
        two.publish_more(20_000)
        assert two.pub.accepted - before >= 10_000
        outbox = two.pub.status["stats"]["link"]["outboxes"]["ORDERS"]
        assert outbox["events"] <= limit
        assert outbox["cut"] > 0

        two.server.start()
        wait_until(lambda: two.con.told("snapshot_loaded"), two.tell)
        two.publish_more(1_000)
        loaded = two.pub.accepted
        two.publish_more(5_000)
        two.end()
        sent, came = published(two.pub.ledger)["ORDERS"], handled(two.con.ledger)["ORDERS"]
        # In order and none twice; what is missing lies between what had been applied and the place of a snapshot.
        assert all(a < b for a, b in pairwise(came))
        after = [number for number in sent if number > loaded]
        assert len(after) > 1_000
        assert came[-len(after) :] == after
        assert came[: before - limit] == sent[: before - limit]
        holes = [b - a - 1 for a, b in pairwise(came) if b - a > 1]
        snapshots = two.con.told("snapshot_loaded")
        assert 0 < len(holes) <= len(snapshots), (holes, two.tell())
        cut = two.pub.status["stats"]["link"]["outboxes"]["ORDERS"]["cut"]
        assert sum(count for _, _, _, count, detail in two.pub.told("overflow") if "cut" in detail) == cut
        # No snapshot stands for a fill: what was cut is lost, never repaired. The publisher is told who misses it.
        assert two.con.told("gap_lost"), two.tell()
        assert {channel for _, _, channel, _, _ in snapshots} == {"ORDERS:all:pub"}
        assert any(node == "con" for _, node, _, _, _ in two.pub.told("node_cut_off")), two.tell()
        # What is lost is told by its numbers, and nothing else is missing.
        gone = assert_all_is_accounted_for(two.pub.ledger, two.con.ledger, "ORDERS", passed(two, "gap_lost"))
        assert gone == sum(holes)
        assert counted(two) == (len(came), 0, gone)
        assert two.pub.status["refused"] == 0


def test_what_an_outage_left_in_the_outbox_waits_for_a_consumer_that_comes_back_much_later_than_its_publisher():
    limit = 8_000
    with TwoNodes(lanes=["ORDERS"], per_s=10_000, outbox_events=limit) as two:
        two.start()
        two.publish_more(3_000)
        two.server.kill()
        two.con.signal(signal.SIGSTOP)
        two.publish_more(limit + 10_000)
        two.pub.signal(signal.SIGUSR1)

        def outbox() -> dict[str, int]:
            found: dict[str, int] = two.pub.status["stats"]["link"]["outboxes"]["ORDERS"]
            return found

        seen: list[tuple[int, int]] = []

        def is_offered() -> bool:
            seen.append((two.pub.status["numbers"]["ORDERS"], outbox()["offered"]))
            # For longer than a status takes to be written.
            is_quiet = len(seen) > 100 and len(set(seen[-100:])) == 1
            return is_quiet and seen[-1][0] == seen[-1][1]

        wait_until(is_offered, two.tell)
        held, cut = outbox()["events"], outbox()["cut"]
        assert held > limit // 2
        assert cut > 0
        two.server.start()
        wait_until(lambda: outbox()["confirmed"] == outbox()["offered"], two.tell)
        # A stream that nobody is waited for is cut in a second: that would be so by now.
        time.sleep(2.0)
        two.con.signal(signal.SIGCONT)
        two.end()
        gone = assert_all_is_accounted_for(two.pub.ledger, two.con.ledger, "ORDERS", passed(two, "gap_lost"))
        sent, came = published(two.pub.ledger)["ORDERS"], handled(two.con.ledger)["ORDERS"]
        assert came[-held:] == sent[-held:]
        assert 10_000 - limit < gone <= cut, (held, cut, gone, passed(two, "gap_lost"), two.tell())
        assert outbox()["cut"] == cut
        [(_, node, channel, _, _)] = two.pub.told("node_cut_off")
        assert (node, channel) == ("con", "ORDERS:all:pub")
        assert not any(node for _, node, _, _, _ in two.pub.told("overflow")), "it is not given up"


@pytest.mark.slow
def test_what_a_dead_publisher_may_have_is_waited_for_and_told_by_its_numbers_when_its_next_life_begins():
    limit = 4_000
    with TwoNodes(lanes=["ORDERS"], per_s=10_000, outbox_events=limit) as two:
        two.start()
        two.publish_more(3_000)
        # It neither reads nor speaks, and has no connections any more when it does again.
        two.con.signal(signal.SIGSTOP)
        for name, number in two.server.connections().items():
            if name.startswith("libra:chaos:con:"):
                two.server.ask(f"CLIENT KILL ID {number}")
        two.publish_more(limit + 10_000)
        two.pub.signal(signal.SIGUSR1)

        seen: list[int] = []

        def is_appended() -> bool:
            status = two.pub.status
            number, outbox = status["numbers"]["ORDERS"], status["stats"]["link"]["outboxes"]["ORDERS"]
            is_quiet = bool(seen) and seen[-1] == number
            seen.append(number)
            return is_quiet and outbox["confirmed"] == outbox["offered"] == number

        wait_until(is_appended, two.tell)
        assert two.pub.status["stats"]["link"]["outboxes"]["ORDERS"]["cut"] > 0
        two.pub.kill()
        two.con.signal(signal.SIGCONT)
        # It is called dead, and might come back with all of it: for as long as it may, the gap is open.
        wait_until(lambda: two.con.told("node_down") and two.con.told("gap_opened"), two.tell)
        assert not two.con.told("gap_lost"), two.tell()
        two.pub.start()
        wait_until(lambda: two.con.told("gap_lost"), two.tell)
        two.publish_more(1_000)
        two.end()
        gone = assert_all_is_accounted_for(two.pub.ledger, two.con.ledger, "ORDERS", passed(two, "gap_lost"))
        assert gone >= 10_000, two.tell()
        assert sum(count for _, node, _, count, _ in two.con.told("gap_lost") if node == "pub") == gone, two.tell()
