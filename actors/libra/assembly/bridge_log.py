"""What the log tells of a node's bridge: connections, gaps, losses, other nodes, and what a server should change.

A state and its opposite are one thing: what is held back, since the same was told a moment ago, is how it stands by
then, with the time at which it came to that. So the last line about something is never one that was overtaken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    "server_refuses": (logging.ERROR, "no connection to the server, and none before somebody changes something"),
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
    # Whether somebody looked meanwhile only they know, and tell.
    "loop_stood_still": (
        logging.WARNING,
        "whoever looked meanwhile took it for dead: libra status names its strategies as GONE where that is so",
    ),
    "unanswered": (logging.ERROR, "the node of the accounts is given up: what is asked of it on {channel} is refused"),
    "node_cut_off": (logging.WARNING, "node {node} does not get all of {channel}"),
    "node_behind": (logging.WARNING, "node {node} is behind on {channel}"),
    "node_differs": (logging.WARNING, "node {node} has another profile than this one"),
    "clock_differs": (logging.WARNING, "the clock of node {node} differs from this one's"),
    "server_finding": (logging.WARNING, "the server"),
    "server_note": (logging.INFO, "the server"),
}


_STATES: Final[dict[str, str]] = {
    **dict.fromkeys(("connected", "disconnected", "server_refuses"), "connection"),
    **dict.fromkeys(("gap_opened", "gap_repaired"), "gap"),
    **dict.fromkeys(("snapshot_wanted", "snapshot_loaded"), "snapshot"),
    **dict.fromkeys(("node_up", "node_down", "node_left"), "node"),
}
"""What excludes each other of one node or channel."""

_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Held:
    """What waits to be told.

    Attributes:
        told: The last of it.
        at: When that happened; of a state, when it came to that.
        times: How often it was said.
        events: How many events it is about.
        changes: How often a state changed.
    """

    told: BridgeNews
    at: float
    times: int = 0
    events: int = 0
    changes: int = 0


class BridgeLog:
    """Writes the bridge's news into the log, each at once and the same again at most every ten seconds.

    Args:
        clock: Gives the time in seconds; it never goes back.
        wall_clock: Gives the time in seconds since the epoch.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._told_at: dict[_Key, float] = {}
        self._stands: dict[_Key, tuple[str, float]] = {}
        self._waiting: dict[_Key, _Held] = {}
        self.is_fenced = False
        """Another process of this node's name has taken over."""
        self._connected_at: float | None = None

    @property
    def connected_since_ns(self) -> int | None:
        """Since when the server is connected, nanoseconds since the epoch by the clock of now; None while it is not."""
        if self._connected_at is None:
            return None
        return round((self._wall_clock() - (self._clock() - self._connected_at)) * 1e9)

    def tell(self, news: Iterable[BridgeNews]) -> None:
        """Take in what happened, and tell what is due."""
        now = self._clock()
        for told in news:
            if told.kind == "fenced":
                self.is_fenced = True
            if told.kind == "connected":
                self._connected_at = now
            elif told.kind in ("disconnected", "server_refuses", "fenced"):
                self._connected_at = None
            self._take(told, now)
        if self._waiting or len(self._told_at) > _MOST_REMEMBERED:
            self._tell_waiting(now)

    def close(self) -> None:
        """Tell what waits: nothing more comes."""
        now = self._clock()
        for held in self._waiting.values():
            _write(held.told, held.events, self._behind(held, now))
        self._waiting.clear()

    def _take(self, told: BridgeNews, now: float) -> None:
        if told.kind == "fenced":
            self._forget(("connection", "", "", ""))
        elif told.kind == "gap_lost":
            # Nobody says of it that it was repaired.
            self._forget(("gap", told.node, told.channel, ""))
        key = _key_of(_STATES.get(told.kind, told.kind), told)
        before, since = self._stands.get(key, ("", now))
        has_changed = told.kind in _STATES and told.kind != before
        if has_changed:
            self._stands[key] = (told.kind, now)
        held = self._waiting.pop(key, None)
        if held is None:
            if not self._was_told(told, now):
                self._told_at[_key_of(told.kind, told)] = now
                _write(told, told.count, "")
                return
            held = _Held(told, now)
        held.told, held.times, held.events = told, held.times + 1, held.events + told.count
        held.at = since if told.kind == before else now
        held.changes += has_changed
        self._waiting[key] = held

    def _forget(self, key: _Key) -> None:
        self._waiting.pop(key, None)
        self._stands.pop(key, None)

    def _was_told(self, told: BridgeNews, now: float) -> bool:
        """True when the same was told a moment ago."""
        at = self._told_at.get(_key_of(told.kind, told))
        return at is not None and now - at < AGAIN_AFTER_S

    def _tell_waiting(self, now: float) -> None:
        for key, held in list(self._waiting.items()):
            if not self._was_told(held.told, now):
                del self._waiting[key]
                self._told_at[_key_of(held.told.kind, held.told)] = now
                _write(held.told, held.events, self._behind(held, now))
        self._told_at = {key: at for key, at in self._told_at.items() if now - at < AGAIN_AFTER_S}

    def _behind(self, held: _Held, now: float) -> str:
        """When it was, and how often: for what is told later than it happened."""
        clock = time.strftime("%H:%M:%S", time.localtime(self._wall_clock() - (now - held.at)))
        if held.told.kind in _STATES:
            if held.at == now and held.changes <= 1:
                return ""
            again = f"; it changed {held.changes} times meanwhile" if held.changes > 1 else ""
            return f" (since {clock}{again})"
        return f" (said {held.times} times meanwhile, last at {clock})" if held.times > 1 else f" (at {clock})"


_MOST_REMEMBERED: Final = 1_024


def _key_of(what: str, told: BridgeNews) -> _Key:
    return what, told.node, told.channel, told.detail if told.kind in ("server_finding", "server_note") else ""


def _write(told: BridgeNews, events: int, behind: str) -> None:
    level, sentence = _SENTENCES.get(told.kind, (logging.INFO, told.kind))
    text = sentence.format(node=told.node, channel=told.channel or "a channel", count=events)
    if told.kind == "overflow" and told.node:
        text = f"node {told.node} does not keep up with {told.channel}"
    detail = f": {told.detail}" if told.detail else ""
    _log.log(level, "bridge: %s%s%s", text, detail, behind)
