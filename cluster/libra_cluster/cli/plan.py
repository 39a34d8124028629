"""`libra cluster plan`: what of a profile would run where, and what a change would move. Nothing is started."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from libra import exit_codes
from libra.cli.arguments import add_profile_arguments, flags_of
from libra.cli.text import count
from libra_cluster.planning import Plan, plan_of

if TYPE_CHECKING:
    from rich.table import Table

    from libra_cluster.planning import PlannedNode

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "show what would run where, and what a change would move"
DESCRIPTION = (
    "Shows the nodes of a profile, what each builds and which symbols are whose, and starts nothing. Which node of a "
    "pool has a symbol is a pure function of their names, so this is what will run on any host."
)
_BAR = 20
_FEW = 10
"""As many symbols are named, of more how many there are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the action."""
    add_profile_arguments(parser)
    parser.add_argument(
        "--instead-of",
        action="append",
        default=[],
        metavar="section.key=value",
        help="show what moves against the profile with this setting; may be repeated",
    )
    parser.add_argument("--symbols", action="store_true", help="name every symbol")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Runs the action.

    Raises:
        ConfigError: With every mistake of the profile.
    """
    from libra.config import load

    flags = flags_of(options)
    plan = plan_of(load(options.profile, flags=flags))
    before = None
    if options.instead_of:
        before = plan_of(load(options.profile, flags=replace(flags, sets=(*flags.sets, *options.instead_of))))
    if options.json:
        moves = {} if before is None else {"moves": _as_rows(plan, before)}
        print(json.dumps({**plan.as_dict(), **moves}, ensure_ascii=False))
        return exit_codes.OK
    _print(plan, before, all_symbols=options.symbols)
    return exit_codes.OK


def _as_rows(plan: Plan, before: Plan) -> list[dict[str, Any]]:
    return [
        {"pool": pool, "symbol": symbol, "from": old, "to": new} for pool, symbol, old, new in plan.moves_from(before)
    ]


def _print(plan: Plan, before: Plan | None, *, all_symbols: bool) -> None:
    from libra.cli.summary import open_console

    console = open_console()
    rows = [_cells(plan, node, all_symbols=all_symbols) for node in plan.nodes]
    table = _table()
    for row in rows:
        table.add_row(*row)
    table.columns = [column for place, column in enumerate(table.columns) if any(row[place] for row in rows)]
    if not console.is_terminal:
        # Nobody can widen a file.
        wide = console.options.update(width=10_000)
        console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)
    processes = f"{len(plan.nodes)} processes" if len(plan.nodes) > 1 else "1 process"
    joined = f", joined by {plan.server}" if plan.server else ""
    console.print(f"{processes}{joined}", markup=False, highlight=False)
    if before is None:
        return
    for line in _movement(plan, before):
        console.print(line, markup=False, highlight=False)


def _table() -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("node", "builds", "strategies"):
        table.add_column(name, no_wrap=name == "node")
    table.add_column("symbols", justify="right", no_wrap=True)
    table.add_column("share of its pool", no_wrap=True)
    table.add_column("of", overflow="fold")
    return table


def _cells(plan: Plan, node: PlannedNode, *, all_symbols: bool) -> tuple[str, ...]:
    share = ""
    if node.pool is not None:
        of_pool = [len(other.symbols) for other in plan.nodes if other.pool == node.pool]
        part = len(node.symbols) / sum(of_pool)
        share = "█" * round(_BAR * len(node.symbols) / max(of_pool)) + f" {part:.1%}"
    builds = [role if role != "accounts" else f"accounts ({', '.join(plan.accounts)})" for role in node.roles]
    named = ", ".join(node.symbols) if all_symbols or len(node.symbols) <= _FEW else ""
    symbols = count(node.symbols) if node.strategies else ""
    return node.name, ", ".join(builds), ", ".join(node.strategies), symbols, share, named


def _movement(plan: Plan, before: Plan) -> list[str]:
    moves = plan.moves_from(before)
    of = sum(len(node.symbols) for node in plan.nodes if node.pool is not None)
    if not moves:
        return ["nothing moves"]
    pairs: dict[tuple[str, str], int] = {}
    for _, _, old, new in moves:
        pairs[old or "nowhere", new or "nowhere"] = pairs.get((old or "nowhere", new or "nowhere"), 0) + 1
    lines = [f"{count(moves)} of {count(of)} symbols of pools would have another node:"]
    return lines + [f"  {old} -> {new}  {count(number)}" for (old, new), number in sorted(pairs.items())]
