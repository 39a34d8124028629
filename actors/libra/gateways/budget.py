"""The rate budget of one address at one venue: who may send next, so that no limit is passed and no cancel waits.

Pure logic on the clock that it is handed; `libra.gateways.turnstile` waits for it on an event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

from libra.gateways.rate_window import Limit, Window

__all__ = ["Limit", "RateBudget", "Turn", "Urgency"]


class Urgency(IntEnum):
    """What goes first. Within one it is first come, first served."""

    CANCEL = 0
    ORDER = 1
    QUERY = 2
    SNAPSHOT = 3


class Turn:
    """A request's place: it waits, it may go, or it will not.

    Attributes:
        state: ``waiting``, ``granted``, ``used``, or why it will never be: ``QUEUE_FULL``, ``TOO_LARGE``, ``EXPIRED``,
            ``NOT_WANTED``, ``WITHDRAWN``.
    """

    __slots__ = ("account", "asked_ns", "cost", "deadline_ns", "free_ns", "needs", "state", "urgency", "wanted")

    def __init__(
        self,
        urgency: Urgency,
        cost: Mapping[str, int],
        account: str,
        asked_ns: int,
        deadline_ns: int | None,
        wanted: Callable[[], bool] | None,
    ) -> None:
        self.urgency = urgency
        self.cost = {unit: amount for unit, amount in cost.items() if amount > 0}
        self.account = account
        self.asked_ns = asked_ns
        self.deadline_ns = deadline_ns
        self.wanted = wanted
        self.state = "waiting"
        self.needs: list[tuple[Window, int]] = []
        self.free_ns: list[tuple[Window, int, int]] = []


class RateBudget:
    """Several limits at once, shared by all who speak to one venue from one address.

    - No limit is passed within any stretch of its interval, and what the venue says that it counted is taken over where
      it is higher, to the end of the venue's interval.
    - A request goes when all of its limits have room, and nobody before it waits for one of these. A cancel may use the
      reserve, and nothing but a cancel is before it.
    - The queue is bounded; an eighth of it takes cancels only.

    Args:
        limits: What the venue allows.
        most_waiting: How many requests may wait.
    """

    def __init__(self, limits: Iterable[Limit], *, most_waiting: int = 512) -> None:
        self._limits = {limit.name: limit for limit in limits}
        self._windows: dict[tuple[str, str], Window] = {}
        self._waiting: dict[Urgency, deque[Turn]] = {urgency: deque() for urgency in Urgency}
        self._most_waiting = most_waiting
        self._barred_until_ns = 0
        self._waited: dict[Urgency, list[int]] = {urgency: [0] * 64 for urgency in Urgency}
        self._counts = {"granted": 0, "refused": 0, "expired": 0, "dropped": 0, "penalties": 0, "corrected": 0}

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What holds."""
        return tuple(self._limits.values())

    def learn(self, limits: Iterable[Limit]) -> None:
        """Take over what the venue says of its limits; what was spent stays counted."""
        for limit in limits:
            self._limits[limit.name] = limit
            for (name, _), window in self._windows.items():
                if name == limit.name and window.limit.interval_ns == limit.interval_ns:
                    window.limit = limit
        for queue in self._waiting.values():
            for turn in queue:
                turn.needs = self._needs(turn)

    def ask(
        self,
        now_ns: int,
        urgency: Urgency,
        cost: Mapping[str, int],
        *,
        account: str = "",
        deadline_ns: int | None = None,
        wanted: Callable[[], bool] | None = None,
    ) -> Turn:
        """Ask for a turn; it is granted at once where nobody is before it and there is room.

        Args:
            now_ns: The clock.
            urgency: Who goes first.
            cost: How much of each unit the request takes.
            account: Whose own limits count.
            deadline_ns: When it is no longer worth while.
            wanted: Asked when its turn has come: False takes it out, and nothing is counted.
        """
        turn = Turn(urgency, cost, account, now_ns, deadline_ns, wanted)
        turn.needs = self._needs(turn)
        cancels = urgency is Urgency.CANCEL
        if any(amount > _capacity(window.limit, cancels=cancels) for window, amount in turn.needs):
            self._end(turn, "TOO_LARGE", "refused")
        elif self.waiting() >= (self._most_waiting if cancels else self._most_waiting - self._most_waiting // 8):
            self._end(turn, "QUEUE_FULL", "refused")
        else:
            self._waiting[urgency].append(turn)
            # One more changes nothing for those behind it.
            self.pump(now_ns, urgency)
        return turn

    def pump(self, now_ns: int, down_to: Urgency = Urgency.SNAPSHOT) -> list[Turn]:
        """Grant what may go by now.

        Args:
            now_ns: The clock.
            down_to: Less urgent ones are left for the next time.

        Returns:
            The turns whose state has changed.
        """
        changed: list[Turn] = []
        claimed: set[int] = set()
        for urgency, queue in self._waiting.items():
            if urgency > down_to:
                break
            kept: deque[Turn] = deque()
            while queue:
                turn = queue.popleft()
                if turn.deadline_ns is not None and turn.deadline_ns <= now_ns:
                    self._end(turn, "EXPIRED", "expired")
                elif self._held_by(turn, now_ns, claimed):
                    kept.append(turn)
                    continue
                elif turn.wanted is not None and not turn.wanted():
                    self._end(turn, "NOT_WANTED", "dropped")
                else:
                    self._grant(turn, now_ns)
                changed.append(turn)
            queue.extend(kept)
        return changed

    def next_due_ns(self, now_ns: int) -> int | None:
        """When `pump` may have something to do, if nothing else happens; None while nobody waits."""
        due: list[int] = []
        claimed: set[int] = set()
        for queue in self._waiting.values():
            for turn in queue:
                cancels = turn.urgency is Urgency.CANCEL
                if turn.deadline_ns is not None:
                    due.append(turn.deadline_ns)
                short = [pair for pair in turn.needs if pair[0].at(now_ns).room(with_reserve=cancels) < pair[1]]
                # Each limit by itself: one that is free again may be all that somebody behind waits for.
                frees = [
                    window.free_at_ns(amount, with_reserve=cancels)
                    for window, amount in short
                    if id(window) not in claimed
                ]
                due += [max(now_ns, self._barred_until_ns, free_ns) for free_ns in frees if free_ns is not None]
                if not short and now_ns < self._barred_until_ns:
                    due.append(self._barred_until_ns)
                self._held_by(turn, now_ns, claimed)
        return min(due, default=None)

    def withdraw(self, turn: Turn) -> None:
        """Give up a turn: one that waits leaves the queue, one that was granted and not used is counted back."""
        if turn.state == "waiting":
            self._waiting[turn.urgency].remove(turn)
            self._end(turn, "WITHDRAWN", "dropped")
        elif turn.state == "granted":
            for window, free_ns, amount in turn.free_ns:
                window.refund(free_ns, amount)
            self._end(turn, "WITHDRAWN", "dropped")

    def use(self, turn: Turn) -> None:
        """The bytes leave: what was counted stays counted."""
        turn.state = "used"

    def drop_unwanted(self) -> list[Turn]:
        """Take out who waits and is no longer wanted, as behind a kill switch."""
        dropped: list[Turn] = []
        for queue in self._waiting.values():
            gone = [turn for turn in queue if turn.wanted is not None and not turn.wanted()]
            for turn in gone:
                queue.remove(turn)
                self._end(turn, "NOT_WANTED", "dropped")
            dropped += gone
        return dropped

    def sync(
        self,
        now_ns: int,
        name: str,
        used: int,
        *,
        account: str = "",
        left_ns: int | None = None,
        venue_ns: int | None = None,
    ) -> None:
        """The venue's own count of a limit: where it is higher than ours, others spend with us, and theirs holds.

        It holds to the end of the venue's interval, which begins at nothing, and not for an interval of ours.

        Args:
            now_ns: The clock.
            name: The limit.
            used: The count.
            account: Whose.
            left_ns: When the request left that this is the answer to.
            venue_ns: What the venue's clock said then, where that is known.
        """
        limit = self._limits.get(name)
        if limit is None:
            return
        window = self._window(limit, account).at(now_ns)
        if used > window.used:
            self._counts["corrected"] += 1
        window.take_over(now_ns, used, left_ns=left_ns, venue_ns=venue_ns)

    def penalise(self, until_ns: int) -> None:
        """The venue wants silence (429, 418): nobody goes before that, cancels neither."""
        self._counts["penalties"] += 1
        self._barred_until_ns = max(self._barred_until_ns, until_ns)

    def waiting(self) -> int:
        """How many wait."""
        return sum(len(queue) for queue in self._waiting.values())

    def counters(self, now_ns: int) -> dict[str, Any]:
        """For metrics: what is used and left of each limit and how much it is, who waits, and how long turns took.

        ``waited_ns`` counts by urgency in powers of two: entry n holds waits of less than 2^n nanoseconds. It changes
        nothing, and may be asked from any thread while requests are granted.
        """
        windows = {"/".join(filter(None, key)): window for key, window in list(self._windows.items())}
        used = {key: window.used_at(now_ns) for key, window in windows.items()}
        return {
            **self._counts,
            "used": used,
            "most": {key: window.limit.most for key, window in windows.items()},
            "left": {key: window.limit.most - used[key] for key, window in windows.items()},
            "waiting": {urgency.name: len(queue) for urgency, queue in self._waiting.items()},
            "waited_ns": {urgency.name: list(counts) for urgency, counts in self._waited.items()},
            "barred_ns": max(0, self._barred_until_ns - now_ns),
        }

    def _needs(self, turn: Turn) -> list[tuple[Window, int]]:
        return [
            (self._window(limit, turn.account), turn.cost[limit.unit])
            for limit in self._limits.values()
            if limit.unit in turn.cost
        ]

    def _window(self, limit: Limit, account: str) -> Window:
        key = (limit.name, account if limit.per_account else "")
        window = self._windows.get(key)
        if window is None or window.limit.interval_ns != limit.interval_ns:
            window = self._windows[key] = Window(limit)
        return window

    def _held_by(self, turn: Turn, now_ns: int, claimed: set[int]) -> bool:
        """True when it has to wait. The limits that hold it are claimed: nobody behind it takes what it waits for.

        A cancel claims all that it needs: what it does not lack yet must not be gone when the rest is there.
        """
        cancels = turn.urgency is Urgency.CANCEL
        short = [
            id(window)
            for window, amount in turn.needs
            if id(window) in claimed or window.at(now_ns).room(with_reserve=cancels) < amount
        ]
        if short:
            claimed.update((id(window) for window, _ in turn.needs) if cancels else short)
        return bool(short) or now_ns < self._barred_until_ns

    def _grant(self, turn: Turn, now_ns: int) -> None:
        turn.free_ns = [(window, window.spend(now_ns, amount), amount) for window, amount in turn.needs]
        turn.state = "granted"
        self._counts["granted"] += 1
        self._waited[turn.urgency][min(63, max(0, now_ns - turn.asked_ns).bit_length())] += 1

    def _end(self, turn: Turn, state: str, counter: str) -> None:
        turn.state = state
        self._counts[counter] += 1


def _capacity(limit: Limit, *, cancels: bool) -> int:
    return limit.most if cancels else limit.most - limit.reserve
