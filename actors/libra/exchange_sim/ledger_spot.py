"""Balances on spot: what is free and what open orders have locked, in units of 10^-8."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SpotLedger"]


class SpotLedger:
    """The balances of an account.

    Args:
        opening: What it begins with, by asset.
    """

    def __init__(self, opening: Mapping[str, int]) -> None:
        self.opening = dict(opening)
        self.free = dict(opening)
        self.locked = dict.fromkeys(opening, 0)
        self.fees: dict[str, int] = {}

    def can_spend(self, asset: str, amount: int) -> bool:
        """Whether so much is free."""
        return self.free.get(asset, 0) >= amount

    def lock(self, asset: str, amount: int) -> None:
        """Sets aside what `can_spend` has found to be free; below zero, gives it back."""
        self.free[asset] = self.free.get(asset, 0) - amount
        self.locked[asset] = self.locked.get(asset, 0) + amount

    def trade(self, paid: tuple[str, int], got: tuple[str, int], fee: int, released: int) -> None:
        """Books one side of a trade.

        Args:
            paid: Asset and amount that leave, out of what was locked or free.
            got: Asset and amount that come.
            fee: What of that is kept by the venue.
            released: What of the paid asset is no longer locked: it pays, and what is over is free again.
        """
        asset, amount = paid
        self.locked[asset] = self.locked.get(asset, 0) - released
        self.free[asset] = self.free.get(asset, 0) + released - amount
        asset, amount = got
        self.free[asset] = self.free.get(asset, 0) + amount - fee
        self.locked.setdefault(asset, 0)
        self.fees[asset] = self.fees.get(asset, 0) + fee

    def move(self, asset: str, amount: int) -> None:
        """Takes in what comes by no trade; below zero, lets go what `can_spend` has found to be free."""
        self.free[asset] = self.free.get(asset, 0) + amount
        self.locked.setdefault(asset, 0)

    def total(self, asset: str) -> int:
        """Free and locked."""
        return self.free.get(asset, 0) + self.locked.get(asset, 0)

    def assets(self) -> list[str]:
        """All assets that it has or had."""
        return list(self.free)
