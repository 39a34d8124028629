"""An account as `libra status` has it, asked of a process that may not be there yet."""

import time

from libra.control.client import NodeClient
from libra.control.folder import find_nodes
from libra.errors import ControlError


def account_rows(run_folder):
    """The accounts of the node that was started last; none before one answers."""
    nodes = find_nodes(run_folder)
    if not nodes:
        return []
    try:
        return NodeClient(nodes[-1], run_folder).ask("status")["accounts"]
    except ControlError:
        return []


def until(row, condition, said, *, within_s):
    """Wait until a condition of an account's row holds; gives the row.

    Args:
        row: Gives the row; None before there is one.
        condition: What has to hold of it.
        said: Gives what the process has said, should it never come about.
        within_s: How long that may take.
    """
    end = time.monotonic() + within_s
    while True:
        found = row()
        if found is not None and condition(found):
            return found
        assert time.monotonic() < end, f"{found}\n{said()[-4_000:]}"
        time.sleep(0.02)


def agrees_since(since_ns):
    """A condition of a row: a look, begun since then, found nothing."""

    def agrees(row):
        look = row["look"]
        later = look is not None and look["at_ns"] - look["duration_ns"] > since_ns
        return later and look["settled"] and not look["differences"] and row["stopped"] is None

    return agrees
