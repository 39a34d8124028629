"""A journal that does not say what its log says is found out, row by row; any can be made anew while it is in use."""

import sqlite3
from contextlib import closing

import pytest
from tests.unit.journal.conftest import content, project

from libra.errors import StorageError
from libra.storage.journal import Projector
from libra.storage.journal.verify import rebuild, verify

LAST_ORDER = "client_order_id = (SELECT max(client_order_id) FROM orders)"
MADE_UP = """
    INSERT INTO fills SELECT 999999, log_offset, ts_ns, ts_venue_ns, client_order_id, '999', strategy, instrument,
    symbol, side, price, size, notional, fee, fee_currency, liquidity, realised, position FROM fills LIMIT 1
"""
CHANGES = {
    "a status": (f"UPDATE orders SET status = 'NEW' WHERE {LAST_ORDER}", "orders", "status is 'NEW'"),
    "a price": ("UPDATE fills SET price = '1' WHERE record = (SELECT min(record) FROM fills)", "fills", "price is '1'"),
    "a lost fill": ("DELETE FROM fills WHERE record = (SELECT max(record) FROM fills)", "fills", "the log has it"),
    "a made-up fill": (MADE_UP, "fills", "the journal has it, the log does not"),
    "a balance": ("UPDATE balances SET total = '1000000'", "balances", "total is '1000000'"),
    "a position": ("UPDATE positions SET size = '5'", "positions", "size is '5'"),
    "a number as text": ("UPDATE daily SET fills = 'x'", "daily", "fills is 'x'"),
    "a place": ("UPDATE commands SET log_offset = log_offset + 1", "commands", "log_offset is"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_found(lived, tmp_path, name):
    path = tmp_path / "gate.db"
    project(lived, path).close()
    assert verify(path, lived).differences == ()
    statement, table, what = CHANGES[name]
    with closing(sqlite3.connect(path)) as db:
        if "rowid_" in statement:
            statement = (
                "UPDATE orders SET status = 'NEW' WHERE client_order_id = (SELECT max(client_order_id) FROM orders)"
            )
        db.execute(statement)
        db.commit()
    verdict = verify(path)
    assert verdict.differences
    assert {difference.table for difference in verdict.differences} == {table}
    assert what in verdict.differences[0].what
    assert rebuild(path, lived).records == verdict.position.records
    assert verify(path).differences == ()


def test_a_position_that_is_not_the_logs_is_found(lived, tmp_path):
    path = tmp_path / "gate.db"
    project(lived, path).close()
    for column, value in (("digest", "'0'"), ("records", "records + 1"), ("log_offset", "5")):
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"UPDATE log_position SET {column} = {value}")
            db.commit()
        [difference] = verify(path, lived).differences
        assert difference.table == "log_position"
        rebuild(path, lived)


def test_a_journal_that_is_behind_is_right_as_far_as_it_goes(lived, tmp_path):
    path = tmp_path / "gate.db"
    projector = Projector(lived, path)
    projector.advance(123)
    verdict = verify(path, lived)
    projector.close()
    assert verdict.differences == ()
    assert verdict.position.records == 123
    assert verdict.behind_bytes == lived.stat().st_size - verdict.position.offset


def test_it_is_made_anew_beside_its_writer(lived, whole, tmp_path):
    path = tmp_path / "gate.db"
    projector = Projector(lived, path)
    projector.advance(50)
    seen = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:

        def look(*_: int) -> None:
            seen.append(reader.execute("SELECT records FROM log_position").fetchone()[0])

        rebuild(path, lived, look)
    assert set(seen) == {50}, "until it is whole, readers see what was there"
    # The writer finds its journal elsewhere than it left it.
    assert projector.advance() == 0
    projector.close()
    assert content(path) == whole


def test_what_cannot_be_read_is_said(lived, tmp_path):
    with pytest.raises(StorageError, match="there is no journal"):
        verify(tmp_path / "no.db")
    path = tmp_path / "gate.db"
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(StorageError, match="not a database"):
        verify(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")
    with pytest.raises(StorageError, match="no journal of Libra"):
        verify(path)
    path.unlink()
    project(lived, path).close()
    with pytest.raises(StorageError, match="the log cannot be read"):
        verify(path, tmp_path / "no.log")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="use the newer build"):
        verify(path)


def test_a_damaged_page_is_found(lived, tmp_path):
    path = tmp_path / "gate.db"
    project(lived, path).close()
    with closing(sqlite3.connect(path)) as db:
        [[page]] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'fills'").fetchall()
        [[size]] = db.execute("PRAGMA page_size").fetchall()
    damaged = bytearray(path.read_bytes())
    damaged[(page - 1) * size : (page - 1) * size + 200] = b"\xff" * 200
    path.write_bytes(damaged)
    verdict = verify(path, lived)
    assert "the file is damaged" in verdict.differences[0].what
