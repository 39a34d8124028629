"""Waits on an event loop for turns of a `RateBudget`: what gateways of one address at one venue share."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import RateBudget, Turn, Urgency

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

__all__ = ["NoTurn", "Turnstile", "patient"]


class NoTurn(GatewayError):  # noqa: N818 - a verdict, not a fault
    """A request got no turn, so no byte of it left.

    Args:
        code: Why: ``QUEUE_FULL``, ``TOO_LARGE``, ``EXPIRED``, ``NOT_WANTED``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"the rate budget gives no turn: {code}")
        self.code = code


class _Patience:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting = 0
        self._is_over = False
        self.limit = asyncio.timeout(seconds)

    def stop(self) -> None:
        """A request waits for its turn."""
        self._waiting += 1
        self._set(None)

    def go_on(self) -> None:
        """It waits no longer."""
        self._waiting -= 1
        if self._waiting == 0:
            self._set(asyncio.get_running_loop().time() + self._seconds)

    def end(self) -> None:
        self._is_over = True

    def _set(self, when: float | None) -> None:
        if not self._is_over and not self.limit.expired():
            self.limit.reschedule(when)


_patience: ContextVar[_Patience | None] = ContextVar("libra_patience", default=None)


@asynccontextmanager
async def patient(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but the time in which a request within waits for its turn does not count.

    A request that waits has not left, so it cannot have gone without an answer: whoever gave it up would give up its
    place, too. From its turn on it has all of the time.
    """
    patience = _Patience(seconds)
    token = _patience.set(patience)
    try:
        async with patience.limit:
            yield
    finally:
        patience.end()
        _patience.reset(token)


class Turnstile:
    """The budget of one address at one venue, on the loop that its gateways run on.

    Args:
        budget: The budget.
        now_ns: Its clock; monotonic.
    """

    def __init__(self, budget: RateBudget, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.budget = budget
        self._now_ns = now_ns
        self._waiting: dict[Turn, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def take(
        self,
        urgency: Urgency,
        cost: Mapping[str, int],
        *,
        account: str = "",
        within_s: float | None = None,
        wanted: Callable[[], bool] | None = None,
    ) -> Turn:
        """Wait for a turn. Whoever gets one says what became of it: `used` or `give_back`.

        Args:
            urgency: Who goes first.
            cost: How much of each unit the request takes.
            account: Whose own limits count.
            within_s: For how long it is worth while.
            wanted: Asked when the turn has come: False takes it out.

        Raises:
            NoTurn: When there is none to be had.
        """
        now_ns = self._now_ns()
        deadline_ns = None if within_s is None else now_ns + round(within_s * 1e9)
        turn = self.budget.ask(now_ns, urgency, cost, account=account, deadline_ns=deadline_ns, wanted=wanted)
        if turn.state == "waiting":
            future = self._waiting[turn] = asyncio.get_running_loop().create_future()
            self._settle()
            patience = _patience.get()
            if patience is not None:
                patience.stop()
            try:
                await future
            except asyncio.CancelledError:
                self.give_back(turn)
                raise
            finally:
                self._waiting.pop(turn, None)
                if patience is not None:
                    patience.go_on()
        else:
            # Others may have been granted, or ended, by the same look.
            self._settle()
        if turn.state != "granted":
            raise NoTurn(turn.state)
        return turn

    def used(self, turn: Turn) -> None:
        """The request leaves."""
        self.budget.use(turn)

    def give_back(self, turn: Turn) -> None:
        """It never left: others have what it would have taken."""
        self.budget.withdraw(turn)
        self.pump()

    def sync(
        self, name: str, used: int, *, account: str = "", age_ns: int = 0, venue_now_ns: int | None = None
    ) -> None:
        """The venue's own count of a limit.

        Args:
            name: The limit.
            used: The count.
            account: Whose.
            age_ns: How long ago the request left that this is the answer to.
            venue_now_ns: What the venue's clock says now, where that is known.
        """
        now_ns = self._now_ns()
        venue_ns = None if venue_now_ns is None else venue_now_ns - age_ns
        self.budget.sync(now_ns, name, used, account=account, left_ns=now_ns - age_ns, venue_ns=venue_ns)

    def penalise(self, for_s: float) -> None:
        """The venue wants silence for so long."""
        self.budget.penalise(self._now_ns() + round(for_s * 1e9))
        self.pump()

    def drop_unwanted(self) -> None:
        """Take out who is no longer wanted, as behind a kill switch."""
        self.budget.drop_unwanted()
        self.pump()

    def counters(self) -> dict[str, Any]:
        """See `RateBudget.counters`."""
        return self.budget.counters(self._now_ns())

    def pump(self) -> None:
        """Grant what may go, and wake who waited for it."""
        self.budget.pump(self._now_ns())
        self._settle()

    def _settle(self) -> None:
        for turn in [turn for turn in self._waiting if turn.state != "waiting"]:
            future = self._waiting.pop(turn)
            if not future.done():
                future.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ns = self._now_ns()
        due_ns = self.budget.next_due_ns(now_ns)
        if due_ns is not None:
            # A clock that is read a moment early would find nothing to do, and ask again at once.
            wait_s = max(0.0, due_ns - now_ns) / 1e9 + 0.000_1
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.pump)
