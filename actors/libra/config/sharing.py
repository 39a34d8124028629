"""Limits that strategies share and that are too low for it: a mistake of nobody's, and worth a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra.config.accounts import AccountGroupSettings
    from libra.config.settings import Settings

SHARED_LIMITS = (
    "max_open_orders",
    "max_orders_per_instrument",
    "max_orders_per_second",
    "max_orders_per_minute",
    "max_messages_per_second",
)
"""Limits of which each strategy of an account has a part of its own: docs/risk.md, "What strategies share"."""


def limits_without_parts(settings: Settings, groups: Iterable[AccountGroupSettings]) -> list[str]:
    """A sentence for each limit that is below the number of strategies that share it: of such none has a part.

    Args:
        settings: The profile.
        groups: The accounts to look at.
    """
    told = []
    for group in groups:
        count = len(settings.strategies_of(group.name))
        limits = [(name, getattr(group.risk, name)) for name in SHARED_LIMITS]
        limits += [
            (f'per_symbol."{symbol}".max_orders_per_instrument', own.max_orders_per_instrument)
            for symbol, own in group.risk.per_symbol.items()
        ]
        told += [
            f"account {group.name}: {name} = {limit} is below its {count} strategies, so none of them has a part of "
            f'its own, and one may lock the others out: set {count} at least (docs/risk.md, "What strategies share")'
            for name, limit in limits
            if limit is not None and limit < count
        ]
    return told
