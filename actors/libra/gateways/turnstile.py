"""Waits on an event loop for turns of a `RateBudget`: what gateways of one address at one venue share."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import RateBudget, Turn, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["NoTurn", "Turnstile"]


class NoTurn(GatewayError):  # noqa: N818 - a verdict, not a fault
    """A request got no turn, so no byte of it left.

    Args:
        code: Why: ``QUEUE_FULL``, ``TOO_LARGE``, ``EXPIRED``, ``NOT_WANTED``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"the rate budget gives no turn: {code}")
        self.code = code


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
            try:
                await future
            except asyncio.CancelledError:
                self.give_back(turn)
                raise
            finally:
                self._waiting.pop(turn, None)
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

    def sync(self, name: str, used: int, *, account: str = "") -> None:
        """The venue's own count of a limit."""
        self.budget.sync(self._now_ns(), name, used, account=account)

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
