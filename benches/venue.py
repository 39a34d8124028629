"""Orders at a venue: from the strategy's hook to the socket and back, beside bare ccxt.pro; a storm of them; cancels.

`python benches/venue.py [--json] [--quick]`. The venue is `libra exchange-sim`, a process of its own; both sides share
the machine. All orders are USD-M limit orders, over the WebSocket.

- *order*: one order at a time, in turns with a bare ccxt.pro client that sends the same ones: from the call to the
  moment at which the bytes are handed to the kernel, and from the answer (read and decoded by CCXT on both sides) to
  whoever wants it. What Libra adds to CCXT is the difference: risk, intent, log, rate budget, events.
- *storm*: 1,000 orders/s through risk and log to the venue and back, every one accounted for by the venue's own log.
- *intent*: what the record of an order costs that is written before it leaves: alone, and with `fdatasync`.
- *cancel*: one order after the other is placed and cancelled, with nothing beside it and under a flood of requests for
  snapshots that keeps the rate budget empty.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

import ccxt.pro
from account import BenchAccount, fresh_quote
from venue_marks import marks, watch

from libra.assembly import build
from libra.config import Flags, load
from libra.core.events import Event, EventType
from libra.gateways.budget import Urgency
from libra.gateways.ccxt import CcxtGateway, CcxtOptions, Credentials, make_turnstile
from libra.gateways.ccxt.guard import urgent
from libra.model import Order

LIBRA = Path(sys.executable).parent / "libra"
SYMBOL = "BTC/USDT:USDT"
STORM_RATE = 1_000

EXCHANGE = """
history_s = 0
[[markets]]
symbol = "BTC/USDT:USDT"
start_price = 60000
tick_size = 0.1
lot_size = 0.001
min_notional = 5
[markets.flow]
quote_rate_hz = 20
trade_rate_hz = 2
[[accounts]]
name = "sim"
api_key = "sim-key"
secret = "sim-secret"
linear = { USDT = 10000000 }
"""
NO_LIMITS = """
[limits]
linear_weight = 100000000
linear_orders_10s = 100000000
linear_orders_minute = 100000000
"""

PROFILE = """
[node]
name = "bench_venue"
[market]
kind = "ccxt"
venue = "binance"
redirect = "{url}"
symbols = ["BTC/USDT:USDT"]
books = false
[[instruments]]
symbol = "BTC/USDT:USDT"
venue = "binance"
kind = "linear"
price_decimals = 1
size_decimals = 3
tick_size = "0.1"
lot_size = "0.001"
max_size = "100"
min_notional = "5"
maker_fee = "0.0002"
taker_fee = "0.0005"
[[account_groups]]
name = "linear"
log = {{ path = "{log}" }}
journal = {{ enabled = false }}
allow_short = true
sizing = {{ kind = "fixed_notional", value = "500" }}
[risk]
max_position_notional = "10000000"
max_order_notional = "20000"
max_gross_exposure = "10000000"
max_open_orders = 100000
max_orders_per_instrument = 100000
max_orders_per_second = 100000
max_orders_per_minute = 100000
max_messages_per_second = 100000
max_daily_loss = "5000000"
max_drawdown_pct = 50
price_collar_pct = 5
max_quote_age_ms = 10000
[account_groups.gateway]
kind = "ccxt"
venue = "binance"
market = "swap"
redirect = "{url}"
api_key_env = "LIBRA_SIM_KEY"
secret_env = "LIBRA_SIM_SECRET"
[[strategies]]
name = "storm"
class = "venue_marks:Storm"
account = "linear"
symbols = ["BTC/USDT:USDT"]
on_vanish = "keep"
"""


@contextlib.contextmanager
def exchange(folder: Path, more: str) -> Iterator[str]:
    """A venue, and where it listens."""
    config = folder / "exchange.toml"
    config.write_text(EXCHANGE + more)
    command = [str(LIBRA), "exchange-sim", "--json", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(30)


def through_libra(folder: Path, url: str, rate: int, count: int) -> dict[str, Any]:
    """A node whose strategy asks for so many orders at a rate."""
    for times in (marks.asked, marks.left, marks.answered, marks.told, marks.over):
        times.clear()
    marks.rate, marks.wanted = rate, count
    number = len(list(folder.glob("gate-*.log")))
    profile = folder / "profile.toml"
    profile.write_text(PROFILE.format(url=url, log=folder / f"gate-{number}.log"))
    node = build(load(str(profile), flags=Flags(duration_s=count / rate + 8)))
    result = node.run(on_progress=lambda _: node.stop() if len(marks.over) >= count else None, progress_interval_s=0.05)
    assert result.exit_code == 0, result.summary
    return {"fills": result.summary["fills"], "orders": result.summary["orders"], "codes": result.summary["rejections"]}


async def through_ccxt(url: str, rate: int, count: int) -> dict[str, list[float]]:
    """A bare ccxt.pro client that sends the same orders one after the other: microseconds."""
    client = ccxt.pro.binanceusdm(
        {"apiKey": "sim-key", "secret": "sim-secret", "enableRateLimit": False, "options": {"fetchCurrencies": False}}
    )
    api = client.urls["api"]
    for version, path in (("", "v1"), ("V2", "v2"), ("V3", "v3")):
        for kind in ("Public", "Private"):
            api[f"fapi{kind}{version}"] = f"{url}/fapi/{path}"
    api["ws"]["linear"] = f"{url.replace('http', 'ws')}/fstream/ws"
    api["ws"]["ws-api"]["linear"] = f"{url.replace('http', 'ws')}/ws-fapi/v1"
    left: list[float] = []
    back: list[float] = []
    whole: list[float] = []
    answered = 0
    try:
        await client.load_markets()
        ticker = await client.fetch_order_book(SYMBOL, 5)
        bid, ask = ticker["bids"][0][0], ticker["asks"][0][0]
        handle = client.handle_message

        def hears(*what: object) -> Any:  # noqa: ANN401 - CCXT's own
            nonlocal answered
            answered = time.perf_counter_ns()
            return handle(*what)

        client.handle_message = hears
        for number in range(count):
            order_id = f"L{number:032d}"
            side, price = ("sell", bid - 20) if number % 2 else ("buy", ask + 20)
            params = {"clientOrderId": order_id, "timeInForce": "IOC"}
            began = time.perf_counter_ns()
            await client.create_order_ws(SYMBOL, "limit", side, 0.002, client.price_to_precision(SYMBOL, price), params)
            now_ns = time.perf_counter_ns()
            sent = marks.left.pop(order_id)
            if number:
                # The first one opens the connection.
                left.append((sent - began) / 1e3)
                back.append((now_ns - answered) / 1e3)
                whole.append((now_ns - began) / 1e3)
            await asyncio.sleep(1 / rate)
    finally:
        await client.close()
    return {"to_socket_us": left, "to_hook_us": back, "whole_us": whole}


def quantile(values: list[float], share: float) -> float:
    """The value that this share of all is not above."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def told(values: list[float]) -> dict[str, float]:
    """Median and p99."""
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}


