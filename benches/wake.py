"""How long an event takes from the native thread that has it to a handler in Python, in a live node.

`python benches/wake.py [--quick] [--json | --markdown] [--svg FILE]`. A native source is paced at 1 k, 10 k and 100 k
events a second; an event's time is when the source's thread had it, and the handler notes how much later it runs. In
the same run, on this machine: what a bare `poll` on an eventfd takes to wake up (`examples/bare_wake.rs`).

The node sleeps on its eventfd, or spins (`NodeOptions.spin`), on uvloop and on asyncio's own loop. Numbers are
microseconds. What the machine does beside is in the tails: read p99 and p99.9 on a quiet one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvloop

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.core.node import Node, NodeOptions
from libra.model import ContractKind, Instrument

RATES = (1_000, 10_000, 100_000)
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
WARM_UP = 200
GOALS_US = {"sleeping": 15.0, "spinning": 8.0}
"""design.md, "Budgets": p50 asleep above a bare wake-up; p50 spinning, from tick to order."""


class Listener(Actor):
    """Notes how old each event is."""

    def __init__(self, ages: list[int]) -> None:
        super().__init__()
        self._ages = ages

    def on_start(self) -> None:
        """Subscribe."""
        self.subscribe(EventType.QUOTE, self._note)
        self._now_ns = self._context.core.now_ns

    def _note(self, event: Event) -> None:
        self._ages.append(self._now_ns() - event.ts_ns)


class PacedNode(Node):
    """A live node whose native source is paced."""

    def __init__(self, rate: int, seconds: float, *, spin: bool, ages: list[int]) -> None:
        super().__init__(NodeOptions(duration_s=seconds, spin=spin, signals=False))
        self._rate = rate
        self.add_actor("listener", lambda: Listener(ages))

    def _open(self) -> None:
        instrument = Instrument(
            "BTC/USDT", "synthetic", base="BTC", quote="USDT", price_decimals=2, size_decimals=3, tick_size="0.01",
            lot_size="0.001", kind=ContractKind.SPOT,
        )  # fmt: skip
        self.core.add_synthetic(1, self.core.now_ns(), [{
            "instrument": instrument, "start_price": "60000.00", "volatility_bps": 2.0, "spread_ticks": 1,
            "quote_rate_hz": float(self._rate), "trade_rate_hz": 0.001, "book_rate_hz": 0.001, "book_levels": 5,
            "level_size": "0.5",
        }])  # fmt: skip

    def _opened(self) -> None:
        self.core.start_feed()

    def _stop_sources(self) -> None:
        self.core.stop_feed()


def in_node(loop: str, rate: int, seconds: float, *, spin: bool) -> list[float]:
    """Microseconds at each quantile."""
    ages: list[int] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(PacedNode(rate, seconds, spin=spin, ages=ages).run_async())
    ages = sorted(ages[WARM_UP:])
    return [ages[min(len(ages) - 1, int(len(ages) * q))] / 1e3 for q in QUANTILES.values()]


def bare(rate: int, seconds: float) -> list[float]:
    """The same of a bare `poll`."""
    workspace = Path(__file__).resolve().parents[1] / "core-rs"
    command = ["cargo", "run", "--release", "--quiet", "-p", "libra-kernel", "--example", "bare_wake", "--"]
    command += [str(rate), str(seconds)]
    found = json.loads(subprocess.run(command, cwd=workspace, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return [found[name] / 1e3 for name in ("p50", "p99", "p999")]


def measure(*, quick: bool) -> dict[str, list[float]]:
    """Every case at every rate, in a process of its own: medians of repeats that take turns."""
    seconds, repeats = (1.0, 3) if quick else (4.0, 5)
    found: dict[str, list[list[float]]] = {}
    for _ in range(repeats):
        for rate in RATES:
            found.setdefault(f"bare poll, {rate}", []).append(bare(rate, seconds))
            for loop in LOOPS:
                for how in GOALS_US:
                    command = [sys.executable, __file__, "--case", loop, how, str(rate), str(seconds)]
                    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    found.setdefault(f"{loop} {how}, {rate}", []).append(json.loads(out))
    return {
        name: [statistics.median(each[n] for each in values) for n in range(len(QUANTILES))]
        for name, values in found.items()
    }


def rows(found: dict[str, list[float]]) -> list[list[str]]:
    """A row a case, a column a rate."""
    cases = list(dict.fromkeys(name.rsplit(", ", 1)[0] for name in found))
    return [
        [case, *(" / ".join(f"{value:,.0f}" for value in found[f"{case}, {rate}"]) for rate in RATES)] for case in cases
    ]


def svg(found: dict[str, list[float]]) -> str:
    """The medians as curves over the rate, both axes logarithmic."""
    import math

    cases = list(dict.fromkeys(name.rsplit(", ", 1)[0] for name in found))
    top = max(value[0] for value in found.values())
    colours = ["#000", "#06c", "#093", "#c60", "#90c"]

    def x(rate: int) -> float:
        return 60 + 130 * (math.log10(rate) - 3)

    def y(us: float) -> float:
        return 220 - 190 * math.log10(max(us, 0.5) / 0.5) / math.log10(top * 1.2 / 0.5)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="560" height="260" font-family="sans-serif" font-size="11">']
    for us in (1, 10, 100, 1_000):
        if us <= top * 1.2:
            out.append(f'<path d="M60 {y(us):.1f}H330" stroke="#ddd"/><text x="8" y="{y(us) + 4:.1f}">{us} us</text>')
    out += [f'<text x="{x(rate) - 16:.0f}" y="240">{rate:,}/s</text>' for rate in RATES]
    for n, case in enumerate(cases):
        points = " ".join(f"{x(rate):.1f},{y(found[f'{case}, {rate}'][0]):.1f}" for rate in RATES)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colours[n]}" stroke-width="2"/>')
        out.append(f'<text x="350" y="{40 + 18 * n}" fill="{colours[n]}">{case}</text>')
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter runs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/performance.md")
    parser.add_argument("--svg", type=Path, help="draw the medians into this file")
    parser.add_argument("--case", nargs=4, metavar=("LOOP", "HOW", "RATE", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        loop, how, rate, seconds = arguments.case
        print(json.dumps(in_node(loop, int(rate), float(seconds), spin=how == "spinning")))
        return
    found: dict[str, Any] = measure(quick=arguments.quick)
    if arguments.svg is not None:
        arguments.svg.write_text(svg(found))
    if arguments.json:
        print(json.dumps(found))
        return
    header = ["us at " + " / ".join(QUANTILES), *(f"{rate:,} events/s" for rate in RATES)]
    table = rows(found)
    if arguments.markdown:
        print("\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *table]))
        return
    widths = [max(len(row[n]) for row in [header, *table]) for n in range(len(header))]
    for row in [header, *table]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for rate in RATES:
        above = found[f"uvloop sleeping, {rate}"][0] - found[f"bare poll, {rate}"][0]
        print(f"asleep, {rate:,}/s: {above:.1f} us above a bare poll (goal {GOALS_US['sleeping']:.0f})", end="; ")
        print(f"spinning: {found[f'uvloop spinning, {rate}'][0]:.1f} us (goal {GOALS_US['spinning']:.0f})")


if __name__ == "__main__":
    main()
