"""What an address and an account may ask a minute: request weight, orders, and the ban of whoever goes on.

Windows are whole minutes, ten seconds and days of the venue's clock. A request that is refused counts too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from libra.exchange_sim.settings import LimitSettings

__all__ = ["Budgets"]

SECOND_MS = 1_000
TEN_SECONDS_MS, MINUTE_MS, DAY_MS = 10 * SECOND_MS, 60 * SECOND_MS, 86_400 * SECOND_MS

_NAMES = {TEN_SECONDS_MS: ("10S", "10 SECOND"), MINUTE_MS: ("1M", "1 MINUTE"), DAY_MS: ("1D", "1 DAY")}


@dataclass(slots=True)
class _Window:
    length_ms: int
    number: int = -1
    used: int = 0

    def add(self, amount: int, now_ms: int) -> int:
        number = now_ms // self.length_ms
        if number != self.number:
            self.number, self.used = number, 0
        self.used += amount
        return self.used

    def left_s(self, now_ms: int) -> int:
        return max((self.length_ms - now_ms % self.length_ms + 999) // 1_000, 1)


@dataclass(slots=True)
class _Address:
    weight: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    refused: int = 0
    banned_until_ms: int = 0


class Budgets:
    """The budgets of one side of the venue.

    Args:
        limits: What is allowed.
        spot: Whether it is the spot side.
    """

    def __init__(self, limits: LimitSettings, *, spot: bool) -> None:
        self._limits = limits
        self.weight = limits.spot_weight if spot else limits.linear_weight
        self.orders = (
            {TEN_SECONDS_MS: limits.spot_orders_10s, DAY_MS: limits.spot_orders_day}
            if spot
            else {TEN_SECONDS_MS: limits.linear_orders_10s, MINUTE_MS: limits.linear_orders_minute}
        )
        self._addresses: dict[str, _Address] = {}
        self._counts: dict[tuple[int, int], _Window] = {}

    def spend(self, ip: str, weight: int, now_ms: int) -> int:
        """Takes a request's weight.

        Returns:
            What the address has used in this minute.

        Raises:
            ApiError: 429 beyond the limit, 418 for whoever goes on after that.
        """
        address = self._addresses.setdefault(ip, _Address())
        if now_ms < address.banned_until_ms:
            raise self._ban(ip, address, now_ms)
        used = address.weight.add(weight, now_ms)
        if used <= self.weight:
            if used == weight:
                address.refused = 0
            return used
        address.refused += 1
        if address.refused > self._limits.ban_after:
            address.banned_until_ms = now_ms + self._limits.ban_s * 1_000
            address.refused = 0
            raise self._ban(ip, address, now_ms)
        raise ApiError.too_much_weight(self.weight, address.weight.left_s(now_ms))

    def count_order(self, account: int, now_ms: int) -> None:
        """Counts a new order.

        Raises:
            ApiError: -1015 beyond a limit.
        """
        windows = {length: self._counts.setdefault((account, length), _Window(length)) for length in self.orders}
        used = {length: window.add(1, now_ms) for length, window in windows.items()}
        for length, limit in self.orders.items():
            if used[length] > limit:
                raise ApiError.too_many_orders(limit, _NAMES[length][1], windows[length].left_s(now_ms))

    def ban(self, ip: str, now_ms: int, seconds: float) -> None:
        """Bans an address."""
        self._addresses.setdefault(ip, _Address()).banned_until_ms = now_ms + int(seconds * 1_000)

    def used(self, ip: str, now_ms: int) -> int:
        """What an address has used in this minute."""
        return self._addresses.setdefault(ip, _Address()).weight.add(0, now_ms)

    def ordered(self, account: int, now_ms: int) -> dict[int, int]:
        """The orders of an account by the length of their windows, in milliseconds."""
        return {
            length: self._counts.setdefault((account, length), _Window(length)).add(0, now_ms) for length in self.orders
        }

    def headers(self, ip: str, account: int | None, now_ms: int) -> dict[str, str]:
        """What the answer tells of it; orders where an account placed one."""
        used = str(self.used(ip, now_ms))
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if account is not None:
            for length, count in self.ordered(account, now_ms).items():
                headers[f"X-MBX-ORDER-COUNT-{_NAMES[length][0]}"] = str(count)
        return headers

    def _ban(self, ip: str, address: _Address, now_ms: int) -> ApiError:
        left_s = max((address.banned_until_ms - now_ms + 999) // 1_000, 1)
        return ApiError.banned(ip, address.banned_until_ms, left_s)
