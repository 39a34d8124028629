"""`--out DIR`: orders, fills and equity as Parquet, so that anyone can recompute the sums.

| values | column |
| --- | --- |
| `Decimal` | `decimal128(38, 12)`, exact; a value with more decimals is an error, never rounded |
| `int` named `time_ns`, `ts_...` or `..._time_ns` | `timestamp[ns, UTC]` |
| `int`, `bool`, `str` | `int64`, `bool`, `string` |
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from libra.errors import ConfigError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Sequence[Mapping[str, object]]

_COLUMNS: dict[str, dict[str, type]] = {
    "orders": {
        "time_ns": int,
        "account": str,
        "strategy": str,
        "symbol": str,
        "side": str,
        "type": str,
        "size": Decimal,
        "price": Decimal,
        "status": str,
        "client_order_id": str,
    },
    "fills": {
        "time_ns": int,
        "account": str,
        "strategy": str,
        "symbol": str,
        "side": str,
        "size": Decimal,
        "price": Decimal,
        "fee": Decimal,
        "fee_currency": str,
        "client_order_id": str,
    },
    "equity": {"time_ns": int, "account": str, "currency": str, "equity": Decimal},
}
"""The type of columns that hold nothing in a run: a table without rows keeps these."""


def prepare_folder(folder: Path) -> None:
    """Makes the folder and tests that files can be written there, before a run is spent on it.

    Args:
        folder: The folder.

    Raises:
        ConfigError: If nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".libra-"):
            pass
    except OSError as error:
        said = error.strerror or str(error)
        raise ConfigError(
            f"--out {folder}: cannot write there: {said}; name a folder that can be written to"
        ) from error


def write_results(folder: Path, tables: Mapping[str, Rows]) -> list[Path]:
    """Writes one Parquet file a table; a file appears whole or not at all.

    Args:
        folder: Where to write.
        tables: Rows by the name of their table.

    Returns:
        The files.

    Raises:
        StorageError: If a file cannot be written, or a value does not fit its column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    written: list[tuple[Path, Path]] = []
    try:
        for name, rows in tables.items():
            temporary = folder / f".{name}.parquet.{os.getpid()}"
            written.append((temporary, folder / f"{name}.parquet"))
            parquet.write_table(to_table(name, rows), temporary)
        for temporary, final in written:
            temporary.replace(final)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"--out {folder}: the results could not be written: {error}") from error
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)
    return [final for _, final in written]


def to_table(name: str, rows: Rows) -> pa.Table:
    """Makes an Arrow table of rows.

    Args:
        name: The table's name.
        rows: Dictionaries with text, whole numbers, truth values, `Decimal` or None.

    Returns:
        The table, its columns in the order in which the rows name them.
    """
    import pyarrow as pa

    names = list(dict.fromkeys(key for row in rows for key in row)) or list(_COLUMNS.get(name, {}))
    columns = {}
    for column in names:
        values = [row.get(column) for row in rows]
        columns[column] = pa.array(values, type=_arrow_type(column, _python_type(name, column, values)))
    return pa.table(columns)


def _python_type(table: str, column: str, values: list[object]) -> type:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return _COLUMNS.get(table, {}).get(column, str)
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise StorageError(f"the column {column} of {table} holds values of several types: {names}")
    return kinds.pop()


def _arrow_type(column: str, kind: type) -> pa.DataType:
    import pyarrow as pa

    if kind is int and (column == "time_ns" or column.startswith("ts_") or column.endswith("_time_ns")):
        return pa.timestamp("ns", tz="UTC")
    types: dict[type, pa.DataType] = {
        int: pa.int64(),
        bool: pa.bool_(),
        str: pa.string(),
        Decimal: pa.decimal128(38, 12),
    }
    if kind not in types:
        raise StorageError(f"the column {column} holds {kind.__name__}, which has no exact column type")
    return types[kind]
