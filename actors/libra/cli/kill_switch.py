"""`libra kill-switch`: stops new orders at once and has open ones cancelled.

The signal goes first: from that instant nothing new leaves, whatever the node is busy with. Then the node is asked to
confirm, and to write down who did it and why.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
import time
from typing import Any

from libra import exit_codes
from libra.cli.nodes import (
    add_node_arguments,
    are_several,
    chosen_nodes,
    chosen_run,
    hidden_beside,
    hidden_lines,
    listed,
    no_node_text,
    running_nodes,
    signal_lines,
    wait_for_files,
)
from libra.cli.status import account_lines
from libra.control.client import ANSWER_S, NodeClient
from libra.errors import ConfigError, ControlError

_CANCELS_S = 2.0
_FILES_S = 1.5
_LOOK_EVERY_S = 0.05


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra kill-switch`.

    Returns:
        0 when every account is latched and nothing is open, 1 when that is not known.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.all and (options.node is not None or options.pid is not None):
        parser.error("--all means every node: give it without --node and --pid")
    wait_for_files(_FILES_S)
    clients = chosen_nodes(options) if options.all else chosen_run(options)
    if are_several(clients) and not options.all:
        # The others may trade for somebody else. Whoever pulls this has no time to read: the command stands last.
        raise ConfigError(
            f"{len(clients)} nodes run here, and NOTHING WAS STOPPED. One of them: libra kill-switch with\n"
            f"{listed(clients)}\nALL OF THEM: libra kill-switch --all{_rest(options)}"
        )
    if not clients:
        if options.json:
            print(json.dumps({"nodes": []}))
        else:
            print("\n".join([no_node_text(), *signal_lines(hidden_beside(()))]))
        return exit_codes.FAILED
    rows = _pull([client for client in clients if client.node.accounts != ()], options)
    # Where all accounts of a run say that they are stopped, its other nodes are not asked to have that done: their word
    # is a durable event, which would come once more to an account that an operator has resumed meanwhile.
    unconfirmed = {row["pid"] for row in rows if "error" in row and row.get("code") != "UNKNOWN_ACCOUNT"}
    latched = {client.node.run for client in clients if client.node.accounts != ()} - {""}
    latched -= {client.node.run for client in clients if client.node.pid in unconfirmed}
    rows += _pull([one for one in clients if one.node.accounts == () and one.node.run not in latched], options)
    # An account is in one node; that others do not know it, or have none, is no failure, unless none does.
    rows = [row for row in rows if row.get("code") not in ("UNKNOWN_ACCOUNT", "NO_ACCOUNT")] or rows
    if options.json:
        print(json.dumps({"nodes": rows}, ensure_ascii=False))
    else:
        print("\n".join(line for row in rows for line in _lines(row)))
    if _tell_hidden(options):
        return exit_codes.FAILED
    return exit_codes.OK if all(row["done"] for row in rows) else exit_codes.FAILED


def _pull(clients: list[NodeClient], options: argparse.Namespace) -> list[dict[str, Any]]:
    """All are signalled before one is asked."""
    failures = [_signal(client) if options.account is None else "" for client in clients]
    return [_confirm(client, options, failed) for client, failed in zip(clients, failures, strict=True)]


def _tell_hidden(options: argparse.Namespace) -> bool:
    """Names the nodes that trade on since their files are elsewhere; True where one of them was meant."""
    if os.environ.get("LIBRA_RUN_DIR"):
        return False
    hidden = hidden_beside(running_nodes())
    if hidden:
        head = "NOT STOPPED, since they were not found by their files:"
        print(head, *hidden_lines(hidden), *signal_lines(hidden), sep="\n", file=sys.stderr)
    # Who named none means all that there is, as far as it is theirs.
    return options.node is None and options.pid is None and any(node.is_ours for node in hidden)


def _rest(options: argparse.Namespace) -> str:
    """What else was given, to be typed again."""
    given = (("--account", options.account), ("--reason", options.reason))
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given if value is not None)


def _signal(client: NodeClient) -> str:
    """Pulls the switch; gives what went wrong."""
    try:
        client.pull_switch()
    except ControlError as error:
        return error.text
    return ""


def _confirm(client: NodeClient, options: argparse.Namespace, signal_failed: str) -> dict[str, Any]:
    node = client.node
    row: dict[str, Any] = {"name": node.name, "pid": node.pid, "done": False, "accounts": []}
    row["signalled"] = options.account is None and not signal_failed
    try:
        row["accounts"] = client.ask("kill", account=options.account, reason=options.reason)["accounts"]
    except ControlError as error:
        if error.code != "SILENT":
            row["error"], row["code"] = error.text, error.code
            return row
        if options.account is not None:
            # One account cannot be stopped from outside of a loop that hangs; all of them can.
            failed = _signal(client)
            row["signalled"] = not failed
            signal_failed = failed
        row["error"] = _held_up(client, signal_failed)
        return row
    names = {account["name"] for account in row["accounts"]}
    row["accounts"] = _watch_cancels(client, names, row["accounts"])
    if not row["accounts"]:
        row["code"] = "NO_ACCOUNT"
        row["error"] = (
            "it has no account; it was told to have all accounts that it is joined with stopped: see libra status"
            " at their node"
        )
        return row
    row["done"] = all(account["killed"] is not None and not account["open_orders"] for account in row["accounts"])
    return row


def _held_up(client: NodeClient, signal_failed: str) -> str:
    held = f"it did not answer within {ANSWER_S:g} s"
    if signal_failed:
        return f"{held}, and could not be signalled: {signal_failed}"
    if client.node.accounts == ():
        return f"{held}; it has no account, and was told to have all stopped that it is joined with, once it comes back"
    return (
        f"{held}; it was signalled: no new order of any of its accounts leaves, but open orders could not be cancelled"
        f" yet. When it does not come back: kill -9 {client.node.pid}, then cancel at the venue"
    )


def _watch_cancels(client: NodeClient, names: set[str], accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Looks until nothing is open, for a while."""
    until = time.monotonic() + _CANCELS_S
    while any(account["open_orders"] for account in accounts) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        with contextlib.suppress(ControlError):
            accounts = [row for row in client.ask("status")["accounts"] if row["name"] in names]
    return accounts


def _lines(row: dict[str, Any]) -> list[str]:
    head = f"{row['name']} (pid {row['pid']})"
    if "error" in row:
        return [f"{head}: NOT CONFIRMED: {row['error']}"]
    lines = [f"{head}: no new orders leave" + ("" if row["done"] else "; some orders are still open:")]
    lines += [line for account in row["accounts"] for line in account_lines(account)]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra kill-switch",
        description="Stops new orders at once and cancels open ones: of the run on this host, whichever of its nodes "
        "is named. Where several run, --node or --pid names one, and --all means all of yours. It stays so until libra "
        "resume, over restarts too.",
        epilog="exit codes: 0 stopped and nothing open, 1 not confirmed or orders still open, 2 usage",
        allow_abbrev=False,
    )
    add_node_arguments(parser)
    parser.add_argument("--all", action="store_true", help="all nodes of this user on this host")
    parser.add_argument("--account", metavar="NAME", help="only this account (without it: all of the node)")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the log")
    return parser
