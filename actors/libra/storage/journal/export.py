"""A table of a journal as a file: CSV, JSON lines or Parquet, whole or not at all.

In Parquet a `DECIMAL_TEXT` is a `decimal128(38, 12)`, exact, and an `NS_INTEGER` a `timestamp[ns, UTC]`; in the other
two a number is the text that it is in the journal.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from libra.errors import ConfigError, StorageError
from libra.storage.journal.faults import SQLITE_FAULTS, fault_of
from libra.storage.journal.reading import JournalReader
from libra.storage.journal.schema import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "export"]

_ROWS: Final = 50_000
"""Rows that are in memory at a time."""

_Chunks = Iterator[list[tuple[Any, ...]]]


def export(reader: JournalReader, table: str, to: Path, progress: Callable[[int, int], None] = lambda *_: None) -> int:
    """Write one table.

    Args:
        reader: The journal.
        table: A table that is made of the log.
        to: The file; what it ends with says what it becomes.
        progress: Told how many rows of how many are written.

    Returns:
        How many rows it has.

    Raises:
        ConfigError: For an ending that means no format.
        StorageError: When it cannot be read or written.
    """
    write = FORMATS.get(to.suffix.lower())
    if write is None:
        raise ConfigError(f"{to.name} says no format: let it end with {', '.join(FORMATS)}")
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        reader.db.execute("BEGIN")
        try:
            columns = [(row[1], row[2]) for row in reader.db.execute(f"PRAGMA table_info({table})")]
            total = reader.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a name of ours
            order = ", ".join(TABLES[table])
            cursor = reader.db.execute(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608
            count = 0

            def chunks() -> _Chunks:
                nonlocal count
                while rows := cursor.fetchmany(_ROWS):
                    yield rows
                    count += len(rows)
                    progress(count, total)

            write(temporary, columns, chunks())
        finally:
            reader.db.execute("COMMIT")
        temporary.replace(to)
    except SQLITE_FAULTS as error:
        raise fault_of(error, reader.path) from error
    except OSError as error:
        raise StorageError(f"{to} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write_csv(path: Path, columns: list[tuple[str, str]], chunks: _Chunks) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name for name, _ in columns])
        for rows in chunks:
            writer.writerows(rows)


def _write_json_lines(path: Path, columns: list[tuple[str, str]], chunks: _Chunks) -> None:
    names = [name for name, _ in columns]
    with path.open("w", encoding="utf-8") as file:
        for rows in chunks:
            for row in rows:
                file.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")


def _write_parquet(path: Path, columns: list[tuple[str, str]], chunks: _Chunks) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in columns])
    try:
        with parquet.ParquetWriter(path, schema) as writer:
            for rows in chunks:
                arrays = [
                    _array([row[place] for row in rows], kind, schema.field(place).type)
                    for place, (_, kind) in enumerate(columns)
                ]
                writer.write_table(pa.table(arrays, schema=schema))
    except pa.ArrowException as error:
        raise StorageError(f"the rows do not fit their columns: {error}") from error


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "INTEGER": pa.int64(),
        "NS_INTEGER": pa.timestamp("ns", tz="UTC"),
        "TEXT": pa.string(),
        "DECIMAL_TEXT": pa.decimal128(38, 12),
    }
    return types[kind]


def _array(values: list[Any], kind: str, arrow_type: pa.DataType) -> pa.Array[Any]:
    import pyarrow as pa

    if kind == "DECIMAL_TEXT":
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, type=arrow_type)


FORMATS: Final = {".csv": _write_csv, ".jsonl": _write_json_lines, ".parquet": _write_parquet}
"""Formats by the ending of a file's name."""
