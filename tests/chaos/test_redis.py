"""The server fails under load: durable events handled = published, each once, in order."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.chaos.ledger import DURABLE, handled, published
from tests.chaos.topology import NodeProcess, TwoNodes, wait_until

Fault = Callable[[TwoNodes], None]


def last(seconds: float) -> None:
    """A fault has to last; nothing is expected to have come about by then."""
    time.sleep(seconds)


def comes_back_empty(two: TwoNodes) -> None:
    two.server.kill()
    last(1.0)
    two.server.start()


def comes_back_with_its_data(two: TwoNodes) -> None:
    two.server.kill()
    last(1.0)
    two.server.start()


def is_away_for_three_seconds(two: TwoNodes) -> None:
    two.server.kill()
    last(3.0)
    two.server.start()


def is_away_for_half_a_minute(two: TwoNodes) -> None:
    two.server.kill()
    last(30.0)
    two.server.start()


def is_paused(two: TwoNodes) -> None:
    two.server.signal(signal.SIGSTOP)
    last(2.5)
    two.server.signal(signal.SIGCONT)


def cuts_connections(two: TwoNodes) -> None:
    for _ in range(15):
        for kind in ("normal", "pubsub"):
            two.server.ask(f"CLIENT KILL TYPE {kind}")
        last(0.1)


def forgets_all(two: TwoNodes) -> None:
    for _ in range(3):
        assert two.server.ask("FLUSHALL") == "+OK"
        last(0.3)


def forgets_its_functions(two: TwoNodes) -> None:
    assert two.server.ask("FUNCTION FLUSH") == "+OK"
    last(0.3)


def says_nonsense(two: TwoNodes) -> None:
    for channel in ("RISK:all", "ORDERS:all", "SIGNALS:all", "MARKET_DATA:2", "control", "control:pub", "control:con"):
        for nonsense in ("x", "LBRF", "LBRF\\x02\\x00" + "y" * 60, "LBRF\\x01\\x00" + "y" * 100, "z" * 50_000):
            two.server.ask(f'PUBLISH libra:chaos:{channel} "{nonsense}"')


def refuses_writes(two: TwoNodes) -> None:
    two.server.ask("CONFIG SET maxmemory 1")
    last(0.5)
    two.server.ask("CONFIG SET maxmemory 0")


FAULTS: list[Fault] = [
    is_away_for_three_seconds,
    comes_back_empty,
    comes_back_with_its_data,
    is_paused,
    cuts_connections,
    forgets_all,
    forgets_its_functions,
    says_nonsense,
    refuses_writes,
]


def test_durable_events_and_market_data_cross():
    with TwoNodes(quotes=True) as two:
        two.start()
        two.publish_more(10_000)
        wait_until(lambda: two.con.status["quotes"] > 100, two.tell)
        counts = two.settle()
        assert sum(counts.values()) >= 10_000
        sent, came = (node.status["stats"]["link"] for node in (two.pub, two.con))
        assert came["market_in"]["lost"] == 0
        assert came["market_in"]["events"] == sent["market_out"]["events"]
        assert not two.con.told("gap_lost")
        # A life that begins is no gap.
        assert not two.con.told("gap_opened"), two.tell()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_durable_is_lost_or_doubled_when_the_server(fault: Fault):
    with TwoNodes(quotes=True, appendonly=fault is comes_back_with_its_data) as two:
        two.start()
        two.publish_more(5_000)
        fault(two)
        quotes = two.con.status["quotes"]
        two.publish_more(5_000)
        wait_until(lambda: two.con.status["quotes"] > quotes, two.tell)
        counts = two.settle()
        assert sum(counts.values()) >= 10_000
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()


@pytest.mark.slow
def test_nothing_durable_is_lost_or_doubled_when_the_server_is_away_for_half_a_minute():
    # Longer than a node may be silent: that nobody could speak counts against no one. All that comes finds room, of
    # which the one that asks has a part.
    room = {"outbox_events": 500_000, "outbox_bytes": 512 << 20}
    with TwoNodes(per_s=1_000, quotes=True, stale_after_ms=20_000, **room) as two:
        two.start()
        two.publish_more(2_000)
        before = two.pub.accepted
        is_away_for_half_a_minute(two)
        assert two.pub.accepted - before >= 10_000
        two.publish_more(2_000)
        two.settle()
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()
        assert two.pub.status["refused"] == 0


def test_the_older_of_two_publishers_with_one_name_is_fenced():
    begin = 1_000_000
    with TwoNodes(per_s=10_000) as two:
        two.start()
        two.publish_more(6_000)
        second = two.node("pub", role="publisher", per_s=10_000, quotes=True, begin=begin, files="second")
        try:
            # While it lives the second is refused; while it stands still it is taken for dead.
            assert two.pub.process is not None
            two.pub.process.send_signal(signal.SIGSTOP)
            second.start()
            wait_until(lambda: second.told("connected"), second.tell)
            two.pub.process.send_signal(signal.SIGCONT)
            wait_until(lambda: two.pub.told("fenced"), two.tell)
            refused = two.pub.status["refused"]
            # What it does not publish any more leaves room for nothing but refusals.
            wait_until(lambda: two.pub.status["refused"] > refused, two.tell)
            wait_until(lambda: second.accepted - len(DURABLE) * begin >= 6_000, second.tell)
            assert not second.told("fenced"), second.tell()
            wait_until(lambda: two.con.status["quotes"] > 0, two.tell)
            second.signal(signal.SIGUSR1)
            wait_until(lambda: is_acknowledged(second), second.tell)
            two.close_books(second)
            two.pub.stop()
            first = two.pub.status["stats"]
            second.stop()
            two.con.stop()
            older, newer, came = published(two.pub.ledger), published(second.ledger), handled(two.con.ledger)
            gone = 0
            for lane in DURABLE:
                count = sum(number < begin for number in came[lane])
                # Of the older one all up to where it was fenced, then all of the newer one; in order, and each once.
                assert came[lane] == older[lane][:count] + newer[lane], lane
                gone += len(older[lane]) - count
            # Gone is what it had taken and the server had not: it still holds that, or found when it was fenced that it
            # cannot be sent; and the facts that it published since. All is counted.
            since = sum(first["lanes"][lane]["refused"] for lane in ("RISK", "ORDERS"))
            since += sum(outbox["unsendable"] for outbox in first["link"]["outboxes"].values())
            assert since <= gone <= first["credits_in_use"] + since, (gone, first)
            assert sum(len(numbers) for numbers in (*older.values(), *newer.values())) >= 10_000
        finally:
            second.close()


def is_acknowledged(node: NodeProcess) -> bool:
    stats = node.status["stats"]
    return stats["outbox"] == 0 and stats["credits_in_use"] == 0


def test_market_data_of_a_node_that_the_topology_does_not_declare_reaches_nobody():
    with TwoNodes(per_s=1_000, quotes=True) as two:
        # It listens to the shards that declared nodes offer.
        two.start()
        stranger = two.node("stranger", role="publisher", per_s=1_000, quotes=True, files="stranger")
        stranger.order["bridge"]["nodes"] = ["stranger", "con"]
        try:
            stranger.start()

            def refused() -> int:
                market: dict[str, Any] = two.con.status["stats"]["link"]["market_in"]
                assert "stranger" not in market["nodes"]
                return int(market["refused_frames"].get("undeclared", 0))

            wait_until(lambda: refused() > 10, lambda: f"{stranger.tell()}\n{two.tell()}")
        finally:
            stranger.close()
        # Nothing of it is in the books.
        two.settle()


def test_the_death_of_a_node_is_told_within_three_seconds_and_its_return_too():
    with TwoNodes(per_s=1_000) as two:
        two.start()
        two.con.kill()
        wait_until(lambda: two.pub.told("node_down"), two.tell)
        [[_, node, _, _, why]] = two.pub.told("node_down")
        assert (node, why) == ("con", "its beacon is missing")
        ups = len(two.pub.told("node_up"))
        two.con.start()
        wait_until(lambda: len(two.pub.told("node_up")) > ups, two.tell)
