"""Asks and answers over a real server that cuts connections, or comes back empty, while they are under way."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from tests.chaos.topology import Server

from libra.core.actor import Actor
from libra.core.node import Node, NodeOptions
from libra_core import Bridge


class Slow(Actor):
    """Answers each ask when it may, and notes what it was asked."""

    def __init__(self, heard, may_answer):
        super().__init__()
        self.heard = heard
        self.may_answer = may_answer

    async def on_message(self, message):
        self.heard.append(message)
        await self.may_answer.wait()
        return message.upper()


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what threads do sets no event here
            await asyncio.sleep(0.01)


def cut(server):
    """Each connection of the two nodes ends."""
    for name, number in server.connections().items():
        if name.startswith("libra:asks:"):
            server.ask(f"CLIENT KILL ID {number}")


def restart(server):
    """The server loses all that it had."""
    server.kill()
    server.start()


async def asked_over(server, fault):
    """What was answered and heard where a fault comes between an ask and its answer, and one before others."""
    heard, may_answer = [], asyncio.Event()
    nodes = [Node(NodeOptions(name=name, signals=False, drain_timeout_s=5.0)) for name in "ab"]
    nodes[1].add_actor("slow", lambda: Slow(heard, may_answer))
    settings = {"environment": "asks", "nodes": ["a", "b"], "url": server.url}
    bridges = [Bridge(node.core, settings | {"node": name}) for node, name in zip(nodes, "ab", strict=True)]
    for node, bridge in zip(nodes, bridges, strict=True):
        node.endless = True
        bridge.start()
    runs = [asyncio.create_task(node.run_async()) for node in nodes]
    try:
        await until(lambda: all(node["up"] for bridge in bridges for node in bridge.stats()["link"]["nodes"].values()))
        first = asyncio.create_task(nodes[0].ref("b/slow").ask("first", timeout=50))
        await until(lambda: heard == ["first"])
        await asyncio.to_thread(fault, server)
        may_answer.set()
        answers = [await first]
        # Under way while there is no connection, and answered over the next ones.
        await asyncio.to_thread(fault, server)
        answers += await asyncio.gather(*(nodes[0].ref("b/slow").ask(f"{n}", timeout=50) for n in range(20)))
        return answers, heard, nodes[0].post.late
    finally:
        for node in nodes:
            node.stop()
        await asyncio.gather(*runs)
        for bridge in bridges:
            bridge.stop(0.1)


@pytest.mark.parametrize("fault", [cut, restart])
def test_asks_over_a_reconnect_are_handled_once_and_answered(fault):
    with tempfile.TemporaryDirectory(prefix="ask-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            answers, heard, late = asyncio.run(asked_over(server, fault))
        finally:
            server.close()
    numbers = [f"{number}" for number in range(20)]
    assert answers == ["FIRST", *numbers]
    assert heard == ["first", *numbers]
    assert late == 0
