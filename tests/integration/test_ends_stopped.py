"""A run that ends with an account stopped says so, whatever stops it: by its exit code and in its summary."""

import gc

from tests.integration.conftest import SYMBOL, Shell

from libra.model import ContractKind, Instrument, OrderReport
from libra_core import NodeCore

LOG = 'log = { path = "gate.log", resume = true }'


def venue_contradicts(shell: Shell) -> None:
    """An earlier life, whose venue spoke of an order that the log does not know."""
    instrument = Instrument(
        SYMBOL,
        venue="synthetic",
        base="BTC",
        quote="USDT",
        price_decimals=1,
        size_decimals=3,
        tick_size="0.1",
        lot_size="0.001",
        kind=ContractKind.LINEAR,
    )
    account = NodeCore(simulated=False).open_account(
        "paper",
        [instrument],
        ["mine"],
        balances=[("USDT", "100000")],
        sizing=("fixed_size", "1"),
        sizing_overrides=[],
        allow_short=True,
        limits=[("max_position_notional", "50000"), ("max_order_notional", "20000")],
        log_path=shell.folder / "gate.log",
    )
    report = OrderReport("L" + "7" * 32, "FILLED", trade_id=9, price="60000", size="1", fee="0", fee_currency="USDT")
    account.on_report(report)
    assert account.standing()["incident"] is not None
    account.flush()
    del account
    gc.collect()


def test_an_incident_ends_with_3_and_is_named(shell: Shell):
    venue_contradicts(shell)
    profile = shell.profile(account=LOG, node="duration_s = 0.5")
    ended = shell.run("run", profile, "--json")
    assert ended.code == 3, ended.err
    assert ended.summary["stopped"]["paper"].startswith("INCIDENT: UNKNOWN_ORDER: ")
    told = shell.run("run", profile)
    assert (told.code, "account paper ended stopped: INCIDENT: UNKNOWN_ORDER" in told.out) == (3, True), told.out
    assert "until libra resume --account paper while it runs" in told.out
