"""One limit of a venue's rate rules, and what of it is used: so much of a unit within any stretch of its interval."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Limit", "Window"]

_PARTS = 256
"""What is spent is kept in so many parts of an interval: memory is bounded whatever the limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so much of a unit within any stretch of time as long as the interval.

    A venue counts by its own minutes; whoever keeps this keeps those, wherever they begin.

    Attributes:
        name: How it is called in counters and by `RateBudget.sync`.
        unit: What of a request's cost counts: ``weight``, ``orders``, ``requests``.
        most: How much.
        interval_ns: Within how long.
        reserve: How much of it is kept for cancels.
        per_account: Each account has its own; otherwise all that share an address share it.
    """

    name: str
    unit: str
    most: int
    interval_ns: int
    reserve: int = 0
    per_account: bool = False

    def __post_init__(self) -> None:
        if self.most < 0 or self.interval_ns <= 0 or not 0 <= self.reserve <= self.most:
            raise ValueError(f"limit {self.name}: most >= reserve >= 0 and interval_ns > 0 are needed")


class Window:
    """What was spent of one limit, and when it is free again.

    Invariant: `used` is at least what was spent within the last interval. Spending counts from the end of the part of
    the interval that it falls into, so it is never counted for too short.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.used = 0
        self._step_ns = max(1, limit.interval_ns // _PARTS)
        self._spent: deque[tuple[int, int]] = deque()

    def at(self, now_ns: int) -> Window:
        """Itself, with what is over by now given up."""
        while self._spent and self._spent[0][0] <= now_ns:
            self.used -= self._spent.popleft()[1]
        return self

    def room(self, *, with_reserve: bool) -> int:
        """How much may be spent now; negative where a venue's own count is beyond the limit."""
        return self.limit.most - self.used - (0 if with_reserve else self.limit.reserve)

    def spend(self, now_ns: int, amount: int) -> int:
        """Count an amount as spent.

        Returns:
            When it is free again: what `refund` wants to know.
        """
        free_ns = -(-now_ns // self._step_ns) * self._step_ns + self.limit.interval_ns
        if self._spent and self._spent[-1][0] >= free_ns:
            # A clock that stood still or went back: the later end holds.
            free_ns, before = self._spent.pop()
            amount_then = before + amount
        else:
            amount_then = amount
        self._spent.append((free_ns, amount_then))
        self.used += amount
        return free_ns

    def refund(self, free_ns: int, amount: int) -> None:
        """Take back what was counted for a request whose bytes never left."""
        for at, (end_ns, spent) in enumerate(self._spent):
            if end_ns == free_ns:
                self._spent[at] = (end_ns, spent - amount)
                self.used -= amount
                return

    def free_at_ns(self, amount: int, *, with_reserve: bool) -> int | None:
        """When there is room for an amount; None for one that the limit never has room for."""
        missing = amount - self.room(with_reserve=with_reserve)
        for end_ns, spent in self._spent:
            missing -= spent
            if missing <= 0:
                return end_ns
        return None
