"""What no supervisor deals with, since it is not an actor's own failure."""

from __future__ import annotations

from libra_core import PanicException

__all__ = ["Fatal", "fatal_errors"]

Fatal = tuple[type[BaseException], ...]


def fatal_errors(*, takes_signals: bool) -> Fatal:
    """What ends the run: a panic of the native side, and a Ctrl-C that Python itself delivers.

    Args:
        takes_signals: The node takes SIGINT natively, so that a `KeyboardInterrupt` can only be somebody's own doing.
    """
    return (PanicException,) if takes_signals else (PanicException, KeyboardInterrupt)
