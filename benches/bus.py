"""Libra's message bus against an asyncio `PriorityQueue` bus and against the bare ring, in one run.

`python benches/bus.py [--quick] [--json]`. Every number is the median of repeats that take turns, in nanoseconds an
event, of the thread's own CPU time: other load on the machine meets all alike, and ratios say more than the numbers.

- *whole way*: make an event with a dict, `await publish` it, call one handler with it; bursts of 256.
- *bus alone*: the same with events that exist already.
- *parts*: what a Libra event costs at each step; the handler does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from asyncio_bus import AsyncioBus, PlainEvent

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus

now_ns = time.thread_time_ns
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TICK = EventType.TICK
PAYLOAD = {"bid": 100.0, "ask": 100.1}
BURST = 256
ACCEPTED_RATIO = 20.0
# design.md, "Budgets": 12 M and 7 M events/s to a sync and an async handler, and emit in 20 ns.
BUDGET_NS = {"dispatch sync": 1000 / 12, "dispatch async": 1000 / 7, "emit": 20.0}
BUDGET_EDGE_RATIO, BUDGET_EDGE_NS = 1.5, 50.0

Bus = Any


class Counter:
    """A handler of each kind, which counts."""

    count = 0

    def sync(self, _: object) -> None:
        """Handles one event."""
        self.count += 1

    async def asynchronous(self, _: object) -> None:
        """Handles one event, and could suspend."""
        self.count += 1

    def batch(self, events: list[object]) -> None:
        """Handles several events."""
        self.count += len(events)


def nothing(_: object) -> None:
    """A handler that does nothing."""


async def nothing_async(_: object) -> None:
    """An async handler that does nothing."""


def subscribe(bus: Bus, kind: str) -> Counter:
    """One handler of the kind; an asyncio bus has no batches."""
    counter = Counter()
    if kind == "batch":
        bus.subscribe(TICK, counter.batch, batch=True)
    else:
        bus.subscribe(TICK, counter.sync if kind == "sync" else counter.asynchronous)
    return counter


async def flow(bus: Bus, kind: str, events: int, make: Callable[[], Any]) -> float:
    """Publishes in bursts while the bus runs; nanoseconds an event from the first publish to the last handler."""
    counter = subscribe(bus, kind)
    async with bus:
        started = now_ns()
        for burst in range(1, events // BURST + 1):
            for _ in range(BURST):
                await bus.publish(make())
            while counter.count < burst * BURST:  # noqa: ASYNC110 - a poll costs all alike, and once a burst
                await asyncio.sleep(0)
        return (now_ns() - started) / events


def whole_way(
    make_bus: Callable[[], Bus], make: Callable[[], Any], kind: str, events: int
) -> Coroutine[Any, Any, float]:
    """Events are made on the way."""
    return flow(make_bus(), kind, events, make)


def bus_alone(
    make_bus: Callable[[], Bus], make: Callable[[], Any], kind: str, events: int
) -> Coroutine[Any, Any, float]:
    """One event is published again and again."""
    event = make()
    return flow(make_bus(), kind, events, lambda: event)


async def emit_and_dispatch(kind: str, events: int) -> dict[str, float]:
    """Into the queue, and from there to the handler, apart."""
    bus, emitting, dispatching = MessageBus(), 0, 0
    bus.subscribe(TICK, nothing_async if kind == "async" else nothing, batch=kind == "batch")
    event, emit = Event.create(TICK, "bench", PAYLOAD), bus.emit
    async with bus:
        for _ in range(events // BURST):
            started = now_ns()
            for _ in range(BURST):
                emit(event)
            emitted = now_ns()
            while bus.queue_size:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
            emitting, dispatching = emitting + emitted - started, dispatching + now_ns() - emitted
    parts = {f"dispatch {kind}": dispatching / events}
    return parts if kind != "sync" else parts | {"emit": emitting / events - loop_ns(BURST)}


def create(events: int) -> dict[str, float]:
    """Making an event with a dict and letting it go, less the bare loop."""
    make = Event.create
    started = now_ns()
    for _ in range(events):
        make(TICK, "bench", PAYLOAD)
    return {"create": (now_ns() - started) / events - loop_ns(events)}


def loop_ns(count: int) -> float:
    """What a turn of a loop costs that does nothing."""
    started = now_ns()
    for _ in range(count):
        pass
    return (now_ns() - started) / count


def run_native(*, quick: bool) -> dict[str, float]:
    """The Rust side, built in release by cargo."""
    workspace = Path(__file__).resolve().parents[1] / "core-rs"
    command = ["cargo", "run", "--release", "--quiet", "-p", "libra-kernel", "--example", "bare_ring", "--"]
    out = subprocess.run(
        command + ["--quick"] * quick, cwd=workspace, env=os.environ, check=True, stdout=subprocess.PIPE, text=True
    )
    return {name: float(value) for name, value in json.loads(out.stdout).items()}


def in_loop(loop: str, measured: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:  # noqa: ANN401
    """Runs a measurement in a fresh loop of a kind."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(measured(*arguments))


