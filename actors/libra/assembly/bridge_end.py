"""How a node leaves its bridge, and what of its run was lost between the nodes."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from libra.assembly.bridge import lost_events, open_gaps, unsent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.assembly.bridge import NodeBridge
    from libra.assembly.bridge_log import BridgeLog
    from libra_core import AccountGroup, NodeCore

__all__ = ["BridgeEnd"]

_log = logging.getLogger(__name__)

_FLUSH_EVERY_S = 0.01


class BridgeEnd:
    """What is known of a node's bridge when its run is over. Of a node that runs alone: nothing was lost."""

    def __init__(self) -> None:
        self.stats: dict[str, Any] = {}
        """What the bridge counted."""
        self.left_behind = 0
        """Durable events that did not reach those that they are for."""
        self.unsound: dict[str, str] = {}
        """Why orders were refused for the bridge when the run ended, by account."""
        self.lost_strategies: list[str] = []
        """Those that went with their nodes: what they asked for since was refused."""

    def note_accounts(self, accounts: Iterable[AccountGroup]) -> None:
        """The drain begins: note whose orders are refused for the bridge."""
        for account in accounts:
            code, detail = account.standing()["stopped"] or ("", "")
            if code == "BRIDGE_UNSOUND":
                self.unsound[account.name] = f"{code}: {detail}"

    async def leave(self, bridge: NodeBridge, log: BridgeLog, core: NodeCore, timeout_s: float) -> None:
        """The last events are published by now; what waits for another node has the drain's time to leave."""
        # Before, since the guard takes a loop that hangs in here for a drain that failed.
        core.extend_drain(3 * timeout_s)
        until = time.monotonic() + timeout_s
        while bridge.awaits() and time.monotonic() < until:
            bridge.flush()
            await asyncio.sleep(_FLUSH_EVERY_S)
        # A thread of its own: those of the loop's executor may all be taken by what users' code has put there.
        thread = ThreadPoolExecutor(1, "libra-leave")
        leaving = asyncio.get_running_loop().run_in_executor(thread, bridge.leave, timeout_s)
        thread.shutdown(wait=False)
        while not leaving.done():
            bridge.flush()
            await asyncio.wait([leaving], timeout=_FLUSH_EVERY_S)
        leaving.result()
        log.tell(bridge.news())
        log.close()
        self.stats = bridge.stop(0.0)
        self.left_behind = unsent(self.stats, keeps=bridge.keeps())
        if self.left_behind:
            _log.error("bridge: %d durable events did not reach those that they are for", self.left_behind)
        if not (open_gaps(self.stats) or self.lost_events):
            # What was under way has come.
            self.unsound.clear()

    @property
    def lost_events(self) -> dict[str, int]:
        """Durable events that were lost, by channel; as `outbox` those that did not leave."""
        lost = lost_events(self.stats)
        return lost | {"outbox": self.left_behind} if self.left_behind else lost
