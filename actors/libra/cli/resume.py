"""`libra resume`: takes the kill latch back, after a look at what set it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from libra import exit_codes
from libra.cli.nodes import account_node, add_node_arguments
from libra.cli.status import account_lines, vanished_lines
from libra.errors import ConfigError, LibraError

if TYPE_CHECKING:
    from libra.control.client import NodeClient

LOOK_WITHIN_S = 10.0
"""How long a look at the venue is waited for, behind an incident."""


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra resume`.

    Returns:
        0 when orders may leave again, 1 when something else still stops them or nobody agreed.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.strategy is not None:
        if options.accept_venue:
            parser.error("--strategy lets in a strategy: give it without --accept-venue")
        return _readmit(options)
    client = account_node(options)
    accounts = client.ask("status")["accounts"]
    chosen = [account for account in accounts if options.account in (None, account["name"])]
    if not chosen:
        raise LibraError(f"it has no account {options.account}; accounts are {', '.join(a['name'] for a in accounts)}")
    if options.accept_venue and len(chosen) != 1:
        raise LibraError("name the account whose venue's word is taken: --account NAME")
    if not options.yes:
        question = "Take the venue's word for what differs?" if options.accept_venue else "May orders leave again?"
        _agree("\n".join(line for account in chosen for line in account_lines(account)), question)
    if options.accept_venue:
        given: dict[str, Any] = {"account": chosen[0]["name"], "reason": options.reason, "accept_venue": True}
    else:
        given = {"account": options.account, "reason": options.reason}
    # What was looked at: where an account was stopped again meanwhile, that is not taken back.
    given["latches"] = {account["name"]: account.get("latch") for account in chosen}
    after = _looked_at(client, client.ask("resume", **given)["accounts"])
    if options.json:
        print(json.dumps({"name": client.node.name, "pid": client.node.pid, "accounts": after}, ensure_ascii=False))
    else:
        taken = [f"account {chosen[0]['name']}: the venue's word is taken"] if options.accept_venue else []
        print("\n".join([*taken, *(line for account in after for line in account_lines(account))]))
    return exit_codes.FAILED if any(account["stopped"] is not None for account in after) else exit_codes.OK


def _readmit(options: argparse.Namespace) -> int:
    client = account_node(options)
    gone = [row for row in client.ask("status")["vanished"] if row["strategy"] == options.strategy]
    if not options.yes:
        _agree("\n".join(vanished_lines(gone)), f"May strategy {options.strategy} trade again?")
    result = client.ask("readmit", strategy=options.strategy, reason=options.reason)
    told = f"strategy {result['strategy']} trades again on {result['account']}"
    print(json.dumps(result) if options.json else told)
    return exit_codes.OK


def _looked_at(client: NodeClient, accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The accounts, once the looks at their venues that a resume waits for are taken, or did not come in time."""
    names = [account["name"] for account in accounts]
    end = time.monotonic() + LOOK_WITHIN_S
    while time.monotonic() < end and any(
        (account["stopped"] or [""])[0] == "RECONCILING" for account in accounts if account.get("look") is not None
    ):
        time.sleep(0.2)
        accounts = [account for account in client.ask("status")["accounts"] if account["name"] in names]
    return accounts


def _agree(shown: str, question: str) -> None:
    """Asks on the terminal.

    Raises:
        ConfigError: Where nobody can be asked.
        LibraError: When the answer is no.
    """
    if not sys.stdin.isatty():
        raise ConfigError("there is nobody to ask whether orders may leave again: say so by --yes")
    print(shown, file=sys.stderr)
    print(f"{question} Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise LibraError("nothing was changed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra resume",
        description="Takes the kill latch of an account back, and with it a drawdown or an incident; or lets in a "
        "strategy again. It asks first.",
        epilog="exit codes: 0 orders may leave again, 1 something still stops them, 2 usage",
        allow_abbrev=False,
    )
    add_node_arguments(parser)
    parser.add_argument("--account", metavar="NAME", help="only this account (without it: all of the node)")
    parser.add_argument(
        "--accept-venue", action="store_true", help="and take the venue's word for positions and balances that differ"
    )
    parser.add_argument(
        "--strategy", metavar="NAME", help="let in this strategy again, which was taken for gone with its node"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why, for the log")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser
