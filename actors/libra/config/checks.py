"""Checks across the sections of a profile: names that refer to each other, and a run that makes sense."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from libra.config.check_instruments import check_instruments
from libra.config.check_venues import check_venues
from libra.config.draft import Draft
from libra.config.market import (
    CcxtMarketSettings,
    GatewayMarketSettings,
    ReplayMarketSettings,
    SyntheticMarketSettings,
)

REQUIRED_LIMITS = ("max_position_notional", "max_order_notional")
"""Limits that every account group has to have: without them one mistake could spend everything."""


def check(draft: Draft) -> None:
    """Runs every check; what is found goes to the draft's problems."""
    _check_unique(draft)
    _check_clock(draft)
    _check_market(draft)
    check_instruments(draft)
    _check_strategies(draft)
    _check_accounts(draft)
    check_venues(draft)
    _check_metrics(draft)


def _check_unique(draft: Draft) -> None:
    for section in ("account_groups", "strategies"):
        named = draft.names(section)
        for index in _repeated(named):
            draft.report(
                f'the name "{dict(named)[index]}" is taken by another entry; give it one of its own',
                section,
                index,
                "name",
            )
    venues = dict(draft.names("instruments", "venue"))
    ids = [(index, f"{symbol}@{venues.get(index, '')}") for index, symbol in draft.names("instruments", "symbol")]
    for index in _repeated(ids):
        draft.report(f"{dict(ids)[index]} is listed twice; keep one of them", "instruments", index, "symbol")


def _repeated(named: list[tuple[int, str]]) -> Iterable[int]:
    seen: set[str] = set()
    for index, name in named:
        if name in seen:
            yield index
        seen.add(name)


def _check_clock(draft: Draft) -> None:
    node = draft.node
    if node is None:
        return
    if node.clock == "live" and node.speed != 1:
        draft.report('a live clock runs at speed 1; set node.clock = "simulated", or take speed out', "node", "speed")
    if node.clock == "live" and isinstance(draft.market, ReplayMarketSettings):
        draft.report('recordings are replayed in simulated time; set node.clock = "simulated"', "node", "clock")
    if node.clock == "simulated" and isinstance(draft.market, (GatewayMarketSettings, CcxtMarketSettings)):
        draft.report('a gateway delivers in real time; set node.clock = "live"', "node", "clock")
    if node.supervision.max_backoff_s < node.supervision.backoff_s:
        draft.report("is below backoff_s; raise it", "node", "supervision", "max_backoff_s")


def _check_market(draft: Draft) -> None:
    if not isinstance(draft.market, SyntheticMarketSettings):
        return
    keys = draft.instrument_keys()
    symbols = [(index, entry.symbol) for index, entry in enumerate(draft.market.symbols)]
    for index in _repeated(symbols):
        draft.report(f"{dict(symbols)[index]} is listed twice; keep one of them", "market", "symbols", index, "symbol")
    for index, symbol in symbols:
        if f"{symbol}@synthetic" not in keys:
            draft.report(
                f'{symbol} has no instrument; add [[instruments]] with symbol = "{symbol}" and venue = "synthetic"',
                *("market", "symbols", index, "symbol"),
            )


def _market_symbols(draft: Draft) -> set[str]:
    if isinstance(draft.market, SyntheticMarketSettings):
        return {entry.symbol for entry in draft.market.symbols}
    return set(draft.market.symbols) if isinstance(draft.market, GatewayMarketSettings) else set()


def _check_strategies(draft: Draft) -> None:
    accounts = [name for _, name in draft.names("account_groups")]
    keys = draft.instrument_keys()
    data_only = _market_symbols(draft)
    for index, account in draft.names("strategies", "account"):
        if account not in accounts:
            draft.report(
                f'there is no account group "{account}": {_known(account, accounts)}', "strategies", index, "account"
            )
    for index, strategy in draft.strategies:
        seen: set[str] = set()
        for position, symbol in enumerate(strategy.symbols):
            fault = _symbol_fault(symbol, keys, data_only)
            if symbol in seen:
                fault = f"{symbol} is listed twice; keep one of them"
            seen.add(symbol)
            if fault:
                draft.report(fault, "strategies", index, "symbols", position)


