"""Libra: trading strategies as isolated actors, on one laptop or on many hosts.

What a strategy needs is here; everything else has its package. Names load on first use, so that ``import libra`` costs
nothing but this file.
"""

import importlib

__version__ = "0.1.0"

_WHERE = {
    "Actor": "libra.core.actor",
    "ActorRef": "libra.core.actor",
    "Event": "libra.core.events",
    "EventType": "libra.core.events",
    "LibraError": "libra.errors",
    "MessageBus": "libra.core.message_bus",
    "Priority": "libra.core.events",
    "SignalType": "libra.model",
    "Strategy": "libra.strategies",
}

__all__ = [
    "Actor",
    "ActorRef",
    "Event",
    "EventType",
    "LibraError",
    "MessageBus",
    "Priority",
    "SignalType",
    "Strategy",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'libra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
