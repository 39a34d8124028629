"""Money, recomputed by anyone from what `--out` wrote: with rational numbers, to the last unit."""

import gzip
import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import pytest
from pyarrow import parquet

FEES = {"usdm": Fraction(5, 10_000), "spot": Fraction(1, 1_000)}
FEE_UNIT = Fraction(1, 10**8)
UNIT = Fraction(1, 10**12)


def rows(folder, name):
    table = parquet.read_table(folder / f"{name}.parquet")
    table = table.set_column(0, "time_ns", table["time_ns"].cast("int64"))
    return table.to_pylist()


def last_quotes(files):
    """Best bid and ask at the end of the recordings, by plain parsing."""
    quotes = {}
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                if "@bookTicker" in line:
                    data = json.loads(line.split(" ", 1)[1])["data"]
                    quotes[data["s"]] = Fraction(data["b"]), Fraction(data["a"])
    return quotes


class Book:
    """A position by average cost: a partial close takes its share of the cost, rounded toward zero at 12 decimals."""

    def __init__(self):
        self.size = self.cost = self.realised = self.fees = Fraction(0)

    def book(self, signed, notional_a_unit, fee):
        self.fees += fee
        closing = Fraction(0)
        if self.size * signed < 0:
            closing = min(abs(signed), abs(self.size)) * (1 if signed > 0 else -1)
            share = self.cost * abs(closing) / abs(self.size)
            released = Fraction(int(share / UNIT)) * UNIT
            self.realised += -closing * notional_a_unit - released
            self.cost -= released
            self.size += closing
        opening = signed - closing
        self.cost += opening * notional_a_unit
        self.size += opening


def rounded_half_up(value, unit):
    return Fraction(int(value / unit + Fraction(1, 2))) * unit


@pytest.fixture(scope="module", params=["usdm", "spot"])
def run(request, shared, tmp_path_factory):
    if shared is None:
        return None
    import subprocess
    import sys
    from pathlib import Path

    files = sorted((shared / f"binance-{request.param}").glob("*.gz"))
    out = tmp_path_factory.mktemp(request.param)
    libra = Path(sys.executable).parent / "libra"
    command = [libra, "run", "replay", "--data", *files, "--speed", "max", "--json", "--out", out]
    ended = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return request.param, files, json.loads(ended.stdout), out


def test_every_fill_carries_its_exact_notional_and_fee(run):
    if run is None:
        return
    venue, _, _, out = run
    for fill in rows(out, "fills"):
        notional = Fraction(fill["price"]) * Fraction(fill["size"])
        assert Fraction(fill["notional"]) == notional
        assert fill["liquidity"] == "TAKER"
        assert Fraction(fill["fee"]) == rounded_half_up(notional * FEES[venue], FEE_UNIT)
        assert fill["fee_currency"] == "USDT"
        assert fill["size"] > 0


def test_fills_give_positions_pnl_and_equity_to_the_last_unit(run):
    if run is None:
        return
    _, files, summary, out = run
    books = defaultdict(Book)
    cash = Fraction(0)
    for fill in rows(out, "fills"):
        sign = 1 if fill["side"] == "BUY" else -1
        books[fill["instrument"]].book(sign * Fraction(fill["size"]), Fraction(fill["price"]), Fraction(fill["fee"]))
        cash -= sign * Fraction(fill["notional"])
    quotes = last_quotes(files)
    unrealised = {}
    for instrument, book in books.items():
        symbol = instrument.partition("@")[0].partition(":")[0].replace("/", "")
        bid, ask = quotes[symbol]
        unrealised[instrument] = book.size * (bid if book.size > 0 else ask) - book.cost
    told = {row["instrument"]: row for row in summary["positions"]}
    assert set(told) == set(books)
    for instrument, book in books.items():
        row = told[instrument]
        assert Fraction(row["size"]) == book.size
        assert Fraction(row["cost"]) == book.cost
        assert Fraction(row["realised"]) == book.realised
        assert Fraction(row["fees"]) == book.fees
        assert Fraction(row["unrealised"]) == unrealised[instrument]
    pnl = {key: Fraction(value) for key, value in summary["pnl"]["USDT"].items()}
    assert pnl["realised"] == sum(book.realised for book in books.values())
    assert pnl["fees"] == sum(book.fees for book in books.values())
    assert pnl["unrealised"] == sum(unrealised.values())
    assert pnl["total"] == pnl["realised"] + pnl["unrealised"] - pnl["fees"]
    # Whatever basis is kept: what was paid and got, and what is left at the last quotes, is the whole of it.
    worth = sum(unrealised[name] + book.cost for name, book in books.items())
    assert pnl["realised"] + pnl["unrealised"] == cash + worth
    opening = Fraction(200_000)  # two accounts, of which one traded
    assert Fraction(summary["equity"]["USDT"]) == opening + pnl["total"]


