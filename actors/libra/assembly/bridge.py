"""What a node needs of a bridge to other nodes. Who opens one stands above: `libra` runs alone without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libra.core.events import Event
    from libra_core import NodeCore

__all__ = ["NodeBridge"]


class NodeBridge(Protocol):
    """Carries events between this node's router and those of other nodes.

    The node starts it when its accounts are open and before its actors start, and stops it after its last event.
    All calls come from the loop's thread.
    """

    def start(self, core: NodeCore) -> None:
        """Join the node's router: from now on what it publishes may leave, and what comes in is published.

        Raises:
            BridgeError: When it cannot begin at all. A server that is not there yet is no such reason.
        """

    def stop(self, timeout_s: float) -> dict[str, Any]:
        """Send what waits, at most so long, and leave; gives the last `stats`."""

    def stats(self) -> dict[str, Any]:
        """Counts, ready for JSON."""

    def news(self) -> Sequence[Event]:
        """What happened since the last call: connections, gaps, repairs, nodes that came or went; to be published."""
