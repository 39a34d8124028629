"""`libra journal`: which journal is meant, what is shown, exported and found, and with which code it ends."""

import csv
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from types import SimpleNamespace

import pyarrow.parquet
import pytest
from tests.unit.journal.conftest import lived, profile, project  # noqa: F401 - a fixture among them

from libra.cli import journal_files, main
from libra.cli.times import time_ns
from libra.errors import ConfigError, ControlError


@pytest.fixture
def made(lived, tmp_path):  # noqa: F811
    log, path = tmp_path / "gate.log", tmp_path / "gate.journal.db"
    log.write_bytes(lived.read_bytes())
    project(log, path).close()
    return path


def run(capsys, *arguments):
    code = main.main(["journal", *map(str, arguments)])
    said = capsys.readouterr()
    assert "unforeseen" not in said.err, said.err
    return code, said.out, said.err


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    "table", ["orders", "fills", "positions", "balances", "daily", "risk", "incidents", "commands"]
)
def test_everything_is_shown_to_people_and_to_machines(made, capsys, table):
    code, out, err = run(capsys, "show", table, "--file", made)
    assert (code, err) == (0, "")
    assert out.startswith(f"{table} of paper")
    code, out, _ = run(capsys, "show", table, "--file", made, "--json")
    assert code == 0
    assert rows(out)
    assert {row["account"] for row in rows(out)} == {"paper"}
    assert all({"ts_ns", "record", "log_offset"} <= row.keys() for row in rows(out))


def test_orders_are_what_is_shown_unless_another_table_is_named(made, capsys):
    assert run(capsys, "show", "--file", made)[1].startswith("orders of paper")


def test_rows_are_chosen(made, capsys):
    def shown(*arguments):
        code, out, err = run(capsys, "show", *arguments, "--file", made, "--json")
        assert code == 0, err
        return rows(out)

    fills = shown("fills")
    assert shown("fills", "--limit", 3) == fills[-3:]
    assert shown("fills", "--limit", 0) == fills
    middle = fills[len(fills) // 2]
    at = middle["time"].replace(" ", "T")
    later = shown("fills", "--since", at)
    earlier = shown("fills", "--until", at)
    assert earlier + later == fills
    assert later[0]["ts_ns"] // 1_000 == middle["ts_ns"] // 1_000
    assert shown("fills", "--since", "1d") == []
    assert shown("orders", "--strategy", "nobody") == []
    assert shown("orders", "--strategy", "mine", "--symbol", "BTC/USDT:USDT") == shown("orders")
    assert shown("orders", "--symbol", "BTC/USDT:USDT@synthetic") == shown("orders")
    assert shown("orders", "--symbol", "ETH/USDT:USDT") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "balances", "--strategy", "mine"), "--strategy: balances have none"),
        (("show", "--since", "yesterday"), "--since yesterday: write 2026-01-31"),
        (("show", "--limit", "-1"), "has to be a whole number"),
        (("export", "nothing", "--to", "x.csv"), "there is no table nothing; tables are epochs"),
        (("export", "--to", "x.doc"), "x.doc says no format: let it end with .csv, .jsonl, .parquet"),
        (("show", "trades"), "invalid choice"),
        (("show", "--profile", "paper"), "by --file or by --profile, not by both"),
    ],
)
def test_mistakes_of_usage_are_said(made, capsys, arguments, said):
    code, _, err = run(capsys, *arguments, "--file", made)
    assert code == 2
    assert said in err


def test_no_action_is_help(capsys):
    code, _, err = run(capsys)
    assert code == 2
    assert "show|export|verify|rebuild" in err


def test_what_is_behind_is_said(made, capsys):
    log = made.with_name("gate.log")
    with log.open("ab") as file:
        file.write(b"\x07\0\0")
    assert "3 bytes of the log are not in the journal yet" in run(capsys, "show", "--file", made)[2]
    code, out, _ = run(capsys, "verify", "--file", made)
    assert code == 0
    assert "3 bytes of the log are not in it yet" in out
    log.unlink()
    assert "is not there" in run(capsys, "show", "--file", made)[2]


