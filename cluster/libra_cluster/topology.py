"""Which node of a topology builds what: `[nodes.NAME]` of a profile, and the checks that every part has one place.

Market data and account groups are one node: an account is priced, and a paper venue filled, by the market of its own
process. Strategies may be anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field, TypeAdapter

from libra.config.addresses import HIGHEST_PORT, split_address
from libra.config.base import Identifier, Section
from libra.config.draft import valid_tables
from libra.config.part import NodePart
from libra_cluster.bridge.settings import BridgeSettings

if TYPE_CHECKING:
    from libra.config import Settings
    from libra.config.draft import Draft

__all__ = ["Member", "NodeName", "NodePlacement", "Role", "Topology", "check_topology"]

Role = Literal["market", "accounts", "strategies"]

NodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
"""A node's name: small letters, digits, `_` and `-`, a letter first. It stands in keys, channels and file names."""


class NodePlacement(Section):
    """`[nodes.NAME]`: one process of the topology, and what it builds of the profile."""

    roles: Annotated[tuple[Role, ...], Field(min_length=1)] = Field(
        description='What it builds: "market" (the source of market data), "accounts" (all account groups; beside the '
        'market), "strategies".'
    )
    strategies: tuple[Identifier, ...] = Field(
        default=(), description="The strategies that it runs; without it all that no other node names."
    )
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables of its process.")


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a topology.

    Attributes:
        name: Its name.
        part: What it builds.
        env: What its environment has beyond ours.
    """

    name: str
    part: NodePart
    env: Mapping[str, str]

    @property
    def ends_last(self) -> bool:
        """True when others depend on it: accounts are drained when no strategy asks anything of them any more."""
        return self.part.market or self.part.accounts


@dataclass(frozen=True, slots=True)
class Topology:
    """The nodes of a profile, in its order.

    Attributes:
        members: The nodes.
        bridge: What joins them.
    """

    members: tuple[Member, ...]
    bridge: BridgeSettings

    @staticmethod
    def of(settings: Settings) -> Topology:
        """The topology of settings that have `[nodes]`."""
        placements = cast("dict[str, NodePlacement]", getattr(settings, "nodes", None) or {})
        bridge = cast("BridgeSettings | None", getattr(settings, "bridge", None))
        named = {name for placement in placements.values() for name in placement.strategies}
        rest = tuple(strategy.name for strategy in settings.strategies if strategy.name not in named)
        members = []
        for name, placement in placements.items():
            strategies = placement.strategies or rest if "strategies" in placement.roles else ()
            part = NodePart("market" in placement.roles, "accounts" in placement.roles, strategies)
            members.append(Member(name, part, dict(placement.env)))
        settled = bridge if bridge is not None else BridgeSettings()
        hosts = {member.name: member.part.strategies for member in members if member.part.strategies}
        for at, member in enumerate(members):
            elsewhere = {name: strategies for name, strategies in hosts.items() if name != member.name}
            # An account of the same process is reached at once.
            deadline_ms = 0 if member.part.accounts else settled.request_deadline_ms
            part = replace(member.part, elsewhere=elsewhere, request_deadline_ms=deadline_ms)
            members[at] = replace(member, part=part)
        return Topology(tuple(members), settled)

    @property
    def is_joined(self) -> bool:
        """True when there is more than one node, so that they need a bridge."""
        return len(self.members) > 1


def check_topology(draft: Draft) -> None:
    """Reports what of `[nodes]` does not fit together, or not with the rest of the profile."""
    nodes = valid_tables(draft.tree, "nodes", TypeAdapter(NodeName), NodePlacement)
    tree = draft.tree.get("nodes")
    if tree is None or not isinstance(tree.value, dict):
        return
    if not tree.value:
        draft.report("names no node; add [nodes.NAME], or take [nodes] out", "nodes")
    if draft.node is not None and draft.node.clock == "simulated":
        draft.report(
            'simulated time is that of one process; set node.clock = "live", or take [nodes] out', "node", "clock"
        )
    if len(nodes) != len(tree.value):
        # What a node with a fault would have built is not known.
        return
    for role, what in (("market", "the source of market data"), ("accounts", "the account groups")):
        having = [name for name, placement in nodes.items() if role in placement.roles]
        for name in having[1:]:
            draft.report(f'{what} can be in one node only, and "{having[0]}" has it', "nodes", name, "roles")
        if not having:
            draft.report(f'no node has the role "{role}": {what} has no place', "nodes")
    for name, placement in nodes.items():
        if "accounts" in placement.roles and "market" not in placement.roles:
            draft.report(
                'accounts are priced by the market of their own process; give this node the role "market", too',
                *("nodes", name, "roles"),
            )
    _check_strategies(draft, nodes)
    _check_ports(draft, len(nodes))


def _check_ports(draft: Draft, nodes: int) -> None:
    """Each node has a port for its metrics, the first that of the profile, the others those behind it."""
    metrics = draft.tree.get("telemetry", "metrics")
    try:
        _, port = split_address(str(metrics.value) if metrics is not None else "")
    except ValueError:
        return
    if port and port + nodes - 1 > HIGHEST_PORT:
        draft.report(
            f"{nodes} nodes take the ports from this one on, and {HIGHEST_PORT} is the last; lower it",
            *("telemetry", "metrics"),
        )


def _check_strategies(draft: Draft, nodes: Mapping[str, NodePlacement]) -> None:
    known = [name for _, name in draft.names("strategies")]
    where: dict[str, str] = {}
    for name, placement in nodes.items():
        if placement.strategies and "strategies" not in placement.roles:
            draft.report('has strategies without the role "strategies"; add it', "nodes", name, "strategies")
        for position, strategy in enumerate(placement.strategies):
            here = ("nodes", name, "strategies", position)
            if strategy not in known:
                draft.report(f'there is no strategy "{strategy}": known are {", ".join(known) or "none"}', *here)
            if strategy in where:
                draft.report(f'strategy "{strategy}" is in node "{where[strategy]}" already', *here)
            where[strategy] = name
    takers = [name for name, placement in nodes.items() if "strategies" in placement.roles and not placement.strategies]
    for name in takers[1:]:
        draft.report(
            f'"{takers[0]}" runs all strategies that no node names; name those of this one: strategies = ["..."]',
            *("nodes", name, "roles"),
        )
    left = [strategy for strategy in known if strategy not in where]
    if left and not takers:
        draft.report(f"no node runs {', '.join(left)}; name them in one that has the role strategies", "nodes")
