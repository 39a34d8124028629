"""What an event costs as actors, buses and instruments grow in number, and what memory a node takes then.

`python benches/scale.py [--quick] [--json | --markdown]`. Every case runs in processes of its own, which take turns;
a number is the median, in nanoseconds an event (a delivery, where one event goes to several actors) of the thread's own
CPU time, with a handler in Python that does nothing.

- *own*: N actors in a node, each subscribed to an instrument of its own; events of all of them in turn.
- *all*: N actors in a node, every event goes to all of them.
- *turn*: what a turn of the loop costs that finds nothing to do, with N actors.
- *buses*: N bare buses on one loop.
- *instruments*: N instruments that one actor subscribed to; events made beforehand.
- *market*: the same, from the native synthetic market to the handler, on simulated time.
- *router*: N instruments in the router alone, without Python (`examples/router_scale.rs`).
- *turns*, *row*: commands of N sources to an account's mailbox, where they take turns, and to another; no Python.
- *owners*: what becomes of a strategy's order, with N that each want their own of one instrument; without Python.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from libra.core.events import Event, EventType
from libra.core.message_bus import MessageBus
from libra.model import ContractKind, Instrument, Quote
from libra_core import NodeCore

now_ns = time.thread_time_ns
BURST = 256
ACTORS = (1, 10, 100, 1_000)
INSTRUMENTS = (10, 100, 1_000, 10_000)
KINDS = {
    "own": ACTORS,
    "all": ACTORS,
    "turn": ACTORS,
    "buses": ACTORS,
    "instruments": INSTRUMENTS,
    "market": INSTRUMENTS,
}
NATIVE = ("router", "turns", "row", "owners")
"""What is taken of the Rust side; *router* is what it calls `instruments`."""
GOAL_RATIO, GOAL_MB = 1.3, 200.0
"""design.md, "Budgets": an event at 10,000 instruments against one at 10, and the node's memory."""


def nothing(_: object) -> None:
    """A handler that does nothing."""


