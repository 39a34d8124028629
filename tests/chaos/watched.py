"""A node with an actor to be watched, as a process: `python -m tests.chaos.watched SETTINGS`, its bridge as JSON."""

import asyncio
import json
import sys

from libra.core.actor import Actor
from libra.core.node import Node, NodeOptions
from libra_core import Bridge

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    node = Node(NodeOptions(name=settings["node"]))
    node.endless = True
    node.add_actor("watched", Actor)
    bridge = Bridge(node.core, settings)
    bridge.start()
    try:
        asyncio.run(node.run_async())
    finally:
        bridge.stop(1.0)