def test_tables_are_exported_whole(made, capsys, tmp_path):
    with closing(sqlite3.connect(made)) as db:
        db.row_factory = sqlite3.Row
        held = [dict(row) for row in db.execute("SELECT * FROM orders ORDER BY client_order_id")]
    for ending in ("csv", "jsonl", "parquet"):
        to = tmp_path / f"orders.{ending}"
        code, out, _ = run(capsys, "export", "orders", "--to", to, "--file", made)
        assert (code, out) == (0, f"{to}: {len(held)} rows of orders\n")
    with (tmp_path / "orders.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert found == [{key: "" if value is None else str(value) for key, value in row.items()} for row in held]
    assert rows((tmp_path / "orders.jsonl").read_text()) == held
    table = pyarrow.parquet.read_table(tmp_path / "orders.parquet")
    assert str(table.schema.field("price").type) == "decimal128(38, 12)"
    assert str(table.schema.field("created_ns").type) == "timestamp[ns, tz=UTC]"
    for name in ("size", "filled_notional", "fees"):
        assert table.column(name).to_pylist() == [Decimal(row[name]) for row in held]
    assert [value.value for value in table.column("created_ns")] == [row["created_ns"] for row in held]
    code, out, _ = run(capsys, "export", "breaches", "--to", tmp_path / "none.parquet", "--file", made)
    assert code == 0
    assert pyarrow.parquet.read_table(tmp_path / "none.parquet").num_rows == 0
    code, _, err = run(capsys, "export", "--to", tmp_path / "nowhere" / "x.csv", "--file", made)
    assert code == 1
    assert "cannot be written" in err
    assert not list(tmp_path.glob(".*")), "no half file is left"


def test_a_journal_that_differs_ends_with_1_and_is_made_anew(made, capsys):
    code, out, _ = run(capsys, "verify", "--file", made)
    assert code == 0
    assert "says what its log says" in out
    with closing(sqlite3.connect(made)) as db:
        db.execute("DELETE FROM fills WHERE record = (SELECT min(record) FROM fills)")
        db.commit()
    code, out, _ = run(capsys, "verify", "--file", made)
    assert code == 1
    assert "the log has it, the journal does not" in out
    code, out, _ = run(capsys, "verify", "--file", made, "--json")
    assert code == 1
    [difference] = json.loads(out)["differences"]
    assert difference["table"] == "fills"
    code, out, _ = run(capsys, "rebuild", "--file", made)
    assert code == 0, out
    assert "made anew from" in out
    assert run(capsys, "verify", "--file", made)[0] == 0


def test_a_damaged_journal_is_made_anew_from_a_log_that_is_named(made, capsys):
    made.write_bytes(b"\0" * 5_000)
    code, _, err = run(capsys, "rebuild", "--file", made)
    assert code == 1
    assert "not a database" in err
    code, _, err = run(capsys, "rebuild", "--file", made, "--log", made.with_name("gate.log"))
    assert code == 0
    assert f"it was set aside as {made}.corrupt-1" in err
    assert run(capsys, "verify", "--file", made)[0] == 0
    assert run(capsys, "rebuild", "--file", made, "--log", "nowhere.log")[0] == 2


@pytest.mark.parametrize("action", ["show", "export", "verify", "rebuild"])
def test_a_journal_whose_schema_is_no_text_is_named(made, capsys, tmp_path, action):
    content, schema = made.read_bytes(), b"CREATE TABLE orders ("
    assert content.count(schema) == 1
    damaged = content.replace(schema, schema[:-1] + b"\xff")
    made.write_bytes(damaged)
    more = ["--to", tmp_path / "orders.csv"] if action == "export" else []
    code, out, err = run(capsys, action, "--file", made, *more)
    assert (code, out) == (1, "")
    assert err == f"libra: {made}: the file is damaged: it holds bytes that are no text where a text should be\n"
    assert made.read_bytes() == damaged, "it is left to be looked at"
    code, out, err = run(capsys, "rebuild", "--file", made, "--log", made.with_name("gate.log"))
    assert code == 0, err
    assert f"set aside as {made}.corrupt-1" in err
    assert run(capsys, "verify", "--file", made)[0] == 0


@pytest.mark.parametrize("action", ["show", "export", "verify"])
def test_a_journal_with_a_column_whose_name_is_no_text_is_named(made, capsys, tmp_path, action):
    content, name = made.read_bytes(), b" venue_order_id TEXT,"
    assert content.count(name) == 1
    made.write_bytes(content.replace(name, b" \xff\xfe\xfdue_order_id TEXT,"))
    more = ["--to", tmp_path / "orders.csv"] if action == "export" else []
    code, out, err = run(capsys, action, "--file", made, *more)
    assert (code, out) == (1, "")
    assert err.startswith(f"libra: {made}: ")


def test_the_journal_of_a_profile(made, capsys, tmp_path):
    log = made.with_name("gate.log")
    path = profile(tmp_path, more=f'log = {{ path = "{log}", resume = true }}')
    assert run(capsys, "show", "--profile", path)[1].startswith("orders of paper")
    assert run(capsys, "verify", "--profile", path, "--account", "paper")[0] == 0
    code, _, err = run(capsys, "show", "--profile", path, "--account", "other")
    assert code == 2
    assert "keeps no journal of account other" in err
    without = profile(tmp_path, more=f'log = {{ path = "{log}", resume = true }}\njournal = {{ enabled = false }}')
    assert "keeps no journal" in run(capsys, "show", "--profile", without)[2]


def test_the_journal_of_a_running_node(made, capsys, monkeypatch):
    def play(*accounts):
        def ask(_op):
            if not accounts:
                raise ControlError("SILENT", "it did not answer")
            return {"accounts": [{"name": name, "journal": row} for name, row in accounts]}

        client = SimpleNamespace(node=SimpleNamespace(name="n"), ask=ask)
        monkeypatch.setattr(journal_files, "running_nodes", lambda: [client])

    row = {"path": str(made)}
    play(("paper", row), ("memory", None))
    assert run(capsys, "show")[1].startswith("orders of paper")
    play(("paper", row), ("second", {"path": "/nowhere"}))
    code, _, err = run(capsys, "show")
    assert code == 2
    assert "choose one by --account" in err
    assert run(capsys, "show", "--account", "paper")[0] == 0
    assert run(capsys, "show", "--account", "second")[0] == 1
    play()
    assert "it did not answer" in run(capsys, "show")[2]
    monkeypatch.setattr(journal_files, "running_nodes", list)
    code, _, err = run(capsys, "show")
    assert code == 2
    assert "name one by --file FILE or --profile PROFILE" in err


def test_times():
    assert time_ns(None, "--since") is None
    assert time_ns("1970-01-02", "--since") == 86_400 * 10**9
    assert time_ns("1970-01-01T02:00:00.000001+02:00", "--since") == 1_000
    assert time_ns("2024-01-01T00:00", "--since") == 1_704_067_200 * 10**9
    hour = time_ns("0s", "--since") - time_ns("1h", "--since")
    assert 3_599 * 10**9 < hour <= 3_600 * 10**9
    with pytest.raises(ConfigError, match="--until soon"):
        time_ns("soon", "--until")
