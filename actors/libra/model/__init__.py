"""What is traded, quoted, ordered and held: types only, no behaviour. They are native; decimals are `Decimal` here.

Prices and sizes of an instrument are exact; attributes that end in ``_units`` are the integers behind them, in units of
the instrument's own decimals, and those that end in ``_float`` (and ``Quote.mid``) are for indicators and statistics.
"""

from libra_core import (
    Balance,
    Bar,
    BookDelta,
    CancelRequest,
    ContractKind,
    Fill,
    Instrument,
    Liquidity,
    Notice,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Position,
    Quote,
    RiskCode,
    Signal,
    SignalType,
    TimeInForce,
    Trade,
)

__all__ = [
    "Balance",
    "Bar",
    "BookDelta",
    "CancelRequest",
    "ContractKind",
    "Fill",
    "Instrument",
    "Liquidity",
    "Notice",
    "Order",
    "OrderReport",
    "OrderRequest",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "Position",
    "Quote",
    "RiskCode",
    "Signal",
    "SignalType",
    "TimeInForce",
    "Trade",
]
