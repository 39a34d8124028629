"""The journal of a running account: a thread that follows the log, a tenth of a second behind.

Trading never waits for it. What it cannot write is told once, tried again after waits that double, and caught up later;
the log has it meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from libra.errors import StorageError
from libra.storage.journal.projector import BATCH, Projector

__all__ = ["JournalWriter"]

_log = logging.getLogger(__name__)

_EVERY_S: Final = 0.1
"""How long records wait for others to be written with."""
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0


class JournalWriter:
    """Follows one account's log; start it when the log is there.

    Args:
        account: The account's name.
        log: Its log.
        path: The journal.
        tell: Told of each change between "current" and "behind", with the reason, from the thread.
        every_s: How long records wait for others.
    """

    def __init__(
        self,
        account: str,
        log: Path,
        path: Path,
        tell: Callable[[str, str, str], None] = lambda *_: None,
        *,
        every_s: float = _EVERY_S,
    ) -> None:
        self.account = account
        self.path = path
        self._tell = tell
        self._every_s = every_s
        self._ends_at: float | None = None
        self._wake = threading.Event()
        self._projector = Projector(log, path, is_over=self._is_over)
        self._told_aside = 0
        self._error: str | None = None
        self._is_whole = False
        self._behind_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"libra-journal-{account}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Write what the log holds by now, and end the thread.

        Args:
            timeout_s: How long that may take. A thread whose disk hangs is left behind.

        Returns:
            True when the journal has all of the log.
        """
        self._ends_at = time.monotonic() + timeout_s
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + self._every_s)
        if not self._is_whole:
            _log.warning(
                "account %s: its journal ends %d bytes behind the log%s; the next run adds them",
                *(self.account, self._projector.behind_bytes(), f" ({self._error})" if self._error else ""),
            )
        return self._is_whole

    def status(self) -> dict[str, Any]:
        """How it stands: path, state, records, behind_bytes, behind_s, error."""
        since = self._behind_since
        return {
            "path": str(self.path.absolute()),
            "state": "current" if self._error is None else "behind",
            "records": self._projector.position.records,
            "behind_bytes": self._projector.behind_bytes(),
            "behind_s": None if since is None else round(time.monotonic() - since, 3),
            "error": self._error,
        }

    # The thread ------------------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self._ends_at is not None and time.monotonic() >= self._ends_at

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        try:
            while True:
                is_ending = self._ends_at is not None
                try:
                    has_all = self._catch_up()
                    wait_s = _FIRST_WAIT_S
                    if is_ending:
                        # Nothing is added to the log any more.
                        self._is_whole = has_all
                        return
                    self._wake.wait(self._every_s)
                except StorageError as error:
                    self._fell_behind(str(error))
                    if self._is_over():
                        return
                    self._pause(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                except Exception as error:
                    # A fault of ours: it must be seen, and the account trades on.
                    _log.exception("account %s: its journal ends here", self.account)
                    self._fell_behind(f"a fault of the writer: {error!r}")
                    return
        finally:
            self._projector.close()

    def _pause(self, wait_s: float) -> None:
        """Before the next try; one that waits when the end comes tries at once."""
        if self._ends_at is None:
            self._wake.wait(wait_s)
        else:
            time.sleep(min(wait_s, max(self._ends_at - time.monotonic(), 0.0)))

    def _catch_up(self) -> bool:
        """Write all that the log has; False when its time is over before."""
        while self._projector.advance() == BATCH:
            self._tell_aside()
            if self._is_over():
                return False
        self._tell_aside()
        if self._error is not None:
            self._error = self._behind_since = None
            _log.warning("account %s: its journal is up to date again", self.account)
            self._tell(self.account, "current", "")
        return True

    def _fell_behind(self, error: str) -> None:
        self._tell_aside()
        if self._error is None:
            self._behind_since = time.monotonic()
            _log.error("account %s: its journal falls behind, trading goes on: %s", self.account, error)
            self._tell(self.account, "behind", error)
        self._error = error

    def _tell_aside(self) -> None:
        for path, fault in self._projector.aside[self._told_aside :]:
            self._told_aside += 1
            _log.error(
                "account %s: %s: it was set aside as %s and is made anew from the log", self.account, fault, path
            )
