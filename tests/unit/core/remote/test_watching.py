"""An actor learns of the end of one of another node, as it does here."""

import asyncio
from types import SimpleNamespace

import pytest

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.core.node import Node, NodeOptions
from libra.core.watching import Ended, Terminated, TerminationReason
from libra_core import Bridge


class Watched(Actor):
    """Ends as it is told."""

    def on_message(self, message):
        if message == "fail":
            raise RuntimeError("as asked")
        if message == "stop":
            self.stop()
        if message == "forge":
            self.actor("a/watcher").tell(Ended(Terminated("b/watched", TerminationReason.FAILED)))


class Watcher(Actor):
    """Watches what it is told to, and notes the ends."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def on_message(self, message):
        if isinstance(message, Ended):
            return self.told.append("a message")
        verb, name = message.split()
        return self.unwatch(name) if verb == "unwatch" else self.watch(name)

    def on_terminated(self, told):
        self.told.append((told.name, str(told.reason), told.comes_back))


@pytest.fixture
def joined(run_joined):
    """Runs `script(a, b, told)`: `watcher` lives on `a` and notes in `told`, `watched` on `b`."""

    def run(script):
        told = []

        def build(a, b):
            a.add_actor("watcher", lambda: Watcher(told))
            b.add_actor("watched", Watched)

        async def play(nodes, _):
            return await script(*nodes, told)

        asyncio.run(run_joined(build, play))
        return told

    return run


async def until(holds):
    while True:
        if holds():
            return
        await asyncio.sleep(0.005)


async def watch(a, name):
    """Has it watched, and waits until the other node knows."""
    await a.ref("watcher").ask(f"watch {name}", timeout=10)
    await until(lambda: not a.post._waiting)


def test_it_learns_of_each_end(joined):
    async def script(a, b, told):
        await watch(a, "b/watched")
        b.ref("watched").tell("fail")
        await until(lambda: told)
        b.ref("watched").tell("stop")
        await until(lambda: len(told) == 2)

    assert joined(script) == [("b/watched", "failed", True), ("b/watched", "stopped", False)]


def test_of_one_that_is_not_there_it_learns_at_once(joined):
    async def script(a, _, told):
        await watch(a, "b/nobody")
        await watch(a, "nowhere/watched")
        await until(lambda: len(told) == 2)

    assert joined(script) == [("b/nobody", "gone", False), ("nowhere/watched", "node_down", False)]


def test_of_one_on_a_node_that_is_not_there_it_learns_when_the_time_of_silence_is_over():
    async def play():
        told = []
        node = Node(NodeOptions(name="here", signals=False, drain_timeout_s=5.0))
        node.endless = True
        node.add_actor("watcher", lambda: Watcher(told))
        settings = {"environment": "watch", "nodes": ["here", "there"], "url": "unix:///nowhere", "node": "here"}
        bridge = Bridge(node.core, settings)
        run = asyncio.create_task(node.run_async())
        async with asyncio.timeout(30):
            await node.ref("watcher").ask("watch there/watched", timeout=10)
            assert told == [], "it may be about to come"
            await until(lambda: told)
        assert not node.post._waiting
        node.stop()
        assert (await run).drained
        bridge.stop()
        return told

    assert asyncio.run(play()) == [("there/watched", "node_down", False)]


def test_the_death_of_a_node_is_the_end_of_its_actors(joined):
    async def script(a, _, told):
        await watch(a, "b/watched")
        await watch(a, "watcher")
        for odd in ({}, None, SimpleNamespace(node=7), SimpleNamespace(kind="node_down")):
            a._voice.publish(Event.create(EventType.NODE_DOWN, "bridge", odd))
        for node in ("c", "b", "b"):
            news = SimpleNamespace(kind="node_down", node=node, detail="its beacon is missing")
            a._voice.publish(Event.create(EventType.NODE_DOWN, "bridge", news))
        await until(lambda: told)
        await asyncio.sleep(0)

    assert joined(script)[:1] == [("b/watched", "node_down", False)]


def test_no_actor_can_tell_of_an_end(joined):
    async def script(a, b, told):
        await watch(a, "b/watched")
        b.ref("watched").tell("forge")
        await until(lambda: told)

    assert joined(script) == ["a message"]


def test_whoever_does_not_watch_any_more_hears_nothing(joined):
    async def script(a, b, told):
        await watch(a, "b/watched")
        assert await a.ref("watcher").ask("unwatch b/watched", timeout=10)
        assert not await a.ref("watcher").ask("unwatch b/watched", timeout=10)
        # What the two nodes said before lies before this.
        assert await a.ref("b/watched").ask("nothing", timeout=10) is None
        assert not b._actors.watches.of(b.find_slot("watched"), for_good=False)
        b.ref("watched").tell("stop")
        await until(lambda: "STOPPED" in str(b._actors.state_of(b.find_slot("watched"))).upper())

    assert joined(script) == []
