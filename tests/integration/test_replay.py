"""The recorded days, whole: every frame is an event, and the shipped profile trades on them."""

import gzip
import json
from collections import Counter, defaultdict

import pytest

VENUES = {"usdm": "binance-usdm", "spot": "binance-spot", "coinm": "binance-coinm"}


def recordings(shared, venue):
    return sorted((shared / VENUES[venue]).glob("*.gz"))


def independent_count(files):
    """By plain search: nothing of our parsers."""
    kinds = Counter()
    for path in files:
        with gzip.open(path, "rb") as file:
            for line in file:
                if b"@bookTicker" in line:
                    kinds["QUOTE"] += 1
                elif b'"e":"depthUpdate"' in line or b'"lastUpdateId"' in line:
                    kinds["ORDER_BOOK"] += 1
                elif b'"e":"trade"' in line:
                    # USD-M also sends insurance fund and ADL prints: they are no trades of the market.
                    is_market = b'"X":' not in line or b'"X":"MARKET"' in line
                    kinds["TRADE" if is_market else "other"] += 1
                else:
                    kinds["other"] += 1
    return kinds


@pytest.fixture(scope="module")
def runs(shared, tmp_path_factory):
    """Each venue's replay, once: (summary, folder of the results)."""
    import subprocess
    import sys
    from pathlib import Path

    found = {}

    def run(venue):
        if venue not in found:
            out = tmp_path_factory.mktemp(venue)
            libra = Path(sys.executable).parent / "libra"
            command = [libra, "run", "replay", "--data", *recordings(shared, venue), "--speed", "max", "--json"]
            ended = subprocess.run(
                [*command, "--out", out], cwd=out, capture_output=True, text=True, timeout=120, check=False
            )
            assert ended.returncode == 0, ended.stderr
            found[venue] = json.loads(ended.stdout), out, ended.stderr
        return found[venue]

    return run


@pytest.mark.parametrize("venue", VENUES)
def test_every_frame_is_one_event(shared, runs, venue):
    if shared is None:
        return
    summary, _, said = runs(venue)
    counted = independent_count(recordings(shared, venue))
    for kind in ("QUOTE", "TRADE", "ORDER_BOOK"):
        assert summary["events"].get(kind, 0) == counted[kind], kind
    assert summary["malformed"] == 0, said
    source = summary["input"]
    assert source["frames"] == sum(counted.values())
    assert source["quotes"] + source["trades"] + source["books"] + source["non_trades"] == source["frames"]
    assert (source["unknown"], source["crossed"], source["out_of_order"], source["depth_gaps"]) == (0, 0, 0, 0)
    assert (source["truncated_files"], source["unlisted"]) == (0, 0)
    assert source["unsynced_books"] == {"usdm": 0, "spot": 2, "coinm": 1}[venue]
    assert summary["errors"] == 0
    lanes = summary["lanes"]
    assert sum(lane["dropped"] + lane["conflated"] for lane in lanes.values()) == 0


@pytest.mark.parametrize("venue", ["usdm", "spot"])
def test_there_are_fills_on_both_sides_and_partial_ones(shared, runs, venue):
    if shared is None:
        return
    summary, out, _ = runs(venue)
    from pyarrow import parquet

    fills = parquet.read_table(out / "fills.parquet")
    orders = parquet.read_table(out / "orders.parquet")
    assert summary["fills"] == fills.num_rows >= 100
    assert {"BUY", "SELL"} <= set(fills["side"].to_pylist())
    sizes = dict(zip(orders["client_order_id"].to_pylist(), orders["size"].to_pylist(), strict=True))
    of_order = Counter(fills["client_order_id"].to_pylist())
    filled = zip(fills["client_order_id"].to_pylist(), fills["size"].to_pylist(), strict=True)
    partial = [order_id for order_id, size in filled if size < sizes[order_id]]
    assert len(partial) > 10
    assert max(of_order.values()) > 1
    assert summary["events"]["ORDER_PARTIALLY_FILLED"] > 10


