"""An order as the venue keeps it, from its acceptance on and for the venue's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.markets import Market

__all__ = ["Execution", "Order"]

_FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})


@dataclass(slots=True, eq=False)
class Execution:
    """One side of a trade. Money in units of 10^-8."""

    order: Order
    trade_id: int
    price: int
    quantity: int
    quote: int
    fee: int
    fee_asset: str
    is_maker: bool
    ts_ms: int
    realised: int = 0


@dataclass(slots=True, eq=False)
class Order:
    """An order. Prices and sizes in units of its market."""

    id: int
    client_id: str
    account: Account
    market: Market
    buys: bool
    type: str
    time_in_force: str
    price: int
    quantity: int
    quote_amount: int = 0
    stop_price: int = 0
    stop_by_mark: bool = False
    reduce_only: bool = False
    self_trade: str = "NONE"
    good_till_ms: int = 0
    created_ms: int = 0
    updated_ms: int = 0
    working_ms: int = 0
    status: str = "NEW"
    filled: int = 0
    filled_quote: int = 0
    triggered: bool = False
    locked: int = 0
    """Spot: what of `lock_asset` is set aside for it."""
    engine_base: int = 0
    """What was executed before the engine was given its present form of the order."""
    algo_id: int = 0
    """USD-M: its number while it was a conditional order."""
    end_reason: str = ""
    cancel_id: str = ""
    """What a cancel calls itself."""
    executions: list[Execution] = field(default_factory=list)

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.buys else "SELL"

    @property
    def is_open(self) -> bool:
        """Whether it still works."""
        return self.status not in _FINAL

    @property
    def left(self) -> int:
        """What is not executed."""
        return self.quantity - self.filled

    @property
    def is_conditional(self) -> bool:
        """Whether it waits, or waited, for a trigger."""
        return self.stop_price > 0

    @property
    def waits(self) -> bool:
        """Whether it waits for its trigger."""
        return self.is_conditional and not self.triggered and self.is_open

    @property
    def is_market(self) -> bool:
        """Whether it has no limit."""
        return self.price == 0

    @property
    def average(self) -> int:
        """The average price, in money, rounded down."""
        if not self.filled:
            return 0
        # filled_quote is price x size x unit: over size x unit it is the price, in its own decimals.
        return self.filled_quote * int(10**self.market.size_decimals) // self.filled
