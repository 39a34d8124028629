"""Why a run failed, in words: whatever of this there is, it ends with 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra.assembly.trading_node import TradingNode
    from libra.core.node import Outcome

__all__ = ["failures"]


def failures(node: TradingNode, outcome: Outcome) -> list[str]:
    """Each reason for which the run of a node that has ended has failed; none where all is well."""
    found = [f"{name} failed for good" for name in outcome.failed]
    left = "left orders or a position, without an on_stop that did its work"
    found += [f"strategy {name} {left}" for name in node.ended.left]
    found += [f"strategy {name} is gone, its {what} was not flattened" for _, name, what, _ in node.ended.not_flat()]
    if not outcome.drained:
        found.append("not all was handled within the drain's time")
    if outcome.why == "memory":
        found.append("it needed more memory than it may have")
    if node.lost_input:
        found.append("some of the market's data could not be read")
    if node.bridge_log.is_fenced:
        found.append("another process of this node's name has taken over")
    end = node.bridge_end
    found += [f"strategy {name} was lost with its node" for name in end.lost_strategies]
    for channel, events in end.lost_events.items():
        lost = "did not leave" if channel == "outbox" else f"of {channel} were lost"
        found.append(f"{events} durable events {lost}")
    found += [f"account {name} refused its orders: {why}" for name, why in end.unsound.items()]
    for account in node.accounts.values():
        if (why := account.standing()["unattended"]) is not None:
            found.append(f"account {account.name} is unattended: {why}")
    return found
