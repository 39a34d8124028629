"""Metrics of accounts: whether they trade, their orders, what they hold, and how much of it is at risk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from libra.telemetry.metrics.declared import Declared, Row, counter, gauge

if TYPE_CHECKING:
    from libra_core import AccountGroup

__all__ = ["METRICS", "account_rows"]

_TRADING = gauge("libra_account_trading", "1 while nothing stops new orders of the account.", "account")
_STOPPED = gauge("libra_account_stopped", "1 for what stops new orders of the account, by its code.", "account", "code")
_OPEN = gauge("libra_account_open_orders", "Orders that are not final.", "account")
_CANCELLING = gauge("libra_account_cancelling_orders", "Orders whose cancel is under way.", "account")
_VERSION = gauge("libra_account_limits_version", "Version of the limits in force.", "account")
_LIMIT = gauge("libra_account_limit", "A limit in force, by its name in a profile.", "account", "limit")
_ORDERS = gauge("libra_account_orders", "Orders and refused requests by where they stand now.", "account", "state")
_FILLS = counter("libra_fills_total", "Executions that were booked.", "account")
_SIGNALS = counter("libra_signals_total", "Signals that the portfolio took in.", "account")
_SKIPPED = counter("libra_signals_skipped_total", "Signals that led to no order, by why.", "account", "code")
_REJECTED = counter("libra_rejections_total", "Order requests that were rejected, by why.", "account", "code")
_ERRORS = counter("libra_account_errors_total", "Errors of the account's own native part.", "account")
_LATENCY = Declared(
    "libra_tick_to_order_seconds",
    "summary",
    "From a market event to the order that answers to it, quantiles of the whole run.",
    ("account",),
)
_POSITIONS = gauge("libra_account_positions", "Instruments in which a position is open.", "account")
_EXPOSURE = gauge(
    "libra_account_gross_exposure", "Value of all open positions, without their signs.", "account", "currency"
)
_MONEY: Final = {
    "equity": gauge(
        "libra_account_equity", "What the account is worth, open positions included.", "account", "currency"
    ),
    "realised": gauge("libra_account_realised_pnl", "Profit and loss of what was closed.", "account", "currency"),
    "unrealised": gauge("libra_account_unrealised_pnl", "Profit and loss of what is open.", "account", "currency"),
    "fees": gauge("libra_account_fees", "Fees that were paid; negative where more was earned.", "account", "currency"),
}
_POSITION: Final = {
    "size": gauge("libra_position_size", "Size of the position, negative for a short one.", "account", "symbol"),
    "realised": gauge("libra_position_realised_pnl", "Profit and loss of what was closed.", "account", "symbol"),
    "unrealised": gauge("libra_position_unrealised_pnl", "Profit and loss of what is open.", "account", "symbol"),
    "fees": gauge("libra_position_fees", "Fees of the position.", "account", "symbol"),
}
_BEHIND = gauge("libra_journal_behind_bytes", "Bytes of the account's log that its journal has not.", "account")
_RECORDS = gauge("libra_journal_records", "Records that the account's journal has.", "account")

METRICS: Final = (
    *(_TRADING, _STOPPED, _OPEN, _CANCELLING, _VERSION, _LIMIT, _ORDERS, _FILLS, _SIGNALS, _SKIPPED, _REJECTED),
    *(_ERRORS, _LATENCY, _POSITIONS, _EXPOSURE, *_MONEY.values(), *_POSITION.values(), _BEHIND, _RECORDS),
)

_OF_INSTRUMENT: Final = "instruments."
"""Limits of one instrument have names that begin so."""


def account_rows(
    account: AccountGroup,
    symbols: Collection[str],
    settled_in: Mapping[str, str],
    journal: Mapping[str, Any] | None,
) -> Iterator[Row]:
    """An account.

    Args:
        account: The account.
        symbols: The ids of the instruments that have metrics of their own.
        settled_in: The currency of each instrument's profit and loss.
        journal: How its journal stands; None where it keeps none.
    """
    name = account.name
    yield from _standing(name, account.standing(), [code for code, _ in account.breaches()])
    for limit, value in account.limits():
        instrument = limit.removeprefix(_OF_INSTRUMENT).rpartition(".")[0]
        if not limit.startswith(_OF_INSTRUMENT) or instrument in symbols:
            yield _LIMIT.row(Decimal(value), name, limit)
    for state, count in account.order_states().items():
        yield _ORDERS.row(count, name, state)
    yield _FILLS.row(account.fill_count, name)
    tally = account.tally()
    yield _SIGNALS.row(tally["signals"], name)
    yield _ERRORS.row(tally["errors"], name)
    for metric, counts in ((_REJECTED, tally["rejections"]), (_SKIPPED, tally["skipped"])):
        for code, count in counts.items():
            yield metric.row(count, name, code)
    if (latency_ns := account.latency_ns()) is not None:
        yield _LATENCY.row(dict(zip((0.5, 0.99, 1.0), (ns / 1e9 for ns in latency_ns), strict=True)), name)
    yield from _holdings(name, account.positions(), account.balances(blank=False), symbols, settled_in)
    if journal is not None:
        yield _BEHIND.row(journal["behind_bytes"], name)
        yield _RECORDS.row(journal["records"], name)


def _standing(name: str, standing: Mapping[str, Any], breaches: Iterable[str]) -> Iterator[Row]:
    stopped = standing["stopped"]
    codes = dict.fromkeys(breaches)
    if stopped is not None:
        codes[stopped[0]] = None
    if standing["killed"] is not None:
        codes["KILL_SWITCH"] = None
    if standing["unattended"] is not None:
        codes["UNATTENDED"] = None
    if standing["incident"] is not None:
        codes["INCIDENT"] = None
    if standing["log_failed"]:
        codes["LOG_FAILED"] = None
    yield _TRADING.row(not codes, name)
    for code in codes:
        yield _STOPPED.row(1, name, code)
    yield _OPEN.row(standing["open_orders"], name)
    yield _CANCELLING.row(standing["cancelling"], name)
    yield _VERSION.row(standing["limits_version"], name)


def _holdings(
    name: str,
    positions: Iterable[Mapping[str, Any]],
    balances: Iterable[Mapping[str, Any]],
    symbols: Collection[str],
    settled_in: Mapping[str, str],
) -> Iterator[Row]:
    count, exposure = 0, defaultdict[str, Decimal](Decimal)
    for position in positions:
        instrument = position["instrument"]
        if position["size"]:
            count += 1
            # Cost and unrealised profit together are what it is worth now, for contracts of any kind.
            exposure[settled_in.get(instrument, "")] += abs(position["cost"] + position["unrealised"])
        if instrument in symbols:
            for key, metric in _POSITION.items():
                yield metric.row(position[key], name, instrument)
    yield _POSITIONS.row(count, name)
    for currency, value in exposure.items():
        yield _EXPOSURE.row(value, name, currency)
    for balance in balances:
        for key, metric in _MONEY.items():
            # Without a price there is no equity.
            if balance[key] is not None:
                yield metric.row(balance[key], name, balance["currency"])
