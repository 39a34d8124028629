"""Which rows of a long list a request wants: by id, by time, the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.exchange_sim.orders import Execution, Order
    from libra.exchange_sim.params import Params

__all__ = ["executions_page", "orders_page"]


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


def executions_page(executions: Iterable[Execution], params: Params, default: int, most: int) -> list[Execution]:
    """Executions from `fromId` on, from `startTime` to `endTime`, of one `orderId`; else the last ones."""
    first, order_id = params.integer("fromId"), params.integer("orderId")
    start, end = params.integer("startTime"), params.integer("endTime")
    rows = [
        one
        for one in executions
        if (first is None or one.trade_id >= first)
        and (order_id is None or one.order.id == order_id)
        and (start is None or one.ts_ms >= start)
        and (end is None or one.ts_ms <= end)
    ]
    limit = params.limit(default, most)
    return rows[:limit] if first is not None or start is not None else rows[-limit:]
