"""An actor of one node learns that another node was killed."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.topology import REPOSITORY, Server

from libra.core.actor import Actor
from libra.core.node import Node, NodeOptions
from libra_core import Bridge

SILENCE_NS = 2_500_000_000
"""After which a node is taken for dead."""
PROMISED_NS = 3_000_000_000
"""Within which its watchers know."""


class Watcher(Actor):
    """Watches an actor of another node, and notes when it ended."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def on_message(self, message):
        self.watch(message)

    def on_terminated(self, terminated):
        self.told.append((terminated, time.time_ns()))


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what other processes do sets no event here
            await asyncio.sleep(0.01)


async def killed_while_watched(settings):
    """When the last beacon was heard, when the node was killed, and what its watcher was told."""
    told = []
    node = Node(NodeOptions(name="here", signals=False, drain_timeout_s=5.0))
    node.endless = True
    node.add_actor("watcher", lambda: Watcher(told))
    bridge = Bridge(node.core, settings | {"node": "here"})
    bridge.start()
    run = asyncio.create_task(node.run_async())
    there = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.watched", json.dumps(settings | {"node": "there"})),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
    )
    try:
        await until(lambda: bridge.stats()["link"]["nodes"]["there"]["up"])
        await node.ref("watcher").ask("there/watched", timeout=30)
        # The other node has the request, and has acknowledged it.
        await until(lambda: not node.post._waiting and bridge.stats()["outbox"] == 0)
        killed_ns = time.time_ns()
        there.kill()
        await there.wait()
        await until(lambda: told)
        return bridge.stats()["link"]["nodes"]["there"]["heard_ns"], killed_ns, told
    finally:
        if there.returncode is None:
            there.kill()
            await there.wait()
        node.stop()
        await run
        bridge.stop(0.1)


def test_a_killed_node_is_told_to_its_watcher_within_three_seconds():
    folder = Path(tempfile.mkdtemp(prefix="libra-chaos-"))
    server = Server(folder)
    server.start()
    try:
        settings = {"environment": "chaos", "nodes": ["here", "there"], "url": server.url}
        heard_ns, killed_ns, [(terminated, told_ns)] = asyncio.run(killed_while_watched(settings))
    finally:
        server.close()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert (terminated.name, str(terminated.reason), terminated.comes_back) == ("there/watched", "node_down", False)
    # From the last beacon, which is earlier than the death or on its way at that moment: what is left of the promise is
    # room for the machine.
    assert heard_ns - killed_ns < PROMISED_NS - SILENCE_NS
    # Two clocks are compared, one of which may be slewed.
    assert SILENCE_NS - 10_000_000 < told_ns - heard_ns < PROMISED_NS, (told_ns - heard_ns) / 1e9
