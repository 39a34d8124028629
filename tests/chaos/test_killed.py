"""A node is killed by SIGKILL at the worst moment, and started again."""

import signal

import pytest
from tests.chaos.ledger import DURABLE, handled, published
from tests.chaos.topology import TwoNodes, wait_until


def test_what_a_sender_appended_before_its_death_is_applied_once_and_only_the_rest_is_gone():
    with TwoNodes(quotes=True) as two:
        two.start()
        two.publish_more(5_000)
        # Appended and not acknowledged: nobody applies it. Then accepted and not appended: nobody takes it.
        two.con.signal(signal.SIGSTOP)
        two.publish_more(6_000)
        two.server.signal(signal.SIGSTOP)
        two.publish_more(4_000)
        two.pub.kill()
        first = published(two.pub.ledger)
        two.server.signal(signal.SIGCONT)
        # What the dead one had already written to its socket is still taken.
        wait_until(lambda: not any(":pub:" in name for name in two.server.connections()), two.tell)
        appended = {
            lane: int(two.server.ask(f"HGET libra:chaos:chan:{lane}:all:pub top").split()[-1]) for lane in DURABLE
        }
        assert sum(len(first[lane]) - appended[lane] for lane in DURABLE) > 1_000, appended
        assert sum(appended.values()) > 5_000, appended

        two.con.signal(signal.SIGCONT)
        two.start_publisher_again()
        two.publish_more(5_000)
        two.end()
        both, came = published(two.pub.ledger), handled(two.con.ledger)
        for lane in DURABLE:
            second = both[lane][len(first[lane]) :]
            assert second
            assert came[lane] == first[lane][: appended[lane]] + second, lane
        assert not two.con.told("gap_lost"), two.tell()


def test_what_a_receiver_applied_and_did_not_acknowledge_comes_again_and_nothing_else_is_missing():
    with TwoNodes(quotes=True) as two:
        two.start()
        two.publish_more(5_000)
        # Frames lie in its sockets; the server then takes no acknowledgement and no append any more.
        two.con.signal(signal.SIGSTOP)
        two.publish_more(3_000)
        assert two.server.ask("CLIENT PAUSE 60000 WRITE") == "+OK"
        before = two.con.ledger.stat().st_size
        two.con.signal(signal.SIGCONT)
        wait_until(lambda: two.con.ledger.stat().st_size > before, two.tell)
        two.con.kill()
        # Without this its last calls might still be taken.
        wait_until(lambda: not any(":con:" in name for name in two.server.connections()), two.tell)
        assert two.server.ask("CLIENT UNPAUSE") == "+OK"
        two.publish_more(5_000)

        two.con.start()
        two.publish_more(5_000)
        two.settle()
        assert two.con.status["repeated"] > 0
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()


@pytest.mark.slow
def test_a_receiver_that_is_killed_again_and_again_applies_each_once():
    with TwoNodes(per_s=10_000, quotes=True) as two:
        two.start()
        for _ in range(4):
            two.publish_more(2_500)
            two.con.kill()
            two.publish_more(500)
            two.con.start()
        assert sum(two.settle().values()) >= 10_000
        assert not two.con.told("gap_lost"), two.tell()
