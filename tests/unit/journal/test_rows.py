"""What stands in a journal is what the account itself says, and what a reader of the raw log would count."""

import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from tests.unit.journal.conftest import content, profile, project

from libra.assembly import build
from libra.config import Flags, load
from libra.storage.journal.schema import STANDING, STEPS, TABLES, VIEWS
from libra.storage.journal.store import JournalStore
from libra_core import LogProjection


def rows_of(path: Path, table: str) -> list[dict[str, object]]:
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
    finally:
        db.close()


def test_the_schema_has_the_columns_that_rows_bring(tmp_path):
    path = tmp_path / "new.db"
    JournalStore(path, tmp_path / "log").close()
    db = sqlite3.connect(path)
    brought = dict(LogProjection.columns())
    assert set(brought) == set(TABLES)
    for table, columns in brought.items():
        info = db.execute(f"PRAGMA table_info({table})").fetchall()
        assert {row[1] for row in info} == set(columns), table
        assert tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]) == TABLES[table]
        assert STANDING.get(table, TABLES[table]) == TABLES[table]
    assert {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")} == set(VIEWS)
    assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    db.close()


def test_it_says_what_the_account_says(tmp_path):
    log = tmp_path / "gate.log"
    more = f'log = {{ path = "{log}", resume = true }}'
    settings = load(profile(tmp_path, more=more), flags=Flags(duration_s=20))
    result = build(settings).run()
    path = tmp_path / "gate.journal.db"
    assert result.summary["journals"]["paper"]["behind_bytes"] == 0
    assert result.summary["journals"]["paper"]["path"] == str(path)

    orders = {row["client_order_id"]: row for row in rows_of(path, "orders")}
    rejections = rows_of(path, "rejections")
    assert len(orders) + len(rejections) == sum(result.summary["orders"].values())
    placed = [row for row in result.orders if row["client_order_id"] in orders]
    assert len(placed) == len(orders)
    for row in placed:
        held = orders[row["client_order_id"]]
        for key in ("strategy", "symbol", "side", "type", "time_in_force", "status", "instrument"):
            assert held[key] == row[key], key
        for key in ("size", "filled", "filled_notional", "fees"):
            assert Decimal(held[key]) == row[key], key
        assert held["ts_ns"] == row["time_ns"]
        assert (held["reason"] or "", held["venue_order_id"] or "") == (row["reason"], row["venue_order_id"])
    by_code = Counter(row["code"] for row in rejections)
    assert dict(by_code) == result.summary["rejections"]

    fills = rows_of(path, "fills")
    assert len(fills) == len(result.fills) > 100
    for held, row in zip(fills, result.fills, strict=True):
        for key in ("client_order_id", "trade_id", "strategy", "side", "fee_currency", "liquidity"):
            assert held[key] == row[key], key
        for key in ("price", "size", "notional", "fee"):
            assert Decimal(held[key]) == row[key], key
    [position] = rows_of(path, "positions")
    [stands] = result.summary["positions"]
    for key in ("size", "cost", "realised", "fees"):
        assert Decimal(position[key]) == stands[key], key
    assert position["trades"] == stands["trades"] == len(fills)
    assert Decimal(position["realised"]) == sum(Decimal(fill["realised"]) for fill in fills)
    signs = {"BUY": 1, "SELL": -1}
    held = Decimal(0)
    for fill in fills:
        held += signs[fill["side"]] * Decimal(fill["size"])
        assert Decimal(fill["position"]) == held
    [balance] = rows_of(path, "balances")
    pnl = result.summary["pnl"]["USDT"]
    assert (Decimal(balance["realised"]), Decimal(balance["fees"])) == (pnl["realised"], pnl["fees"])
    assert Decimal(balance["total"]) == 100_000 + pnl["realised"] - pnl["fees"]
    [day] = rows_of(path, "daily")
    assert Decimal(day["net"]) == pnl["realised"] - pnl["fees"]
    assert (day["day"], day["fills"], Decimal(day["total"])) == ("2024-01-01", len(fills), Decimal(balance["total"]))


def test_what_operators_and_venues_did_is_there(lived, whole, tmp_path):
    path = tmp_path / "j.db"
    project(lived, path).close()
    assert [row["epoch"] for row in rows_of(path, "epochs")] == [1, 2, 3]
    said = [(row["kind"], row["who"], row["detail"]) for row in rows_of(path, "commands")]
    assert said == [
        ("limits", 'ops "night" \\ shift', "max_open_orders = 50, max_order_notional = 15000"),
        ("kill", None, "a test\nof two lines"),
        ("note", None, "libra resume by a test: ünïcode"),
        ("resume", None, None),
        ("note", None, "it was another account's"),
        ("resume", None, None),
        ("kill", None, "the last word"),
        ("note", None, "really"),
        ("resume", None, None),
    ]
    changes = {(row["limit_key"], row["old"], row["new"]) for row in rows_of(path, "limit_changes")}
    assert changes == {("max_open_orders", "100", "50"), ("max_order_notional", "20000", "15000")}
    [incident] = rows_of(path, "incidents")
    assert (incident["code"], incident["client_order_id"]) == ("UNKNOWN_ORDER", "L" + "7" * 32)
    [shown] = rows_of(path, "v_incidents")
    assert shown["cleared"] is not None
    kinds = {row["kind"] for row in rows_of(path, "order_events")}
    assert {"intent", "submitted", "cancel_intent", "accepted", "filled", "cancelled"} <= kinds
    cancels = [row for row in rows_of(path, "v_commands") if row["kind"] == "cancel"]
    assert cancels
    assert {row["strategy"] for row in cancels} == {"mine"}
    assert {row["kind"] for row in rows_of(path, "v_risk")} == {"rejection", "limit"}
    assert whole == content(path)


def test_each_row_says_where_in_the_log_it_comes_from(lived, whole):
    offsets: dict[int, int] = {}
    for table, rows in whole.items():
        if table == "log_position":
            continue
        columns = [row[1] for row in sqlite_columns(table)]
        for row in rows:
            found = dict(zip(columns, row, strict=True))
            assert offsets.setdefault(found["record"], found["log_offset"]) == found["log_offset"]
    log = lived.read_bytes()
    number, offset = 0, 16
    while offset < len(log):
        number += 1
        assert offsets.get(number, offset) == offset
        offset += int.from_bytes(log[offset : offset + 4], "little") + 8
    assert whole["log_position"][0][1:3] == (number, len(log))


def sqlite_columns(table: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(":memory:")
    for step in STEPS:
        for statement in step.statements:
            db.execute(statement)
    rows = db.execute(f"PRAGMA table_info({table})").fetchall()
    db.close()
    return rows


@pytest.mark.parametrize("sizes", [(1, 2, 3), (7,), (50, 1)])
def test_batches_of_any_size_make_the_same_journal(lived, whole, tmp_path, sizes):
    path = tmp_path / "j.db"
    project(lived, path, *sizes).close()
    assert content(path) == whole
