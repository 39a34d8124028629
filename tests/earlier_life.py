"""What happened to an account of `tests.profiles` in a life before: done at its desk, without a node that runs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

from libra.model import ContractKind, Instrument, OrderReport
from libra_core import AccountGroup, NodeCore

_BTC = Instrument(
    "BTC/USDT:USDT",
    "synthetic",
    base="BTC",
    quote="USDT",
    price_decimals=1,
    size_decimals=3,
    tick_size="0.1",
    lot_size="0.001",
    kind=ContractKind.LINEAR,
)
_LIMITS: list[tuple[str, str | int]] = [("max_position_notional", "50000"), ("max_order_notional", "20000")]


def with_account(log: Path, do: Callable[[AccountGroup], None], *more_limits: tuple[str, str | int]) -> None:
    """Open the account of a log, do something with it, and let go of both."""
    account = NodeCore(simulated=False).open_account(
        "paper",
        [_BTC],
        ["mine"],
        balances=[("USDT", "100000")],
        sizing=("fixed_size", "1"),
        sizing_overrides=[],
        allow_short=True,
        limits=[*_LIMITS, *more_limits],
        log_path=log,
    )
    do(account)
    account.flush()
    del account
    gc.collect()


def contradict(account: AccountGroup) -> None:
    """Its venue speaks of an order that the log does not know."""
    account.on_report(
        OrderReport("L" + "7" * 32, "FILLED", trade_id=9, price="60000", size="1", fee="0", fee_currency="USDT")
    )
    assert account.standing()["incident"] is not None
