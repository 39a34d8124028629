"""Which rows of a long list a request wants: by id, by time, the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.exchange_sim.orders import Execution, Order
    from libra.exchange_sim.params import Params

__all__ = ["executions_page", "orders_page"]

_DAY_MS = 86_400_000


def orders_page(orders: Iterable[Order], params: Params, default: int, most: int) -> list[Order]:
    """Orders from `orderId` on, or from `startTime` to `endTime`; the last ones where neither is said."""
    first, start, end = params.integer("orderId"), params.integer("startTime"), params.integer("endTime")
    rows = [
        order
        for order in orders
        if (first is None or order.id >= first)
        and (start is None or order.created_ms >= start)
        and (end is None or order.created_ms <= end)
    ]
    limit = params.limit(default, most)
    return rows[:limit] if first is not None or start is not None else rows[-limit:]


def executions_page(executions: Iterable[Execution], params: Params, now_ms: int, *, spot: bool) -> list[Execution]:
    """Executions from `fromId` on, from `startTime` to `endTime`, of one `orderId`; else the last ones.

    Of both times at most a day may lie between on spot, seven on USD-M, which says no more than that at once either,
    of one order as little as of all: without times the last seven.

    Raises:
        ApiError: When more lies between, or times are said with a `fromId`.
    """
    first, order_id = params.integer("fromId"), params.integer("orderId")
    start, end = params.integer("startTime"), params.integer("endTime")
    if first is not None and (start is not None or end is not None):
        raise ApiError.combination()
    span_ms = _DAY_MS if spot else 7 * _DAY_MS
    if start is not None and end is not None and not 0 <= end - start <= span_ms:
        raise ApiError.too_long(span_ms)
    limit = params.limit(500, 1_000)
    from_start = first is not None or start is not None
    if not spot and first is None:
        if start is None:
            start = (now_ms if end is None else end) - span_ms
        end = min(start + span_ms, now_ms if end is None else end)
    rows = [
        one
        for one in executions
        if (first is None or one.trade_id >= first)
        and (order_id is None or one.order.id == order_id)
        and (start is None or one.ts_ms >= start)
        and (end is None or one.ts_ms <= end)
    ]
    return rows[:limit] if from_start else rows[-limit:]
