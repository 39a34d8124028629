"""`--out`: exact values come back from Parquet, and an impossible folder is refused before the run."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from libra.cli.main import main
from libra.cli.results import to_table, write_results
from libra.errors import StorageError

amounts = st.decimals(min_value=-(10**25), max_value=10**25, places=12)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**62), amounts, st.text(max_size=5), st.none() | amounts), min_size=1, max_size=8
    )
)
def test_rows_come_back_to_the_last_unit(rows):
    table = to_table("fills", [{"time_ns": t, "price": p, "symbol": s, "fee": f} for t, p, s, f in rows])
    assert table.schema.field("time_ns").type == pa.timestamp("ns", tz="UTC")
    assert table.schema.field("price").type == pa.decimal128(38, 12)
    back = table.set_column(0, "time_ns", table["time_ns"].cast(pa.int64())).to_pylist()
    assert [tuple(row[key] for key in ("time_ns", "price", "symbol", "fee")) for row in back] == rows


def test_out_holds_what_the_engine_gave(engine, tmp_path: Path, capsys):
    engine.fills = [
        {
            "time_ns": 1,
            "price": Decimal("60000.10"),
            "size": Decimal("0.001"),
            "fee": Decimal("0.000000000001"),
            "n": 7,
        },
        {
            "time_ns": 2,
            "price": Decimal("60000.20"),
            "size": Decimal("0.002"),
            "fee": Decimal("-1"),
            "n": 8,
            "maker": True,
        },
    ]
    assert main(["run", "--out", "deep/er"]) == 0
    assert "deep/er" in capsys.readouterr().out
    folder = tmp_path / "deep/er"
    assert sorted(path.name for path in folder.iterdir()) == ["equity.parquet", "fills.parquet", "orders.parquet"]
    fills = parquet.read_table(folder / "fills.parquet")
    assert fills["fee"].to_pylist() == [Decimal("0.000000000001"), Decimal(-1)]
    assert fills["maker"].to_pylist() == [None, True]
    assert fills.schema.field("n").type == pa.int64()
    equity = parquet.read_table(folder / "equity.parquet")
    assert equity.num_rows == 0
    assert equity.schema.field("equity").type == pa.decimal128(38, 12)
    assert main(["run", "--out", "deep/er"]) == 0, "a second run takes the place of the first"


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(engine, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["run", "--out", "file/below"]) == 2
    assert main(["run", "--out", "file"]) == 2
    err = capsys.readouterr().err
    assert err.count("cannot write there") == 2
    assert "file/below" in err
    assert engine.settings is None


@pytest.mark.parametrize("value", [Decimal("0.0000000000001"), Decimal(10) ** 27, 1.5, b"x"])
def test_what_is_not_exact_is_refused_and_leaves_no_file(tmp_path: Path, value):
    with pytest.raises(StorageError):
        write_results(tmp_path, {"orders": [{"price": Decimal(1)}], "fills": [{"price": value}]})
    assert list(tmp_path.iterdir()) == []


def test_a_column_has_one_type():
    with pytest.raises(StorageError, match="several types: Decimal, str"):
        to_table("fills", [{"price": Decimal(1)}, {"price": "1"}])


def test_a_summary_is_told_although_the_files_fail(engine, capsys):
    engine.fills = [{"price": 1.5}]
    assert main(["run", "--out", "out"]) == 1
    captured = capsys.readouterr()
    assert "1,234 events" in captured.out
    assert "no exact column type" in captured.err
