"""What a scrape costs a node at full load: the work that its loop does not do meanwhile.

`python benches/metrics.py [--quick] [--json]`. The node is that of the paper profile with a strategy that keeps a
thousand events under way, so its loop never rests; the scraper is a process of its own. For each scrape the events
that were handled while it lasted are held against those of a while right behind it, and what is missing is told as
time of the loop. The median of many scrapes counts; a scrape each second costs that of each second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from libra.assembly import build
from libra.assembly.trading_node import TradingNode
from libra.config import Flags, load

STORM = """
from libra.core.events import EventType
from libra.strategies import Strategy


class Storm(Strategy):
    def on_start(self):
        self.goes_on = True
        self.subscribe(EventType.TICK, self.again)
        for _ in range(1_000):
            self.emit(EventType.TICK)

    def again(self, event):
        if self.goes_on:
            self.emit(EventType.TICK)
"""

SCRAPER = """
import sys, urllib.request
for line in sys.stdin:
    urllib.request.urlopen(sys.argv[1], timeout=10).read()
    print(flush=True)
"""


_REFERENCE_S = 0.1


class Scrape(NamedTuple):
    """One scrape.

    Attributes:
        took_s: How long it took, for the scraper.
        lost_s: Time of the loop that it cost.
    """

    took_s: float
    lost_s: float


def _dispatched(node: TradingNode) -> int:
    return sum(lane["dispatched"] for lane in node.core.counts()["lanes"].values())


def scrapes(node: TradingNode, count: int) -> list[Scrape]:
    """So many scrapes."""
    found = []
    command = [sys.executable, "-c", SCRAPER, node.metrics_url or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as scraper:
        if scraper.stdin is None or scraper.stdout is None:
            raise AssertionError("both were asked for")
        for _ in range(count):
            began, events = time.perf_counter(), _dispatched(node)
            print(file=scraper.stdin, flush=True)
            scraper.stdout.readline()
            middle, half = time.perf_counter(), _dispatched(node)
            time.sleep(max(_REFERENCE_S, middle - began))
            end, all_events = time.perf_counter(), _dispatched(node)
            if all_events > half:  # else somebody else had the processor all the time
                rate = (all_events - half) / (end - middle)
                found.append(Scrape(middle - began, middle - began - (half - events) / rate))
        scraper.stdin.close()
    return found


def measure(*, quick: bool) -> list[Scrape]:
    """All scrapes, but for the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIBRA_RUN_DIR"] = folder
        strategy = Path(folder) / "storm.py"
        strategy.write_text(STORM, encoding="utf-8")
        sets = (
            *("telemetry.metrics=127.0.0.1:0", "node.max_events_per_s=0", "node.log_level=error"),
            f'strategies=[{{name="storm", class="{strategy}:Storm", account="paper", symbols=["BTC/USDT:USDT"]}}]',
        )
        node = build(load("paper", flags=Flags(sets=sets)))
        found: list[Scrape] = []

        def watch() -> None:
            try:
                while not _dispatched(node):
                    time.sleep(0.1)
                found.extend(scrapes(node, 25 if quick else 205)[5:])
            finally:
                # A drain waits for what is under way.
                storm: Any = node.actor_named("storm")
                storm.goes_on = False
                node.stop("the bench")

        watcher = threading.Thread(target=watch)
        watcher.start()
        node.run()
        watcher.join()
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter phases")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    found = measure(quick=arguments.quick)
    lost_ms = [scrape.lost_s * 1e3 for scrape in found]
    low, middle, high = quantiles(lost_ms, n=4)
    took_ms = median(scrape.took_s for scrape in found) * 1e3
    if arguments.json:
        print(json.dumps({"lost_ms": middle, "quartiles_ms": [low, high], "took_ms": took_ms}))
        return
    print(f"a scrape takes {took_ms:.1f} ms and costs the loop {middle:.1f} ms (quartiles {low:.1f} to {high:.1f})")
    print(f"one each second: {middle / 10:.2f} % of what the node does")


if __name__ == "__main__":
    main()
