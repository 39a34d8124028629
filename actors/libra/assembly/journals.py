"""The journals of a node's accounts: started when their logs are open, closed when these say no more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from libra.storage.journal import JournalWriter

if TYPE_CHECKING:
    from libra.config.accounts import AccountGroupSettings

__all__ = ["Journals"]

_LEAST_S: Final = 0.05


class Journals:
    """A writer for each account that keeps a journal.

    Args:
        wake: Called from a writer's thread when there is something to tell.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._writers: dict[str, JournalWriter] = {}
        self._news: deque[tuple[str, str, str]] = deque()

    def start(self, group: AccountGroupSettings) -> None:
        """Start an account's, if it keeps one; its log is open by now."""
        path = group.journal_path
        if path is None or group.log.path is None:
            return
        writer = JournalWriter(group.name, Path(group.log.path), path, self._tell)
        self._writers[group.name] = writer
        writer.start()

    def close(self, timeout_s: float) -> None:
        """Write what the logs hold by now, and end the writers.

        Args:
            timeout_s: How long that may take for all together.
        """
        until = time.monotonic() + timeout_s
        for writer in self._writers.values():
            writer.close(max(until - time.monotonic(), _LEAST_S))

    def __bool__(self) -> bool:
        return bool(self._writers)

    def news(self) -> list[dict[str, str]]:
        """What changed since the last call: account, state ("current" or "behind") and why."""
        told = []
        while self._news:
            account, state, why = self._news.popleft()
            told.append({"account": account, "state": state, "why": why})
        return told

    def row(self, account: str) -> dict[str, Any] | None:
        """How an account's journal stands; None where it keeps none."""
        writer = self._writers.get(account)
        return None if writer is None else writer.status()

    def rows(self) -> dict[str, dict[str, Any]]:
        """How all of them stand, by account."""
        return {account: writer.status() for account, writer in self._writers.items()}

    def _tell(self, account: str, state: str, why: str) -> None:
        self._news.append((account, state, why))
        self._wake()