def resident_mb() -> float:
    """The memory of this process that is in use now."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def symbols(count: int) -> list[str]:
    """Names of instruments."""
    return [f"SYM{n}/USDT@synthetic" for n in range(count)]


def quotes(names: list[str]) -> list[Event]:
    """A quote of each instrument, in random order: neighbours in memory are not neighbours in time."""
    events = [
        Event.create(EventType.QUOTE, "bench", Quote(name, "100.00", "100.01", "1.000", "2.000")) for name in names
    ]
    random.Random(1).shuffle(events)
    return events


def through(core: NodeCore, events: list[Event], count: int, deliveries: int = 1) -> float:
    """Publishes in bursts and drains; nanoseconds a delivery."""
    burst = [events[n % len(events)] for n in range(max(BURST, len(events)))]
    done, publish, drain = 0, core.publish, core.drain
    started = now_ns()
    while done < count:
        for begin in range(0, len(burst), BURST):
            for event in burst[begin : begin + BURST]:
                publish(event)
            while drain(BURST, 1_000_000)[0]:
                pass
        done += len(burst) * deliveries
    return (now_ns() - started) / done


def own(actors: int, events: int) -> float:
    """Each actor its instrument."""
    core, names = NodeCore(simulated=False), symbols(actors)
    for n, name in enumerate(names):
        core.subscribe(core.add_actor(f"actor {n}"), EventType.QUOTE, nothing, instruments=[name])
    return through(core, quotes(names), events)


def everyone(actors: int, events: int) -> float:
    """Every event to all actors."""
    core = NodeCore(simulated=False)
    for n in range(actors):
        core.subscribe(core.add_actor(f"actor {n}"), EventType.QUOTE, nothing)
    return through(core, quotes(symbols(1)), events, actors)


def turn(actors: int, events: int) -> float:
    """What the loop asks before it sleeps, and after."""
    core, names = NodeCore(simulated=False), symbols(actors)
    for n, name in enumerate(names):
        core.subscribe(core.add_actor(f"actor {n}"), EventType.QUOTE, nothing, instruments=[name])
    turns = max(1, events // 50)
    started = now_ns()
    for _ in range(turns):
        core.unpark()
        core.ingest()
        core.drain(BURST, 250)
        core.park()
    return (now_ns() - started) / turns


def buses(count: int, events: int) -> float:
    """Bare buses, each started, each with an event in turn."""

    async def run() -> float:
        handled = 0

        def note(_: object) -> None:
            nonlocal handled
            handled += 1

        all_buses = [MessageBus() for _ in range(count)]
        for bus in all_buses:
            bus.subscribe(EventType.TICK, note)
            await bus.__aenter__()
        event, sent = Event.create(EventType.TICK, "bench", {}), 0
        started = now_ns()
        while sent < events:
            for bus in all_buses:
                for _ in range(BURST):
                    bus.emit(event)
                    sent += 1
            while handled < sent:  # noqa: ASYNC110 - a poll costs all alike, and once a burst
                await asyncio.sleep(0)
        spent = now_ns() - started
        for bus in all_buses:
            await bus.__aexit__(None, None, None)
        return spent / sent

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def instruments(count: int, events: int) -> float:
    """One actor, many instruments."""
    core, names = NodeCore(simulated=False), symbols(count)
    core.subscribe(core.add_actor("actor"), EventType.QUOTE, nothing, instruments=names)
    return through(core, quotes(names), events)


def market(count: int, events: int) -> float:
    """One actor, and the native market of many instruments."""
    core = NodeCore(simulated=True)
    listed = [
        Instrument(
            f"SYM{n}/USDT", "synthetic", base=f"SYM{n}", quote="USDT", price_decimals=2, size_decimals=3,
            tick_size="0.01", lot_size="0.001", kind=ContractKind.SPOT,
        )
        for n in range(count)
    ]  # fmt: skip
    seen = 0

    def note(_: object) -> None:
        nonlocal seen
        seen += 1

    core.add_synthetic(1, 0, [
        {"instrument": instrument, "start_price": "100.00", "volatility_bps": 2.0, "spread_ticks": 1,
         "quote_rate_hz": 10_000 / count, "trade_rate_hz": 0.001, "book_rate_hz": 0.001, "book_levels": 5,
         "level_size": "1"}
        for instrument in listed
    ])  # fmt: skip
    core.subscribe(core.add_actor("actor"), EventType.QUOTE, note, instruments=[each.id for each in listed])
    core.enter_simulation(1, 0)
    core.simulate(1_000, None, 0.0)
    began, started = seen, now_ns()
    while seen - began < events:
        core.simulate(5_000, None, 0.0)
    return (now_ns() - started) / (seen - began)


RUNS: dict[str, Callable[[int, int], float]] = {
    "own": own,
    "all": everyone,
    "turn": turn,
    "buses": buses,
    "instruments": instruments,
    "market": market,
}


def in_own_process(kind: str, count: int, *, quick: bool) -> tuple[float, float]:
    """One case: nanoseconds, and megabytes in use at its end."""
    command = [sys.executable, __file__, "--case", kind, str(count)] + ["--quick"] * quick
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    ns, mb = json.loads(out.stdout)
    return ns, mb


def run_router(*, quick: bool) -> dict[str, float]:
    """The Rust side, built in release by cargo."""
    workspace = Path(__file__).resolve().parents[1] / "core-rs"
    command = ["cargo", "run", "--release", "--quiet", "-p", "libra-kernel", "--example", "router_scale", "--"]
    out = subprocess.run(command + ["--quick"] * quick, cwd=workspace, check=True, stdout=subprocess.PIPE, text=True)
    return {name: float(value) for name, value in json.loads(out.stdout).items()}


def measure(*, quick: bool) -> dict[str, list[float]]:
    """Every case: the medians of nanoseconds and of megabytes."""
    repeats = 3 if quick else 5
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for kind, counts in KINDS.items():
            for count in counts:
                found.setdefault(f"{kind} {count}", []).append(in_own_process(kind, count, quick=quick))
    medians = {
        name: [statistics.median(each[0] for each in pairs), statistics.median(each[1] for each in pairs)]
        for name, pairs in found.items()
    }
    for name, value in run_router(quick=quick).items():
        kind, count = name.rsplit("_", 1)
        kind = "router" if kind == "instruments" else kind
        if kind in NATIVE:
            medians[f"{kind} {count}"] = [value, 0.0]
    return medians


def rows(found: dict[str, list[float]]) -> list[list[str]]:
    """A row a kind: the cost at each count, the largest against the smallest, and the memory at the largest."""
    table = []
    for kind, counts in {**KINDS, **dict.fromkeys(NATIVE, INSTRUMENTS)}.items():
        costs = [found[f"{kind} {count}"][0] for count in counts]
        memory = found[f"{kind} {counts[-1]}"][1]
        cells = [f"{count:,}: {cost:,.0f}" for count, cost in zip(counts, costs, strict=True)]
        table.append([kind, " / ".join(cells), f"{costs[-1] / costs[0]:.2f}", f"{memory:.0f} MB" if memory else "-"])
    return table


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer events and repeats")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/performance.md")
    parser.add_argument("--case", nargs=2, metavar=("KIND", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        kind, count = arguments.case[0], int(arguments.case[1])
        ns = RUNS[kind](count, 50_000 if arguments.quick else 400_000)
        print(json.dumps([ns, resident_mb()]))
        return
    found = measure(quick=arguments.quick)
    if arguments.json:
        print(json.dumps(found))
        return
    header = ["what grows", "ns an event, by count", "largest / smallest", "memory at the largest"]
    table = rows(found)
    if arguments.markdown:
        print("\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * 4, *table]))
        return
    widths = [max(len(row[n]) for row in [header, *table]) for n in range(4)]
    for row in [header, *table]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for kind in ("instruments", "market"):
        ratio = found[f"{kind} 10000"][0] / found[f"{kind} 10"][0]
        print(f"{kind}: 10,000 against 10: {ratio:.2f} of {GOAL_RATIO}", end="")
        print(f", {found[f'{kind} 10000'][1]:.0f} MB of {GOAL_MB:.0f} MB")


if __name__ == "__main__":
    main()
