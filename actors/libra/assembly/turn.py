"""A node's turn to drain, where its topology ends in an order: others ask something of it until they have ended."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra_core import NodeCore

__all__ = ["Turn"]

_log = logging.getLogger(__name__)


class Turn:
    """Holds a node that was asked to end until those are gone that ask something of it.

    Args:
        core: The node's native side. Its guard, which counts a drain's time from a signal on, is told to wait.
        ask: Called once, when the node is to end and was not told so by whoever keeps the order.
        drain_timeout_s: The drain's time, which counts anew from the turn on.
        patience_s: How long the node waits for its turn; 0 for one of which nobody asks anything.
    """

    def __init__(self, core: NodeCore, ask: Callable[[], None], *, drain_timeout_s: float, patience_s: float) -> None:
        self._core = core
        self._ask = ask
        self._drain_timeout_s = drain_timeout_s
        self._patience_s = patience_s
        self._told = threading.Event()
        self._until: float | None = None
        self._is_ours = False

    def come(self) -> None:
        """It is this node's turn, once it is asked to end; from any thread."""
        self._told.set()
        self._core.signal()

    def has_come(self) -> bool:
        """The node is to end: whether it may begin."""
        if self._is_ours:
            return True
        if self._until is None:
            self._until = time.monotonic() + self._patience_s
            if not self._told.is_set():
                self._wait()
        is_late = time.monotonic() >= self._until
        if not (self._told.is_set() or is_late):
            return False
        if is_late and self._patience_s and not self._told.is_set():
            _log.error("the node has waited %.0f s for those that ask something of it, and ends", self._patience_s)
        self._is_ours = True
        self._core.extend_drain(self._drain_timeout_s)
        return True

    def _wait(self) -> None:
        self._ask()
        if self._patience_s:
            _log.info("the node ends when those have ended that ask something of it")
            self._core.extend_drain(self._patience_s + self._drain_timeout_s)
            # A market that is silent wakes nobody.
            asyncio.get_running_loop().call_later(self._patience_s, self._core.signal)
