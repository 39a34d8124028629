"""What can be wrong with a journal, and what SQLite says as one of these."""

from __future__ import annotations

import sqlite3
from typing import Final

from libra.errors import StorageError

__all__ = ["SQLITE_FAULTS", "JournalCorrupt", "JournalRefused", "JournalStale", "fault_of"]


class JournalCorrupt(StorageError):  # noqa: N818 - a verdict on a file
    """The file is no database any more, or holds what this room never wrote: it is set aside and made anew."""


class JournalStale(StorageError):  # noqa: N818 - a verdict on a file
    """It holds what the log does not: of another log, or of a log that lost its end. It is set aside and made anew."""


class JournalRefused(StorageError):  # noqa: N818 - a verdict on a file
    """A file that is somebody else's, another account's or a newer version's: it is never touched."""


_CORRUPT: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_ERROR", "SQLITE_MISMATCH"})
"""Statements are fixed, so an error in one of them, or a row that is there already, is a fault of the file."""


SQLITE_FAULTS: Final = (sqlite3.Error, UnicodeDecodeError)
"""A statement's failures. The second where SQLite's own words quote damaged bytes: Python makes no text of these."""

_NO_TEXT: Final = "Could not decode to UTF-8"
"""How Python tells of bytes in a row that should be a text."""


def fault_of(error: sqlite3.Error | UnicodeDecodeError, path: object) -> StorageError:
    """The error that says what is wrong with the journal at `path`."""
    if isinstance(error, UnicodeDecodeError) or str(error).startswith(_NO_TEXT):
        return JournalCorrupt(f"{path}: the file is damaged: it holds bytes that are no text where a text should be")
    name = getattr(error, "sqlite_errorname", None) or ""
    base = "_".join(name.split("_")[:2])
    if base in _CORRUPT or (not name and isinstance(error, sqlite3.DataError)):
        return JournalCorrupt(f"{path}: {error}")
    return StorageError(f"{path}: {error}")
