"""`libra journal show|export|verify|rebuild`: what an account did, by its journal; its node may run or have ended."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from libra import exit_codes
from libra.cli import text
from libra.cli.journal_files import JournalFiles, add_file_arguments, chosen_journal
from libra.cli.times import time_ns
from libra.errors import ConfigError

if TYPE_CHECKING:
    from libra.storage.journal.verify import Verdict

_SHOWN = ("orders", "fills", "positions", "balances", "daily", "flows", "risk", "incidents", "commands")
_USUAL_LIMIT = 50
_WIDEST = 1_000

_HIDDEN = frozenset(
    {"ts_ns", "ts_venue_ns", "record", "item", "log_offset", "instrument", "venue_order_id", "updated", "trade_id"}
    | {"time_in_force", "filled_notional", "notional", "liquidity"}
)
"""Columns that machines get, and people do not look at."""

_COLOURED = frozenset({"realised", "net"})
_NUMBERS = frozenset(
    {"size", "price", "filled", "average_price", "fees", "fee", "notional", "realised", "position", "cost", "trades"}
    | {"total", "opening", "peak", "day_start", "net", "fills", "amount"}
)


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra journal`.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    if options.action is None:
        _parser().print_help(sys.stderr)
        return exit_codes.USAGE
    action: Callable[[argparse.Namespace, JournalFiles], int] = options.run
    return action(options, chosen_journal(options))


def _show(options: argparse.Namespace, files: JournalFiles) -> int:
    from libra.storage.journal.reading import JournalReader, RowFilter

    limit = (0 if options.json else _USUAL_LIMIT) if options.limit is None else options.limit
    wanted = RowFilter(
        time_ns(options.since, "--since"), time_ns(options.until, "--until"), options.strategy, options.symbol, limit
    )
    with JournalReader(files.journal) as reader:
        account = reader.position().account
        columns, rows = reader.rows(options.table, wanted)
        if options.json:
            for row in rows:
                print(json.dumps({"account": account, **dict(zip(columns, row, strict=True))}, ensure_ascii=False))
        else:
            _print_table(f"{options.table} of {account}", columns, list(rows), limit)
        _say_behind(reader.position().offset, files.log or reader.log())
    return exit_codes.OK


def _print_table(title: str, columns: list[str], rows: list[tuple[Any, ...]], limit: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from libra.cli.summary import open_console

    console = open_console()
    if not rows:
        console.print(f"{title}: none")
        return
    empty = {name for place, name in enumerate(columns) if all(row[place] is None for row in rows)}
    shown = [place for place, name in enumerate(columns) if name not in _HIDDEN | empty]
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="dim", pad_edge=False)
    for place in shown:
        name = columns[place]
        table.add_column(
            name.replace("_", " "),
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name != "detail" and not console.is_terminal,
            overflow="fold",
        )
    for row in rows:
        cells = (
            Text(_cell(row[place]), text.colour(row[place]) if columns[place] in _COLOURED else "") for place in shown
        )
        table.add_row(*cells)
    if not console.is_terminal:
        # Nobody can widen a file, and half an id is of no use.
        wide = console.options.update(width=_WIDEST)
        console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)
    if limit and len(rows) == limit:
        console.print(f"the latest {limit}: --limit 0 shows all", style="dim")


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _say_behind(offset: int, log: Path) -> None:
    """What is not in it yet: of a running node a moment's, of an ended one what its end did not leave time for."""
    try:
        behind = log.stat().st_size - offset
    except OSError:
        print(f"libra: its log {log} is not there", file=sys.stderr)
        return
    if behind > 0:
        print(f"libra: {text.count(behind)} bytes of the log are not in the journal yet", file=sys.stderr)


def _export(options: argparse.Namespace, files: JournalFiles) -> int:
    from libra.storage.journal.export import export
    from libra.storage.journal.reading import JournalReader
    from libra.storage.journal.schema import TABLES

    if options.table not in TABLES:
        raise ConfigError(f"there is no table {options.table}; tables are {', '.join(TABLES)}")
    with JournalReader(files.journal) as reader, _progress("rows") as progress:
        count = export(reader, options.table, options.to, progress)
    print(f"{options.to}: {text.count(count)} rows of {options.table}")
    return exit_codes.OK


