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
        slack_ns: How much longer than the venue's own interval that is.
        per_account: Each account has its own; otherwise all that share an address share it.
    """

    name: str
    unit: str
    most: int
    interval_ns: int
    reserve: int = 0
    per_account: bool = False
    slack_ns: int = 0

    def __post_init__(self) -> None:
        if self.most < 0 or self.interval_ns <= 0 or not 0 <= self.reserve <= self.most:
            raise ValueError(f"limit {self.name}: most >= reserve >= 0 and interval_ns > 0 are needed")
        if not 0 <= self.slack_ns < self.interval_ns:
            raise ValueError(f"limit {self.name}: interval_ns > slack_ns >= 0 is needed")


class Window:
    """What was spent of one limit, and when it is free again.

    Invariant: `used` is at least what was spent within the last interval. Spending counts from the end of the part of
    the interval that it falls into, so it is never counted for too short. What the venue has counted, others' spending
    with ours, counts to the end of the venue's own interval and no longer: with the next one it begins at nothing.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._own = 0
        self._step_ns = max(1, limit.interval_ns // _PARTS)
        self._spent: deque[tuple[int, int]] = deque()
        # The venue's count, with what was spent since; of which of its intervals, from when, and when that is over.
        self._told = 0
        self._told_of: int | None = None
        self._told_since_ns = 0
        self._told_until_ns = 0

    @property
    def used(self) -> int:
        """What counts as spent: by ourselves, or by the venue's count where that is higher."""
        return max(self._own, self._told)

    def at(self, now_ns: int) -> Window:
        """Itself, with what is over by now given up."""
        while self._spent and self._spent[0][0] <= now_ns:
            self._own -= self._spent.popleft()[1]
        if self._told_until_ns <= now_ns:
            self._told, self._told_of = 0, None
        return self

    def used_at(self, now_ns: int) -> int:
        """What counts as spent by now, for somebody who only looks, from any thread: nothing is changed.

        `at` gives up what is over; between two of its steps another thread would do the same a second time.
        """
        own = sum(amount for end_ns, amount in tuple(self._spent) if end_ns > now_ns)
        return max(own, self._told if self._told_until_ns > now_ns else 0)

    def take_over(self, now_ns: int, count: int, *, left_ns: int | None = None, venue_ns: int | None = None) -> None:
        """The venue's own count.

        Args:
            now_ns: The clock.
            count: What it has counted in its interval.
            left_ns: When the request left that this is the answer to.
            venue_ns: What the venue's clock said then. Without it the count holds for a whole interval.
        """
        number, until_ns = None, now_ns + self.limit.interval_ns
        if left_ns is not None and venue_ns is not None:
            length_ns = self.limit.interval_ns - self.limit.slack_ns
            number = venue_ns // length_ns
            until_ns = left_ns + length_ns - venue_ns % length_ns + self.limit.slack_ns
        self.at(now_ns)
        if until_ns <= now_ns or (number is not None and self._told_of is not None and number < self._told_of):
            # Of an interval that is over: it says nothing of this one.
            return
        if number is not None and self._told_of is not None and number > self._told_of:
            self._told = 0
        if self._told == 0:
            self._told_since_ns = now_ns
        if number is not None:
            self._told_of, self._told_until_ns = number, until_ns
        elif count > self._told and self._told_of is None:
            self._told_until_ns = until_ns
        self._told = max(self._told, count)

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
        self._own += amount
        if now_ns < self._told_until_ns:
            self._told += amount
        return free_ns

    def refund(self, free_ns: int, amount: int) -> None:
        """Take back what was counted for a request whose bytes never left."""
        for at, (end_ns, spent) in enumerate(self._spent):
            if end_ns == free_ns:
                self._spent[at] = (end_ns, spent - amount)
                self._own -= amount
                if self._told and free_ns - self.limit.interval_ns - self._step_ns >= self._told_since_ns:
                    self._told -= amount
                return

    def free_at_ns(self, amount: int, *, with_reserve: bool) -> int | None:
        """When there is room for an amount; None for one that the limit never has room for."""
        most = self.limit.most - (0 if with_reserve else self.limit.reserve)
        if amount > most:
            return None
        told_ns = self._told_until_ns if self._told + amount > most else 0
        missing = self._own + amount - most
        if missing <= 0:
            return told_ns
        for end_ns, spent in self._spent:
            missing -= spent
            if missing <= 0:
                return max(end_ns, told_ns)
        return None