def order(folder: Path, url: str, rounds: int, count: int) -> dict[str, Any]:
    """One order at a time, by turns through Libra and through CCXT alone."""
    ours: dict[str, list[float]] = {"to_socket_us": [], "to_hook_us": [], "whole_us": []}
    bare: dict[str, list[float]] = {"to_socket_us": [], "to_hook_us": [], "whole_us": []}
    for _ in range(rounds):
        for name, values in asyncio.run(through_ccxt(url, 50, count)).items():
            bare[name] += values
        through_libra(folder, url, 50, count)
        ids = marks.asked.keys() & marks.left.keys() & marks.answered.keys() & marks.told.keys()
        ours["to_socket_us"] += [(marks.left[key] - marks.asked[key]) / 1e3 for key in ids]
        ours["to_hook_us"] += [(marks.told[key] - marks.answered[key]) / 1e3 for key in ids]
        ours["whole_us"] += [(marks.told[key] - marks.asked[key]) / 1e3 for key in ids]
        gc.collect()
    return {
        "libra": {name: told(values) for name, values in ours.items()},
        "ccxt": {name: told(values) for name, values in bare.items()},
        "orders": len(ours["whole_us"]),
    }


def storm(folder: Path, url: str, seconds: float) -> dict[str, Any]:
    """The stated rate, and what became of every order by the venue's own log."""
    count = int(STORM_RATE * seconds)
    before = len(requests(url))
    found = through_libra(folder, url, STORM_RATE, count)
    sent = [row["client_order_id"] for row in requests(url)[before:]]
    at_venue = {row["client_order_id"] for row in asked(url, "trades?account=sim")["trades"]}
    unaccounted = [key for key in marks.asked if key not in marks.over]
    twice = len(sent) - len(set(sent))
    executed = {key for key, status in marks.over.items() if status == "FILLED"}
    last = max(marks.told.values(), default=0)
    first = min(marks.asked.values(), default=0)
    whole = [(marks.told[key] - marks.asked[key]) / 1e3 for key in marks.told.keys() & marks.asked.keys()]
    assert not unaccounted, f"{len(unaccounted)} orders without an end"
    assert not twice, f"{twice} orders came twice"
    assert executed <= at_venue, "filled here, and not there"
    return {
        "asked": len(marks.asked),
        "rate": len(marks.asked) / max(1, last - first) * 1e9,
        "filled": len(executed),
        "refused": sum(status == "REJECTED" for status in marks.over.values()),
        "whole_us": told(whole),
        **found,
    }


