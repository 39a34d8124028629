"""What an account has is known elsewhere, though its node and the server were away meanwhile."""

import json
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests import profiles
from tests.chaos.topology import Server
from tests.cluster.conftest import TWO_NODES
from tests.integration.conftest import SYMBOL, Ended, Shell

OTHER = "ETH/USDT:USDT"

LEARNS = """
known = {}

def ask(self):
    self.subscribe(EventType.POSITION_UPDATED, self.learn_position)
    self.subscribe(EventType.BALANCE_UPDATED, self.learn_balance)

def learn_position(self, event):
    self.known[event.payload.symbol] = str(event.payload.size)

def learn_balance(self, event):
    self.known[event.payload.currency] = str(event.payload.total)

def on_stop(self):
    import json
    print("KNOWN", json.dumps(self.known), flush=True)
"""

TRADER = (
    LEARNS
    + """
def on_start(self):
    self.quoted = set()
    self.fills = 0
    # One position is opened and left, the other one changes, and is said as more than one event.
    self.left = {self.symbols[0]: 1, self.symbols[1]: 3}
    self.set_timer("buy", 0.2, interval_s=0.2)

def on_quote(self, quote):
    self.quoted.add(quote.symbol)

def on_fill(self, fill):
    self.fills += 1

def on_timer(self, name):
    if self.fills == 4:
        self.fills = 0
        self.ask()
    for symbol in self.quoted:
        if self.left[symbol]:
            self.left[symbol] -= 1
            self.submit(symbol, OrderSide.BUY, "0.01")
"""
)

LATE = (
    LEARNS
    + """
def on_start(self):
    self.set_timer("late", 1.5)

def on_timer(self, name):
    self.ask()
"""
)


class Standing(Shell):
    """One topology on one server, run again and again."""

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server

    def run_with(self, strategy: str, name: str) -> Ended:
        profile = self.profile(
            strategy=self.strategy(strategy, name), account='log = { path = "paper.gate", resume = true }'
        )
        path = self.folder / profile
        rates = {"quotes_hz": 50, "trades_hz": 20, "books_hz": 10}
        other = profiles.symbol(OTHER, start_price="3000.0", volatility_bps=3.0, level_size="50", **rates)
        text = path.read_text(encoding="utf-8").replace(f'symbols = ["{SYMBOL}"]', f'symbols = ["{SYMBOL}", "{OTHER}"]')
        bridge = f'\n[bridge]\nurl = "{self.server.url}"\n'
        path.write_text(text + other + profiles.instrument(OTHER) + TWO_NODES + bridge, encoding="utf-8")
        ended = self.run("run", profile, "--duration", "4", "--json")
        assert ended.code == 0, ended.err
        return ended


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    # Not below tmp_path, which is too long for a socket's path.
    with tempfile.TemporaryDirectory(prefix="ls-") as folder:
        server = Server(Path(folder))
        server.start()
        made = Standing(tmp_path, server)
        yield made
        made.close()
        server.close()


def known(ended: Ended) -> dict[str, str]:
    [line] = [line for line in ended.err.splitlines() if "KNOWN " in line]
    found: dict[str, str] = json.loads(line.partition("KNOWN ")[2])
    return found


def held(summary: dict[str, Any]) -> dict[str, str]:
    return {row["symbol"]: row["size"] for row in summary["positions"]}


@pytest.mark.slow
def test_a_late_subscriber_is_given_all_that_an_account_has_after_the_server_was_emptied(standing: Standing):
    traded = standing.run_with(TRADER, "trader.py")
    positions = held(traded.summary)
    assert positions == {SYMBOL: "0.010", OTHER: "0.030"}, traded.err
    # Who asked when all was filled is given both, though one position was never said but by the fact that opened it.
    assert known(traded) == positions | {"USDT": known(traded).get("USDT")}
    standing.server.kill()
    standing.server.start()
    late = standing.run_with(LATE, "late.py")
    assert late.summary["events"].get("ORDER_REQUEST", 0) == 0
    assert late.summary["fills"] == traded.summary["fills"] == 4
    assert held(late.summary) == positions
    learned = known(late)
    assert {symbol: learned.get(symbol) for symbol in positions} == positions
    assert Decimal(learned["USDT"]) == Decimal(100_000) - Decimal(late.summary["pnl"]["USDT"]["fees"])
    assert late.summary["events"]["POSITION_UPDATED"] == len(positions), "each once, and no change of any"
