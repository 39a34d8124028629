"""Whether a journal says what its log says: it is made once more from the log, and compared row by row."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from libra.errors import StorageError
from libra.storage.journal.faults import SQLITE_FAULTS, fault_of
from libra.storage.journal.projector import BATCH
from libra.storage.journal.reading import JournalReader
from libra.storage.journal.schema import TABLES
from libra.storage.journal.store import JournalStore, Position, connect
from libra_core import LogProjection

__all__ = ["Difference", "Verdict", "rebuild", "verify"]

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""

_MOST: Final = 20
"""Differences that are told; the first ones say what is wrong."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row in which journal and log differ.

    Attributes:
        table: Its table.
        key: Its key.
        what: What is different.
    """

    table: str
    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found.

    Attributes:
        position: How much of the log the journal holds.
        rows: How many rows were compared.
        behind_bytes: How much of the log it does not hold yet.
        differences: The first differences; none where it is right.
    """

    position: Position
    rows: int
    behind_bytes: int
    differences: tuple[Difference, ...]


def verify(journal: Path, log: Path | None = None, progress: Progress = lambda *_: None) -> Verdict:
    """Compare a journal with what its log makes, as far as the journal goes.

    Args:
        journal: The journal; its writer may go on meanwhile.
        log: Its log; the one that it names where left out.
        progress: Told how far it is.

    Raises:
        StorageError: When one of them cannot be read.
    """
    with JournalReader(journal) as reader, tempfile.TemporaryDirectory(prefix="libra-journal-") as folder:
        log = log or reader.log()
        try:
            # What is read from here on is of one moment.
            reader.db.execute("BEGIN")
            position = reader.position()
            damage = reader.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except SQLITE_FAULTS as error:
            raise fault_of(error, journal) from error
        if damage != "ok":
            return Verdict(position, 0, 0, (Difference("-", "-", f"the file is damaged: {damage}"),))
        fresh = Path(folder) / "fresh.db"
        made = _project(log, fresh, position.records, progress)
        if made != position:
            what = f"the log has {made.records} records, at byte {made.offset} with digest {made.digest}"
            held = f"the journal has {position.records}, at byte {position.offset} with digest {position.digest}"
            return Verdict(position, 0, 0, (Difference("log_position", "1", f"{held}; {what}"),))
        rows, differences = _compare(reader, fresh)
        behind = max(log.stat().st_size - position.offset, 0)
        return Verdict(position, rows, behind, differences)


def rebuild(journal: Path, log: Path, progress: Progress = lambda *_: None) -> Position:
    """Make the rows of a journal anew, in one transaction: who reads it sees the old ones until then.

    A file that is damaged has to be moved away before; one that is another program's is refused.

    Args:
        journal: The journal; made where it is missing.
        log: Its log.
        progress: Told how far it is.

    Returns:
        How much of the log it holds now.

    Raises:
        StorageError: When the log cannot be read, or the journal cannot be written.
    """
    size = _size(log)
    store = JournalStore(journal, log)
    try:
        projection = _follow(log)
        with store.emptied():
            while (batch := _next(projection, None)) is not None:
                store.add(batch, projection.account())
                progress(batch.offset, size)
        return store.position()
    finally:
        store.close()


def _project(log: Path, path: Path, records: int, progress: Progress) -> Position:
    """A journal of the first `records` records."""
    size = _size(log)
    store = JournalStore(path, log)
    try:
        projection = _follow(log)
        position = store.position()
        while position.records < records:
            batch = _next(projection, records)
            after = None if batch is None else store.write(batch, projection.account(), position)
            if after is None:
                break
            position = after
            progress(position.offset, size)
        return position
    finally:
        store.close()


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError as error:
        raise StorageError(f"the log cannot be read: {error}") from error


def _follow(log: Path) -> LogProjection:
    try:
        return LogProjection(log)
    except OSError as error:
        raise StorageError(f"the log cannot be read: {error}") from error


def _next(projection: LogProjection, until: int | None) -> Any:  # noqa: ANN401 - a native batch, or None
    try:
        return projection.batch(BATCH, until)
    except OSError as error:
        raise StorageError(f"the log cannot be read: {error}") from error


def _compare(reader: JournalReader, fresh: Path) -> tuple[int, tuple[Difference, ...]]:
    found: list[Difference] = []
    counts = 0
    other = connect(fresh, read_only=True)
    try:
        for table, key in TABLES.items():
            count, differences = _compare_table(reader.db, other, table, key)
            counts += count
            found += differences
            if len(found) >= _MOST:
                break
    except SQLITE_FAULTS as error:
        raise fault_of(error, reader.path) from error
    finally:
        other.close()
    return counts, tuple(found[:_MOST])


def _compare_table(
    ours: sqlite3.Connection, other: sqlite3.Connection, table: str, key: tuple[str, ...]
) -> tuple[int, list[Difference]]:
    query = f"SELECT {', '.join(key)}, * FROM {table} ORDER BY {', '.join(key)}"  # noqa: S608 - names of ours
    names = [column[0] for column in other.execute(f"{query} LIMIT 0").description][len(key) :]
    differences: list[Difference] = []
    count = 0
    for held, made in _side_by_side(ours.execute(query), other.execute(query), len(key)):
        count += 1
        if held == made:
            continue
        row = made if held is None else held
        name = ", ".join(str(part) for part in (row or ())[: len(key)])
        differences.append(Difference(table, name, _difference(held, made, names, len(key))))
        if len(differences) >= _MOST:
            break
    return count, differences


Row = tuple[Any, ...]


def _side_by_side(ours: Iterator[Row], other: Iterator[Row], width: int) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of the same key together; both come in the order of their keys."""
    held, made = next(ours, None), next(other, None)
    while held is not None or made is not None:
        # SQLite sorts texts by their bytes, as UTF-8 sorts by code points, as Python does.
        if made is None or (held is not None and held[:width] < made[:width]):
            yield held, None
            held = next(ours, None)
        elif held is None or made[:width] < held[:width]:
            yield None, made
            made = next(other, None)
        else:
            yield held, made
            held, made = next(ours, None), next(other, None)


def _difference(held: Row | None, made: Row | None, names: list[str], width: int) -> str:
    if held is None:
        return "the log has it, the journal does not"
    if made is None:
        return "the journal has it, the log does not"
    pairs = itertools.zip_longest(names, held[width:], made[width:])
    return "; ".join(f"{name} is {ours!r}, {logged!r} by the log" for name, ours, logged in pairs if ours != logged)
