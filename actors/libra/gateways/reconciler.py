"""Looks at the whole account as the venue has it: fetched here without blocking, judged and booked natively."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from libra.gateways.turnstile import patient

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from libra.gateways.protocol import ReconcilingGateway
    from libra_core import AccountGroup

__all__ = ["Reconciler"]

_MOST_WAITING = 10
"""So many times as long as it may take a look may take with the wait for turns."""

_AGAIN_S = 1.0
"""Between two looks of which the first left something undecided."""


_ALARMS, _ALARMS_WITHIN_S = 3, 45.0
"""So many looks within so long are taken for foreign executions: who trades by hand all the time must not use up the
venue's limits."""


class Reconciler:
    """Takes looks, one at a time, behind every (re)connect and at intervals.

    Args:
        gateway: Shows the account.
        account: The native side of the account group.
        log: The gateway actor's.
        ask: Has the venue asked about single orders.
        every_s: Between two looks that found nothing.
        within_s: A look that takes longer is given up; the wait for the venue's rate limits does not count, up to ten
            times as long.
        lag_s: By how much what the venue lists may lag behind its balances and positions.
    """

    def __init__(
        self,
        gateway: ReconcilingGateway,
        account: AccountGroup,
        log: logging.LoggerAdapter[logging.Logger] | logging.Logger,
        ask: Callable[[Iterable[str]], None],
        *,
        every_s: float,
        within_s: float,
        lag_s: float,
    ) -> None:
        self._gateway = gateway
        self._account = account
        self._log = log
        self._ask = ask
        self._every_s = every_s
        self._within_s = within_s
        self._is_looking = False
        self._next_at = 0.0
        self._is_alarmed = False
        # When looks began for an alarm, the last ones.
        self._alarms: deque[float] = deque(maxlen=_ALARMS)
        account.require_looks(patience_s=lag_s)

    def take_turn(self) -> bool:
        """True when the next look should begin, which is then the caller's to do: nobody else has it before its end."""
        # One that is wanted waits for its pause, too: a venue that answers nothing is not asked without end.
        now = asyncio.get_running_loop().time()
        if self._is_looking or now < (self._alarm_at() if self._is_alarmed else self._next_at):
            return False
        if self._is_alarmed:
            self._is_alarmed = False
            self._alarms.append(now)
        self._is_looking = True
        return True

    def hurry(self) -> None:
        """The venue is in sight again: the next look is due at once."""
        self._next_at = 0.0

    def alarm(self) -> None:
        """Somebody else has traded: no new orders until a look that begins from here on has said what is there."""
        self._account.begin_reconciling()
        self._is_alarmed = True

    def _alarm_at(self) -> float:
        if not self._alarms:
            return 0.0
        room_at = self._alarms[0] + _ALARMS_WITHIN_S if len(self._alarms) == _ALARMS else 0.0
        return max(self._alarms[-1] + _AGAIN_S, room_at)

    def soon(self) -> None:
        """The venue told of an order that nobody knows: the next look does not wait for its interval."""
        self._next_at = min(self._next_at, asyncio.get_running_loop().time() + _AGAIN_S)

    def heed(self) -> None:
        """Whoever waits for a look, an operator perhaps, does not wait for its interval."""
        if self._account.wants_look:
            self.soon()

    async def look(self) -> None:
        """One look, by whoever has the turn. What goes wrong is logged; what it booked until then is told."""
        try:
            async with asyncio.timeout(_MOST_WAITING * self._within_s), patient(self._within_s):
                await self._take()
        except (Exception, asyncio.CancelledError) as error:
            self._account.fail_look()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._log.warning("no look at the account: %r; it is looked at again", error)
        finally:
            self._is_looking = False
            pause_s = _AGAIN_S if self._account.wants_look else self._every_s
            self._next_at = asyncio.get_running_loop().time() + min(pause_s, self._every_s)

    async def _take(self) -> None:
        before = self._account.last_look()
        since_ns = self._account.begin_look()
        if before is not None and before["undecided"] and (doubt := getattr(self._gateway, "doubt", None)) is not None:
            doubt()
        orders = await self._gateway.open_orders()
        executions = await self._gateway.executions_since(since_ns)
        flows = await self._gateway.flows_since(since_ns)
        state = await self._gateway.account_state()
        ask, foreign = self._account.take_look(list(orders), list(executions), list(flows), state)
        for symbol, what in foreign:
            self._log.warning("%s: %s is not ours, and left alone", symbol, what)
        self._tell()
        self._ask(ask)

    def _tell(self) -> None:
        found = self._account.last_look()
        if found is None:
            return
        if found["opened"]:
            self._log.warning("the account had no past: it was opened with what the venue has")
        if found["adopted"]:
            self._log.warning("%d orders that the log does not know are adopted", found["adopted"])
        for _, currency, ours, theirs, difference in found["apart"]:
            # New orders do not wait for what they cannot touch.
            words = (currency, theirs, ours, difference)
            self._log.warning("%s, in which nothing is traded: %s is there, and not %s; %s is booked", *words)
        if found["missed_executions"] or found["missed_flows"]:
            missed = (found["missed_executions"], found["missed_flows"])
            self._log.warning("%d executions and %d flows were missed, and are booked", *missed)
