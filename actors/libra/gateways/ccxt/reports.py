"""What a venue says of our orders, as reports: Binance's own frames, and CCXT's unified orders and trades elsewhere.

Executions come from raw updates or from trades, never from orders: CCXT keeps of several updates of an order the last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from libra.gateways.ccxt.numbers import decimal_of, order_id_of, sum_of, trade_number
from libra.gateways.protocol import ForeignExecution, VenueFlow
from libra.model import OrderReport

__all__ = ["foreign_execution", "from_frame", "from_order", "from_trade", "state_report"]

_MS = 1_000_000

_BINANCE = "binance"
_EXECUTED = ("TRADE", "CALCULATED")

_BINANCE_STATES = {
    "NEW": "ACCEPTED",
    "PENDING_NEW": "ACCEPTED",
    "PENDING_CANCEL": "ACCEPTED",
    "PARTIALLY_FILLED": "ACCEPTED",
    "FILLED": "ACCEPTED",
    "CANCELED": "CANCELLED",
    "CANCELLED": "CANCELLED",
    "REJECTED": "REJECTED",
    "EXPIRED": "EXPIRED",
    "EXPIRED_IN_MATCH": "EXPIRED",
    "NEW_INSURANCE": "ACCEPTED",
    "NEW_ADL": "ACCEPTED",
}
_UNIFIED_STATES = {
    "open": "ACCEPTED",
    "closed": "ACCEPTED",
    "canceled": "CANCELLED",
    "canceling": "ACCEPTED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}


def _of_nobody(market_id: str, venue_order_id: str) -> str | None:  # noqa: ARG001 - as it is asked
    return None


def from_frame(
    frame: Mapping[str, Any], order_id_at: Callable[[str, str], str | None] = _of_nobody
) -> list[OrderReport]:
    """An ``executionReport`` (spot) or the order of an ``ORDER_TRADE_UPDATE`` (futures).

    Args:
        frame: The venue's own.
        order_id_at: Our id of an order by its market and the venue's id: one that was amended there may have lost ours.

    Returns:
        The execution that it tells of, and the order's state; nothing for an order that is not ours.
    """
    told = _told(frame)
    order_id = _order_id(told, order_id_at)
    if order_id is None:
        return []
    venue_order_id = str(told.get("i", ""))
    ts_venue_ns = int(told.get("T") or frame.get("T") or frame.get("E") or 0) * _MS
    reports = []
    if told.get("x") in _EXECUTED:
        fee = told.get("n")
        reports.append(
            OrderReport(
                order_id,
                "FILLED",
                venue_order_id=venue_order_id,
                trade_id=trade_number(told["t"]),
                price=decimal_of(told["L"]),
                size=decimal_of(told["l"]),
                fee=None if fee is None else decimal_of(fee),
                fee_currency=told.get("N") or None,
                liquidity="MAKER" if told.get("m") is True else "TAKER",
                ts_venue_ns=ts_venue_ns,
            )
        )
    elif (state := _BINANCE_STATES.get(str(told.get("X")))) is not None:
        reason = str(told.get("r", "")) if state == "REJECTED" else ""
        reports.append(state_report(order_id, state, venue_order_id, ts_venue_ns, reason))
    return reports


def foreign_execution(
    frame: Mapping[str, Any], order_id_at: Callable[[str, str], str | None] = _of_nobody
) -> ForeignExecution | None:
    """An execution of an order that is not ours, in a frame as `from_frame` takes it."""
    told = _told(frame)
    if told.get("x") not in _EXECUTED or _order_id(told, order_id_at) is not None:
        return None
    return ForeignExecution(str(told.get("s", "")), str(told.get("c") or ""))


def _told(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    return frame["o"] if isinstance(frame.get("o"), Mapping) else frame


def _order_id(told: Mapping[str, Any], order_id_at: Callable[[str, str], str | None]) -> str | None:
    # Of a cancel, `c` is the cancel's own id and `C` the order's; futures tell the order's as `c`.
    ours = order_id_of(told.get("C"), _BINANCE) or order_id_of(told.get("c"), _BINANCE)
    return ours or order_id_at(str(told.get("s", "")), str(told.get("i", "")))


def from_order(order: Mapping[str, Any], venue: str) -> OrderReport | None:
    """The state of one of CCXT's unified orders; None for one that is not ours, or has none."""
    order_id = order_id_of(order.get("clientOrderId"), venue)
    state = _UNIFIED_STATES.get(str(order.get("status")))
    if order_id is None or state is None:
        return None
    ts_venue_ns = int(order.get("lastUpdateTimestamp") or order.get("timestamp") or 0) * _MS
    return state_report(order_id, state, str(order.get("id") or ""), ts_venue_ns)


def from_trade(order_id: str, trade: Mapping[str, Any]) -> list[OrderReport | VenueFlow]:
    """An execution of one of our orders, as CCXT's unified trade, and what it cost in further currencies.

    What it cost comes first: once an execution is booked, nobody asks for that again. It has one fee: the one in a
    currency of its market, if there is one. Whatever the order in which the venue names them, the same fees are told
    the same way.
    """
    fees = _fees(trade)
    market = re.split("[/:]", str(trade.get("symbol") or ""))
    paid = sorted((currency not in market, currency) for currency, cost in fees.items() if cost)
    names = [currency for _, currency in paid] or list(fees)[:1]
    own = names[0] if names else None
    ts_venue_ns = int(trade.get("timestamp") or 0) * _MS
    report = OrderReport(
        order_id,
        "FILLED",
        venue_order_id=str(trade.get("order") or ""),
        trade_id=trade_number(trade["id"]),
        price=decimal_of(trade["price"]),
        size=decimal_of(trade["amount"]),
        fee=None if own is None else fees[own],
        fee_currency=own,
        liquidity="MAKER" if trade.get("takerOrMaker") == "maker" else "TAKER",
        ts_venue_ns=ts_venue_ns,
    )
    beside = [
        VenueFlow(
            f"FEE {order_id} {trade['id']} {currency}",
            "fee" if fees[currency] > 0 else "rebate",
            currency,
            fees[currency].copy_negate(),
            trade.get("symbol") or None,
            ts_venue_ns,
        )
        for currency in names[1:]
    ]
    return [*beside, report]


def state_report(
    order_id: str, state: str, venue_order_id: str, ts_venue_ns: int, reason: str = "", detail: str = ""
) -> OrderReport:
    """A report without an execution."""
    return OrderReport(
        order_id, state, venue_order_id=venue_order_id, reason=reason, detail=detail, ts_venue_ns=ts_venue_ns
    )


def _fees(trade: Mapping[str, Any]) -> dict[str, Decimal]:
    """Fees by currency: some venues give one, some a list."""
    given = trade.get("fees") or [trade.get("fee")]
    fees: dict[str, Decimal] = {}
    rows: Iterable[Any] = given if isinstance(given, list) else [given]
    for row in rows:
        if isinstance(row, Mapping) and row.get("cost") is not None and row.get("currency"):
            currency = str(row["currency"])
            fees[currency] = sum_of((fees.get(currency, Decimal(0)), decimal_of(row["cost"])))
    return fees
