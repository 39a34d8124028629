"""What the log tells of a node's bridge: connections, gaps, losses, other nodes, and what a server should change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra_core import BridgeNews

__all__ = ["BridgeLog"]

_log = logging.getLogger(__name__)

AGAIN_AFTER_S: Final = 10.0
"""The same is not told more often; what came meanwhile is told then, counted."""

_SENTENCES: Final[dict[str, tuple[int, str]]] = {
    "connected": (logging.INFO, "the server is connected"),
    "disconnected": (logging.WARNING, "no connection to the server"),
    "gap_opened": (logging.WARNING, "events of {channel} are missing; new orders wait where it is RISK or ORDERS"),
    "gap_repaired": (logging.INFO, "the missing events of {channel} are here"),
    "gap_lost": (
        logging.ERROR,
        "{count} events of {channel} will never come; on RISK or ORDERS they stop new orders until libra resume",
    ),
    "gap_suspected": (
        logging.WARNING,
        "events of {channel} may be missing; none that this node was owed is known to be, and nothing stops for it",
    ),
    "snapshot_wanted": (logging.INFO, "a snapshot of {channel} is wanted"),
    "snapshot_loaded": (logging.INFO, "a snapshot of {channel} is loaded"),
    "fenced": (
        logging.ERROR,
        "another process of this node's name has taken over: nothing of this one leaves any more, and it ends",
    ),
    "outbox_full": (logging.WARNING, "the outbox of {channel} is full: commands are refused"),
    "overflow": (logging.ERROR, "{count} events of {channel} do not reach everybody"),
    "node_up": (logging.INFO, "node {node} is there"),
    "node_down": (logging.WARNING, "node {node} is no more"),
    "node_left": (logging.INFO, "node {node} has left"),
    "node_replaced": (logging.INFO, "node {node} was started again; nothing of its life before had come here"),
    "node_missing": (logging.WARNING, "node {node} is not there"),
    "actor_excused": (
        logging.WARNING,
        "actor {node} does not get on; it keeps {count} events, which are acknowledged without it",
    ),
    "loop_stood_still": (
        logging.ERROR,
        "others that looked took it for dead: its strategies are gone for their accounts",
    ),
    "unanswered": (logging.ERROR, "the node of the accounts is given up: what is asked of it on {channel} is refused"),
    "node_behind": (logging.WARNING, "node {node} is behind on {channel}"),
    "node_differs": (logging.WARNING, "node {node} has another profile than this one"),
    "clock_differs": (logging.WARNING, "the clock of node {node} differs from this one's"),
    "server_finding": (logging.WARNING, "the server"),
}


class BridgeLog:
    """Writes the bridge's news into the log, each at once and the same again at most every ten seconds.

    Args:
        clock: Gives the time in seconds; it never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[tuple[str, str, str, str], float] = {}
        self._waiting: dict[tuple[str, str, str, str], tuple[BridgeNews, int, int]] = {}
        self.is_fenced = False
        """Another process of this node's name has taken over."""
        self.left: set[str] = set()
        """Nodes that left in order."""
        self.connected_since_ns: int | None = None
        """Since when the server is connected, nanoseconds since the epoch; None while it is not."""

    def tell(self, news: Iterable[BridgeNews]) -> None:
        """Take in what happened, and tell what is due."""
        now = self._clock()
        for told in news:
            if told.kind == "fenced":
                self.is_fenced = True
            elif told.kind == "node_left":
                self.left.add(told.node)
            elif told.kind in ("node_up", "node_down", "node_missing"):
                self.left.discard(told.node)
            if told.kind == "connected":
                self.connected_since_ns = time.time_ns()
            elif told.kind in ("disconnected", "fenced"):
                self.connected_since_ns = None
            key = (told.kind, told.node, told.channel, told.detail if told.kind == "server_finding" else "")
            if now - self._told_at.get(key, now - AGAIN_AFTER_S) < AGAIN_AFTER_S:
                _, times, events = self._waiting.pop(key, (told, 0, 0))
                self._waiting[key] = (told, times + 1, events + told.count)
            else:
                self._told_at[key] = now
                _write(told, 1, told.count)
        if self._waiting or len(self._told_at) > _MOST_REMEMBERED:
            self._tell_waiting(now)

    def close(self) -> None:
        """Tell what waits: nothing more comes."""
        for told, times, events in self._waiting.values():
            _write(told, times, events)
        self._waiting.clear()

    def _tell_waiting(self, now: float) -> None:
        for key, (told, times, events) in list(self._waiting.items()):
            if now - self._told_at[key] >= AGAIN_AFTER_S:
                del self._waiting[key]
                self._told_at[key] = now
                _write(told, times, events)
        self._told_at = {key: at for key, at in self._told_at.items() if now - at < AGAIN_AFTER_S}


_MOST_REMEMBERED: Final = 1_024


def _write(told: BridgeNews, times: int, events: int) -> None:
    level, sentence = _SENTENCES.get(told.kind, (logging.INFO, told.kind))
    text = sentence.format(node=told.node, channel=told.channel or "a channel", count=events)
    if told.kind == "overflow" and told.node:
        text = f"node {told.node} does not keep up with {told.channel}"
    detail = f": {told.detail}" if told.detail else ""
    again = f" (said {times} times meanwhile)" if times > 1 else ""
    _log.log(level, "bridge: %s%s%s", text, detail, again)