def test_coin_margined_contracts_are_market_data_only(shared, runs):
    if shared is None:
        return
    summary, _, _ = runs("coinm")
    assert (summary["fills"], summary["orders"], summary["signals"]) == (0, {}, 0)


@pytest.mark.parametrize("venue", VENUES)
def test_a_replay_done_twice_has_one_digest(shared, runs, shell, venue):
    if shared is None:
        return
    summary, _, _ = runs(venue)
    again = shell.run("run", "replay", "--data", *recordings(shared, venue)[::-1], "--speed", "max", "--json")
    assert again.code == 0
    if venue == "coinm":
        assert again.summary["digest"] == summary["digest"]
    assert again.summary["fills"] == summary["fills"]
    assert again.summary["events"] == summary["events"]


LIFE = {
    None: {"NEW", "REJECTED"},
    "NEW": {"SUBMITTED", "REJECTED", "EXPIRED"},
    "SUBMITTED": {"ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"},
    "ACCEPTED": {"PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED"},
    "PARTIALLY_FILLED": {"PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED"},
}

TRADER = """
def on_start(self):
    self.quotes = 0
    self.open = []
    self.file = open("events.txt", "w")

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes % 20 == 0:
        side = self.random.choice([OrderSide.BUY, OrderSide.SELL])
        kind = self.random.randrange(5)
        far = quote.bid * (1 - quote.bid / quote.bid / 400)
        price = [None, quote.bid, quote.ask, far.quantize(quote.bid), quote.ask * 2][kind]
        size = self.random.choice(["0.001", "0.050", "0.300", "30"])
        force = self.random.choice(list(TimeInForce)) if price is not None else None
        order_id = self.submit(quote.symbol, side, size, price=price, time_in_force=force,
                               ttl_s=self.random.choice([0, 0, 0.001]))
        self.open.append(order_id)
    if self.quotes % 33 == 0 and self.open:
        self.cancel(self.open.pop(self.random.randrange(len(self.open))))

def on_order(self, order):
    self.file.write(f"{order.order_id} {order.status} {order.filled} {order.size} {order.reason or '-'}\\n")
    self.file.flush()
"""


def test_every_order_follows_the_life_cycle(shell):
    path = shell.strategy(TRADER)
    source = shell.folder / "mine.py"
    source.write_text("from libra.model import TimeInForce\n" + source.read_text())
    profile = shell.profile(path, clock="simulated", quotes_hz=100, risk="max_open_orders = 20")
    ended = shell.run("run", profile, "--speed", "max", "--duration", "120", "--json", "--out", "out")
    assert ended.code == 0, ended.err
    assert ended.summary["errors"] == 0, ended.err
    stories = defaultdict(list)
    for line in (shell.folder / "events.txt").read_text().splitlines():
        order_id, status, filled, size, reason = line.split(" ", 4)
        stories[order_id].append((status, float(filled), float(size), reason))
    assert len(stories) > 300
    seen = set()
    for order_id, story in stories.items():
        before, filled_before = None, 0.0
        for status, filled, size, _reason in story:
            assert status in LIFE.get(before, set()), (order_id, story)
            assert filled_before <= filled <= size
            if status in ("PARTIALLY_FILLED", "FILLED"):
                assert filled > filled_before
            assert (status == "FILLED") == (filled == size)
            seen.add((before, status))
            before, filled_before = status, filled
    # The table is walked, not only kept.
    assert {(None, "REJECTED"), ("SUBMITTED", "ACCEPTED"), ("ACCEPTED", "CANCELLED"), ("ACCEPTED", "FILLED")} <= seen
    from pyarrow import parquet

    last = {order_id: story[-1][0] for order_id, story in stories.items()}
    table = parquet.read_table(shell.folder / "out" / "orders.parquet")
    told = dict(zip(table["client_order_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert told == last
