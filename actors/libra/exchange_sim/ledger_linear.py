"""Wallet and positions of an account on USD-M, in units of 10^-8: cross margin, one position a market.

A position is kept as its size and its cost, what the open size cost (below zero for a short). A partial close takes
the share `closed / size` of the cost, rounded toward zero; the rest stays in the cost, and a flat position has none. So
at all times, exactly: wallet - cost = what it began with - signed notionals (buys positive) - fees + funding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra.exchange_sim.markets import Market

__all__ = ["LinearLedger", "Position"]


@dataclass(slots=True, eq=False)
class Position:
    """A position and what is asked for beside it. Sizes in units of the market, the rest in money."""

    market: Market
    leverage: int
    size: int = 0
    cost: int = 0
    updated_ms: int = 0
    open_buys: int = 0
    """Notional of open orders to buy that may open a position."""
    open_sells: int = 0
    mark: int = 0
    """The mark price in money."""
    realised: int = 0
    """What its trades have realised since it began, before fees."""

    def notional(self) -> int:
        """Its worth at the mark, below zero for a short."""
        return self.size * self.mark // int(10**self.market.size_decimals)

    def unrealised(self) -> int:
        """What closing at the mark would bring."""
        return self.notional() - self.cost

    def margin(self, more_buys: int = 0, more_sells: int = 0) -> int:
        """Initial margin of the position with the worse side of its open orders, and more of them."""
        value = self.notional()
        worst = max(abs(value + self.open_buys + more_buys), abs(value - self.open_sells - more_sells))
        return -(-worst // self.leverage)

    def entry_price(self) -> int:
        """The average price in money, rounded toward zero."""
        if self.size == 0:
            return 0
        return abs(self.cost) * int(10**self.market.size_decimals) // abs(self.size)


@dataclass(slots=True, eq=False)
class LinearLedger:
    """Wallets and positions of an account."""

    opening: Mapping[str, int]
    leverage: int
    wallet: dict[str, int] = field(init=False)
    fees: dict[str, int] = field(default_factory=dict)
    funding: dict[str, int] = field(default_factory=dict)
    positions: dict[Market, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wallet = dict(self.opening)

    def position(self, market: Market) -> Position:
        """The position in a market."""
        found = self.positions.get(market)
        if found is None:
            found = self.positions[market] = Position(market, self.leverage)
        return found

    def trade(self, market: Market, signed_size: int, price: int, fee: int, ts_ms: int) -> int:
        """Books one side of a trade.

        Returns:
            The profit that it realised.
        """
        position = self.position(market)
        realised, size = 0, signed_size
        if position.size * signed_size < 0:
            closed = min(abs(signed_size), abs(position.size))
            sign = 1 if signed_size > 0 else -1
            released = _toward_zero(position.cost * closed, abs(position.size))
            realised = -sign * market.notional(price, closed) - released
            position.cost -= released
            position.size += sign * closed
            size -= sign * closed
        position.cost += market.notional(price, size)
        position.size += size
        position.realised += realised
        position.updated_ms = ts_ms
        asset = market.quote
        self.wallet[asset] = self.wallet.get(asset, 0) + realised - fee
        self.fees[asset] = self.fees.get(asset, 0) + fee
        return realised

    def pay_funding(self, asset: str, amount: int) -> None:
        """Takes a funding payment from the wallet; below zero, one that is received."""
        self.wallet[asset] = self.wallet.get(asset, 0) - amount
        self.funding[asset] = self.funding.get(asset, 0) - amount

    def move(self, asset: str, amount: int) -> None:
        """Takes in what comes by no trade; below zero, lets go what `available` has found to be free."""
        self.wallet[asset] = self.wallet.get(asset, 0) + amount

    def available(self, asset: str, market: Market | None = None, more_buys: int = 0, more_sells: int = 0) -> int:
        """What is free of a wallet, when more orders were open in a market."""
        free = self.wallet.get(asset, 0)
        for position in self.positions.values():
            if position.market.quote == asset:
                more = (more_buys, more_sells) if position.market is market else (0, 0)
                free += position.unrealised() - position.margin(*more)
        return free


def _toward_zero(numerator: int, denominator: int) -> int:
    size = abs(numerator) // denominator
    return size if numerator >= 0 else -size
