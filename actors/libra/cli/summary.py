"""The end of a run in words: what went through, what was traded, what it brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from libra.cli import text

Summary = Mapping[str, Any]

_WIDTH_OF_A_FILE = 120
"""Where there is no terminal, nobody can widen it."""

_READ_WELL = frozenset({"frames", "quotes", "trades", "books", "malformed"})
"""Input counters that are no problem, or stand in a line of their own."""

_NODE_COLUMNS = ("node", "pid", "events", "signals", "fills", "errors", "ended")

_POSITION_COLUMNS = ("symbol", "account", "size", "entry_price", "realised", "unrealised", "fees", "trades")

_VERDICTS = {
    0: ("done", "bold green"),
    1: ("failed", "bold red"),
    3: ("ended stopped: kill switch, loss limit or incident", "bold yellow"),
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the caller, who knows how the run ended; rich itself would leave the process."""
        raise

    def print(self, *objects: object, **terms: Any) -> None:  # noqa: ANN401 - as rich has it
        """As rich does; into a file or a pipe without the blanks that fill up a line."""
        if self.is_terminal:
            super().print(*objects, **terms)
            return
        with self.capture() as captured:
            super().print(*objects, **terms)
        self.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
        self.file.flush()


def open_console() -> Console:
    """A console on standard output."""
    console = _Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def print_summary(summary: Summary, exit_code: int, console: Console) -> None:
    """Prints the summary of a run.

    Args:
        summary: The object that `--json` prints.
        exit_code: How the run ended.
        console: Where to print.
    """
    console.print()
    console.print(_headline(summary, exit_code), soft_wrap=True)
    console.print(_facts(summary))
    for section in _sections(summary):
        console.print(section)
    if summary.get("digest"):
        console.print(Text.assemble(("digest ", "dim"), str(summary["digest"])), soft_wrap=True)


def _headline(summary: Summary, exit_code: int) -> Text:
    verdict, style = _VERDICTS.get(exit_code, (f"ended with code {exit_code}", "bold red"))
    events = sum(number for number in summary.get("events", {}).values() if isinstance(number, int))
    duration = f"{float(summary.get('duration_s', 0)):,.2f} s"
    return Text.assemble(
        (verdict, style), f"  {events:,} events in {duration} ({text.rate(summary.get('events_per_s'))})"
    )


def _facts(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    table.add_row("events", _counts(summary.get("events")))
    table.add_row("lanes", _lanes(summary.get("lanes")))
    table.add_row("signals", text.count(summary.get("signals", 0)))
    table.add_row("orders", _counts(summary.get("orders")))
    table.add_row("fills", text.count(summary.get("fills", 0)))
    for name in ("errors", "malformed"):
        value = summary.get(name, 0)
        table.add_row(name, Text(text.count(value), "red" if value else ""))
    for title, name in (("rejected", "rejections"), ("skipped", "skipped_signals"), ("input", "input")):
        noted = {key: value for key, value in (summary.get(name) or {}).items() if key not in _READ_WELL}
        if any(noted.values()):
            table.add_row(title, Text(_counts(noted), "yellow"))
    for title, name in (("dead letters", "dead_letters"), ("blocked the loop", "blocked")):
        if summary.get(name):
            table.add_row(title, Text(_counts(summary[name]), "yellow"))
    for title, name in (("snapshots lost", "snapshot_errors"), ("feed restarts", "native_restarts")):
        if summary.get(name):
            table.add_row(title, Text(text.count(summary[name]), "yellow"))
    if summary.get("failed"):
        table.add_row("given up", Text(", ".join(summary["failed"]), "red"))
    for account, journal in summary.get("journals", {}).items():
        left = journal["behind_bytes"]
        state = f"{journal['path']}  {text.count(journal['records'])} records"
        said = (
            f"{state}, {text.count(left)} bytes behind the log: {journal['error'] or 'out of time'}" if left else state
        )
        table.add_row(f"journal of {account}", Text(said, "yellow" if left else ""))
    table.add_row("tick to order", _latency(summary.get("latency_us")))
    if summary.get("asked_by"):
        table.add_row("stopped by", str(summary["asked_by"]))
    table.add_row("equity", Text(text.money(summary.get("equity")), "bold"))
    return table


def _counts(counts: object) -> str:
    if not isinstance(counts, Mapping):
        return "-"
    return "  ".join(f"{name} {text.count(number)}" for name, number in counts.items() if number) or "none"


def _lanes(lanes: object) -> str:
    """Only what went wrong: dropped and conflated, lane by lane."""
    if not isinstance(lanes, Mapping):
        return "-"
    lost = [
        f"{lane} {text.count(figures[what])} {what}"
        for lane, figures in lanes.items()
        for what in ("dropped", "conflated")
        if figures.get(what)
    ]
    return "  ".join(lost) or "nothing dropped or conflated"


def _latency(latency: object) -> str:
    figures = latency.get("tick_to_order") if isinstance(latency, Mapping) else None
    if not isinstance(figures, Mapping) or figures.get("p50") is None:
        return "-"
    return "  ".join(f"{name} {float(str(figures[name])):,.1f} us" for name in ("p50", "p99", "max") if name in figures)


def _sections(summary: Summary) -> Iterator[RenderableType]:
    positions = [row for row in summary.get("positions", ()) if isinstance(row, Mapping)]
    if positions:
        yield _table(
            "positions",
            [name.replace("_", " ") for name in _POSITION_COLUMNS],
            [_position_cells(row) for row in positions],
        )
    pnl = summary.get("pnl")
    if isinstance(pnl, Mapping) and pnl:
        yield _pnl_table(pnl)
    nodes = [row for row in summary.get("nodes", ()) if isinstance(row, Mapping)]
    if nodes:
        yield _table("nodes", list(_NODE_COLUMNS), [_node_cells(row) for row in nodes])


def _node_cells(row: Mapping[str, Any]) -> list[str]:
    events = row.get("events")
    total = sum(events.values()) if isinstance(events, Mapping) else "-"
    ended = "died" if row.get("died") else _VERDICTS.get(row.get("exit_code", 1), ("failed", ""))[0]
    counts = [text.count(row[name]) if name in row else "-" for name in ("signals", "fills", "errors")]
    return [str(row.get("name")), str(row.get("pid")), text.count(total), *counts, ended]


def _position_cells(row: Mapping[str, Any]) -> list[str]:
    exact = ("symbol", "account", "size", "entry_price")
    return [
        text.plain(row.get(key)) if key in exact else text.money(row.get(key)) for key in _POSITION_COLUMNS[:-1]
    ] + [text.count(row.get("trades", 0))]


def _pnl_table(pnl: Mapping[str, Any]) -> Table:
    columns = ("realised", "unrealised", "fees", "total")
    table = _table("P&L", ["currency", *columns], [])
    for currency, figures in pnl.items():
        if isinstance(figures, Mapping):
            cells = [Text(text.money(figures.get(name)), _pnl_colour(name, figures.get(name))) for name in columns]
            table.add_row(str(currency), *cells)
    return table


def _pnl_colour(name: str, value: object) -> str:
    return "" if name == "fees" else text.colour(value)


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="dim", pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column.replace("_", " "), justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table
