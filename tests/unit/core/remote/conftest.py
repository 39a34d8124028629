"""Two nodes of this process, joined by the loopback: their native sides, driven step by step, or whole."""

import asyncio

import pytest

from libra.core.node import Node, NodeOptions
from libra_core import Bridge, NodeCore


class Side:
    """A node's native side, with handlers instead of actors."""

    def __init__(self, core: NodeCore) -> None:
        self.core = core
        self.bridge: Bridge | None = None
        self.suspended: list = []
        self.failures: list = []
        core.set_on_failure(lambda slot, error, event: self.failures.append((slot, error, event.event_type)))

    def actor(self, name, *event_types, handler=None, decisive=False):
        """Adds an actor; gives its slot, and the list of what it is handed unless it has a handler."""
        seen = []
        slot = self.core.add_actor(name, decisive=decisive)
        for event_type in event_types:
            self.core.subscribe(slot, event_type, handler or seen.append)
        return slot, seen

    def run(self):
        """Takes in what came and runs handlers, until nothing is left."""
        while True:
            taken = self.core.ingest()
            used, suspended = self.core.drain(256, 1_000_000)
            self.suspended += suspended
            if taken + used == 0:
                return


class Pair:
    """Two sides, `a` and `b`."""

    def __init__(self, lane_capacity=1_000, **sizes):
        self.a, self.b = (Side(NodeCore(simulated=False, lane_capacity=lane_capacity)) for _ in range(2))
        self.sizes = sizes

    def join(self):
        """Joins them, once their actors are there."""
        self.a.bridge, self.b.bridge = Bridge.pair(self.a.core, self.b.core, ("a", "b"), **self.sizes)
        self.settle()
        return self

    def settle(self):
        """Until nothing moves any more."""
        while True:
            self.a.run()
            self.b.run()
            if self.a.bridge.pump() == 0:
                return


@pytest.fixture
def pair():
    return Pair


@pytest.fixture
def run_joined():
    """Runs two whole nodes, joined."""
    return _run_joined


async def _run_joined(build, script, **sizes):
    """Two whole nodes, `build` adding their actors; `script` gets the nodes and their bridges while they run."""
    nodes = [Node(NodeOptions(name=name, signals=False, drain_timeout_s=5.0)) for name in "ab"]
    build(*nodes)
    bridges = Bridge.pair(nodes[0].core, nodes[1].core, ("a", "b"), **sizes)
    bridges[0].start()
    runs = [asyncio.create_task(node.run_async()) for node in nodes]
    try:
        async with asyncio.timeout(30):
            return await script(nodes, bridges)
    finally:
        for node in nodes:
            node.stop()
        outcomes = await asyncio.gather(*runs)
        for bridge in bridges:
            bridge.stop()
        assert all(outcome.drained for outcome in outcomes)
