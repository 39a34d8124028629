"""`libra limits show|set`: the limits of a running account; looser ones only when confirmed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from libra import exit_codes
from libra.cli.nodes import account_node, add_node_arguments

_ACTION = "show where nothing is given"


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra limits`.

    Returns:
        The exit code.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.action == "show" and options.changes:
        parser.error("show takes no KEY=VALUE")
    if options.action == "set" and not options.changes:
        parser.error("set needs KEY=VALUE")
    if options.version is not None and not (options.action == "set" and options.confirm):
        parser.error("--version says which limits set --confirm may loosen")
    changes = dict(_pair(parser, text) for text in options.changes)
    if len(changes) < len(options.changes):
        parser.error("a limit is given twice")
    client = account_node(options)
    if options.action == "show":
        result = client.ask("limits", account=options.account)
    else:
        version = options.version
        if options.confirm and version is None:
            # Only one account can be meant, or the node says so.
            version = next(iter(client.ask("limits", account=options.account)["versions"].values()), None)
        given = {"account": options.account, "changes": changes, "confirmed": options.confirm, "version": version}
        result = client.ask("set_limits", **given)
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    elif options.action == "show":
        rows = [(f"{name}  version {result['versions'][name]}", limits) for name, limits in result["limits"].items()]
        print("\n".join(line for head, limits in rows for line in [head, *_lines(limits)]))
    else:
        print("\n".join(_changed(result["change"])))
    return exit_codes.OK


def _pair(parser: argparse.ArgumentParser, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key.strip() and equals and value.strip()):
        parser.error(f'"{text}" is no KEY=VALUE')
    return key.strip(), value.strip()


def _changed(change: Mapping[str, Any]) -> list[str]:
    head = f"{change['account']}  version {change['version']}"
    if not change["changes"]:
        return [f"{head}: every limit has its value already"]
    at = datetime.fromtimestamp(change["time_ns"] // 1_000_000_000, UTC)
    rows = [
        (row["key"], *("no limit" if row[side] is None else row[side] for side in ("old", "new")))
        for row in change["changes"]
    ]
    return [
        f"{head}, set by {change['who']} at {at:%Y-%m-%d %H:%M:%S} UTC",
        *(f"  {key} = {new}  (was {old})" for key, old, new in rows),
    ]


def _lines(values: Mapping[str, Any], indent: str = "  ") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}", *_lines(value, indent + "  ")]
        elif isinstance(value, list):
            lines.append(f"{indent}{key}" + ("" if value else " = none"))
            lines += [f"{indent}  " + ", ".join(line.strip() for line in _lines(row)) for row in value]
        else:
            lines.append(f"{indent}{key} = {'-' if value is None else value}")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra limits",
        description="show: the limits of a running account. set KEY=VALUE...: change them; what would loosen one needs "
        "--confirm. With a log, after a restart the stricter of profile and log holds.",
        epilog="exit codes: 0 ok, 1 refused, 2 usage",
        allow_abbrev=False,
    )
    parser.add_argument("action", nargs="?", default="show", choices=("show", "set"), metavar="show|set", help=_ACTION)
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="a limit as in [risk], with its new value")
    add_node_arguments(parser)
    parser.add_argument("--account", metavar="NAME", help="the account (where the node has only one, it is meant)")
    parser.add_argument("--confirm", action="store_true", help="loosen limits, too")
    parser.add_argument(
        "--version", type=int, metavar="N", help="only where the limits still have this version, as show told it"
    )
    return parser