def _verify(options: argparse.Namespace, files: JournalFiles) -> int:
    from libra.storage.journal.verify import verify

    with _progress("bytes") as progress:
        verdict = verify(files.journal, files.log, progress)
    if options.json:
        print(json.dumps(_verdict_row(verdict), ensure_ascii=False))
    else:
        print("\n".join(_verdict_lines(files.journal, verdict)))
    return exit_codes.FAILED if verdict.differences else exit_codes.OK


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    return {
        "account": verdict.position.account,
        "records": verdict.position.records,
        "rows": verdict.rows,
        "behind_bytes": verdict.behind_bytes,
        "differences": [{"table": each.table, "key": each.key, "what": each.what} for each in verdict.differences],
    }


def _verdict_lines(journal: Path, verdict: Verdict) -> list[str]:
    if verdict.differences:
        lines = [f"{journal} does not say what its log says:"]
        lines += [f"  {each.table} {each.key}: {each.what}" for each in verdict.differences]
        return [*lines, "libra journal rebuild makes it anew from the log"]
    what = f"{text.count(verdict.rows)} rows of {text.count(verdict.position.records)} records"
    behind = f"; {text.count(verdict.behind_bytes)} bytes of the log are not in it yet" if verdict.behind_bytes else ""
    return [f"{journal} says what its log says: {what}{behind}"]


def _rebuild(options: argparse.Namespace, files: JournalFiles) -> int:  # noqa: ARG001 - called as the others are
    from libra.storage.journal.faults import JournalCorrupt
    from libra.storage.journal.projector import set_aside
    from libra.storage.journal.reading import JournalReader
    from libra.storage.journal.verify import rebuild

    log = files.log
    if log is None:
        with JournalReader(files.journal) as reader:
            log = reader.log()
    if not log.is_file():
        raise ConfigError(f"there is no log {log} to make it of; name it by --log FILE")
    with _progress("bytes") as progress:
        try:
            position = rebuild(files.journal, log, progress)
        except JournalCorrupt as fault:
            aside = set_aside(files.journal, "corrupt")
            print(f"libra: {fault}: it was set aside as {aside}", file=sys.stderr)
            position = rebuild(files.journal, log, progress)
    print(f"{files.journal}: made anew from {text.count(position.records)} records of {log}")
    return exit_codes.OK


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for what takes long."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(unit), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra journal",
        description="What an account did: its order gate's log as a database, which sqlite3 and others read as well.",
        epilog="exit codes: 0 ok, 1 failed, or the journal differs from its log, 2 usage",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="show|export|verify|rebuild")

    def add(name: str, what: str, run: Callable[[argparse.Namespace, JournalFiles], int]) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        added.set_defaults(run=run)
        add_file_arguments(added)
        return added

    show = add("show", "show orders, fills, positions, balances, days, flows, refusals, incidents or commands", _show)
    show.add_argument("table", nargs="?", default="orders", choices=_SHOWN, metavar="|".join(_SHOWN))
    show.add_argument("--since", metavar="TIME", help="from this time on: 2026-01-31, 2026-01-31T12:00, or 2h for ago")
    show.add_argument("--until", metavar="TIME", help="before this time")
    show.add_argument("--strategy", metavar="NAME", help="only this strategy's")
    show.add_argument("--symbol", metavar="SYMBOL", help="only this symbol's, or SYMBOL@VENUE's")
    show.add_argument("--limit", type=_count, metavar="N", help=f"the latest N, 0 for all (people: {_USUAL_LIMIT})")
    show.add_argument("--json", action="store_true", help="print one JSON object a row")
    export = add("export", "write a table into a file", _export)
    export.add_argument("table", nargs="?", default="orders", metavar="TABLE", help="orders, fills, order_events...")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="FILE.csv, FILE.jsonl or FILE.parquet")
    verify = add("verify", "make the rows once more from the log, and compare", _verify)
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    add("rebuild", "make the journal anew from the log", _rebuild)
    return parser


def _count(given: str) -> int:
    if not given.isdecimal():
        raise argparse.ArgumentTypeError(f'has to be a whole number, not "{given}"')
    return int(given)
