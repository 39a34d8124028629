"""A log in which everything has happened to an account, made once; and what a journal holds, to be compared."""

import gc
import sqlite3
from pathlib import Path

import pytest
from tests import profiles
from tests.earlier_life import contradict, with_account

from libra.assembly import build
from libra.config import Flags, load
from libra.storage.journal import Projector
from libra.storage.journal.schema import TABLES
from libra_core import AccountGroup

SYMBOL = "BTC/USDT:USDT"

STRATEGY = """
from libra.model import OrderSide
from libra.strategies import Strategy


class Busy(Strategy):
    def on_start(self):
        self.n = 0
        self.open = []

    def on_quote(self, quote):
        self.n += 1
        side = OrderSide.BUY if self.n % 2 else OrderSide.SELL
        if self.n % 3 == 0:
            self.submit(quote.symbol, side, "0.010")
        elif self.n % 7 == 0:
            self.submit(quote.symbol, OrderSide.BUY, "0.005", price=quote.bid - 500)
        elif self.n % 11 == 0:
            self.submit(quote.symbol, OrderSide.BUY, "900")
        elif self.n % 13 == 0 and self.open:
            self.cancel(self.open.pop(0))

    def on_order(self, order):
        if order.status == "ACCEPTED" and order.price is not None:
            self.open.append(order.order_id)
"""

PROFILE = """
[node]
name = "lived"
clock = "simulated"
speed = "max"
seed = {seed}

[market]
kind = "synthetic"
{symbol}
{instrument}
[risk]
max_position_notional = "50000"
max_order_notional = "20000"
{account}
[[strategies]]
name = "mine"
class = "busy.py:Busy"
account = "paper"
symbols = ["BTC/USDT:USDT"]
"""


def profile(folder: Path, *, seed: int = 1, more: str = "") -> Path:
    """A profile of one busy strategy in a folder, with its strategy beside it."""
    (folder / "busy.py").write_text(STRATEGY, encoding="utf-8")
    rates = {"quotes_hz": 40, "trades_hz": 5, "books_hz": 1}
    path = folder / "busy.toml"
    text = PROFILE.format(
        seed=seed,
        symbol=profiles.symbol(SYMBOL, start_price="60000.0", volatility_bps=3.0, level_size="0.5", **rates),
        instrument=profiles.instrument(SYMBOL),
        account=profiles.account(balance="100000", order_value="500", more=more),
    )
    path.write_text(text, encoding="utf-8")
    return path


def live(folder: Path, log: Path, *, seed: int, seconds: float) -> None:
    """One life of the account, without a journal."""
    more = f'log = {{ path = "{log}", resume = true }}\njournal = {{ enabled = false }}'
    settings = load(profile(folder, seed=seed, more=more), flags=Flags(duration_s=seconds))
    assert build(settings).run().exit_code == 0
    # The log is let go of with the node, which holds itself.
    gc.collect()


def operate(account: AccountGroup) -> None:
    """What operators do, and a venue that says what cannot be."""
    account.change_limits([("max_open_orders", "50"), ("max_order_notional", "15000")], 'ops "night" \\ shift', False)
    account.kill("a test\nof two lines")
    account.resume("libra resume by a test: ünïcode")
    contradict(account)
    account.resume("it was another account's")
    account.kill("the last word")
    account.resume("really")


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two lives of an account with an operator between them; nobody may change it."""
    folder = tmp_path_factory.mktemp("lived")
    log = folder / "lived.log"
    live(folder, log, seed=1, seconds=20)
    with_account(log, operate, ("max_open_orders", 100))
    live(folder, log, seed=2, seconds=10)
    return log


def project(log: Path, path: Path, *sizes: int) -> Projector:
    """Bring a journal up to its log, by batches of these sizes over and over."""
    projector = Projector(log, path)
    sizes = sizes or (5_000,)
    turn = 0
    while projector.advance(sizes[turn % len(sizes)]):
        turn += 1
    return projector


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a journal holds but when it was written."""
    with sqlite3.connect(path) as db:
        found = {
            table: db.execute(f"SELECT * FROM {table} ORDER BY {', '.join(key)}").fetchall()
            for table, key in TABLES.items()
        }
        found["log_position"] = db.execute(
            "SELECT account, records, log_offset, digest, ts_ns FROM log_position"
        ).fetchall()
    db.close()
    return found


@pytest.fixture(scope="session")
def whole(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    """What a journal of that log holds."""
    path = tmp_path_factory.mktemp("whole") / "whole.db"
    project(lived, path).close()
    return content(path)
