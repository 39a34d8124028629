"""Which running node a verb is about: found on this host, chosen by name or by process.

Nodes of one run are one thing to its operator: where only one run is meant, a verb about accounts goes to the node that
has them, though there are others, or another one of the run was named.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import time
from collections.abc import Iterable, Sequence

from libra.control.client import NodeClient
from libra.control.folder import HiddenNode, RunFile, find_nodes, hidden_nodes, run_folder, run_folders
from libra.errors import ConfigError, ControlError, LibraError

_LOOK_EVERY_S = 0.05


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --node, --pid and --json."""
    parser.add_argument("--node", metavar="NAME", help="the node of this name (where only one runs, it is meant)")

    parser.add_argument("--pid", type=int, metavar="PID", help="the node of this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def running_nodes() -> list[NodeClient]:
    """All nodes that run on this host for this user, oldest first."""
    first = run_folder()
    clients = [NodeClient(node, first) for node in find_nodes(first)]
    for folder in run_folders()[1:]:
        with contextlib.suppress(ControlError, OSError):
            clients += [NodeClient(node, folder) for node in find_nodes(folder)]
    return sorted(clients, key=lambda client: (client.node.started_ns, client.node.pid))


def chosen_nodes(options: argparse.Namespace) -> list[NodeClient]:
    """The nodes that --node and --pid leave; all of them without these.

    Raises:
        ConfigError: When no node is chosen by what was given, or two have the name.
    """
    nodes = running_nodes()
    chosen = [
        client
        for client in nodes
        if (options.pid is None or client.node.pid == options.pid)
        and (options.node is None or client.node.name == options.node)
    ]
    if not chosen and nodes and (options.pid is not None or options.node is not None):
        raise ConfigError(f"no such node runs here; there are\n{listed(nodes)}")
    if options.node is not None and len(chosen) > 1:
        raise ConfigError(f"{len(chosen)} nodes have that name, choose one by --pid:\n{listed(chosen)}")
    return chosen


def chosen_run(options: argparse.Namespace) -> list[NodeClient]:
    """All nodes of the one run that is meant; of several runs all that were chosen."""
    chosen = chosen_nodes(options)
    runs = {client.node.run for client in chosen}
    if len(runs) != 1 or runs == {""}:
        return chosen
    return [client for client in running_nodes() if client.node.run in runs]


def one_run(options: argparse.Namespace) -> list[NodeClient]:
    """All nodes of the one run that is meant, at least one.

    Raises:
        ConfigError: When more than one may be meant.
        LibraError: When none runs.
    """
    chosen = chosen_run(options)
    if not chosen:
        raise LibraError(no_node_text())
    if are_several(chosen):
        raise _which_one(chosen)
    return chosen


def are_several(clients: Sequence[NodeClient]) -> bool:
    """True for nodes of more than one run; a node that says of none is a run by itself."""
    return len({client.node.run or client.node.pid for client in clients}) > 1


def account_node(options: argparse.Namespace) -> NodeClient:
    """The one node that has the accounts that are meant.

    Raises:
        ConfigError: When more than one may be meant.
        LibraError: When none runs, or none of them has an account.
    """
    chosen = chosen_run(options)
    if not chosen:
        raise LibraError(no_node_text())
    named = getattr(options, "account", None)
    having = [client for client in chosen if _has(client.node.accounts, named)]
    if len(having) > 1:
        raise _which_one(having)
    if not having:
        accounts = [f"{name} in {client.node.name}" for client in chosen for name in client.node.accounts or ()]
        what = "no account" if named is None else f"no account {named}"
        there = f"; accounts are {', '.join(accounts)}" if accounts else ""
        raise LibraError(f"{', '.join(client.node.name for client in chosen)}: {what} here{there}")
    return having[0]


def _which_one(nodes: list[NodeClient]) -> ConfigError:
    return ConfigError(f"{len(nodes)} nodes run here, choose one by --node or --pid:\n{listed(nodes)}")


def _has(accounts: tuple[str, ...] | None, named: str | None) -> bool:
    """True also for a node that does not tell: it answers for itself."""
    return accounts is None or (bool(accounts) if named is None else named in accounts)


def no_node_text() -> str:
    """What is said where no node was found."""
    looked = ", ".join(map(str, run_folders()))
    return "\n".join([f"no node was found on this host (looked in {looked})", *hidden_lines(hidden_beside(()))])


def hidden_beside(clients: Iterable[NodeClient]) -> list[HiddenNode]:
    """Nodes that are there beside these, as the kernel has them."""
    return hidden_nodes({client.node.pid for client in clients})


def hidden_lines(hidden: Iterable[HiddenNode]) -> list[str]:
    """Nodes that were not found by their files, with what to do to reach them."""
    return [
        f"  but {node.name} (pid {node.pid}) listens in {node.folder}: LIBRA_RUN_DIR={shlex.quote(node.folder)} libra "
        "..., as its user"
        for node in hidden
    ]


def wait_for_files(within_s: float) -> None:
    """A node whose files were removed makes them again within a second: until then nobody finds it."""
    until = time.monotonic() + within_s
    while any(node.is_ours and node.was_listed for node in hidden_beside(())) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)


def signal_lines(hidden: Iterable[HiddenNode]) -> list[str]:
    """What stops nodes that were not found by their files, whatever keeps them from being found."""
    return [
        f"  to stop {node.name} (pid {node.pid}) at once, as its user: kill -USR1 {node.pid}"
        for node in hidden
        if node.takes_signal
    ]


def listed(nodes: list[NodeClient]) -> str:
    """Nodes as a list for people."""
    return "\n".join(f"  {_line(client.node)}" for client in nodes)


def _line(node: RunFile) -> str:
    return f"--node {node.name} --pid {node.pid}  (profile {node.profile or '-'})"
