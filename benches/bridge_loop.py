"""A node with Python handlers on uvloop, as a process: `bridge_loop.py publish|consume SOCKET SECONDS PER_S`.

A publisher publishes durable events from its loop, alone and evenly; a consumer notes how long each took to a handler.
Both clocks are the machine's monotonic one. With a rate of 0 nothing is published, and what an idle node costs is told.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from libra.core.events import Event, EventType
from libra_core import Bridge, NodeCore


class LoopNode:
    """A node's native side, driven from an event loop."""

    def __init__(self, name: str, socket: str) -> None:
        self.core = NodeCore(simulated=False, lane_capacity=65_536)
        self.slot = self.core.add_actor("bench")
        self.waits: list[int] = []
        self.met = asyncio.Event()
        self.core.subscribe(self.slot, EventType.NODE_UP, lambda _event: self.met.set())
        if name == "con":
            self.core.subscribe(self.slot, EventType.ORDER_FILLED, self.on_order)
        settings = {"environment": "loops", "node": name, "nodes": ["pub", "con"], "url": f"unix://{socket}"}
        self.bridge = Bridge(self.core, settings)

    def on_order(self, event: Event) -> None:
        """The handler whose beginning is the end of the way."""
        if event.payload:
            self.waits.append(time.monotonic_ns() - event.payload)

    def step(self) -> None:
        """Whatever there is to do, until the bridge wakes the loop again."""
        self.core.unpark()
        while True:
            while self.core.ingest() + self.core.drain(256, 1_000)[0]:
                pass
            if self.core.park():
                return

    async def warm_up(self) -> None:
        """Waits until the consumer has applied a first event: so its start is over."""
        self.core.emit(self.slot, EventType.ORDER_FILLED, 0)
        self.step()
        while self.bridge.stats()["credits_in_use"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    async def publish(self, seconds: float, per_s: float) -> int:
        """Lone events; the number that was accepted."""
        started, sent = time.monotonic(), 0
        while (now := time.monotonic()) - started < seconds:
            if per_s and now - started >= sent / per_s:
                sent += self.core.emit(self.slot, EventType.ORDER_FILLED, time.monotonic_ns())
                self.step()
            await asyncio.sleep(0.5 / per_s if per_s else seconds)
        return sent


def percentiles(waits: list[int]) -> dict[str, float]:
    """In microseconds."""
    waits.sort()
    shares = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}
    return {name: waits[min(int(len(waits) * share), len(waits) - 1)] / 1e3 for name, share in shares.items() if waits}


async def main(role: str, socket: str, seconds: float, per_s: float) -> None:
    """Runs the node, and prints what was found."""
    loop = asyncio.get_running_loop()
    node = LoopNode("pub" if role == "publish" else "con", socket)
    loop.add_reader(node.core.fileno, node.step)
    node.bridge.start()
    node.step()
    if role == "publish":
        # Not the consumer: a short publisher may be gone before it is told of.
        await node.met.wait()
        await node.warm_up()
    used, sent = time.process_time(), 0
    if role == "publish":
        sent = await node.publish(seconds, per_s)
    else:
        await loop.run_in_executor(None, sys.stdin.read)
    used = time.process_time() - used
    loop.remove_reader(node.core.fileno)
    stats = node.bridge.stop(2.0)
    print(
        json.dumps(
            {"sent": sent, "cpu_s": used, "durable": len(node.waits), "left": stats["outbox"]} | percentiles(node.waits)
        )
    )


if __name__ == "__main__":
    role_, socket_, seconds_, per_s_ = sys.argv[1:]
    uvloop.run(main(role_, socket_, float(seconds_), float(per_s_)))
