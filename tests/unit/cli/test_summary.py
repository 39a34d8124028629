"""The summary that people read, in a file."""

from libra.cli.summary import open_console, print_summary

POSITION = {"symbol": "BTC/USDT:USDT", "account": "paper", "size": "0.5", "realised": "1", "fees": "2", "trades": 3}


def test_a_file_has_no_blanks_behind_its_lines(capsys):
    summary = {"events": {"QUOTE": 5}, "duration_s": 2.0, "positions": [POSITION]}
    print_summary(summary, 0, open_console())
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert any(line.split() == ["BTC/USDT:USDT", "paper", "0.5", "1.00", "-", "2.00", "3"] for line in lines), lines
