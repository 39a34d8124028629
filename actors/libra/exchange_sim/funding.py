"""Marks of contracts and the payments between those who hold them.

The mark is the middle of the best bid and ask, and stands for the index too. At each interval's end a long pays
`size x mark x rate`, rounded as a fee is, and a short receives it; the others in the market take the other side of it
all, so that nothing is made or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.exchange_sim.numbers import MONEY, RATE, share

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.floor import Floor
    from libra.exchange_sim.linear import LinearTrading
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.settings import SimSettings

__all__ = ["Funding", "Payment"]


class Payment:
    """What one account paid at one time; below zero where it received."""

    __slots__ = ("account", "amount", "id", "mark", "market", "rate", "size", "ts_ms")

    def __init__(
        self, number: int, account: Account, market: Market, size: int, mark: int, rate: int, amount: int, ts_ms: int
    ) -> None:
        self.id = number
        self.account = account
        self.market = market
        self.size = size
        self.mark = mark
        self.rate = rate
        self.amount = amount
        self.ts_ms = ts_ms


class Funding:
    """Marks and funding of all contracts.

    Args:
        settings: Interval and rate.
        floor: The markets.
        accounts: Who holds positions, the flow's account as 0.
    """

    def __init__(self, settings: SimSettings, floor: Floor, accounts: dict[int, Account]) -> None:
        self._floor = floor
        self._accounts = accounts
        self._interval_ms = int(settings.funding_interval_s * 1_000)
        self.rate = int(settings.funding_rate.scaleb(RATE))
        self.payments: list[Payment] = []
        self._marks: dict[Market, int] = {}
        self._paid_ms = floor.clock.now_ms()

    def state(self, market: Market) -> tuple[int, int, int]:
        """Mark in money, rate, and when it is paid next."""
        now_ms = self._floor.clock.now_ms()
        return self._marks.get(market, 0), self.rate, now_ms - now_ms % self._interval_ms + self._interval_ms

    def mark_all(self) -> None:
        """Takes the marks from the books, and shows them to engines and positions."""
        for market in self._floor.listed(spot=False):
            bid, ask = self._floor.core.best(market.number)
            if bid is None or ask is None:
                continue
            scale = 10 ** (MONEY - market.price_decimals)
            self._marks[market] = (bid + ask) * scale // 2
            self._floor.set_mark(market, (bid + ask) // 2)
            for account in self._accounts.values():
                account.linear.position(market).mark = self._marks[market]

    def is_due(self) -> bool:
        """Whether an interval has ended since the last payment."""
        return self._floor.clock.now_ms() // self._interval_ms > self._paid_ms // self._interval_ms

    def pay(self, trading: LinearTrading) -> None:
        """Lets everyone pay at the marks as they stand."""
        now_ms = self._paid_ms = self._floor.clock.now_ms()
        for market, mark in self._marks.items():
            others = self._accounts[0]
            for account in self._accounts.values():
                position = account.linear.position(market)
                if account is others or position.size == 0:
                    continue
                amount = share(position.notional(), self.rate)
                account.linear.pay_funding(market.quote, amount)
                others.linear.pay_funding(market.quote, -amount)
                number = len(self.payments) + 1
                self.payments.append(Payment(number, account, market, position.size, mark, self.rate, amount, now_ms))
                trading.publish_funding(account, now_ms, market, -amount)