def _symbol_fault(key: str, instruments: dict[str, list[str]], data_only: set[str]) -> str:
    if key in data_only and key not in instruments:
        return ""
    meant = instruments.get(key, [])
    if not meant:
        return f'"{key}" is no instrument: {_known(key, [*instruments, *data_only])} Or add it to [[instruments]].'
    if len(meant) > 1:
        return f'"{key}" is listed by several venues; write one of {", ".join(meant)}'
    return ""


def _known(name: str, known: Iterable[str]) -> str:
    names = [entry for entry in dict.fromkeys(known) if "@" not in entry]
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known are {', '.join(names)}." if names else "none is listed."


def _check_accounts(draft: Draft) -> None:
    keys = draft.instrument_keys()
    paths = Counter(account.log.path for _, account in draft.accounts if account.log.path)
    for index, account in draft.accounts:
        here = ("account_groups", index)
        for table in (("risk", "per_symbol"), ("sizing", "per_symbol")):
            for key in getattr(getattr(account, table[0]), table[1]):
                if (fault := _symbol_fault(key, keys, set())) != "":
                    draft.report(fault, *here, *table, key)
        for limit in REQUIRED_LIMITS:
            if getattr(account.risk, limit) is None:
                draft.report(f"has no {limit}; set it here or in the top-level [risk]", *here, "risk")
        if account.gateway.kind == "paper" and not account.balances:
            draft.report('a paper account starts with money: balances = { USDT = "100000" }', *here, "balances")
        if account.log.path and paths[account.log.path] > 1:
            draft.report("is the log of another account group too; give each its own file", *here, "log", "path")
        _check_journal(draft, index)
        _check_venue(draft, index)


def _check_journal(draft: Draft, index: int) -> None:
    account = dict(draft.accounts)[index]
    here = ("account_groups", index, "journal", "path")
    if account.journal.path is not None and account.log.path is None:
        draft.report('is made of a log with a file of its own: give it one, log = { path = "..." }', *here)
    path = account.journal_path
    if path is None:
        return
    logs = [Path(other.log.path) for _, other in draft.accounts if other.log.path]
    journals = [other.journal_path for _, other in draft.accounts]
    if path in logs:
        draft.report("is the log of an account group; name another file for the journal", *here)
    elif journals.count(path) > 1:
        draft.report(f"{path} is the journal of another account group too; give each its own file", *here)


def _check_venue(draft: Draft, index: int) -> None:
    account = dict(draft.accounts)[index]
    instruments = [entry for entry in draft.instruments_of(account.name) if entry.tradable]
    venues = sorted({entry.venue for entry in instruments})
    if len(venues) > 1:
        draft.report(
            f"its strategies trade at {' and '.join(venues)}, but an account is one venue's; "
            "make an account group for each venue",
            *("account_groups", index, "name"),
        )
    if account.allow_short and any(entry.kind == "spot" for entry in instruments):
        draft.report("spot cannot be sold short; set allow_short = false", "account_groups", index, "allow_short")


def _check_metrics(draft: Draft) -> None:
    named = draft.tree.get("telemetry", "metrics_symbols")
    if named is None or not isinstance(named.value, list):
        return
    keys = draft.instrument_keys()
    for position, symbol in enumerate(named.items()):
        if isinstance(symbol.value, str) and (fault := _symbol_fault(symbol.value, keys, set())):
            draft.report(fault, "telemetry", "metrics_symbols", position)
    if named.value and draft.tree.get("telemetry", "metrics") is None:
        draft.report(
            'names symbols for metrics that are not served; add metrics = "127.0.0.1:9464", or take it out',
            *("telemetry", "metrics_symbols"),
        )
