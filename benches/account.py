"""An account with one instrument at a core of its own, as the benches of risk and journal use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.model import ContractKind, Instrument, Quote
from libra_core import NodeCore

if TYPE_CHECKING:
    from pathlib import Path

    from libra_core import AccountGroup

__all__ = ["BenchAccount", "fresh_quote"]


class BenchAccount:
    """The account `bench`, which nothing is reconciled for any more.

    Args:
        limits: Its limits, by their names in a profile.
        balance: What it begins with, in USDT.
        log: Where its log is; in memory where it is left out.
        sync: Each record is forced to the disk.
    """

    def __init__(self, limits: dict[str, Any], *, balance: str, log: Path | None = None, sync: bool = False) -> None:
        self.core = NodeCore(simulated=False)
        instrument = Instrument(
            "BTC/USDT:USDT",
            "bench",
            base="BTC",
            quote="USDT",
            price_decimals=2,
            size_decimals=3,
            tick_size="0.01",
            lot_size="0.001",
            kind=ContractKind.LINEAR,
        )
        self.instrument = instrument.id
        self.core.list_instruments([instrument])
        self.account: AccountGroup = self.core.open_account(
            "bench",
            [instrument],
            ["strategy"],
            balances=[("USDT", balance)],
            sizing=("fixed_size", "1"),
            sizing_overrides=[],
            allow_short=True,
            limits=list(limits.items()),
            log_path=log,
            sync_every_record=sync,
        )
        self.account.set_reconciled()
        self.strategy = self.core.add_actor("strategy")


def fresh_quote(instrument: str) -> Quote:
    """A market that prices an order at 60,000."""
    return Quote(instrument, "60000.00", "60000.10", "1", "1")
