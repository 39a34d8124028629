"""A node that was stopped itself, or stood still with its whole host, takes nobody for dead that lives."""

import signal
import time

import pytest
from tests.chaos.topology import NodeProcess, Server, TwoNodes, wait_until

PAUSE_S = 4.0
"""Longer than the silence after which a node is taken for dead."""
PROMISED_S = 3.0


def pause(*processes: NodeProcess | Server) -> None:
    for process in processes:
        process.signal(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    for process in processes:
        process.signal(signal.SIGCONT)


def goes_on(two: TwoNodes) -> None:
    """Each has heard of the other since: what it made of the pause it has made by then."""

    def beacons() -> list[int]:
        pairs = ((two.con, "pub"), (two.pub, "con"))
        return [one.status["stats"]["link"]["nodes"][other]["beacons"] for one, other in pairs]

    before = beacons()
    wait_until(lambda: all(now >= was + 4 for now, was in zip(beacons(), before, strict=True)), two.tell)


@pytest.mark.parametrize("per_s", [pytest.param(200, marks=pytest.mark.slow), 5_000])
def test_a_node_that_was_stopped_takes_no_living_one_for_dead(per_s: int) -> None:
    with TwoNodes(per_s=per_s) as two:
        two.start()
        two.publish_more(per_s)
        for _ in range(2):
            pause(two.con)
            goes_on(two)
        assert two.con.told("node_down") == [], two.tell()
        # To the other one it was silent, while that one looked; and it knows, once for each time.
        assert two.pub.told("node_down"), two.tell()
        assert [news[4] for news in two.con.told("loop_stood_still")] == ["it stood still for 4 s"] * 2, two.tell()
        assert two.pub.told("loop_stood_still") == [], two.tell()
        two.settle()


def test_of_a_host_that_stood_still_nobody_is_taken_for_dead() -> None:
    with TwoNodes(per_s=5_000) as two:
        two.start()
        two.publish_more(5_000)
        pause(two.con, two.pub, two.server)
        goes_on(two)
        pause(two.pub, two.con)
        goes_on(two)
        assert two.con.told("node_down") == two.pub.told("node_down") == [], two.tell()
        two.settle()


def test_who_died_while_we_stood_still_is_known_soon_behind_it() -> None:
    with TwoNodes(per_s=5_000) as two:
        two.start()
        two.publish_more(5_000)
        two.con.signal(signal.SIGSTOP)
        two.pub.kill()
        time.sleep(PAUSE_S)
        two.con.signal(signal.SIGCONT)
        began = time.monotonic()
        wait_until(lambda: two.con.told("node_down"), two.tell)
        assert time.monotonic() - began < PROMISED_S, two.tell()


def test_time_that_a_sender_stood_still_is_not_taken_from_its_consumer() -> None:
    with TwoNodes(per_s=5_000, stale_after_ms=3_000) as two:
        two.start()
        two.publish_more(5_000)
        two.con.signal(signal.SIGSTOP)
        # It owes something by then.
        two.publish_more(500)
        pause(two.pub, two.server)
        # Its time goes on with the sender's.
        two.publish_more(500)
        two.con.signal(signal.SIGCONT)
        goes_on(two)
        assert not [news for news in two.pub.told("overflow") if "not waited for" in news[4]], two.tell()
        two.settle()