def test_the_last_row_of_the_equity_curve_is_the_summary(run):
    if run is None:
        return
    venue, _, summary, out = run
    last = {(row["account"], row["currency"]): row for row in rows(out, "equity")}
    total = sum(Fraction(row["equity"]) for (_, currency), row in last.items() if currency == "USDT")
    assert total == Fraction(summary["equity"]["USDT"])
    mine = last[venue, "USDT"]
    pnl = {key: Fraction(value) for key, value in summary["pnl"]["USDT"].items()}
    for key in ("realised", "unrealised", "fees"):
        assert Fraction(mine[key]) == pnl[key]
    curve = [row for row in rows(out, "equity") if (row["account"], row["currency"]) == (venue, "USDT")]
    assert len(curve) > 100
    assert all(a["time_ns"] <= b["time_ns"] for a, b in pairwise(curve))
    for row in curve:
        opening = Fraction(100_000)
        assert Fraction(row["equity"]) == opening + Fraction(row["realised"]) + Fraction(row["unrealised"]) - Fraction(
            row["fees"]
        )


def test_orders_are_filled_by_exactly_their_fills(run):
    if run is None:
        return
    _, _, summary, out = run
    filled, notional, fees, trades = (defaultdict(Fraction) for _ in range(4))
    ids = set()
    for fill in rows(out, "fills"):
        key = fill["client_order_id"]
        filled[key] += Fraction(fill["size"])
        notional[key] += Fraction(fill["notional"])
        fees[key] += Fraction(fill["fee"])
        trades[key] += 1
        assert (fill["instrument"], fill["trade_id"]) not in ids, "booked twice"
        ids.add((fill["instrument"], fill["trade_id"]))
    states = defaultdict(int)
    for order in rows(out, "orders"):
        key = order["client_order_id"]
        states[order["status"]] += 1
        assert Fraction(order["filled"]) == filled[key]
        assert Fraction(order["filled_notional"]) == notional[key]
        assert Fraction(order["fees"]) == fees[key]
        assert (order["status"] == "FILLED") == (filled[key] == Fraction(order["size"]))
    assert dict(states) == summary["orders"]
    assert set(filled) >= {key for key, size in filled.items() if size}
    events = summary["events"]
    assert events["ORDER_PARTIALLY_FILLED"] + events["ORDER_FILLED"] == summary["fills"] == len(ids)


def test_reversals_limits_and_partial_closes_add_up_too(shell):
    """A strategy that does everything, on the synthetic market, whose limit orders make and take."""
    path = shell.strategy(
        """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n % 7 == 0:
        side = self.random.choice([OrderSide.BUY, OrderSide.SELL])
        size = self.random.choice(["0.001", "0.007", "0.130", "0.333"])
        price = self.random.choice([None, quote.bid, quote.ask])
        self.submit(quote.symbol, side, size, price=price)
"""
    )
    profile = shell.profile(path, clock="simulated", quotes_hz=100, risk="max_open_orders = 500")
    ended = shell.run("run", profile, "--speed", "max", "--duration", "60", "--json", "--out", "out")
    assert ended.code == 0, ended.err
    summary = ended.summary
    book = Book()
    liquidity = set()
    for fill in rows(shell.folder / "out", "fills"):
        sign = 1 if fill["side"] == "BUY" else -1
        rate = {"TAKER": Fraction(5, 10_000), "MAKER": Fraction(2, 10_000)}[fill["liquidity"]]
        liquidity.add(fill["liquidity"])
        notional = Fraction(fill["price"]) * Fraction(fill["size"])
        assert Fraction(fill["fee"]) == rounded_half_up(notional * rate, FEE_UNIT)
        book.book(sign * Fraction(fill["size"]), Fraction(fill["price"]), Fraction(fill["fee"]))
    assert liquidity == {"MAKER", "TAKER"}
    [row] = summary["positions"]
    assert Fraction(row["size"]) == book.size
    assert Fraction(row["cost"]) == book.cost
    assert Fraction(row["realised"]) == book.realised
    assert Fraction(row["fees"]) == book.fees
    assert summary["fills"] > 200
