"""What is drawn while a run goes on."""

import io

from rich.console import Console
from tests.unit.cli.conftest import STATUS

from libra.cli import text
from libra.cli.live import LiveDisplay, render
from libra.cli.progress import INTERVAL_S, ProgressLines


def drawn(status) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(render(status, "paper"))
    return console.file.getvalue()


def test_the_live_table_shows_market_money_and_orders():
    picture = drawn(STATUS)
    for said in (
        "BTC/USDT:USDT",
        "60000.0",
        "60000.1",
        "0.083",
        "-1.50",
        "17.25",
        "1,200",
        "617/s",
        "100,013.99 USDT",
        "FILLED",
    ):
        assert said in picture, picture


def test_it_draws_whatever_is_missing():
    assert "starting" in drawn({})
    assert "paper" in drawn({"time_ns": 1})
    assert "3" in drawn(
        {"time_ns": 1, "fills": [1, 2, 3], "equity": "5", "pnl": {"USDT": {}}, "symbols": [{"symbol": "X"}]}
    )


def test_the_live_display_draws_on_a_terminal_and_leaves_it_clean():
    console = Console(file=io.StringIO(), width=100, height=40, force_terminal=True, legacy_windows=False)
    with LiveDisplay(console, "paper") as display:
        display.show(STATUS)
    written = console.file.getvalue()
    assert "BTC/USDT:USDT" in written
    assert written.endswith("\x1b[2K") or "\x1b[?25h" in written, "the cursor is shown again"


def test_lines_are_paced():
    now = 0.0
    stream = io.StringIO()
    lines = ProgressLines(stream, now=lambda: now)
    for _ in range(33):
        lines.show(STATUS)
        now += INTERVAL_S / 8
    rows = stream.getvalue().splitlines()
    assert rows[0].startswith("23:54:16  first fill: buy 0.041 "), "what was executed of it"
    assert len(rows) == 1 + 4
    assert rows[1] == "23:54:16  617/s  signals 5  fills 1  errors 0  equity 100,013.99 USDT  P&L -14.00 USDT"


def test_figures_for_people():
    assert text.money("0.00000001") == "0.00000001"
    assert text.money("-1234567.899") == "-1,234,567.90"
    assert text.money({}) == text.money(None) == "-"
    assert text.money("?") == "?"
    assert text.plain("") == "-"
    assert text.rate(None) == "-"
