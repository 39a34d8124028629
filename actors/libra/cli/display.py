"""What a run shows while it goes on: a live table on a terminal, else lines, and never a reason to stop."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from libra.cli.progress import ProgressLines

_log = logging.getLogger("libra.cli")


class Display(Protocol):
    """Takes each status that the node reports."""

    def show(self, status: Mapping[str, Any]) -> None:
        """Shows a status, or leaves it be."""


class SafeDisplay:
    """Passes on to a display until that fails once: a closed pipe or a drawing error never reaches the node."""

    def __init__(self, display: Display) -> None:
        self._display: Display | None = display

    def show(self, status: Mapping[str, Any]) -> None:
        """Shows a status while there is someone to show it to."""
        if self._display is None:
            return
        try:
            self._display.show(status)
        except Exception as error:
            self._display = None
            _log.warning("progress is not shown any more: %s: %s", type(error).__name__, error)


def open_display(title: str, *, as_json: bool) -> AbstractContextManager[Display]:
    """Picks the display.

    Args:
        title: The profile's name.
        as_json: True where standard output belongs to the summary object alone.

    Returns:
        A context manager that gives the display.
    """
    if as_json:
        return ProgressLines(sys.stderr)
    if not sys.stdout.isatty():
        return ProgressLines(sys.stdout)
    from rich.console import Console

    from libra.cli.live import LiveDisplay

    return LiveDisplay(Console(), title)
