"""What a journal holds, for people and programs: rows of its views, without a lock that its writer would feel."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from libra.errors import ConfigError, StorageError
from libra.storage.journal.faults import SQLITE_FAULTS, fault_of
from libra.storage.journal.schema import APPLICATION_ID, STEPS
from libra.storage.journal.store import Position, connect

__all__ = ["SHOWN", "JournalReader", "RowFilter"]

_PATIENCE_S: Final = 5.0

SHOWN: Final = {
    "orders": "v_orders",
    "fills": "v_fills",
    "positions": "v_positions",
    "balances": "v_balances",
    "daily": "v_daily_pnl",
    "flows": "v_flows",
    "risk": "v_risk",
    "incidents": "v_incidents",
    "commands": "v_commands",
}
"""What can be shown, and its view."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows are wanted.

    Attributes:
        since_ns: None before this time of the account.
        until_ns: None from this time on.
        strategy: Only this strategy's.
        symbol: Only this symbol's, or `SYMBOL@VENUE`'s.
        limit: So many at most, the latest ones; 0 for all.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    strategy: str | None = None
    symbol: str | None = None
    limit: int = 0


class JournalReader:
    """An open journal, to be read.

    Args:
        path: The file.

    Raises:
        StorageError: When there is none, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StorageError(f"there is no journal {path}")
        self.path = path
        with self._said():
            self.db = connect(path, read_only=True, lock_s=_PATIENCE_S)
        try:
            with self._said():
                self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self.db.close()

    def _check(self) -> None:
        if self.db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StorageError(f"{self.path} is no journal of Libra")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(STEPS):
            raise StorageError(
                f"{self.path} has version {version} of the journal, this build knows {len(STEPS)}: use the newer build"
            )
        if version < len(STEPS):
            raise StorageError(
                f"{self.path} has version {version} of the journal, older than {len(STEPS)}:"
                " the next run brings it up to date, or libra journal rebuild does"
            )

    def position(self) -> Position:
        """How much of the log it holds."""
        with self._said():
            row = self.db.execute(
                "SELECT account, records, log_offset, digest, ts_ns FROM log_position WHERE id = 1"
            ).fetchone()
        if row is None:
            raise StorageError(f"{self.path}: it does not say how much of the log it holds; libra journal rebuild")
        return Position(*row)

    def log(self) -> Path:
        """The log that it was made of."""
        with self._said():
            row = self.db.execute("SELECT log FROM log_position WHERE id = 1").fetchone()
        if row is None:
            raise StorageError(f"{self.path}: it does not say of which log it is; name the log by --log")
        return self.path.parent / str(row[0])

    def rows(self, name: str, wanted: RowFilter = RowFilter()) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Rows of what `SHOWN` lists, in the order of the log.

        Args:
            name: What is to be shown.
            wanted: Which of it.

        Returns:
            The names of the columns, and the rows.

        Raises:
            ConfigError: For a filter that it has no column for.
        """
        view = SHOWN[name]
        with self._said():
            columns = [row[1] for row in self.db.execute(f"PRAGMA table_info({view})")]
            query, values = _query(name, view, columns, wanted)
            return columns, self._each(self.db.execute(query, values))

    def _each(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        with self._said():
            yield from cursor

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except SQLITE_FAULTS as error:
            raise fault_of(error, self.path) from error


def _query(name: str, view: str, columns: list[str], wanted: RowFilter) -> tuple[str, list[object]]:
    terms: list[str] = []
    values: list[object] = []

    def add(term: str, *more: object) -> None:
        terms.append(term)
        values.extend(more)

    if wanted.since_ns is not None:
        add("ts_ns >= ?", wanted.since_ns)
    if wanted.until_ns is not None:
        add("ts_ns < ?", wanted.until_ns)
    for column, value in (("strategy", wanted.strategy), ("symbol", wanted.symbol)):
        if value is None:
            continue
        if column not in columns:
            raise ConfigError(f"--{column}: {name} have none")
        if column == "symbol" and "instrument" in columns:
            add("(symbol = ? OR instrument = ?)", value, value)
        else:
            add(f"{column} = ?", value)
    order = "record, item" if "item" in columns else "record"
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    query = f"SELECT * FROM {view}{where} ORDER BY {order}"  # noqa: S608 - names of ours, values are bound
    if wanted.limit > 0:
        backwards = ", ".join(f"{column} DESC" for column in order.split(", "))
        latest = f"SELECT * FROM {view}{where} ORDER BY {backwards} LIMIT ?"  # noqa: S608
        return f"SELECT * FROM ({latest}) ORDER BY {order}", [*values, wanted.limit]  # noqa: S608
    return query, values
