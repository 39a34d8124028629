"""Dead letters: what could not be delivered, or was not handled to its end.

They are kept natively (``libra-kernel``, module ``letters``): all are counted by reason and actor, the last 1,024 are
kept without their payloads. Who wants to see each of them subscribes to `EventType.DEAD_LETTER`.

| reason | what happened | told to the sender |
| --- | --- | --- |
| `GONE` | sent to an actor that is no more | yes |
| `LEFT` | it waited in the mailbox of an actor that ended | an ``ask`` is refused |
| `RAISED` | its handler raised | an ``ask`` is refused |
| `CANCELLED` | its handler was cancelled, to take its actor down or end the drain | an ``ask`` is refused |
| `REFUSED` | no room for it | yes |
| `STORM` | its sender publishes more than it may; such an event is not even made | yes |

Market data and timers that an actor leaves behind are none. A command that expires gets its answer from the account (an
`ORDER_REJECTED` with `EXPIRED`, a skipped signal) and is counted there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra_core import DeadLetter, NodeCore

__all__ = ["DeadLetters"]

_log = logging.getLogger(__name__)
_EVERY_NS = 1_000_000_000


class DeadLetters:
    """A view of a node's dead letters.

    Args:
        core: The node's native side.
    """

    def __init__(self, core: NodeCore) -> None:
        self._core = core
        self._told: dict[tuple[str, str], int] = {}
        self._told_total = 0
        self._next_ns = 0

    def __len__(self) -> int:
        """How many there were."""
        return self._core.dead_letter_total

    def last(self) -> list[DeadLetter]:
        """The last ones, the oldest first."""
        return self._core.dead_letters()

    def counts(self) -> dict[str, dict[str, int]]:
        """How many there were, by reason and actor."""
        counts: dict[str, dict[str, int]] = {}
        for reason, actor, count in self._core.dead_letter_counts():
            counts.setdefault(reason, {})[actor] = count
        return counts

    def by_reason(self) -> dict[str, int]:
        """How many there were, by reason."""
        return {reason: sum(actors.values()) for reason, actors in self.counts().items()}

    def log_news(self, now_ns: int, *, at_once: bool = False) -> None:
        """Log what came since the last time: a line at most once a second, however many there are.

        Args:
            now_ns: The time on a monotonic clock.
            at_once: Do not wait for the second to be over.
        """
        total = self._core.dead_letter_total
        if total == self._told_total or (now_ns < self._next_ns and not at_once):
            return
        self._told_total, self._next_ns = total, now_ns + _EVERY_NS
        news = []
        for reason, actor, count in self._core.dead_letter_counts():
            new = count - self._told.get((reason, actor), 0)
            # What a handler raised is in the log already.
            if new and reason != "RAISED":
                self._told[reason, actor] = count
                news.append(f"{new} {reason} at {actor}")
        if news:
            _log.warning("dead letters: %s", ", ".join(news))
