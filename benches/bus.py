"""Libra's message bus against its peers and the goals of design.md, in one run.

`python benches/bus.py [--quick] [--json | --markdown]`. Every number but the latencies is the median of repeats that
take turns, in nanoseconds an event, of the thread's own CPU time: other load on the machine meets all alike, and ratios
say more than the numbers. Latencies are wall clock. What is being measured goes to stderr.

- *whole way*: make an event with a dict, `await publish` it, call one handler with it; bursts of 256.
- *bus alone*: the same with events that exist already.
- *parts*: what a Libra event costs at each step, on uvloop; the handler does nothing.
- *peers*: nautilus_trader's message bus in an environment of its own, and a dict of handlers; both call the handler on
  the spot, without a queue.
- *latency*: from publish to handler, at half of the rate that the same publisher and handler reach unpaced.
- *native*: the edge between threads and the bare ring, a Rust example built in release.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from budgets import budgets, markdown, ratios, text
from cases import Case, cases, in_loop
from pacing import latencies
from peers import Nautilus

REPEATS = 5


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def run_native(*, quick: bool) -> dict[str, float]:
    """The Rust side, built in release by cargo."""
    workspace = Path(__file__).resolve().parents[1] / "core-rs"
    command = ["cargo", "run", "--release", "--quiet", "-p", "libra-kernel", "--example", "bare_ring", "--"]
    out = subprocess.run(
        command + ["--quick"] * quick, cwd=workspace, env=os.environ, check=True, stdout=subprocess.PIPE, text=True
    )
    return {name: float(value) for name, value in json.loads(out.stdout).items()}


def measure(todo: dict[str, Case], repeats: int) -> dict[str, float]:
    """Medians by name; the cases take turns."""
    samples: dict[str, list[float]] = {}
    started = time.monotonic()
    for done in range(repeats):
        for number, (name, case) in enumerate(todo.items()):
            gc.collect()
            result = case()
            spent = time.monotonic() - started
            share = (done + (number + 1) / len(todo)) / repeats
            left = f", about {spent / share - spent:.0f} s left" if done else ""
            say(f"[{done + 1}/{repeats}] {name}{left}")
            group = name.split("/")[0]
            for part, value in (result if isinstance(result, dict) else {name: result}).items():
                samples.setdefault(part if part == name else f"{group}/{part}", []).append(value)
    return {name: statistics.median(values) for name, values in samples.items()}


def measure_latency(*, quick: bool) -> dict[str, float]:
    """Percentiles at half of saturation, medians of repeats."""
    events = 25_600 if quick else 512_000
    runs: list[dict[str, float]] = []
    for number in range(REPEATS):
        say(f"[{number + 1}/{REPEATS}] latency at half of saturation")
        gc.collect()
        rate, waits = in_loop("uvloop", latencies, events)
        waits.sort()
        found = {f"p{share}_us": waits[int(len(waits) * share / 100)] / 1e3 for share in (50, 99, 99.9)}
        runs.append({"rate": rate, **found})
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer events, rougher numbers")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    form.add_argument("--markdown", action="store_true", help="the tables as docs/performance.md has them")
    arguments = parser.parse_args()
    quick: bool = arguments.quick

    todo, skipped = cases(quick=quick), {}
    nautilus = Nautilus(say)
    if nautilus.reason is None:
        todo["peers/nautilus"] = lambda: nautilus.measure(20_000 if quick else 200_000)
    else:
        say(f"left out: {nautilus.reason}")
        skipped["nautilus_trader"] = nautilus.reason
    say("building the native side")
    run_native(quick=True)
    todo["native/edge and ring"] = lambda: run_native(quick=quick)

    found = measure(todo, 2 if quick else REPEATS)
    latency = measure_latency(quick=quick)
    goals = budgets(found, latency["p99_us"])
    if arguments.json:
        rows = [asdict(goal) | {"over": goal.over, "met": goal.over <= 1} for goal in goals]
        result = {"ns": found, "ratios": ratios(found), "latency": latency, "budgets": rows, "skipped": skipped}
        print(json.dumps(result))
    else:
        print((markdown if arguments.markdown else text)(found, latency, goals, skipped))
    return 0


if __name__ == "__main__":
    sys.exit(main())
