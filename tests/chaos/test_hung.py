"""An actor that awaits what does not come costs nobody else an event: its node acknowledges without it, and says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.chaos.driven import Driven, Place
from tests.chaos.topology import Server
from tests.chaos.wires import EVENTS, event, frame, wire

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.core.node import Node, NodeOptions
from libra_core import Bridge

BOUND = 65_536
"""So many events a receiver hands over that are not applied."""


class Waits(Actor):
    """Each of its messages waits until it may be done."""

    def __init__(self, may_go_on: asyncio.Event) -> None:
        super().__init__()
        self.may_go_on = may_go_on
        self.done: list[Any] = []

    async def on_message(self, message: Any) -> None:
        await self.may_go_on.wait()
        self.done.append(message)


class Hears(Actor):
    def __init__(self, heard: list[Any]) -> None:
        super().__init__()
        self.heard = heard

    def on_message(self, message: Any) -> None:
        self.heard.append(message)


class TwoNodes:
    """`a` tells, and `b` has an actor that waits and one that hears."""

    def __init__(self, server: Server, stale_after_ms: int) -> None:
        self.server = server
        self.may_go_on = asyncio.Event()
        self.waits = Waits(self.may_go_on)
        self.heard: list[Any] = []
        self.news: list[Any] = []
        self.a, self.b = (Node(NodeOptions(name=name, signals=False, drain_timeout_s=2.0)) for name in "ab")
        self.b.add_actor("waits", lambda: self.waits)
        self.b.add_actor("hears", lambda: Hears(self.heard))
        settings = {"environment": "hung", "nodes": ["a", "b"], "url": server.url, "stale_after_ms": stale_after_ms}
        self.bridges = [Bridge(node.core, settings | {"node": node.options.name}) for node in (self.a, self.b)]

    def outbox(self) -> dict[str, Any]:
        outbox: dict[str, Any] = self.bridges[0].stats()["link"]["outboxes"]["SIGNALS"]
        return outbox

    def told(self, kind: str) -> list[Any]:
        self.news += self.bridges[1].news()
        return [news for news in self.news if news.kind == kind]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - what threads do sets no event here
                await asyncio.sleep(0.01)


@asynccontextmanager
async def two_nodes(server: Server, stale_after_ms: int = 2_000) -> AsyncIterator[TwoNodes]:
    two = TwoNodes(server, stale_after_ms)
    for node, bridge in zip((two.a, two.b), two.bridges, strict=True):
        node.endless = True
        bridge.start()
    runs = [asyncio.create_task(node.run_async()) for node in (two.a, two.b)]
    try:
        await two.until(lambda: all(n["up"] for b in two.bridges for n in b.stats()["link"]["nodes"].values()))
        yield two
    finally:
        two.may_go_on.set()
        for node in (two.a, two.b):
            node.stop()
        await asyncio.gather(*runs)
        for bridge in two.bridges:
            bridge.stop(0.1)


async def test_an_actor_that_awaits_is_told_of_and_waited_for_no_more_until_it_goes_on():
    with Place([]) as place:
        async with two_nodes(place.server) as two:
            waits, hears = two.a.ref("b/waits"), two.a.ref("b/hears")
            assert waits.tell("one")
            assert all(hears.tell(number) for number in range(100))
            await two.until(lambda: two.told("actor_excused"))
            await two.until(lambda: two.outbox()["events"] == 0)
            [news] = two.told("actor_excused")
            assert (news.node, news.count, two.heard) == ("b/waits", 1, list(range(100)))
            # What comes meanwhile holds nothing up, and stays its own.
            assert waits.tell("two")
            assert hears.tell(100)
            await two.until(lambda: two.outbox()["acknowledged"] == 103 and len(two.heard) == 101)
            stats = two.bridges[1].stats()
            assert (stats["excused"], stats["excusals"]) == ({"waits": 2}, 1)
            assert two.bridges[0].stats()["link"]["nodes"]["b"]["given_up"] == []

            two.may_go_on.set()
            await two.until(lambda: two.waits.done == ["one", "two"])
            await two.until(lambda: two.bridges[1].stats()["excused"] == {})
            # It is waited for again.
            two.may_go_on.clear()
            assert waits.tell("three")
            await two.until(lambda: two.bridges[1].stats()["unapplied"] == 1)
            await two.until(lambda: two.bridges[1].stats()["excusals"] == 2)
            assert two.bridges[1].stats()["excused"] == {"waits": 1}


def test_what_an_excused_actor_has_is_lost_to_it_alone_when_its_node_dies():
    with Place(["pub", "con"], stale_after_ms=2_000) as place:
        pub, con, heard = place.node("pub"), place.node("con", EventType.ORDER_FILLED), []
        other = con.core.add_actor("other")
        con.core.subscribe(other, EventType.ORDER_FILLED, lambda event: heard.append(event.payload))
        place.until(lambda: pub.told("node_up"))
        con.core.set_paused(con.slot, True)
        assert all(pub.publish(EventType.ORDER_FILLED, number) for number in range(5))
        place.until(lambda: con.told("actor_excused") and pub.bridge.stats()["outbox"] == 0)
        [news] = con.told("actor_excused")
        assert (news.node, news.count, heard) == ("con/worker", 5, list(range(5)))
        assert not pub.told("overflow")
        place.leave(con)

        con = place.node("con", EventType.ORDER_FILLED)
        assert pub.publish(EventType.ORDER_FILLED, 5)
        place.until(lambda: con.handled)
        assert con.handled == [("ORDER_FILLED", 5)]
        assert not con.told("gap_lost")


@pytest.mark.slow
async def test_what_others_are_sent_while_one_awaits_and_connections_are_cut_all_arrives():
    with Place([]) as place:
        # Longer than the cut, with the pauses between the tries to be back from it.
        async with two_nodes(place.server, stale_after_ms=6_000) as two:
            assert two.a.ref("b/waits").tell("one")
            hears, sent, start = two.a.ref("b/hears"), 0, time.monotonic()
            # Longer than anybody is waited for who acknowledges nothing.
            while (passed := time.monotonic() - start) < 10:
                sent += hears.tell(sent)
                if 7 < passed < 8:
                    for name, number in place.server.connections().items():
                        if name.startswith("libra:hung:b:"):
                            place.server.ask(f"CLIENT KILL ID {number}")
                await asyncio.sleep(0.01)
            await two.until(lambda: len(two.heard) == sent)
            assert two.heard == list(range(sent))
            assert not two.told("gap_lost")


@pytest.mark.slow
async def test_one_that_awaits_for_ever_makes_its_node_deaf_for_nobody():
    with Place([]) as place:
        async with two_nodes(place.server) as two:
            assert two.a.ref("b/waits").tell("one")
            hears, sent = two.a.ref("b/hears"), 0
            while sent < BOUND + 10_000:
                sent += hears.tell(sent)
                if sent % 500 == 0:
                    await asyncio.sleep(0.005)
            await two.until(lambda: len(two.heard) == sent)


def test_what_a_node_has_no_room_for_is_missing_and_told():
    with Place(["pub", "con"], stale_after_ms=600_000) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: pub.told("node_up"))
        # It is handed over, and nothing of it is done.
        con.core.set_paused(con.slot, True)
        for number in range(BOUND + 100):
            assert pub.publish(EventType.ORDER_FILLED, number)
        place.until(lambda: con.told("gap_opened"))
        assert [(news.channel, news.detail[:9]) for news in con.told("gap_opened")] == [("ORDERS:all:pub", "they wait")]
        assert con.link()["channels"]["ORDERS:all:pub"]["gap"]
        con.core.set_paused(con.slot, False)
        place.until(lambda: len(con.handled) == BOUND + 100 and con.told("gap_repaired"))
        assert not con.told("gap_lost")


def test_of_a_latest_value_only_the_newest_waits_for_a_loop_that_stands_still():
    many = 8_000
    with Place(["pub", "con"]) as place:
        con = place.node("con", EventType.BALANCE_UPDATED)
        place.until(lambda: con.told("connected"))
        epoch = str(time.time_ns() // 1_000_000).encode()
        keys = [f"libra:driven:{kind}:ORDERS:all:pub".encode() for kind in ("chan", "stream", "ack")]
        with wire(place.server.socket) as ours:
            ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", epoch, b"0", ours.run())
        with wire(place.server.socket) as ours:
            for first in range(1, many + 1, 16):
                events = [event(35, seq=seq) for seq in range(first, first + 16)]
                made = frame(EVENTS, "pub", int(epoch), first, lane=1, shard="all", events=events)
                ends = (str(first).encode(), str(first + 15).encode())
                ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], b"libra:driven:ORDERS", epoch, *ends, made)
        reads(con, many)
        link = con.link()
        # Far more than the queue before the loop holds; behind that one waits for all.
        assert link["held"] <= 1, link
        place.until(lambda: len(con.handled) + link["held_conflated"] == many)


def reads(node: Driven, many: int) -> None:
    """Lets a node's threads read so many, while its loop stands still."""
    until = time.monotonic() + 60
    while node.link()["channels"]["ORDERS:all:pub"]["events"] < many:
        assert time.monotonic() < until, node.link()
        time.sleep(0.01)