def cases(*, quick: bool) -> dict[str, Callable[[], Any]]:
    """Everything that is measured in Python, by name."""
    slow, fast = (2_560, 25_600) if quick else (12_800, 128_000)

    def plain() -> PlainEvent:
        return PlainEvent.create(TICK, "bench", PAYLOAD)

    def native() -> Event:
        return Event.create(TICK, "bench", PAYLOAD)

    peers = {
        "asyncio, a task a call": partial(AsyncioBus, per_task=True),
        "asyncio, awaited in place": partial(AsyncioBus, per_task=False),
    }
    found: dict[str, Callable[[], Any]] = {}
    for loop in LOOPS:
        for way_name, way in (("whole way", whole_way), ("bus alone", bus_alone)):
            for kind in ("sync", "async"):
                for peer, bus in peers.items():
                    found[f"{loop}/{way_name}/{kind}/{peer}"] = partial(in_loop, loop, way, bus, plain, kind, slow)
            for kind in ("sync", "async", "batch"):
                found[f"{loop}/{way_name}/{kind}/libra"] = partial(in_loop, loop, way, MessageBus, native, kind, fast)
    for kind in ("sync", "async", "batch"):
        found[f"parts/{kind}"] = partial(in_loop, "uvloop", emit_and_dispatch, kind, fast)
    found["parts/create"] = partial(create, fast)
    return found


def measure(*, quick: bool) -> dict[str, float]:
    """Medians by name, in nanoseconds an event."""
    samples: dict[str, list[float]] = {}
    for _ in range(5):
        for name, case in cases(quick=quick).items():
            gc.collect()
            result = case()
            for part, value in (result if isinstance(result, dict) else {name: result}).items():
                samples.setdefault(part if part == name else f"parts/{part}", []).append(value)
        for name, value in run_native(quick=quick).items():
            samples.setdefault(f"native/{name}", []).append(value)
    return {name: statistics.median(values) for name, values in samples.items()}


def ratios(found: dict[str, float]) -> dict[str, float]:
    """How many times quicker Libra is than the peer that runs a task a call, whole way, by loop and handler."""
    return {
        f"{loop}/{way}/{kind}/{peer}": found[f"{loop}/{way}/{kind}/{peer}"] / found[f"{loop}/{way}/{kind}/libra"]
        for loop in LOOPS
        for way in ("whole way", "bus alone")
        for kind in ("sync", "async")
        for peer in ("asyncio, a task a call", "asyncio, awaited in place")
    }


def distances(found: dict[str, float]) -> dict[str, float]:
    """Measured over budget: 1 is the budget itself, below is better."""
    over = {name: found[f"parts/{name}"] / budget for name, budget in BUDGET_NS.items()}
    for threads in ("one_thread", "two_threads"):
        ratio = found[f"native/edge_{threads}"] / found[f"native/ring_{threads}"]
        over[f"edge over ring, {threads.replace('_', ' ')}"] = ratio / BUDGET_EDGE_RATIO
    over["edge, 20 M events/s"] = found["native/edge_two_threads"] / BUDGET_EDGE_NS
    return over


def table(found: dict[str, float]) -> str:
    """The result for people."""
    lines = [f"{'':52}{'ns an event':>12}{'Libra is':>12}"]
    faster = ratios(found)
    for name, value in found.items():
        if name in faster:
            lines.append(f"{name:52}{value:12,.0f}{faster[name]:11.1f}x")
        else:
            lines.append(f"{name:52}{value:12,.1f}")
    lines += ["", f"{'budget (design.md)':52}{'measured / budget':>18}"]
    lines += [f"{name:52}{value:18.2f}" for name, value in distances(found).items()]
    worst = min(value for name, value in faster.items() if name.endswith("a task a call"))
    verdict = "reached" if worst >= ACCEPTED_RATIO else "MISSED"
    lines += ["", f"at least {ACCEPTED_RATIO:.0f}x the asyncio bus: {verdict}, the smallest ratio is {worst:.1f}x"]
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer events, rougher numbers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    found = measure(quick=arguments.quick)
    if arguments.json:
        print(json.dumps({"ns": found, "ratios": ratios(found), "over_budget": distances(found)}))
    else:
        print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
