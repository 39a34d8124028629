"""The peer nautilus_trader's order matching engine, run by its own interpreter: `python nautilus_matching.py ORDERS`.

It matches its user's orders against recorded market data and not with each other, so only what both engines do is
timed: a limit order that is taken and rests, and its cancel. Orders exist already and events only change their order's
state. Prints nanoseconds of this thread's time an operation, with the given number of orders resting at the end of the
first part. Beside it: `cargo test --release -p libra-trading --test matching_speed -- --ignored --nocapture`.
"""

from __future__ import annotations

import json
import sys
import time

from nautilus_trader.backtest.engine import OrderMatchingEngine
from nautilus_trader.backtest.models import FillModel, MakerTakerFeeModel
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import CancelOrder
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide
from nautilus_trader.model.identifiers import AccountId, StrategyId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider


def main() -> None:
    """Rests orders at 2,000 prices, then cancels them, last in first out."""
    count = int(sys.argv[1])
    instrument, clock, trader = TestInstrumentProvider.btcusdt_perp_binance(), TestClock(), TraderId("BENCH-001")
    strategy, account = StrategyId("S-001"), AccountId("SIM-001")
    bus, cache = MessageBus(trader_id=trader, clock=clock), Cache()
    cache.add_instrument(instrument)
    engine = OrderMatchingEngine(
        instrument=instrument,
        raw_id=0,
        fill_model=FillModel(),
        fee_model=MakerTakerFeeModel(),
        book_type=BookType.L1_MBP,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        msgbus=bus,
        cache=cache,
        clock=clock,
    )
    factory = OrderFactory(trader, strategy, clock)
    orders = []
    for number in range(count):
        price = Price(50_000 - 0.1 * (number % 2_000), instrument.price_precision)
        size = Quantity(0.005, instrument.size_precision)
        orders.append(factory.limit(instrument.id, OrderSide.BUY, size, price))
    by_id = {order.client_order_id: order for order in orders}
    bus.register(endpoint="ExecEngine.process", handler=lambda event: by_id[event.client_order_id].apply(event))
    for order in orders:
        cache.add_order(order)
    cancels = [
        CancelOrder(trader, strategy, instrument.id, order.client_order_id, None, UUID4(), 0)
        for order in reversed(orders)
    ]

    now_ns = time.thread_time_ns
    started = now_ns()
    for order in orders:
        engine.process_order(order, account)
    resting_ns = now_ns() - started
    if len(engine.get_open_orders()) != count:
        raise SystemExit(f"only {len(engine.get_open_orders())} of {count} rest")

    started = now_ns()
    for cancel in cancels:
        engine.process_cancel(cancel, account)
    cancelled_ns = now_ns() - started
    if engine.get_open_orders():
        raise SystemExit("some are not cancelled")
    print(json.dumps({"limit that rests, ns": resting_ns / count, "cancel, ns": cancelled_ns / count}))


if __name__ == "__main__":
    main()
