"""`[pools.NAME]` of a profile: one strategy over several nodes, each with a part of its symbols.

A pool is written out before a profile is checked: the strategy becomes one for each node, `NAME-0` and on, and each
node is one of `[nodes]`. So everything else (accounts, which divide their limits among strategies; what becomes of the
orders of a node that died; operators) deals with strategies and nodes as it always does. `libra_cluster.sharding` says
which symbols are whose, by the nodes' names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from libra.config.base import Identifier, Section, Whole
from libra.config.draft import valid_tables
from libra.config.tree import Tree
from libra_cluster.sharding import spread

if TYPE_CHECKING:
    from libra.config.problems import Problems

__all__ = ["PoolName", "PoolSettings", "member_names", "write_out_pools"]

PoolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]
"""A pool's name: small letters, digits, `_` and `-`, a letter first. Its nodes and strategies are named after it."""


class PoolSettings(Section):
    """`[pools.NAME]`: a strategy that runs in several nodes, each with a part of its symbols."""

    strategy: Identifier = Field(
        description="The entry of [[strategies]] that it runs, with its class and parameters; its symbols are spread."
    )
    nodes: Annotated[Whole, Field(ge=1, le=1_000)] = Field(description="Over how many nodes, NAME-0 and on.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables of their processes.")


def member_names(pool: str, count: int) -> tuple[str, ...]:
    """The nodes of a pool, and the strategies in them."""
    return tuple(f"{pool}-{number}" for number in range(count))


def write_out_pools(tree: Tree, problems: Problems) -> None:
    """Write `[pools]` out in place, as strategies and nodes. What is not valid by itself is left to the schema.

    Args:
        tree: The merged configuration, with patterns of symbols written out.
        problems: Takes pools of strategies that are not there or have another one, names that are taken, and nodes that
            would have no symbol.
    """
    strategies = tree.get("strategies")
    if strategies is None or not isinstance(strategies.value, list):
        return
    pools = valid_tables(tree, "pools", TypeAdapter(PoolName), PoolSettings)
    taken: dict[str, str] = {}
    for name, pool in pools.items():
        place = tree.place_of(("pools", name, "strategy"))
        entry = next((entry for entry in strategies.items() if _name(entry) == pool.strategy), None)
        if pool.strategy in taken:
            problems.add(place, f"pools.{name}.strategy", f'pool "{taken[pool.strategy]}" runs {pool.strategy} already')
        elif entry is None:
            known = ", ".join(filter(None, map(_name, strategies.items()))) or "none"
            problems.add(place, f"pools.{name}.strategy", f'there is no strategy "{pool.strategy}": known are {known}')
        else:
            taken[pool.strategy] = name
            _write_out(tree, name, pool, entry, problems)


def _write_out(tree: Tree, name: str, pool: PoolSettings, entry: Tree, problems: Problems) -> None:
    symbols = entry.get("symbols")
    if symbols is None or not all(isinstance(symbol.value, str) for symbol in symbols.items()):
        return
    place = tree.place_of(("pools", name))
    members = member_names(name, pool.nodes)
    parts = spread([symbol.value for symbol in symbols.items()], dict.fromkeys(members, 1.0))
    idle = [member for member in members if not parts[member]]
    if idle:
        count = len(symbols.value)
        problems.add(
            tree.place_of(("pools", name, "nodes")),
            f"pools.{name}.nodes",
            f"of {count} symbol{'s' if count != 1 else ''} none would be of {', '.join(idle)}; lower it",
        )
        return
    nodes = tree.value.setdefault("nodes", Tree({}, place))
    used = {*nodes.value, *(_name(other) for other in tree.value["strategies"].items() if other is not entry)}
    clashing = [member for member in members if member in used]
    if clashing:
        told = f"its node {clashing[0]} has the name of another node or strategy; rename one of them"
        problems.add(place, f"pools.{name}", told)
        return
    each = [
        Tree(
            entry.value | {"name": Tree(member, place), "symbols": Tree.wrap(list(parts[member]), symbols.place)},
            entry.place,
        )
        for member in members
    ]
    tree.value["strategies"].value = [
        one for other in tree.value["strategies"].items() for one in (each if other is entry else [other])
    ]
    for member in members:
        node = {"roles": ["strategies"], "strategies": [member], "env": pool.env}
        nodes.value[member] = Tree.wrap(node, place)


def _name(entry: Tree) -> str:
    name = entry.get("name")
    return name.value if name is not None and isinstance(name.value, str) else ""
