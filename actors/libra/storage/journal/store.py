"""A journal's file: opened, checked, brought to this version, and written batch by batch with the log's position.

A batch and the position that it leads to are one transaction. Whatever is interrupted, the file holds the rows of a
prefix of the log, and says which.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from libra.errors import StorageError
from libra.storage.journal.faults import SQLITE_FAULTS, JournalCorrupt, JournalRefused, fault_of
from libra.storage.journal.schema import APPLICATION_ID, STEPS, TABLES, VIEWS, Step, insert_statement
from libra_core import LogProjection

if TYPE_CHECKING:
    from libra_core import LogBatch

__all__ = ["JournalStore", "Position", "connect"]

_SQLITE: Final = b"SQLite format 3\0"
_LOG: Final = b"LIBRAGTE"
_LOCK_S: Final = 0.25
"""How long a statement waits for another process's lock, before it is tried again later."""
_WAL_BYTES: Final = 1 << 24
"""Of a write-ahead log that is done with, so much is kept."""
_OLDEST: Final = (3, 38, 0)
"""The version of SQLite that has JSON built in."""
_INSERTS: Final = {table: insert_statement(table, columns) for table, columns in LogProjection.columns()}


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a log stands in a journal.

    Attributes:
        account: Whose log it is; empty before the first record.
        records: Records of the log.
        offset: Where the next one begins.
        digest: Over the bytes of all these.
        ts_ns: The account's time at the last one.
    """

    account: str = ""
    records: int = 0
    offset: int = 0
    digest: str = ""
    ts_ns: int = 0


def connect(path: Path, *, read_only: bool = False, lock_s: float = _LOCK_S) -> sqlite3.Connection:
    """A connection without transactions of its own making; the file has to be there.

    One that only reads is opened for writing where that is allowed: so it tidies up what a killed writer left, and what
    SQLite itself keeps beside the file.
    """
    # Characters that mean something in a URI are quoted by `as_uri`.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=lock_s, isolation_level=None)
    if read_only:
        db.execute("PRAGMA query_only = ON")
    return db


class JournalStore:
    """An open journal, to be written by one thread.

    Args:
        path: The file; made where it is missing.
        log: The log that it is the journal of.
        steps: The versions of the schema.

    Raises:
        JournalCorrupt: For what is no database, or damaged.
        JournalRefused: For somebody else's file, or a newer version's.
        StorageError: For what may pass: a lock, a full disk.
    """

    def __init__(self, path: Path, log: Path, *, steps: Sequence[Step] = STEPS) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            needed = ".".join(map(str, _OLDEST))
            raise StorageError(f"Python has SQLite {sqlite3.sqlite_version} here, a journal needs {needed} or later")
        self.path = path
        self._log = os.path.relpath(log, path.parent)
        self._steps = steps
        _look_at(path)
        try:
            # For its user alone, as the log; what SQLite puts beside it follows.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            found = path.stat()
        except OSError as error:
            raise StorageError(f"the journal cannot be opened: {error}") from error
        self._file = (found.st_dev, found.st_ino)
        with self._said():
            self._db = connect(path)
            # One for all: a connection keeps a reference to each cursor that it ever made, until there are hundreds.
            self._cursor = self._db.cursor()
        try:
            with self._said():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def is_in_place(self) -> bool:
        """False when the file was removed, or another one is in its place."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._file

    def position(self) -> Position:
        """How much of the log it holds."""
        with self._said():
            return self._position()

    def write(self, batch: LogBatch, account: str, before: Position) -> Position | None:
        """Write a batch, and the position behind it.

        Args:
            batch: The rows.
            account: Whose log it is.
            before: The position that the batch goes on from.

        Returns:
            The position; None, and nothing was written, where the file holds another one than `before`.
        """
        after = Position(account, batch.records, batch.offset, batch.digest, batch.ts_ns)
        with self._said(), self._transaction():
            if self._position() != before:
                return None
            for table, rows in batch.tables:
                self._cursor.execute(_INSERTS[table], (rows,))
            self._set_position(after)
        return after

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """A transaction, in which batches are added by `add`, that replaces everything that was there."""
        with self._said(), self._transaction():
            self._empty()
            yield

    def add(self, batch: LogBatch, account: str) -> None:
        """Add a batch within `emptied`."""
        for table, rows in batch.tables:
            self._cursor.execute(_INSERTS[table], (rows,))
        self._set_position(Position(account, batch.records, batch.offset, batch.digest, batch.ts_ns))

    # How ------------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        is_ours = self._pragma("application_id") == APPLICATION_ID
        version = self._pragma("user_version")
        is_new = not self._cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_ours and not is_new:
            raise JournalRefused(f"{self.path} is another program's database; name another file for the journal")
        if is_ours and version > len(self._steps):
            raise JournalRefused(
                f"{self.path} has version {version} of the journal, this build knows {len(self._steps)}:"
                " use the newer build, or move the file away to have it made anew from the log"
            )
        if self._cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StorageError(f"{self.path}: its file system has no shared memory, which a journal in WAL needs")
        self._cursor.execute("PRAGMA synchronous = NORMAL")
        self._cursor.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        if version < len(self._steps):
            self._migrate(version)

    def _migrate(self, version: int) -> None:
        with self._transaction():
            # Another process may have done it meanwhile.
            version = self._pragma("user_version")
            steps = self._steps[version:]
            for step in steps:
                for statement in step.statements:
                    self._cursor.execute(statement)
            if any(step.reprojects for step in steps):
                self._empty()
            for view, query in VIEWS.items():
                self._cursor.execute(f"DROP VIEW IF EXISTS {view}")
                self._cursor.execute(f"CREATE VIEW {view} AS {query}")
            if version == 0:
                self._set_position(Position())
            self._cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._cursor.execute(f"PRAGMA user_version = {len(self._steps)}")

    def _empty(self) -> None:
        for table in TABLES:
            self._cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        self._set_position(Position())

    def _position(self) -> Position:
        row = self._cursor.execute(
            "SELECT account, records, log_offset, digest, ts_ns FROM log_position WHERE id = 1"
        ).fetchone()
        if row is None:
            raise JournalCorrupt(f"{self.path}: it does not say how much of the log it holds")
        return Position(*row)

    def _set_position(self, position: Position) -> None:
        self._cursor.execute(
            "INSERT OR REPLACE INTO log_position VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            (
                position.account,
                self._log,
                position.records,
                position.offset,
                position.digest,
                position.ts_ns,
                time.time_ns(),
            ),
        )

    def _pragma(self, name: str) -> int:
        value: int = self._cursor.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._cursor.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._cursor.execute("COMMIT")
        except BaseException:
            # SQLite has taken some failures back by itself.
            if self._db.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except SQLITE_FAULTS as error:
            raise fault_of(error, self.path) from error


def _look_at(path: Path) -> None:
    """Look at a file before SQLite does, which would take an order gate's log for a broken database."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"the journal cannot be read: {error}") from error
    if head.startswith(_LOG):
        raise JournalRefused(f"{path} is the log of an order gate; name another file for the journal")
    if head and head != _SQLITE:
        raise JournalCorrupt(f"{path} is no database")
