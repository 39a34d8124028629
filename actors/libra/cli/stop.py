"""`libra stop`: ends a node in an orderly way, or one of its strategies."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from typing import Any

from libra import exit_codes
from libra.cli.nodes import add_node_arguments, one_run
from libra.control.client import NodeClient
from libra.control.folder import find_nodes
from libra.errors import ControlError

_LOOK_EVERY_S = 0.05
_TELL_EVERY_S = 1.0


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra stop`.

    Returns:
        0 when it has ended, 1 when it had not after --timeout.
    """
    options = _parser().parse_args(arguments)
    clients = one_run(options)
    if options.strategy is not None:
        result = _stop_strategy(_named(clients, options) + clients, options.strategy)
        told = f"strategy {result['strategy']} is stopped; its orders: {result['on_vanish']}"
        print(json.dumps(result) if options.json else told)
        return exit_codes.OK
    # The one that was named, else one with strategies alone: accounts end behind it in any case.
    client = min(_named(clients, options), key=lambda one: one.node.accounts != ())
    began = time.monotonic()
    ended = _stop_node(client, options.timeout)
    for other in clients:
        ended = ended and _has_ended(other, began + options.timeout)
    node = client.node
    if options.json:
        print(json.dumps({"name": node.name, "pid": node.pid, "ended": ended}))
    elif ended:
        print(f"{node.name} (pid {node.pid}) has ended")
    else:
        print(f"{node.name} (pid {node.pid}) still runs after {options.timeout:g} s", file=sys.stderr)
    return exit_codes.OK if ended else exit_codes.FAILED


def _named(clients: list[NodeClient], options: argparse.Namespace) -> list[NodeClient]:
    return [one for one in clients if options.node in (None, one.node.name) and options.pid in (None, one.node.pid)]


def _stop_strategy(clients: list[NodeClient], strategy: str) -> dict[str, Any]:
    """By the first that has it. One that hangs is passed over: it may be any of the others that has it."""
    refusals: dict[int, ControlError] = {}
    for client in clients:
        if client.node.pid in refusals:
            continue
        try:
            return client.ask("stop_strategy", strategy=strategy)
        except ControlError as error:
            if error.code not in ("SILENT", "UNKNOWN_STRATEGY"):
                raise
            refusals[client.node.pid] = error
    raise min(refusals.values(), key=lambda error: error.code != "SILENT")


def _has_ended(client: NodeClient, until: float) -> bool:
    """Waits for another node of the run, which its supervisor ends."""
    while client.is_listed():
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_EVERY_S)
        # A look around removes what one leaves that was killed.
        find_nodes(client.folder)
    return True


def _stop_node(client: NodeClient, timeout_s: float) -> bool:
    node = client.node
    with client.process() as process:
        client.signal(process, signal.SIGTERM)
        began = told = time.monotonic()
        # Its socket is left alone: whoever connects to a node that hangs waits in a queue that is short.
        while client.is_listed():
            now = time.monotonic()
            if now - began >= timeout_s:
                return False
            if now - told >= _TELL_EVERY_S:
                told = now
                print(f"{node.name} (pid {node.pid}) is draining, {now - began:.0f} s", file=sys.stderr)
            if process.has_ended(_LOOK_EVERY_S):
                # One that was killed has left its files, which a look around removes.
                find_nodes(client.folder)
                return True
    return True


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f'has to be a number of seconds above zero, not "{text}"')
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra stop",
        description="Ends a node: it handles what is queued, stops its actors and flushes its logs. Open orders stay "
        "at the venue. With --strategy only that strategy ends: its on_vanish says what happens to its orders.",
        epilog="exit codes: 0 ended, 1 it still runs, 2 usage",
        allow_abbrev=False,
    )
    add_node_arguments(parser)
    parser.add_argument("--strategy", metavar="NAME", help="stop only this strategy, for good")
    parser.add_argument("--timeout", type=_seconds, default=30.0, metavar="S", help="wait so long (default: 30)")
    return parser
