"""An account's log as tables of an SQLite database: `docs/guides/journal.md` is its guide.

- `schema`: tables, views, versions; `faults`: what can be wrong with a file;
- `store`: the file; `projector`: from a log to its file; `writer`: the thread of a running node;
- `reading`, `export`: what people and programs get of it; `verify`: whether it says what the log says.

Rows come from the native replay that rebuilds accounts (`libra_core.LogProjection`); here they are written and read.
May be changed without reading further: views, and how things are shown.
"""

from libra.storage.journal.faults import JournalCorrupt, JournalRefused, JournalStale
from libra.storage.journal.projector import Projector
from libra.storage.journal.store import JournalStore, Position
from libra.storage.journal.writer import JournalWriter

__all__ = [
    "JournalCorrupt",
    "JournalRefused",
    "JournalStale",
    "JournalStore",
    "JournalWriter",
    "Position",
    "Projector",
]
