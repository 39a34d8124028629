"""Money that moves by no trade: deposits, distributions, withdrawals, transfers between the wallets of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import money_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clock import Clock
    from libra.exchange_sim.user_streams import UserStreams

__all__ = ["TRANSFERS", "Movement", "Treasury"]

TRANSFERS = {"MAIN_UMFUTURE": ("spot", "linear"), "UMFUTURE_MAIN": ("linear", "spot")}
"""By type: the wallet that it leaves, and the one that it comes to."""


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Money that moved. Amounts in units of 10^-8, above zero.

    Attributes:
        kind: ``DEPOSIT``, ``DIVIDEND``, ``WITHDRAW``, or one of `TRANSFERS`.
    """

    id: int
    account: Account
    kind: str
    asset: str
    amount: int
    ts_ms: int

    def change(self, wallet: str) -> int:
        """By how much the account's `spot` or `linear` wallet changed."""
        gone, come = TRANSFERS.get(self.kind, ("spot", "") if self.kind == "WITHDRAW" else ("", "spot"))
        return self.amount * ((wallet == come) - (wallet == gone))


class Treasury:
    """The movements of all accounts.

    Args:
        clock: The venue's.
        streams: Who is told of them.
    """

    def __init__(self, clock: Clock, streams: UserStreams) -> None:
        self._clock = clock
        self._streams = streams
        self.movements: list[Movement] = []

    def of(self, account: Account, *kinds: str) -> Iterator[Movement]:
        """An account's movements of these kinds, the oldest first."""
        return (one for one in self.movements if one.account is account and one.kind in kinds)

    def move(self, account: Account, kind: str, asset: str, amount: int) -> Movement:
        """Moves money.

        Raises:
            ApiError: -5002 when there is too little to take.
        """
        one = Movement(len(self.movements) + 1, account, kind, asset, amount, self._clock.now_ms())
        spot, linear = account.spot, account.linear
        if (one.change("spot") < 0 and not spot.can_spend(asset, amount)) or (
            one.change("linear") < 0 and linear.available(asset) < amount
        ):
            raise ApiError(-5002, "You have insufficient balances.")
        self.movements.append(one)
        if change := one.change("spot"):
            spot.move(asset, change)
            self._tell_spot(one, change)
        if change := one.change("linear"):
            linear.move(asset, change)
            self._tell_linear(one, change)
        return one

    def _tell_spot(self, one: Movement, change: int) -> None:
        now_ms, ledger, asset = self._clock.now_ms(), one.account.spot, one.asset
        free, locked = money_text(ledger.free[asset]), money_text(ledger.locked[asset])
        position = {"e": "outboundAccountPosition", "E": now_ms, "u": one.ts_ms}
        self._streams.send(one.account, "spot", {**position, "B": [{"a": asset, "f": free, "l": locked}]})
        update = {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": money_text(change), "T": one.ts_ms}
        self._streams.send(one.account, "spot", update)

    def _tell_linear(self, one: Movement, change: int) -> None:
        wallet = money_text(one.account.linear.wallet[one.asset])
        balance = {"a": one.asset, "wb": wallet, "cw": wallet, "bc": money_text(change)}
        update = {"m": "DEPOSIT" if change > 0 else "WITHDRAW", "B": [balance], "P": []}
        event = {"e": "ACCOUNT_UPDATE", "E": self._clock.now_ms(), "T": one.ts_ms, "a": update}
        self._streams.send(one.account, "linear", event)
