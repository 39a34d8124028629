"""The verb `libra cluster`, by the entry point `cluster` in the group `libra.commands`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Protocol

from libra_cluster.cli import plan

__all__ = ["main"]


class Action(Protocol):
    """A module of an action."""

    HELP: str
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the arguments of the action."""

    def run(self, options: argparse.Namespace) -> int:
        """Runs the action; an exit code."""


_ACTIONS: Mapping[str, Action] = {"plan": plan}


def main(arguments: list[str]) -> int:
    """Show what a profile of several nodes would run where.

    Args:
        arguments: What stands behind `libra cluster`.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="libra cluster",
        description="Topologies: several nodes that share one profile.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        added = actions.add_parser(name, help=action.HELP, description=action.DESCRIPTION, allow_abbrev=False)
        action.add_arguments(added)
    options = parser.parse_args(arguments)
    return _ACTIONS[options.action].run(options)
