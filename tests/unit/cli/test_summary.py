"""The summary that people read, in a file."""

from decimal import Decimal

from libra.cli.summary import open_console, print_summary

NUMBERS = {"size": "0.5", "entry_price": Decimal("60000.10"), "realised": "1", "fees": "2", "trades": 3}
POSITION = {"symbol": "BTC/USDT:USDT", "account": "paper", **NUMBERS}


def test_a_file_has_no_blanks_behind_its_lines(capsys):
    summary = {"events": {"QUOTE": 5}, "duration_s": 2.0, "positions": [POSITION]}
    print_summary(summary, 0, open_console())
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    cells = ["BTC/USDT:USDT", "paper", "0.5", "60000.10", "1.00", "-", "2.00", "3"]
    assert any(line.split() == cells for line in lines), lines


def test_a_position_shows_its_entry_price_and_a_flat_one_none(capsys):
    rows = [POSITION, {**POSITION, "size": "0", "entry_price": None}]
    print_summary({"duration_s": 2.0, "positions": rows}, 0, open_console())
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split() for line in lines if "BTC/USDT:USDT" in line]
    assert [cells[3] for cells in shown] == ["60000.10", "-"]
    assert any("entry price" in line for line in lines), lines
