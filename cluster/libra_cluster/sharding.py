"""Which node of a pool has which symbol: rendezvous hashing, a pure function of their names and the nodes' capacities.

Each node has a score for each key, and the highest has it. So whoever knows the names comes to the same answer without
asking anybody, and a node that comes or goes moves nothing but what it gets or had (D. Thaler and C. Ravishankar,
"Using name-based mappings to increase hit rates", 1998; the weights as in J. Resch, "New hashing algorithms for data
storage", 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import blake2b

__all__ = ["owner", "spread"]

_BITS = 53
"""As many as a float takes exactly."""


def owner(key: str, nodes: Mapping[str, float]) -> str:
    """The node that has a key.

    Args:
        key: A symbol, or what else is spread.
        nodes: Each node's capacity, above 0, as a ratio to that of the others.

    Returns:
        The name of one of them.

    Raises:
        ValueError: There is no node, or a capacity is not above 0.
    """
    return _owner(key, _begun(nodes))


def spread(keys: Iterable[str], nodes: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """All keys by the node that has them, in the order in which they were given.

    Args:
        keys: Symbols, or what else is spread.
        nodes: Each node's capacity, above 0, as a ratio to that of the others.

    Returns:
        A tuple for each node, empty for one that gets none.

    Raises:
        ValueError: There is no node, or a capacity is not above 0.
    """
    begun = _begun(nodes)
    found: dict[str, list[str]] = {name: [] for name in nodes}
    for key in keys:
        found[_owner(key, begun)].append(key)
    return {name: tuple(having) for name, having in found.items()}


def _begun(nodes: Mapping[str, float]) -> list[tuple[str, float, blake2b]]:
    """The nodes in an order that is theirs, each with what its name begins of every hash."""
    if not nodes:
        raise ValueError("there is no node to spread over")
    for name, capacity in nodes.items():
        if not (0 < capacity < math.inf):
            raise ValueError(f"the capacity of node {name} has to be above 0, is {capacity}")
    # The length keeps apart what a name and a key could be cut into in two ways.
    return [(name, nodes[name], blake2b(f"{len(name)}:{name}".encode(), digest_size=8)) for name in sorted(nodes)]


def _owner(key: str, nodes: list[tuple[str, float, blake2b]]) -> str:
    best, best_score = "", -math.inf
    for name, capacity, begun in nodes:
        whole = begun.copy()
        whole.update(key.encode())
        # Above 0 and below 1.
        share = ((int.from_bytes(whole.digest(), "big") >> (64 - _BITS)) + 0.5) / (1 << _BITS)
        score = -capacity / math.log(share)
        if score > best_score:
            best, best_score = name, score
    return best
