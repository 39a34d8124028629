"""A node's process, held by a descriptor: a signal reaches it, or nobody."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["NodeProcess"]


class NodeProcess:
    """The process that has a pid now; a context manager. A later process of the same pid is never taken for it.

    Args:
        pid: The pid.

    Raises:
        ProcessLookupError: When there is none.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        # Elsewhere than on Linux a process has no descriptor, and its pid has to do.
        self._descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def send(self, number: signal.Signals) -> None:
        """Send a signal.

        Raises:
            ProcessLookupError: When the process is no more.
        """
        if self._descriptor is None:  # pragma: no cover - Linux has descriptors of processes
            os.kill(self._pid, number)
        else:
            signal.pidfd_send_signal(self._descriptor, number)

    def has_ended(self, within_s: float) -> bool:
        """Wait for its end for so long; True when it is no more."""
        if self._descriptor is not None:
            return bool(select.select([self._descriptor], [], [], within_s)[0])
        time.sleep(within_s)  # pragma: no cover - Linux has descriptors of processes
        try:  # pragma: no cover
            os.kill(self._pid, 0)
        except ProcessLookupError:  # pragma: no cover
            return True
        return False  # pragma: no cover
