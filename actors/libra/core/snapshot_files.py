"""The files of snapshots: written by a thread of their own, so that no disk holds up the loop.

Of one actor the newest state waits at most, so a slow disk costs ages of states and no memory. A file is the one before
or the new one, as a whole. A disk that fails is told of once for each actor, and again when it has taken one since.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from libra.core.faults import describe, log_failure

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SnapshotFiles"]

_log = logging.getLogger(__name__)
_PAUSE_S = 0.1
"""Between two rounds: the order logs have the same disk."""


@dataclass(slots=True)
class _Wish:
    """What is to become of an actor's file: it is put aside first, where somebody asked for that, then written."""

    aside: bool = False
    snapshot: Any = None


class SnapshotFiles:
    """The files of a node's snapshots.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._news = threading.Condition()
        self._wishes: dict[str, _Wish] = {}
        self._is_at: str | None = None
        self._there: dict[str, Any] = {}
        self._failing: set[str] = set()
        self._errors = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def errors(self) -> int:
        """What could not be written or put aside so far, counted."""
        return self._errors

    def path(self, name: str) -> Path:
        """An actor's file: two names never share one, and none leaves the folder."""
        return self._folder / f"{quote(name, safe='')}.snapshot"

    def read(self, name: str) -> bytes:
        """What the last run left; before anything is written."""
        return self.path(name).read_bytes()

    def keep(self, name: str, snapshot: msgspec.Struct) -> None:
        """Write a state, instead of one that waits still. Nothing where it is there already."""
        with self._news:
            if self._there.get(name) is not snapshot or name in self._wishes:
                self._wishes.setdefault(name, _Wish()).snapshot = snapshot
                self._begin()

    def put_aside(self, name: str) -> None:
        """Give a file another name, beside those that were before; a state that waits is of no use any more."""
        with self._news:
            self._there.pop(name, None)
            self._wishes[name] = _Wish(aside=True)
            self._begin()

    def close(self, within_s: float) -> list[str]:
        """Write what waits, for so many seconds at most, and no more from then on.

        Returns:
            The actors whose newest state is in no file.
        """
        self._closing.set()
        with self._news:
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._news:
            left = self._wishes.keys() | (set() if self._is_at is None else {self._is_at})
            self._errors += len(left)
            return sorted(left | self._failing)

    def _begin(self) -> None:
        """Somebody has to look; called with the lock."""
        if self._thread is None and not self._closing.is_set():
            # A daemon: a disk that hangs must not hold up the end of the process.
            self._thread = threading.Thread(target=self._run, name="libra-snapshots", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._wishes:
                    if self._closing.is_set():
                        return
                    self._news.wait()
                names = list(self._wishes)
            for name in names:
                with self._news:
                    wish = self._wishes.pop(name)
                    self._is_at = name
                self._carry_out(name, wish)
                with self._news:
                    self._is_at = None
            self._closing.wait(_PAUSE_S)

    def _carry_out(self, name: str, wish: _Wish) -> None:
        path = self.path(name)
        if wish.aside:
            try:
                path.replace(_free_name(path))
            except FileNotFoundError:
                pass
            except Exception as error:
                self._errors += 1
                log_failure(_log, "actor %s: %s could not be put aside: %s", name, path, describe(error), error=error)
        if wish.snapshot is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                _write(path, msgspec.msgpack.encode(wish.snapshot))
            except Exception as error:
                self._could_not_write(name, error)
            else:
                self._there[name] = wish.snapshot
                if name in self._failing:
                    self._failing.discard(name)
                    _log.warning("actor %s: its snapshots are written again", name)

    def _could_not_write(self, name: str, error: Exception) -> None:
        self._errors += 1
        if name not in self._failing:
            self._failing.add(name)
            then = "the next one is tried, and this is not told again"
            log_failure(
                *(_log, "actor %s: its snapshot could not be written, %s: %s", name, then, describe(error)),
                error=error,
            )


def _write(path: Path, data: bytes) -> None:
    """Atomic: after a crash the file is the old one or the new one."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _free_name(path: Path) -> Path:
    """Where a snapshot is put aside, beside those that were before."""
    names = (f"{path.name}.refused{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(aside for name in names if not os.path.lexists(aside := path.with_name(name)))
