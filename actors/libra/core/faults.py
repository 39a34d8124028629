"""What no supervisor deals with, since it is not an actor's own failure."""

from __future__ import annotations

from libra_core import PanicException

__all__ = ["FATAL"]

FATAL = (KeyboardInterrupt, PanicException)
"""A Ctrl-C where nobody takes signals, and a panic of the native side: both end the run."""
