"""A second strategy beside a hostile one, and how both are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from tests.integration.conftest import Ended, Shell

VICTIM = """\
from libra.model import OrderSide
from libra.strategies import Strategy


class Victim(Strategy):
    \"\"\"Buys and sells in turn, every tenth quote.\"\"\"

    def on_start(self):
        self.quotes = self.orders = self.filled = 0

    def on_quote(self, quote):
        self.quotes += 1
        if self.quotes % 10 == 0:
            self.orders += 1
            self.submit(quote.symbol, OrderSide.BUY if self.orders % 2 else OrderSide.SELL, "0.010")

    def on_fill(self, fill):
        self.filled += 1
        if self.filled == 3:
            self.log.warning("victim has three fills")
"""

SECOND = """
[[strategies]]
name = "victim"
class = "victim.py:Victim"
account = "paper"
symbols = ["BTC/USDT:USDT"]
"""

# The rates of config/risk_limits.toml, and orders enough for whoever leaves them open.
RATES = """
max_orders_per_second = 20
max_orders_per_minute = 300
max_messages_per_second = 40
"""


class Run(Protocol):
    """Runs a strategy beside the victim; gives the end of the process and the victim's fills."""

    def __call__(
        self,
        body: str,
        *arguments: str,
        clock: str = ...,
        node: str = ...,
        risk: str = ...,
        account: str = ...,
        faults: bool = ...,
    ) -> tuple[Ended, list[tuple[Any, ...]]]: ...


def run_beside(shell: Shell) -> Run:
    (shell.folder / "victim.py").write_text(VICTIM, encoding="utf-8")

    def run(body, *arguments, clock="simulated", node="", risk="", account="", faults=False):
        terms = {"clock": clock, "node": node, "risk": risk, "account": account}
        profile = shell.profile(shell.strategy(body), strategy_more=SECOND, **terms)
        running = shell.start("run", profile, "--json", "--out", shell.folder / "out", *arguments)
        ended = running.end(60)
        assert ended.code in (0, 1), ended.err
        assert faults or "unforeseen fault" not in ended.err, ended.err
        if not (shell.folder / "out" / "fills.parquet").exists():
            return ended, None
        table = pq.read_table(shell.folder / "out" / "fills.parquet")
        # Whole nanoseconds, which Python's datetime cannot hold.
        columns = [table["time_ns"].cast(pa.int64()), *(table[name] for name in ("side", "size", "price", "fee"))]
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        strategies = table["strategy"].to_pylist()
        fills = [row for row, strategy in zip(rows, strategies, strict=True) if strategy == "victim"]
        return ended, fills

    return run
