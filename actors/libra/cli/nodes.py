"""Which running node a verb is about: found on this host, chosen by name or by process."""

from __future__ import annotations

import argparse

from libra.control.client import NodeClient
from libra.control.folder import RunFile, find_nodes, run_folder
from libra.errors import ConfigError, LibraError


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --node, --pid and --json."""
    parser.add_argument("--node", metavar="NAME", help="the node of this name (where only one runs, it is meant)")

    parser.add_argument("--pid", type=int, metavar="PID", help="the node of this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def running_nodes() -> list[NodeClient]:
    """All nodes that run on this host for this user, oldest first."""
    folder = run_folder()
    return [NodeClient(node, folder) for node in find_nodes(folder)]


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


def chosen_node(options: argparse.Namespace) -> NodeClient:
    """The one node that is meant.

    Raises:
        ConfigError: When more than one may be meant.
        LibraError: When none runs.
    """
    chosen = chosen_nodes(options)
    if not chosen:
        raise LibraError(no_node_text())
    if len(chosen) > 1:
        raise ConfigError(f"{len(chosen)} nodes run here, choose one by --node or --pid:\n{listed(chosen)}")
    return chosen[0]


def no_node_text() -> str:
    """What is said where no node runs."""
    return f"no node runs on this host (looked in {run_folder()})"


def listed(nodes: list[NodeClient]) -> str:
    """Nodes as a list for people."""
    return "\n".join(f"  {_line(client.node)}" for client in nodes)


def _line(node: RunFile) -> str:
    return f"--node {node.name} --pid {node.pid}  (profile {node.profile or '-'})"
