"""What a run has to tell: the summary at its end, a status while it runs, and rows of orders, fills and equity."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.assembly.failures import failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from libra.assembly.trading_node import TradingNode
    from libra.core.node import Outcome
    from libra.model import Fill, Order
    from libra_core import AccountGroup

__all__ = ["equity_rows", "fill_rows", "order_rows", "status", "summary"]

_LAST_ORDERS = 8


def summary(node: TradingNode, outcome: Outcome) -> dict[str, Any]:
    """The object that `libra run --json` prints."""
    counts = node.core.counts()
    accounts = list(node.accounts.values())
    tallies = [account.tally() for account in accounts]
    source = node.core.source_counters()
    events = sum(counts["events"].values())
    return {
        "events": counts["events"],
        "lanes": counts["lanes"],
        "signals": counts["events"].get("SIGNAL", 0),
        "orders": _sum_counts(account.order_states() for account in accounts),
        "fills": sum(account.fill_count for account in accounts),
        "errors": outcome.errors + sum(tally["errors"] for tally in tallies),
        "malformed": source["malformed"],
        "positions": _positions(accounts),
        "pnl": _pnl(accounts),
        "equity": _equity(accounts),
        "latency_us": {"tick_to_order": _latency(accounts)},
        "duration_s": round(outcome.duration_s, 6),
        "events_per_s": round(events / outcome.duration_s, 1) if outcome.duration_s > 0 else 0.0,
        "digest": node.core.digest(),
        "rejections": _sum_counts(tally["rejections"] for tally in tallies),
        "skipped_signals": _sum_counts(tally["skipped"] for tally in tallies),
        "input": source,
        "failed": outcome.failed,
        "failures": failures(node, outcome),
        "stopped": _stopped(accounts, node.bridge_end.unsound),
        "unattended": {account.name: why for account in accounts if (why := account.standing()["unattended"])},
        "looks": {account.name: look for account in accounts if (look := account.last_look()) is not None},
        "vanished": node.ended.rows(),
        "lost": {"strategies": list(node.bridge_end.lost_strategies), "events": node.bridge_end.lost_events},
        "dead_letters": node.dead_letters.by_reason(),
        "blocked": dict(sorted(node.blocking.counts.items())),
        "snapshot_errors": node.snapshot_errors,
        "native_restarts": node.core.native_restarts,
        "journals": node.journals.rows(),
        "venues": node.venue_rows(),
        "ended": outcome.why,
        "asked_by": outcome.asked_by,
    }


def status(node: TradingNode) -> dict[str, Any]:
    """What a live table shows."""
    counts = node.core.counts()
    accounts = list(node.accounts.values())
    elapsed_s = time.perf_counter() - node.started_at
    events = sum(counts["events"].values())
    positions = {row["instrument"]: row for account in accounts for row in account.positions()}
    symbols = []
    for account in accounts:
        for instrument, bid, ask in account.markets():
            position = positions.get(instrument)
            symbols.append(
                {
                    "symbol": instrument.partition("@")[0],
                    "bid": bid,
                    "ask": ask,
                    "position": position["size"] if position else Decimal(0),
                    "unrealised": position["unrealised"] if position else Decimal(0),
                    "realised": position["realised"] if position else Decimal(0),
                    "trades": position["trades"] if position else 0,
                }
            )
    last_orders = [_last_order_row(order, node) for account in accounts for order in account.last_orders(_LAST_ORDERS)]
    return {
        "time_ns": node.core.now_ns(),
        "elapsed_s": elapsed_s,
        "events_per_s": events / elapsed_s if elapsed_s > 0 else 0.0,
        "symbols": symbols,
        "pnl": _pnl(accounts),
        "equity": _equity(accounts),
        "orders": sorted(last_orders, key=lambda row: row["time_ns"])[-_LAST_ORDERS:],
        "fills": sum(account.fill_count for account in accounts),
        "signals": counts["events"].get("SIGNAL", 0),
        "lanes": counts["lanes"],
        "errors": node.errors,
        "dead_letters": len(node.dead_letters),
    }


def order_rows(node: TradingNode) -> list[dict[str, Any]]:
    """A row for each order and each refused request."""
    return [_order_row(order) for account in node.accounts.values() for order in account.orders()]


def fill_rows(node: TradingNode) -> list[dict[str, Any]]:
    """A row for each execution, with everything that the sums of a run are made of."""
    rows = []
    for account in node.accounts.values():
        rows += [_fill_row(account.name, fill, node) for fill in account.fills()]
    return rows


def equity_rows(node: TradingNode) -> list[dict[str, Any]]:
    """A row for each note of a currency's equity."""
    return [
        {
            "time_ns": time_ns,
            "account": account.name,
            "currency": currency,
            "equity": equity,
            "realised": realised,
            "unrealised": unrealised,
            "fees": fees,
        }
        for account in node.accounts.values()
        for time_ns, currency, equity, realised, unrealised, fees in account.equity_curve()
    ]


