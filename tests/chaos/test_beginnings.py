"""How a node joins a server: refused for good where it must not, and within its bounds where nobody is there yet."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.topology import Server, wait_until

from libra.core.events import EventType
from libra_core import Bridge, NodeCore

NEWS = ("BRIDGE_CONNECTED", "BRIDGE_DISCONNECTED", "BRIDGE_GAP", "BRIDGE_OVERFLOW", "NODE_UP", "NODE_DOWN")


class Side:
    """A node's native side, driven by hand."""

    def __init__(self, url: str, name: str, **more: object) -> None:
        self.core = NodeCore(simulated=False, lane_capacity=65_536)
        self.slot = self.core.add_actor("worker")
        self.news: list[tuple[str, int, str]] = []
        told = self.core.add_actor("news")
        for event_type in NEWS:
            self.core.subscribe(told, EventType[event_type], self._hear)
        settings = {"environment": "begins", "nodes": ["pub", "con"], "url": url, "node": name}
        self.bridge = Bridge(self.core, settings | more)

    def _hear(self, event) -> None:
        self.news.append((event.payload.kind, event.payload.count, event.payload.detail))

    def pump(self) -> None:
        self.core.unpark()
        self.core.ingest()
        self.core.drain(256, 1_000_000)

    def until(self, kind: str) -> None:
        def came() -> bool:
            self.pump()
            return any(told[0] == kind for told in self.news)

        wait_until(came, lambda: f"{kind}: {self.news}")

    def emit(self, event_type: EventType, payload: object) -> bool:
        return self.core.emit(self.slot, event_type, payload)

    def outboxes(self) -> dict:
        return self.bridge.stats()["link"]["outboxes"]


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="b-"))
    made = Server(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def test_a_node_whose_name_lives_is_refused_and_the_living_one_goes_on(server: Server):
    server.start()
    first = Side(server.url, "pub")
    first.bridge.start()
    first.until("connected")
    second = Side(server.url, "pub")
    with pytest.raises(ConnectionRefusedError, match='a node "pub" of environment "begins" runs already: stop it'):
        second.bridge.start()
    second.bridge.stop()
    assert first.emit(EventType.ORDER_FILLED, 1)
    wait_until(lambda: first.outboxes()["ORDERS"]["confirmed"] == 1, lambda: str(first.outboxes()))
    assert first.bridge.stats()["link"]["fenced"] is False
    first.bridge.stop()
    third = Side(server.url, "pub")
    third.bridge.start()
    third.until("connected")
    third.bridge.stop()


def test_a_wrong_password_ends_the_start_and_is_not_repeated(server: Server):
    server.start()
    assert server.ask("CONFIG SET requirepass right") == "+OK"
    side = Side(server.url, "pub", password="wr0ng-secret")
    with pytest.raises(ConnectionRefusedError, match="WRONGPASS") as refused:
        side.bridge.start()
    assert "wr0ng-secret" not in str(refused.value)
    side.bridge.stop()


def test_commands_are_bounded_in_bytes_without_a_server(server: Server):
    side = Side(server.url, "pub", outbox_bytes=1 << 20)
    side.bridge.start()
    accepted = 0
    while side.emit(EventType.SIGNAL, os.urandom(100_000)):
        accepted += 1
        assert accepted < 100
    assert 0 < accepted * 100_000 < 1 << 20
    side.bridge.stop()


def test_facts_before_the_first_connection_are_cut_and_told_and_the_newest_arrive(server: Server):
    side = Side(server.url, "pub", outbox_events=1_000)
    side.bridge.start()
    count = 20_000
    for number in range(count):
        assert side.emit(EventType.ORDER_FILLED, number)
        if number % 500 == 0:
            side.pump()

    def is_bounded() -> bool:
        side.pump()
        return side.bridge.stats()["credits_in_use"] <= 1_000

    wait_until(is_bounded, lambda: str(side.news))
    side.until("overflow")
    kept = side.bridge.stats()["credits_in_use"]
    assert sum(told[1] for told in side.news if told[0] == "overflow") == count - kept
    server.start()
    side.until("connected")
    wait_until(lambda: side.outboxes()["ORDERS"]["confirmed"] == kept, lambda: str(side.outboxes()))
    side.bridge.stop()


def test_what_stops_a_node_is_not_its_server(server: Server):
    # The thread that leaves waits for its time, and whoever asked for it can do something else meanwhile.
    server.start()
    side = Side(server.url, "pub")
    side.bridge.start()
    side.until("connected")
    server.kill()
    side.until("disconnected")
    assert side.emit(EventType.ORDER_FILLED, 1)
    started = time.monotonic()
    side.bridge.leave(0.3)
    stats = side.bridge.stop(30.0)
    assert stats["credits_in_use"] == 1
    assert time.monotonic() - started < 30.0, "it has left already"
