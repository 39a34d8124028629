"""What can be wrong with a journal's file: what is set aside, what is left alone, what passes."""

import sqlite3
from contextlib import closing

import pytest
from tests.unit.journal.conftest import content, project

from libra.errors import StorageError
from libra.storage.journal import JournalRefused, Projector
from libra.storage.journal.schema import STEPS, Step
from libra.storage.journal.store import JournalStore


@pytest.mark.parametrize("place", [0, 30, 5_000, 40_000])
def test_a_damaged_file_is_set_aside_and_made_anew(lived, whole, tmp_path, place):
    path = tmp_path / "gate.db"
    project(lived, path, 500).close()
    damaged = bytearray(path.read_bytes())
    damaged[place : place + 4_000] = b"\xa5" * 4_000
    path.write_bytes(damaged)
    # One that still opens is found out where it is next written to.
    with closing(sqlite3.connect(path)) as db:
        try:
            db.execute("UPDATE log_position SET records = 0, log_offset = 0, digest = '', account = '', ts_ns = 0")
            db.commit()
        except sqlite3.DatabaseError:
            pass
    projector = project(lived, path)
    projector.close()
    assert [aside.name for aside, _ in projector.aside] == ["gate.db.corrupt-1"]
    assert content(path) == whole


NO_TEXT = {
    "the schema's text": (b"CREATE TABLE orders (", b"CREATE TABLE orders \xff"),
    "a view's text": (b"CREATE VIEW v_orders AS SELECT", b"CREATE VIEW v_orders AS \xff\xfeLECT"),
}
"""Bytes of a journal, and what becomes of them."""


@pytest.mark.parametrize("what", NO_TEXT)
def test_bytes_that_are_no_text_are_damage(lived, whole, tmp_path, what):
    path = tmp_path / "gate.db"
    project(lived, path, 500).close()
    before, after = NO_TEXT[what]
    content_before = path.read_bytes()
    assert content_before.count(before) == 1
    path.write_bytes(content_before.replace(before, after))
    projector = project(lived, path)
    projector.close()
    assert [aside.name for aside, _ in projector.aside] == ["gate.db.corrupt-1"]
    assert content(path) == whole


def test_a_second_damaged_file_gets_the_next_name(lived, whole, tmp_path):
    path = tmp_path / "gate.db"
    for number in (1, 2):
        path.write_bytes(b"not a database at all")
        projector = project(lived, path)
        projector.close()
        [(aside, _)] = projector.aside
        assert aside.name == f"gate.db.corrupt-{number}"
        assert aside.read_bytes() == b"not a database at all"
    assert content(path) == whole


@pytest.mark.parametrize(
    "position",
    [
        # Rows are there already.
        "records = 0, log_offset = 0, digest = '', account = '', ts_ns = 0",
        # A row that is no text.
        "account = CAST(x'ff70' AS TEXT)",
    ],
)
def test_rows_that_cannot_be_are_damage(lived, whole, tmp_path, position):
    path = tmp_path / "gate.db"
    project(lived, path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE log_position SET {position}")
        db.commit()
    projector = project(lived, path)
    projector.close()
    assert len(projector.aside) == 1
    assert content(path) == whole


def test_files_that_are_never_good_are_not_set_aside_for_ever(lived, tmp_path, monkeypatch):
    path = tmp_path / "gate.db"
    monkeypatch.setattr("libra.storage.journal.store._INSERTS", {"epochs": "INSERT INTO nothing VALUES (?)"})
    projector = Projector(lived, path)
    with pytest.raises(StorageError, match="made anew is no good either"):
        projector.advance()
    assert len(list(tmp_path.glob("gate.db.corrupt-?"))) == 3


@pytest.mark.parametrize("kind", ["log", "database", "account", "newer"])
def test_what_is_somebody_elses_is_left_alone(lived, tmp_path, kind):
    path = tmp_path / "gate.db"
    if kind == "log":
        path.write_bytes(lived.read_bytes())
        expected = "is the log of an order gate"
    elif kind == "database":
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE mine (x)")
        expected = "another program's database"
    elif kind == "account":
        project(lived, path).close()
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE log_position SET account = 'other'")
            db.commit()
        expected = "is the journal of account other, and the log is paper's"
    else:
        project(lived, path).close()
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
        expected = f"has version {len(STEPS) + 1} of the journal, this build knows {len(STEPS)}: use the newer build"
    before = path.read_bytes()
    projector = Projector(lived, path)
    with pytest.raises(JournalRefused, match=expected):
        projector.advance()
    projector.close()
    assert path.read_bytes() == before
    assert projector.aside == []


def test_a_file_that_was_removed_or_replaced_is_made_anew(lived, whole, tmp_path):
    path = tmp_path / "gate.db"
    projector = Projector(lived, path)
    assert projector.advance(50) == 50
    path.unlink()
    assert projector.advance(30) == 30
    assert content(path)["log_position"][0][1] == 30
    path.rename(tmp_path / "moved.db")
    while projector.advance():
        pass
    projector.close()
    assert content(path) == whole


def test_a_locked_file_is_written_later(lived, whole, tmp_path):
    path = tmp_path / "gate.db"
    projector = Projector(lived, path)
    projector.advance(50)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(StorageError, match="locked"):
                projector.advance(50)
        assert projector.position.records == 50
        assert projector.behind_bytes() > 0
    while projector.advance():
        pass
    projector.close()
    assert projector.aside == []
    assert content(path) == whole


def test_an_older_version_is_brought_up_to_date(lived, whole, tmp_path):
    path = tmp_path / "gate.db"
    project(lived, path, 40).close()
    later = (*STEPS, Step(("ALTER TABLE orders ADD COLUMN colour TEXT",)))
    store = JournalStore(path, lived, steps=later)
    assert store.position().records == whole["log_position"][0][1]
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(later),)
        assert db.execute("SELECT count(*), count(colour) FROM orders").fetchone() == (len(whole["orders"]), 0)
        assert db.execute("SELECT count(*) FROM v_orders").fetchone() == (len(whole["orders"]),)
    anew = (*later, Step(("ALTER TABLE fills ADD COLUMN shape TEXT",), reprojects=True))
    store = JournalStore(path, lived, steps=anew)
    assert store.position().records == 0, "its rows have to be made anew"
    store.close()
    with pytest.raises(JournalRefused, match=f"has version {len(anew)} of the journal, this build knows {len(STEPS)}"):
        JournalStore(path, lived)


def test_a_migration_that_fails_leaves_the_older_version(lived, tmp_path):
    path = tmp_path / "gate.db"
    project(lived, path).close()
    before = content(path)
    broken = (*STEPS, Step(("ALTER TABLE orders ADD COLUMN colour TEXT", "ALTER TABLE nothing ADD COLUMN x TEXT")))
    with pytest.raises(StorageError, match="nothing"):
        JournalStore(path, lived, steps=broken)
    assert content(path) == before
    JournalStore(path, lived).close()


def test_a_folder_that_is_not_there_and_a_log_that_is_none(lived, tmp_path):
    projector = Projector(lived, tmp_path / "nowhere" / "gate.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        projector.advance()
    (tmp_path / "nowhere").mkdir()
    assert projector.advance() > 0
    projector.close()
    projector = Projector(tmp_path / "no.log", tmp_path / "other.db")
    with pytest.raises(StorageError, match="the log cannot be followed"):
        projector.advance()
    damaged = bytearray(lived.read_bytes())
    damaged[400] ^= 1
    (tmp_path / "no.log").write_bytes(damaged)
    with pytest.raises(StorageError, match="damaged at byte"):
        while projector.advance():
            pass
    projector.close()
