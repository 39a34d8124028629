"""Behind an outage who lives is not called dead, however much later it connects, and who is connected says so."""

import itertools
import time
from typing import Any

import pytest
from tests.chaos.swallowing import Swallowing
from tests.chaos.topology import NodeProcess, TwoNodes, wait_until

LATER_S = 3.0
"""Longer than the silence after which a node is taken for dead, and shorter than that with the time to connect."""
PROMISED_S = 3.0
"""Within this a death is known of a node that was heard."""


class Away(TwoNodes):
    """Two nodes whose server can go away as a host does: nothing is refused, and nothing answered."""

    def __init__(self, **order: Any) -> None:
        self.way = Swallowing()
        super().__init__(**order, url=self.way.url)
        self.way.to = self.server.socket

    def vanish(self) -> None:
        """The server is gone, and both have noticed."""
        self.way.swallow("libra:")
        for one in (self.pub, self.con):
            self.disconnected(one)

    def disconnected(self, one: NodeProcess) -> None:
        wait_until(lambda: not is_connected(one), self.tell)

    def connected(self, one: NodeProcess) -> None:
        wait_until(lambda: is_connected(one), self.tell)

    def close(self) -> None:
        super().close()
        self.way.close()


def is_connected(one: NodeProcess) -> bool:
    return bool(one.status["stats"]["link"]["connected"])


def said(one: NodeProcess) -> list[str]:
    """What its actors were told of the connection, each time that it changed: of an outage they hear each reason."""
    told = [news[0] for news in one.status["news"] if news[0] in ("connected", "disconnected", "server_refuses")]
    return [kind for kind, _ in itertools.groupby(told)]


def heard(one: NodeProcess, other: str) -> int:
    return int(one.status["stats"]["link"]["nodes"][other]["beacons"])


def hear_each_other(two: Away) -> None:
    pairs = ((two.con, "pub"), (two.pub, "con"))
    before = [heard(*pair) for pair in pairs]
    wait_until(lambda: all(heard(*pair) >= was + 4 for pair, was in zip(pairs, before, strict=True)), two.tell)


@pytest.mark.parametrize("later", [pytest.param("pub", marks=pytest.mark.slow), "con"])
def test_behind_an_outage_nobody_is_called_dead_who_connects_later_than_we_did(later: str) -> None:
    with Away(per_s=2_000) as two:
        two.start()
        two.publish_more(2_000)
        two.vanish()
        one, other = (two.con, two.pub) if later == "pub" else (two.pub, two.con)
        two.way.swallow(f":{later}:")
        two.way.serve("libra:")
        two.connected(one)
        # For so long its host has no way to the heir.
        time.sleep(LATER_S)
        two.way.serve(f":{later}:")
        two.connected(other)
        hear_each_other(two)
        assert two.con.told("node_down") == two.pub.told("node_down") == [], two.tell()
        two.settle()


@pytest.mark.slow
def test_who_connects_while_the_server_loses_its_data_is_not_called_dead() -> None:
    with Away(per_s=2_000) as two:
        two.start()
        two.publish_more(2_000)
        two.way.swallow(":pub:")
        assert two.server.ask("FLUSHALL") == "+OK"
        time.sleep(LATER_S)
        two.way.serve(":pub:")
        two.connected(two.pub)
        hear_each_other(two)
        assert two.con.told("node_down") == two.pub.told("node_down") == [], two.tell()
        two.settle()


def test_who_was_heard_behind_an_outage_and_dies_is_known_as_soon_as_ever() -> None:
    with Away(per_s=2_000) as two:
        two.start()
        two.vanish()
        two.way.serve("libra:")
        for one in (two.con, two.pub):
            two.connected(one)
        before = heard(two.con, "pub")
        wait_until(lambda: heard(two.con, "pub") > before, two.tell)
        assert not two.con.told("node_down"), two.tell()
        two.pub.kill()
        began = time.monotonic()
        wait_until(lambda: two.con.told("node_down"), two.tell)
        assert time.monotonic() - began < PROMISED_S, two.tell()


@pytest.mark.slow
def test_who_died_in_an_outage_is_known_when_it_could_have_connected() -> None:
    with Away(per_s=2_000) as two:
        two.start()
        two.vanish()
        two.pub.kill()
        two.way.serve("libra:")
        two.connected(two.con)
        began = time.monotonic()
        wait_until(lambda: two.con.told("node_down"), two.tell)
        # A try to connect, its answer, a wait, and the silence: 2 + 2 + 2 + 2.5 s.
        assert 8.0 < time.monotonic() - began < 9.5, two.tell()


def test_connected_are_both_connections_and_what_is_told_last_is_so() -> None:
    with Away(per_s=2_000) as two:
        two.start()
        two.publish_more(2_000)
        two.vanish()
        two.way.swallow("libra-calls")
        two.way.serve("libra:")
        # That of the publisher listens again, and its calls, which were asked for meanwhile, come to nothing.
        wait_until(lambda: "libra:chaos:pub:libra-hears" in two.server.connections(), two.tell)
        wait_until(lambda: two.pub.status["stats"]["link"]["connections"]["hears"]["up"], two.tell)

        def failures() -> int:
            return int(two.pub.status["stats"]["link"]["connections"]["calls"]["failures"])

        before = failures()
        wait_until(lambda: failures() > before, two.tell)
        assert said(two.pub) == ["connected", "disconnected"], two.tell()
        two.way.serve("libra-calls")
        for one in (two.pub, two.con):
            two.connected(one)
            wait_until(lambda one=one: said(one) == ["connected", "disconnected", "connected"], two.tell)
        assert is_connected(two.pub), two.tell()
        two.settle()
