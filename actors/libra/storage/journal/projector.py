"""Brings a journal up to its log: from where it stands, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from libra.errors import StorageError
from libra.storage.journal.faults import JournalCorrupt, JournalRefused, JournalStale
from libra.storage.journal.store import JournalStore, Position
from libra_core import LogBatch, LogProjection

__all__ = ["BATCH", "Projector", "set_aside"]

BATCH: Final = 2_000
"""Records of a transaction at most: half a megabyte, which the interpreter's lock is held to copy, and some 20 ms."""

_MOST_ASIDE: Final = 3
"""Files that are set aside before it is left alone: then it is not the files that are at fault."""

_SKIP: Final = 100_000
"""Records that are passed by at a time, so that whoever waits can be told, or can end it."""


class Projector:
    """A log and its journal. What went wrong is raised, and nothing is lost by it: the next call goes on.

    Args:
        log: The log.
        path: The journal.
        is_over: Asked now and then while a long log is passed by; True ends it with a `StorageError`.
    """

    def __init__(self, log: Path, path: Path, *, is_over: Callable[[], bool] = lambda: False) -> None:
        self.log = log
        self.path = path
        self.aside: list[tuple[Path, str]] = []
        """Files that were set aside, and why."""
        self._is_over = is_over
        self._store: JournalStore | None = None
        self._projection: LogProjection | None = None
        self._position = Position()
        self._pending: LogBatch | None = None

    @property
    def position(self) -> Position:
        """How much of the log stands in the journal, as far as is known here."""
        return self._position

    def advance(self, most: int = BATCH) -> int:
        """Write one batch.

        Args:
            most: How many records at most.

        Returns:
            How many records it had; 0 where the journal has all of the log.

        Raises:
            StorageError: For what may pass, such as a lock or a full disk.
            JournalRefused: For a file that is not to be touched.
        """
        store, projection = self._opened()
        if self._pending is None:
            try:
                self._pending = projection.batch(most)
            except OSError as error:
                raise StorageError(f"the log cannot be followed: {error}") from error
        if self._pending is None:
            return 0
        before = self._position
        try:
            after = store.write(self._pending, projection.account(), before)
        except (JournalCorrupt, JournalStale) as fault:
            self._give_up(fault)
            return self.advance(most)
        if after is None:
            # Somebody else wrote to it: it is looked at anew.
            self.close()
            return self.advance(most)
        self._position, self._pending = after, None
        return after.records - before.records

    def behind_bytes(self) -> int:
        """How much of the log is not in the journal yet; a torn tail counts, too."""
        try:
            return max(self.log.stat().st_size - self._position.offset, 0)
        except OSError:
            return 0

    def close(self) -> None:
        """Close both; a later call of `advance` opens them again."""
        if self._store is not None:
            self._store.close()
        self._store = self._projection = self._pending = None

    def _opened(self) -> tuple[JournalStore, LogProjection]:
        if self._store is not None and not self._store.is_in_place():
            self.close()
        if self._store is not None and self._projection is not None:
            return self._store, self._projection
        self.close()
        try:
            self._open()
        except (JournalCorrupt, JournalStale) as fault:
            self._give_up(fault)
            self._open()
        if self._store is None or self._projection is None:
            raise AssertionError("opened above")
        return self._store, self._projection

    def _open(self) -> None:
        self._store = JournalStore(self.path, self.log)
        try:
            self._position = self._store.position()
            self._projection = self._follow(self._position)
        except BaseException:
            self.close()
            raise

    def _follow(self, position: Position) -> LogProjection:
        """The log, read up to where the journal stands.

        Raises:
            JournalStale: When the log does not begin with what the journal holds.
        """
        try:
            projection = LogProjection(self.log)
            records, offset, digest = projection.place()
            while records < position.records:
                if self._is_over():
                    raise StorageError("it was stopped while it looked for its place in the log")
                known = records
                records, offset, digest = projection.skip(position.records, _SKIP)
                if records == known:
                    break
        except OSError as error:
            raise StorageError(f"the log cannot be followed: {error}") from error
        if position.records == 0:
            return projection
        account = projection.account()
        if records > 0 and account != position.account:
            raise JournalRefused(
                f"{self.path} is the journal of account {position.account}, and the log is {account}'s:"
                " name another file for the journal"
            )
        if (records, offset, digest) != (position.records, position.offset, position.digest):
            raise JournalStale(f"{self.path} holds what the log {self.log} does not")
        return projection

    def _give_up(self, fault: StorageError) -> None:
        self.close()
        if len(self.aside) >= _MOST_ASIDE:
            raise StorageError(f"a journal that was made anew is no good either: {fault}") from fault
        why = "stale" if isinstance(fault, JournalStale) else "corrupt"
        # As text: an error would keep all that its traceback leads to.
        self.aside.append((set_aside(self.path, why), str(fault)))


def set_aside(path: Path, why: str) -> Path:
    """Rename a journal, with what SQLite keeps beside it, to the first free name with `.why-N`.

    Raises:
        StorageError: When it cannot be renamed.
    """
    number = 1
    while (target := path.with_name(f"{path.name}.{why}-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                beside.rename(target.with_name(target.name + suffix))
        path.rename(target)
    except OSError as error:
        raise StorageError(f"{path} cannot be set aside: {error}") from error
    return target
