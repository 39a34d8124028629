"""What a node needs of a bridge to other nodes. Who opens one stands above: `libra` runs alone without."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from libra_core import BridgeNews, NodeCore

__all__ = ["NodeBridge", "bridge_row", "lost_events", "open_gaps", "unsent"]


class NodeBridge(Protocol):
    """Carries events between this node's router and those of other nodes.

    The node starts it when its accounts are open and before its actors start, and stops it after its last event.
    All calls come from the loop's thread, but `leave`.

    Attributes:
        life: When this life of the node began, nanoseconds since the epoch: no two lives of one name have the same.
    """

    life: int

    def start(self, core: NodeCore) -> None:
        """Join the node's router: from now on what it publishes may leave, and what comes in is published.

        Raises:
            ConfigError: When its server will not have it whatever time passes (a wrong password, too old a server), or
                a node of this name is there already. A server that is not there yet is no such reason.
            BridgeError: When it cannot begin at all.
        """

    def flush(self) -> None:
        """Hand over what found no room."""

    def awaits(self) -> bool:
        """True while something is for a node with accounts that has not been heard of yet: it is too early to leave."""

    def leave(self, timeout_s: float) -> None:
        """Send what waits, at most so long, and leave; it blocks, and `flush` goes on meanwhile."""

    def keeps(self) -> bool:
        """Behind `leave`: whether what the server has confirmed is safe with it for those that have not read it.

        A server that ends with its topology keeps nothing. Then nothing may be owed but to nodes without accounts that
        left in order: they wanted no more.
        """

    def life_of(self, node: str) -> int | None:
        """The `life` of another node, as it says itself; None while it has not been heard of."""

    def stop(self, timeout_s: float) -> dict[str, Any]:
        """Leave, where that was not done, and let go of the router; gives the last `stats`."""

    def stats(self) -> dict[str, Any]:
        """Counts, ready for JSON."""

    def news(self) -> Sequence[BridgeNews]:
        """What happened since the last call, for the log: connections, gaps, repairs, nodes that came or went."""


_OF_A_PEER = ("up", "heard_ns", "clock_ahead_us", "behind", "given_up")


def unsent(stats: Mapping[str, Any], *, keeps: bool = True) -> int:
    """Durable events that the server has not confirmed, by `NodeBridge.stats`.

    Args:
        stats: What the bridge counts.
        keeps: False where what it has confirmed does not count: see `NodeBridge.keeps`.
    """
    if not keeps:
        return int(stats.get("credits_in_use", 0))
    kept: int = sum(outbox["kept"] for outbox in stats.get("link", {}).get("outboxes", {}).values())
    on_their_way: int = stats.get("credits_in_use", 0)
    return max(0, on_their_way - kept)


def lost_events(stats: Mapping[str, Any]) -> dict[str, int]:
    """Durable events that never come here, or that were cut from an outbox before all had them, by channel."""
    link = stats.get("link", {})
    # A loss whose events nobody can count is one all the same.
    lost = {name: max(row["lost"], row["lost_events"]) for name, row in link.get("channels", {}).items() if row["lost"]}
    return lost | {f"{name}, cut": box["cut"] for name, box in link.get("outboxes", {}).items() if box.get("cut")}


def open_gaps(stats: Mapping[str, Any]) -> list[str]:
    """Channels of which events are missing that may still come."""
    return sorted(name for name, channel in stats.get("link", {}).get("channels", {}).items() if channel["gap"])


def bridge_row(stats: Mapping[str, Any], since_ns: int | None, now_ns: int | None = None) -> dict[str, Any] | None:
    """A bridge for operators; None for a node without one.

    Args:
        stats: What it counts.
        since_ns: Since when it is connected.
        now_ns: The time of the wall clock, nanoseconds since the epoch; the system's where it is not given.
    """
    if not stats:
        return None
    now_ns = time.time_ns() if now_ns is None else now_ns
    link = stats.get("link", {})
    connected = bool(link.get("connected"))
    connections = link.get("connections", {}).values()
    errors = [connection["error"] for connection in connections if not connection["up"] and connection["error"]]
    channels = link.get("channels", {})
    return {
        "connected": connected,
        "since_ns": since_ns if connected else None,
        "error": "" if connected else next(iter(errors), ""),
        "fenced": bool(link.get("fenced")),
        "refuses": [
            {"what": row["what"], "reason": row["reason"], "since_ns": now_ns - row["for_ns"]}
            for row in (*link.get("refuses", ()), *link.get("market_out", {}).get("refuses", ()))
        ],
        "findings": [dict(finding) for finding in link.get("findings", ())],
        "backlog": int(stats.get("credits_in_use", 0)),
        "unsent": unsent(stats),
        "fullness_pct": max((box["fullness"] for box in link.get("outboxes", {}).values()), default=0),
        "gaps": open_gaps(stats),
        "losses": sum(channel["lost"] for channel in channels.values()),
        "lost": sum(channel["lost_events"] for channel in channels.values()),
        "suspected": sum(channel["suspected"] for channel in channels.values()),
        "excused": dict(stats.get("excused", {})),
        "excusals": int(stats.get("excusals", 0)),
        "peers": [{"node": name} | {key: node[key] for key in _OF_A_PEER} for name, node in _nodes(link)],
    }


def _nodes(link: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(link.get("nodes", {}).items())
