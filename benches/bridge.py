"""The bridge between nodes against its goals and redis-py, in one run over a real Valkey on a Unix socket.

`python benches/bridge.py [--quick] [--seconds S] [--repeats N] [--json | --markdown]`. Every case starts its own
processes, a publisher and a consumer; the server is one for all, and emptied in between. Every number is the median of
repeats that take turns. All is wall clock but shares of a core, which are CPU time over wall clock. What is being
measured goes to stderr.

- *sustained*, *saturated*, *paced*: trades, from a native loop to a native one: at the highest pace that holds,
  as many as leave, and at one pace; `missing` is the share that did not arrive. Nothing tells a publisher how far
  behind its consumers are, so a saturated one fills the server's buffers until the consumer is cut off;
- *redis-py*: its pub/sub with the same fields as msgpack;
- *order*: a lone durable event from publish to handler. Native nodes carry the market data themselves; beside those
  with Python handlers two native ones do;
- *durable*: published one by one or in batches, until all are applied and acknowledged;
- *idle*: two nodes that stand and say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bridge_cases import BEHIND, LONE_PER_S, MARKET_PER_S, Found, cases
from bridge_server import Server
from goals import Budget
from redis_py_env import interpreter

REPEATS = 5
SECONDS = 4.0


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def build() -> str:
    """The native node, built in release by cargo; its program."""
    workspace = Path(__file__).resolve().parents[1] / "core-rs"
    command = ["cargo", "build", "--release", "--quiet", "-p", "libra-net", "--example", "bridge_node"]
    out = subprocess.run(
        [*command, "--message-format=json"],
        cwd=workspace,
        env=os.environ,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    built = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    return next(str(said["executable"]) for said in built if said.get("executable"))


def measure(binary: str, peer: str | None, seconds: float, repeats: int) -> dict[str, Found]:
    """Medians by case and name; the cases take turns."""
    samples: dict[str, dict[str, list[float]]] = {}
    with Server() as server:
        todo = cases(server, binary, peer, seconds)
        for done in range(repeats):
            for name, case in todo.items():
                say(f"[{done + 1}/{repeats}] {name}")
                for part, value in case().items():
                    samples.setdefault(name, {}).setdefault(part, []).append(value)
    return {
        name: {part: statistics.median(values) for part, values in parts.items()} for name, parts in samples.items()
    }


def budgets(found: dict[str, Found]) -> list[Budget]:
    """Every goal."""
    held = max(found["sustained"]["events/s"], 1)
    goals = [
        Budget("trades without growing lag or loss", held / 1e6, 5, "M/s", at_least=True),
        Budget("publisher, server and subscriber at 1 M/s", found["paced"]["all three"] * 100, 60, "% of a core"),
        Budget("durable events, one by one", found["durable"]["events/s"] / 1e3, 150, "k/s", at_least=True),
        Budget("durable events, in batches", found["durable in batches"]["events/s"] / 1e3, 300, "k/s", at_least=True),
        Budget("a node's idle bridge", found["idle"]["a node"] * 100, 0.1, "% of a core"),
    ]
    if "redis-py" in found:
        times = held / found["redis-py"]["events/s"]
        goals.insert(2, Budget("trades against redis-py, one event a message", times, 50, "x", at_least=True))
    for name in ("order", "order in Python"):
        beside = found[f"{name} beside market data"]
        goals.append(Budget(f"{name} beside {MARKET_PER_S // 1000} k/s, p50", beside["p50_us"], 100, "us"))
        goals.append(Budget(f"{name} beside {MARKET_PER_S // 1000} k/s, p99", beside["p99_us"], 1000, "us"))
    return goals


def tables(found: dict[str, Found], goals: list[Budget]) -> list[tuple[list[str], list[list[str]]]]:
    """Every table as heads and rows."""
    peer = found.get("redis-py")
    ways = {
        "native to native, paced, without growing lag or loss": "sustained",
        "native to native, saturated, 8 shards": "saturated",
        "native to native, saturated, one shard": "saturated, one shard",
        "redis-py, 128 events a message": "redis-py, 128 a message",
        "redis-py, one event a message": "redis-py",
    }
    orders = {
        "native loops, idle": "order",
        f"native loops, beside {MARKET_PER_S // 1000} k/s": "order beside market data",
        "Python loop to handler, idle": "order in Python",
        f"Python loop to handler, beside {MARKET_PER_S // 1000} k/s": "order in Python beside market data",
    }
    paced = found["paced"]

    def lag(case: Found) -> str:
        if "lag, us" in case:
            return f"{case['lag, us'] / 1e3:.1f} ms, none"
        if "missing" not in case:
            return "-"
        before, after = case["lag in the second quarter, us"], case["lag in the last quarter, us"]
        return f"{before / 1e3:.1f} / {after / 1e3:.1f} ms, {case['missing']:.2%}"

    return [
        (
            ["what", "measured", "goal", "over the goal"],
            [[*goal.row()[:3], f"{goal.over:.2f}"] for goal in goals],
        ),
        (
            ["market data", "arrived, events/s", "against redis-py", "lag in the second / last quarter, missing"],
            [
                [
                    name,
                    f"{found[key]['events/s'] / 1e6:.3f} M",
                    f"{found[key]['events/s'] / peer['events/s']:.1f}x" if peer else "-",
                    lag(found[key]),
                ]
                for name, key in ways.items()
                if key in found
            ],
        ),
        (
            ["1 M trades/s", "publisher", "server", "subscriber", "lag", "missing"],
            [
                [
                    f"{paced['events/s'] / 1e6:.2f} M/s arrived",
                    *(f"{paced[name]:.0%}" for name in ("publisher", "server", "subscriber")),
                    f"{paced['lag, us']:,.0f} us",
                    f"{paced['missing']:.2%}",
                ]
            ],
        ),
        (
            [f"an order one way, {LONE_PER_S}/s", "p50", "p99", "p99.9"],
            [
                [name, *(f"{found[key][part]:,.0f} us" for part in ("p50_us", "p99_us", "p999_us"))]
                for name, key in orders.items()
            ],
        ),
        (
            ["durable events, saturated", "applied and acknowledged", "wait p50"],
            [
                [name, f"{found[key]['events/s'] / 1e3:,.0f} k/s", f"{found[key]['wait p50, us'] / 1e3:,.1f} ms"]
                for name, key in (
                    ("published one by one", "durable"),
                    (f"published {BEHIND} at a time", "durable in batches"),
                )
            ],
        ),
    ]


def text(found: dict[str, Found], goals: list[Budget]) -> str:
    """The result for people."""
    lines: list[str] = []
    for heads, rows in tables(found, goals):
        widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
        for row in [heads, *rows]:
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines.append("")
    return "\n".join([*lines, f"{sum(goal.over <= 1 for goal in goals)} of {len(goals)} goals met"])


def markdown(found: dict[str, Found], goals: list[Budget]) -> str:
    """The tables of docs/performance.md, "Between nodes"."""
    lines: list[str] = []
    for heads, rows in tables(found, goals):
        lines += ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines).rstrip()


def positive(value: str) -> float:
    """A number above 0."""
    number = float(value)
    if number <= 0:
        raise ValueError
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter, rougher numbers")
    parser.add_argument("--seconds", type=positive, help="how long each case publishes")
    parser.add_argument("--repeats", type=int, choices=range(1, 100), metavar="N", help="how often each is measured")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    form.add_argument("--markdown", action="store_true", help="the tables as docs/performance.md has them")
    arguments = parser.parse_args(argv)
    say("building the native node")
    binary = build()
    peer, reason = interpreter(say)
    if peer is None:
        say(f"left out: {reason}")
    seconds = arguments.seconds or (1.0 if arguments.quick else SECONDS)
    found = measure(binary, peer, seconds, arguments.repeats or (1 if arguments.quick else REPEATS))
    goals = budgets(found)
    if arguments.json:
        rows = [asdict(goal) | {"over": goal.over, "met": goal.over <= 1} for goal in goals]
        print(json.dumps({"found": found, "budgets": rows, "load": os.getloadavg()}))
    else:
        print((markdown if arguments.markdown else text)(found, goals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
