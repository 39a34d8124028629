"""The server fails under load: durable events handled = published, each once, in order."""

import time

from tests.chaos.topology import TwoNodes, wait_until


def test_durable_events_and_market_data_cross():
    with TwoNodes(quotes=True) as two:
        two.start()
        two.publish_more(10_000)
        wait_until(lambda: two.con.status["quotes"] > 100, two.tell)
        counts = two.settle()
        assert sum(counts.values()) >= 10_000
        link = two.con.status["stats"]["link"]
        assert link["market_in"]["lost"] == 0
        assert not two.con.told("gap_lost")


def test_the_server_is_killed_for_a_second_and_comes_back_empty():
    with TwoNodes(quotes=True) as two:
        two.start()
        two.publish_more(10_000)
        two.server.kill()
        # A fault has to last; nothing is expected to have happened by then.
        time.sleep(1.0)
        two.server.start()
        two.publish_more(10_000)
        counts = two.settle()
        assert sum(counts.values()) >= 20_000
        assert two.pub.told("disconnected")
        assert two.con.told("disconnected")
        assert not two.con.told("gap_lost")
        assert two.pub.status["stats"]["link"]["connections"]["calls"]["reconnects"] >= 1
