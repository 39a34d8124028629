"""Supervision: what happens to an actor whose hook raised.

One for one: only the actor that failed is started anew, as a fresh instance, after a wait that doubles with each
failure. When it fails more often than its intensity allows within the period, it is given up: it ends as ``failed``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["RestartPolicy", "Restarts"]


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a failing actor is started again.

    Attributes:
        max_restarts: Restarts allowed within the period; one failure more ends the actor.
        period_s: The period, in seconds of the node's clock.
        backoff_s: The wait before the first restart in a period; it doubles with each.
        max_backoff_s: The longest wait.
    """

    max_restarts: int = 3
    period_s: float = 60.0
    backoff_s: float = 0.1
    max_backoff_s: float = 5.0


@dataclass(slots=True)
class Restarts:
    """Counts an actor's failures against its policy."""

    policy: RestartPolicy
    _times_ns: deque[int] = field(default_factory=deque)

    def next_wait_s(self, now_ns: int) -> float | None:
        """A failure at ``now_ns``: seconds to wait before the restart, or None when the actor is given up."""
        period_ns = round(self.policy.period_s * 1e9)
        while self._times_ns and now_ns - self._times_ns[0] > period_ns:
            self._times_ns.popleft()
        if len(self._times_ns) >= self.policy.max_restarts:
            return None
        wait_s = self.policy.backoff_s * 2.0 ** len(self._times_ns)
        self._times_ns.append(now_ns)
        return min(wait_s, self.policy.max_backoff_s)
