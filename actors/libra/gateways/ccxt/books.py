"""Keeps one order book in step with Binance: a snapshot, then every change behind it; a gap asks for the next snapshot.

Spot: the first change has ``U <= L + 1 <= u``, each later one ``U == u before + 1``. USD-M: the first has
``U <= L <= u``, each later one ``pu == u before`` (Binance, "How to manage a local order book").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from libra.model import BookDelta

__all__ = ["BookSync"]

_MOST_EARLY = 10_000


class BookSync:
    """One book.

    Args:
        instrument: What deltas are named after, ``SYMBOL@VENUE``.
    """

    def __init__(self, instrument: str) -> None:
        self._instrument = instrument
        self._last_id: int | None = None
        self._is_first = True
        self._early: deque[Mapping[str, Any]] = deque(maxlen=_MOST_EARLY)
        self.gaps = 0
        """How often it was out of step."""

    @property
    def needs_snapshot(self) -> bool:
        """True until a snapshot has come that changes follow."""
        return self._last_id is None

    def reset(self) -> None:
        """The connection is another one: what comes does not follow what was."""
        self._last_id = None
        self._early.clear()

    def on_change(self, frame: Mapping[str, Any]) -> list[BookDelta]:
        """A ``depthUpdate`` frame.

        Returns:
            What is to be told on: nothing while a snapshot is missing.
        """
        if self._last_id is None:
            self._early.append(frame)
            return []
        return self._follow(frame)

    def on_snapshot(self, snapshot: Mapping[str, Any]) -> list[BookDelta]:
        """The answer of ``/depth``.

        Returns:
            The snapshot and what follows it; nothing when it is older than the changes that are here, so that another
            one is needed.
        """
        last_id = int(snapshot["lastUpdateId"])
        early, self._early = self._early, deque(maxlen=_MOST_EARLY)
        waiting = [frame for frame in early if not self._is_old(frame, last_id)]
        if waiting and not _joins(waiting[0], last_id):
            self._early.extend(waiting)
            return []
        self._last_id, self._is_first = last_id, True
        deltas = [
            BookDelta(
                self._instrument,
                _levels(snapshot["bids"]),
                _levels(snapshot["asks"]),
                snapshot=True,
                last_id=last_id,
                ts_venue_ns=_ms(snapshot.get("T") or snapshot.get("E")),
            )
        ]
        for frame in waiting:
            deltas += self._follow(frame)
        return deltas

    def _follow(self, frame: Mapping[str, Any]) -> list[BookDelta]:
        held = self._last_id
        if held is None:
            self._early.append(frame)
            return []
        if self._is_old(frame, held):
            return []
        if not (_joins(frame, held) if self._is_first else _continues(frame, held)):
            self.gaps += 1
            self._last_id = None
            self._early.append(frame)
            return []
        self._last_id, self._is_first = int(frame["u"]), False
        return [
            BookDelta(
                self._instrument,
                _levels(frame["b"]),
                _levels(frame["a"]),
                first_id=int(frame["U"]),
                last_id=int(frame["u"]),
                previous_id=int(frame.get("pu", -1)),
                ts_venue_ns=_ms(frame.get("T") or frame.get("E")),
            )
        ]

    def _is_old(self, frame: Mapping[str, Any], last_id: int) -> bool:
        """A change that the book has already."""
        u = int(frame["u"])
        return u < last_id if "pu" in frame and self._is_first else u <= last_id


def _joins(frame: Mapping[str, Any], last_id: int) -> bool:
    first = int(frame["U"])
    if "pu" in frame:
        return first <= last_id or int(frame["pu"]) == last_id
    return first <= last_id + 1


def _continues(frame: Mapping[str, Any], last_id: int) -> bool:
    return int(frame["pu"]) == last_id if "pu" in frame else int(frame["U"]) == last_id + 1


def _levels(levels: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(level[0], level[1]) for level in levels]


def _ms(value: object) -> int:
    text = str(value)
    return int(text) * 1_000_000 if text.isascii() and text.isdigit() else 0
