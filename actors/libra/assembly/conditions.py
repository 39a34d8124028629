"""What a node still misses to be alive, started and ready: each in words, for whoever operates it.

All of it is read beside the loop, from any thread: a loop that is held up is one of the conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from libra.core.actor import ActorState

if TYPE_CHECKING:
    from libra.assembly.trading_node import TradingNode
    from libra.telemetry.pulse import Pulse
    from libra_core import AccountGroup

__all__ = ["Conditions"]


class Conditions:
    """The conditions of one node.

    Args:
        node: The node.
        pulse: Its loop's.
    """

    def __init__(self, node: TradingNode, pulse: Pulse) -> None:
        self._node = node
        self._pulse = pulse
        self._has_started = False

    def missing_to_live(self) -> list[str]:
        """Why the process should be ended: its loop does not come round."""
        if not self._pulse.is_late:
            return []
        running = self._node.core.running()
        who = f"actor {running} runs" if running else "no actor runs"
        held = f"the loop has not come round for {self._pulse.age_s:.1f} s"
        return [f"{held}, and a handler may hold it for {self._pulse.limit_s:g} s: {who}"]

    def missing_to_start(self) -> list[str]:
        """Which actors have not been started; empty for ever once all were."""
        if self._has_started:
            return []
        if not self._node.is_open:
            return ["accounts and bridge are being opened"]
        early = (ActorState.CREATED, ActorState.STARTING)
        late = [name for name, state in self._node.actor_states().items() if state in early]
        if late:
            return [f"actors have not started: {', '.join(late)}"]
        self._has_started = True
        return []

    def missing_to_be_ready(self) -> list[str]:
        """Why the node does not trade as it should."""
        missing = [*self.missing_to_live(), *self.missing_to_start()]
        node = self._node
        if node.is_draining:
            missing.append("the node is draining: it was asked to end")
        missing += [f"actor {name} was given up" for name in node.failed]
        for account in list(node.accounts.values()):
            missing += _missing_to_trade(account)
        missing += self._missing_of_bridge()
        return missing

    def _missing_of_bridge(self) -> Iterator[str]:
        row = self._node.bridge_row()
        if row is None:
            if self._node.has_bridge and self._has_started:
                yield "bridge: it was not started"
        elif row["fenced"]:
            yield "bridge: another process of this node's name has taken over"
        elif not row["connected"]:
            yield f"bridge: not connected: {row['error'] or 'not yet'}"
        else:
            for refusal in row["refuses"]:
                yield f"bridge: the server refuses {refusal['what']}: {refusal['reason']}"


def _missing_to_trade(account: AccountGroup) -> Iterator[str]:
    standing = account.standing()
    here, killed, unattended = f"account {account.name}", standing["killed"], standing["unattended"]
    incident, stopped = standing["incident"], standing["stopped"]
    told = {
        "KILL_SWITCH": None if killed is None else f"its kill switch is set: {killed}",
        "UNATTENDED": None if unattended is None else f"unattended: {unattended}",
        "INCIDENT": None if incident is None else f"incident {incident[0]}: {incident[1]}",
        "LOG_FAILED": "its log does not take what it has to" if standing["log_failed"] else None,
    }
    yield from (f"{here}: {why}" for why in told.values() if why is not None)
    # What a signal has asked for, and no loop has answered yet, stands in `stopped` alone.
    if stopped is not None and told.get(stopped[0]) is None:
        yield f"{here}: no new order leaves: {stopped[0]} {stopped[1]}".rstrip()
