"""What a journal costs and how far it lags: rows a second, the lag behind a storm of orders, and the loop's own time.

`python benches/journal.py [--json] [--quick]`. An account takes orders through its gate (request, approval, intent,
sent, accepted, filled: four records) at a stated rate, with a journal and without, by turns in one run. What the thread
that trades pays is its own CPU time, and how long an order holds it up; the lag is how old the last record in the
journal is while the storm lasts. The projection is run once more over a storm's log, with nothing beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from account import BenchAccount, fresh_quote

from libra.core.events import Event, EventType
from libra.storage.journal import JournalWriter, Projector
from libra.storage.journal.verify import verify
from libra_core import OrderReport

RATE = 10_000
SLICE_S = 0.002
LIMITS: dict[str, Any] = {
    "max_position_notional": "1000000000",
    "max_order_notional": "1000000",
    "max_open_orders": 1_000_000,
    "max_orders_per_second": 100_000,
    "max_quote_age_ms": 60_000,
}


class Account(BenchAccount):
    """An account with a log, whose orders are filled by whoever calls."""

    def __init__(self, log: Path) -> None:
        super().__init__(LIMITS, balance="100000000", log=log)
        self.risk = self.core.add_actor("risk", decisive=True)
        self.execution = self.core.add_actor("execution", decisive=True)
        self.core.subscribe(self.risk, EventType.ORDER_REQUEST, self.account.on_request)
        self.core.subscribe(self.execution, EventType.ORDER_APPROVED, self.account.on_approved)
        self.core.subscribe(self.strategy, EventType.ORDER_NEW, self._sent)
        self.new: list[str] = []
        self.trades = 0

    def _sent(self, event: Event) -> None:
        self.new.append(event.payload.order_id)

    def quote(self) -> None:
        """A fresh market."""
        quote = fresh_quote(self.instrument)
        self.core.publish_market(Event.create(EventType.QUOTE, "market", quote), self.instrument)

    def order(self) -> None:
        """One order, from its request to its end."""
        side = "BUY" if self.trades % 2 else "SELL"
        asked = self.core.emit_order_request(
            self.strategy, "bench", self.instrument, side, "0.001", "60000.00", "GTC", 0, None
        )
        assert asked is not None
        while not self.new:
            self.core.drain(256, 10_000)
        order_id = self.new.pop()
        self.trades += 1
        self.account.on_submitted(order_id)
        self.account.on_report(OrderReport(order_id, "ACCEPTED", venue_order_id=f"V{self.trades}"))
        fill = OrderReport(
            order_id,
            "FILLED",
            trade_id=self.trades,
            price="60000.00",
            size="0.001",
            fee="0.012",
            fee_currency="USDT",
            ts_venue_ns=time.time_ns(),
        )
        self.account.on_report(fill)
        while self.core.drain(256, 10_000)[0]:
            pass
        if self.trades % 100 == 0:
            self.account.confirm()


def storm(folder: Path, name: str, seconds: float, *, journal: bool) -> dict[str, Any]:
    """Orders at the rate, with a journal or without."""
    log, path = folder / f"{name}.log", folder / f"{name}.db"
    account = Account(log)
    writer = JournalWriter("bench", log, path) if journal else None
    if writer is not None:
        writer.start()
    took: list[int] = []
    lags: list[float] = []
    cpu = 0
    begin = time.perf_counter()
    next_look = begin
    orders = 0
    while (now := time.perf_counter()) - begin < seconds:
        due = int((now - begin) * RATE) - orders
        account.quote()
        started = time.thread_time_ns()
        for _ in range(due):
            at = time.perf_counter_ns()
            account.order()
            took.append(time.perf_counter_ns() - at)
        cpu += time.thread_time_ns() - started
        orders += due
        if writer is not None and now >= next_look:
            next_look = now + 0.02
            last_ns = writer._projector.position.ts_ns
            if last_ns:
                lags.append((time.time_ns() - last_ns) / 1e9)
        time.sleep(SLICE_S)
    asked_for = time.perf_counter()
    account.account.flush()
    found = {"orders": orders, "cpu_us": cpu / orders / 1_000, "order_us": [ns / 1_000 for ns in took], "lags_s": lags}
    if writer is not None:
        assert writer.close(120.0)
        found["catch_up_s"] = time.perf_counter() - asked_for
        verdict = verify(path, log)
        assert not verdict.differences, verdict.differences
        found |= {"records": verdict.position.records, "rows": verdict.rows}
    found["per_s"] = orders / (asked_for - begin)
    return found


def project(folder: Path, name: str) -> dict[str, float]:
    """The projection alone, over the log of a storm."""
    projector = Projector(folder / f"{name}.log", folder / "again.db")
    begin, cpu = time.perf_counter(), time.process_time()
    records = 0
    while (count := projector.advance()) > 0:
        records += count
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    projector.close()
    return {"records_per_s": records / wall, "cpu_us_a_record": cpu / records * 1e6}


def quantile(values: list[float], share: float) -> float:
    """The value that this share of all is not above."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """All of it."""
    storms: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory(prefix="libra-bench-journal-") as temporary:
        folder = Path(temporary)
        for number in range(rounds):
            for kind in ("without", "with"):
                storms[kind].append(storm(folder, f"{kind}-{number}", seconds, journal=kind == "with"))
                gc.collect()
        alone = project(folder, f"with-{rounds - 1}")
    result: dict[str, Any] = {"rate": RATE, "alone": alone}
    for kind, found in storms.items():
        times = [us for each in found for us in each["order_us"]]
        result[kind] = {
            "orders_per_s": statistics.median(each["per_s"] for each in found),
            "cpu_us": statistics.median(each["cpu_us"] for each in found),
            **{f"order_us_p{round(share * 100)}": quantile(times, share) for share in (0.5, 0.99)},
        }
    lags = [lag for each in storms["with"] for lag in each["lags_s"]]
    result["with"] |= {
        "lag_s_p50": quantile(lags, 0.5),
        "lag_s_p99": quantile(lags, 0.99),
        "lag_s_max": max(lags),
        "catch_up_s": max(each["catch_up_s"] for each in storms["with"]),
        "rows_per_order": sum(each["rows"] for each in storms["with"]) / sum(e["orders"] for e in storms["with"]),
        "records_per_order": sum(each["records"] for each in storms["with"]) / sum(e["orders"] for e in storms["with"]),
    }
    result["cpu_ratio"] = result["with"]["cpu_us"] / result["without"]["cpu_us"]
    result["p99_ratio"] = result["with"]["order_us_p99"] / result["without"]["order_us_p99"]
    return result


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round")
    arguments = parser.parse_args()
    found = measure(1, 2.0) if arguments.quick else measure(4, 5.0)
    if arguments.json:
        print(json.dumps(found))
        return
    held, bare, alone = found["with"], found["without"], found["alone"]
    print(f"an account at {RATE:,} orders/s asked for, {held['records_per_order']:.1f} records an order:")
    print(f"  {'':34}{'without':>10}{'journal':>10}{'ratio':>8}")
    print(f"  {'orders a second':34}{bare['orders_per_s']:10,.0f}{held['orders_per_s']:10,.0f}")
    print(
        f"  {'CPU of the trading thread, us':34}{bare['cpu_us']:10.1f}{held['cpu_us']:10.1f}{found['cpu_ratio']:8.2f}"
    )
    print(f"  {'an order, p50 us':34}{bare['order_us_p50']:10.1f}{held['order_us_p50']:10.1f}")
    print(f"  {'an order, p99 us':34}{bare['order_us_p99']:10.1f}{held['order_us_p99']:10.1f}{found['p99_ratio']:8.2f}")
    lags = f"p50 {held['lag_s_p50']:.2f} s, p99 {held['lag_s_p99']:.2f} s, at most {held['lag_s_max']:.2f} s"
    print(f"  the journal's lag: {lags}; caught up {held['catch_up_s']:.2f} s behind the last order")
    rates = f"{alone['records_per_s']:,.0f} records/s, {alone['cpu_us_a_record']:.1f} us of CPU each"
    print(f"  the projection alone: {rates}; {held['rows_per_order']:.1f} rows an order")


if __name__ == "__main__":
    main()