def requests(url: str) -> list[dict[str, Any]]:
    """Each order that was asked for there."""
    rows = asked(url, "requests")
    found: list[dict[str, Any]] = rows["requests"] if isinstance(rows, dict) else rows
    return found


def asked(url: str, what: str) -> Any:  # noqa: ANN401 - the venue's answer
    """What the venue says of itself."""
    with urlopen(f"{url}/control/{what}", timeout=30) as answer:
        return json.loads(answer.read())


def intent(folder: Path, rounds: int, count: int) -> dict[str, float]:
    """Microseconds of an order from its request to its intent: log in memory, in a file, and forced to the disk."""
    kinds: dict[str, list[float]] = {"memory": [], "file": [], "fdatasync": []}
    for number in range(rounds):
        for kind, times in kinds.items():
            log = None if kind == "memory" else folder / f"intent-{kind}-{number}.log"
            limits = {
                "max_position_notional": "1000000000",
                "max_order_notional": "1000000",
                "max_open_orders": 1_000_000,
                "max_orders_per_second": 100_000,
                "max_quote_age_ms": 60_000,
            }
            bench = BenchAccount(limits, balance="100000000", log=log, sync=kind == "fdatasync")
            risk = bench.core.add_actor("risk", decisive=True)
            execution = bench.core.add_actor("execution", decisive=True)
            bench.core.subscribe(risk, EventType.ORDER_REQUEST, bench.account.on_request)
            bench.core.subscribe(execution, EventType.ORDER_APPROVED, bench.account.on_approved)
            quote = Event.create(EventType.QUOTE, "market", fresh_quote(bench.instrument))
            bench.core.publish_market(quote, bench.instrument)
            for _ in range(count):
                began = time.perf_counter_ns()
                bench.core.emit_order_request(
                    bench.strategy, "bench", bench.instrument, "BUY", "0.001", "60000.00", "GTC", 0, None
                )
                while bench.core.drain(256, 10_000)[0]:
                    pass
                times.append((time.perf_counter_ns() - began) / 1e3)
    return {kind: median(times) for kind, times in kinds.items()}


