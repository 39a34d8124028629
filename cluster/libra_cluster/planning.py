"""What of a profile would run where, without running it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from libra.config.part import NodePart
from libra_cluster.pools import member_names
from libra_cluster.topology import Topology

if TYPE_CHECKING:
    from libra.config import Settings
    from libra_cluster.bridge.settings import BridgeSettings
    from libra_cluster.pools import PoolSettings

__all__ = ["Plan", "PlannedNode", "plan_of"]


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One process.

    Attributes:
        name: Its name.
        roles: What it builds: "market", "accounts", "strategies".
        strategies: The names of its strategies.
        symbols: What these trade, each once, in the order of the profile.
        pool: The pool that it is of; None for one that stands by itself.
        env: The names of what its environment has beyond ours. Values may be secrets.
    """

    name: str
    roles: tuple[str, ...]
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    pool: str | None
    env: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it.

    Attributes:
        nodes: The processes, in the order of the profile.
        accounts: The account groups; one node has them all.
        server: What joins the nodes, as it may be shown to anybody; empty where there is one node.
    """

    nodes: tuple[PlannedNode, ...]
    accounts: tuple[str, ...]
    server: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def moves_from(self, before: Plan) -> list[tuple[str, str, str | None, str | None]]:
        """What would have another node than before.

        Returns:
            (pool, symbol, its node before, its node now) by pool and symbol; None where the pool had, or has, it not.
        """
        old, new = before._owners(), self._owners()
        changed = [key for key in {*old, *new} if old.get(key) != new.get(key)]
        return [(*key, old.get(key), new.get(key)) for key in sorted(changed)]

    def _owners(self) -> dict[tuple[str, str], str]:
        return {
            (node.pool, symbol): node.name for node in self.nodes if node.pool is not None for symbol in node.symbols
        }


def plan_of(settings: Settings) -> Plan:
    """The plan of a profile; one without `[nodes]` is one process."""
    topology = Topology.of(settings)
    pools = cast("dict[str, PoolSettings]", getattr(settings, "pools", None) or {})
    pool_of = {member: name for name, pool in pools.items() for member in member_names(name, pool.nodes)}
    symbols = {strategy.name: strategy.symbols for strategy in settings.strategies}

    def planned(name: str, part: NodePart, env: tuple[str, ...]) -> PlannedNode:
        return PlannedNode(
            name=name,
            roles=part.roles,
            strategies=part.strategies,
            symbols=tuple(dict.fromkeys(symbol for strategy in part.strategies for symbol in symbols[strategy])),
            pool=pool_of.get(name),
            env=env,
        )

    nodes = tuple(planned(member.name, member.part, tuple(sorted(member.env))) for member in topology.members)
    if not nodes:
        nodes = (planned(settings.node.name, NodePart.whole(settings), ()),)
    accounts = tuple(group.name for group in settings.account_groups)
    return Plan(nodes, accounts, _server(topology.bridge) if topology.is_joined else "")


def _server(bridge: BridgeSettings) -> str:
    """Where it is, without its options; a url has neither user nor password."""
    if bridge.url is None:
        return "a server of its own"
    url = urlsplit(bridge.url)
    return f"{url.scheme}://{url.netloc}{url.path}"
