"""What the risk check costs from Python: the call that the Risk actor makes for each request, in nanoseconds.

`python benches/risk.py [--json]`. The call checks a request, sets its worst case aside and publishes ORDER_APPROVED. It
is measured under all limits, and under those on one order and one instrument alone; both take turns in one run, in the
thread's own CPU time, and the least of the rounds counts. What a call into the core costs at all (an attribute that is
a number) stands beside it. The same check without Python: `cargo test --release -p libra-trading --test gate_speed --
--ignored --nocapture`.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from typing import Any

from account import BenchAccount, fresh_quote

from libra.core.events import Event, EventType
from libra.model import Trade

BUDGET_NS = 300.0
BATCH, ROUNDS = 2_000, 60

FIRST: dict[str, Any] = {
    "max_position": "1000",
    "max_position_notional": "100000000",
    "max_order_size": "10",
    "max_order_notional": "1000000",
    "max_open_orders": 1_000_000,
    "price_collar_pct": 5,
    "max_daily_loss": "1000",
    "max_drawdown_pct": 10,
    "max_orders_per_second": 100_000,
    "max_quote_age_ms": 60_000,
}
ALL: dict[str, Any] = {
    **FIRST,
    "max_orders_per_instrument": 1_000_000,
    "max_participation_pct": 100,
    "max_concentration_pct": 1_000_000,
    "max_gross_exposure": "1000000000",
    "max_net_exposure": "1000000000",
    "max_leverage": 100_000,
    "max_orders_per_minute": 100_000,
    "max_messages_per_second": 100_000,
    "max_strategy_messages_per_second": 100_000,
}


class Bench(BenchAccount):
    """An account with a market, and requests for it that nobody has checked yet."""

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__(limits, balance="1000000")
        self.risk = self.core.add_actor("risk")
        self.requests: list[Event] = []
        self.core.subscribe(self.risk, EventType.ORDER_REQUEST, self.requests.append)

    def fill(self) -> None:
        """A fresh market, and a batch of requests."""
        quote = fresh_quote(self.instrument)
        trade = Trade(self.instrument, "60000.00", "100000")
        self.core.publish_market(Event.create(EventType.QUOTE, "market", quote), self.instrument)
        self.core.publish_market(Event.create(EventType.TRADE, "market", trade), self.instrument)
        for _ in range(BATCH):
            request = ("bench", self.instrument, "BUY", "0.001", "60000.00", "GTC", 0, None)
            assert self.core.emit_order_request(self.strategy, *request) is not None
        while len(self.requests) < BATCH:
            self.core.drain(256, 10_000)

    def check(self) -> float:
        """Nanoseconds of one call."""
        check, requests = self.account.on_request, self.requests
        begin = time.thread_time_ns()
        for event in requests:
            check(event)
        took = time.thread_time_ns() - begin
        requests.clear()
        return took / BATCH

    def touch(self) -> float:
        """Nanoseconds of a call that asks for a number."""
        account = self.account
        begin = time.thread_time_ns()
        for _ in range(BATCH):
            account.limits_version  # noqa: B018
        return (time.thread_time_ns() - begin) / BATCH


def measure() -> dict[str, float]:
    """The least of all rounds, each way of measuring in turn."""
    least = {"all limits": float("inf"), "first limits": float("inf"), "a number": float("inf")}
    gc.disable()
    for _ in range(ROUNDS):
        for name, limits in (("all limits", ALL), ("first limits", FIRST)):
            bench = Bench(limits)
            bench.fill()
            least[name] = min(least[name], bench.check())
            least["a number"] = min(least["a number"], bench.touch())
            refused = bench.account.tally()["rejections"]
            assert not refused, refused
    gc.enable()
    return least


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    least = measure()
    ratio = least["all limits"] / least["first limits"]
    if arguments.json:
        print(json.dumps({"ns": least, "ratio": ratio, "budget_ns": BUDGET_NS}))
        return
    print(f"risk check from Python, the least of {ROUNDS} rounds of {BATCH}, ns of CPU time (goal {BUDGET_NS:.0f}):")
    print(f"  under all limits                           {least['all limits']:6.0f}")
    print(f"  under those on one order and instrument    {least['first limits']:6.0f}   ratio {ratio:.2f}")
    print(f"  a call into the core that reads a number   {least['a number']:6.0f}")


if __name__ == "__main__":
    main()