async def cancels(url: str, count: int, *, flood: int) -> list[float]:
    """Microseconds from asking for a cancel to its answer, under so many who ask for snapshots all the time."""
    options = CcxtOptions(
        "binance", market="swap", redirect=url, credentials=Credentials("sim-key", "sim-secret"), account="bench"
    )
    gateway = CcxtGateway(options, make_turnstile("binance"), books=False)
    await gateway.connect()

    async def ask() -> None:
        while True:
            with urgent(Urgency.SNAPSHOT):
                await gateway._venue.exchange.fetch_order_book(SYMBOL, 1_000)

    exchange = gateway._venue.exchange
    bid = (await exchange.fetch_order_book(SYMBOL, 5))["bids"][0][0]
    names = [f"L{time.time_ns():016x}{number:016x}" for number in range(count)]
    for name in names:
        await gateway.order(Order(f"{SYMBOL}@binance", "BUY", "0.002", price=f"{bid * 0.9:.1f}", order_id=name))
    tasks = [asyncio.create_task(ask()) for _ in range(flood)]
    times = []
    try:
        for name in names:
            await asyncio.sleep(0.005)
            began = time.perf_counter_ns()
            assert await gateway.cancel(name)
            times.append((time.perf_counter_ns() - began) / 1e3)
        assert not flood or gateway.counters()["budget"]["waiting"]["SNAPSHOT"], "a flood that was over too soon"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.disconnect()
    return times


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round")
    arguments = parser.parse_args()
    rounds, count, seconds = (1, 100, 2.0) if arguments.quick else (5, 300, 10.0)
    os.environ.update(LIBRA_SIM_KEY="sim-key", LIBRA_SIM_SECRET="sim-secret")
    watch()
    with tempfile.TemporaryDirectory(prefix="libra-bench-venue-") as temporary:
        folder = Path(temporary)
        os.environ.setdefault("LIBRA_RUN_DIR", str(folder / "run"))
        with exchange(folder, NO_LIMITS) as url:
            found: dict[str, Any] = {"order": order(folder, url, rounds, count), "storm": storm(folder, url, seconds)}
        found["intent_us"] = intent(folder, rounds, count)
        alone: list[float] = []
        flooded: list[float] = []
        for _ in range(rounds):
            # The venue's own limits: the flood keeps the budget empty, and a cancel has its reserve.
            with exchange(folder, "") as url:
                alone += asyncio.run(cancels(url, min(count, 40), flood=0))
            with exchange(folder, "") as url:
                flooded += asyncio.run(cancels(url, min(count, 40), flood=64))
        found["cancel_us"] = {"alone": told(alone), "flooded": told(flooded)}
    if arguments.json:
        print(json.dumps(found))
        return
    show(found)


def show(found: dict[str, Any]) -> None:
    """For people."""
    ours, bare = found["order"]["libra"], found["order"]["ccxt"]
    print(f"{found['order']['orders']} orders, one at a time, us{'':17}Libra p50     p99   CCXT p50     p99   ratio")
    for name, what in (("to_socket_us", "hook to socket"), ("to_hook_us", "answer to hook"), ("whole_us", "in all")):
        each, alone = ours[name], bare.get(name)
        more = f"{alone['p50']:11.0f}{alone['p99']:8.0f}{each['p50'] / alone['p50']:8.2f}" if alone else ""
        print(f"  {what:40}{each['p50']:9.0f}{each['p99']:8.0f}{more}")
    wave, whole = found["storm"], found["storm"]["whole_us"]
    print(
        f"{wave['asked']:,} orders at {STORM_RATE:,}/s: {wave['rate']:,.0f}/s to the last answer, each accounted for;"
    )
    ends = f"{wave['filled']:,} filled, {wave['refused']} refused {wave['codes'] or ''}".rstrip()
    print(f"  {ends}; p50 {whole['p50']:,.0f}, p99 {whole['p99']:,.0f} us")
    costs = found["intent_us"]
    print(f"an order up to its intent: {costs['memory']:.1f} us with its log in memory,")
    print(f"  {costs['file']:.1f} us with it in a file, {costs['fdatasync']:,.0f} us with fdatasync")
    alone, flooded = found["cancel_us"]["alone"], found["cancel_us"]["flooded"]
    print(f"a cancel, us: p50 {alone['p50']:,.0f}, p99 {alone['p99']:,.0f} alone; under a flood of snapshots")
    print(f"  p50 {flooded['p50']:,.0f}, p99 {flooded['p99']:,.0f} ({flooded['p99'] / alone['p99']:.2f} of it)")


if __name__ == "__main__":
    main()