def _order_row(order: Order) -> dict[str, Any]:
    return {
        "time_ns": order.ts_ns,
        "account": order.account,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "instrument": order.instrument,
        "side": str(order.side),
        "type": str(order.order_type),
        "time_in_force": str(order.time_in_force),
        "size": order.size,
        "price": order.price,
        "filled": order.filled,
        "filled_notional": order.filled_notional,
        "fees": order.fees,
        "status": str(order.status),
        "reason": order.reason,
        "detail": order.detail,
        "client_order_id": order.order_id,
        "venue_order_id": order.venue_order_id,
    }


def _last_order_row(order: Order, node: TradingNode) -> dict[str, Any]:
    """As people look at it: a market order's price is what it got, on average."""
    row = _order_row(order)
    if order.price is None and order.filled:
        instrument = node.instruments[order.instrument]
        row["price"] = round(
            order.filled_notional / (order.filled * instrument.contract_size), instrument.price_decimals
        )
    return row


def _fill_row(account: str, fill: Fill, node: TradingNode) -> dict[str, Any]:
    instrument = node.instruments[fill.instrument]
    return {
        "time_ns": fill.ts_venue_ns,
        "account": account,
        "strategy": fill.strategy,
        "symbol": fill.symbol,
        "instrument": fill.instrument,
        "side": str(fill.side),
        "price": fill.price,
        "size": fill.size,
        "notional": fill.price * fill.size * instrument.contract_size,
        "fee": fill.fee,
        "fee_currency": fill.fee_currency,
        "liquidity": str(fill.liquidity),
        "client_order_id": fill.order_id,
        "trade_id": str(fill.trade_id),
    }


def _positions(accounts: list[AccountGroup]) -> list[dict[str, Any]]:
    return [
        {**row, "symbol": row["instrument"].partition("@")[0]} for account in accounts for row in account.positions()
    ]


def _pnl(accounts: list[AccountGroup]) -> dict[str, dict[str, Decimal]]:
    """By currency: realised, unrealised and fees, and what is left of them together."""
    pnl: dict[str, dict[str, Decimal]] = {}
    for balance in _balances(accounts):
        row = pnl.setdefault(balance["currency"], dict.fromkeys(("realised", "unrealised", "fees"), Decimal(0)))
        for key in row:
            row[key] += balance[key]
    for row in pnl.values():
        row["total"] = row["realised"] + row["unrealised"] - row["fees"]
    return pnl


def _equity(accounts: list[AccountGroup]) -> dict[str, Decimal]:
    """By currency: opening + realised - fees + unrealised."""
    equity: dict[str, Decimal] = {}
    for balance in _balances(accounts):
        currency = balance["currency"]
        equity[currency] = equity.get(currency, Decimal(0)) + (balance["equity"] or Decimal(0))
    return equity


def _balances(accounts: list[AccountGroup]) -> list[dict[str, Any]]:
    """Balances of the currencies that an account ever held or settled in."""
    return [balance for account in accounts for balance in account.balances(blank=False)]


def _stopped(accounts: list[AccountGroup], unsound: Mapping[str, str]) -> dict[str, str]:
    """Why an account did not trade in the end, all of it; ``unsound`` is what the bridge misses."""
    stopped = {}
    for account in accounts:
        standing = account.standing()
        why = standing["killed"]
        passes = ", orders that reduce pass" if why is None and standing["on_breach"] == "reduce_only" else ""
        reasons = [f"{code}: {detail}{passes}" for code, detail in account.breaches()]
        if standing["log_failed"]:
            reasons.insert(0, "LOG_FAILED: its log did not take what it has to")
        if standing["incident"] is not None:
            reasons.insert(0, "INCIDENT: {}: {}".format(*standing["incident"]))
        code, detail = standing["stopped"] or ("", "")
        if why is not None or code == "KILL_SWITCH":
            # What a signal has asked for and no loop has answered stands in no log yet.
            reasons.insert(0, f"KILL_SWITCH: {why if why is not None else detail}")
        if account.name in unsound:
            reasons.append(unsound[account.name])
        if reasons:
            stopped[account.name] = "; ".join(reasons)
    return stopped


def _latency(accounts: list[AccountGroup]) -> dict[str, float | None]:
    """The slowest account's; one account is the usual case."""
    found = [latency for account in accounts if (latency := account.latency_ns()) is not None]
    if not found:
        return {"p50": None, "p99": None, "max": None}
    worst = max(found, key=lambda latency: latency[1])
    return dict(zip(("p50", "p99", "max"), (round(ns / 1_000, 3) for ns in worst), strict=True))


def _sum_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
