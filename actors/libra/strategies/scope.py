"""What a strategy may trade: an account, and the instruments behind its symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.model import Instrument

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A strategy's assignment.

    Attributes:
        account: The account group that it trades for.
        instruments: By symbol (and by ``SYMBOL@VENUE``), those that are listed.
        names: The names that market data comes under: ``SYMBOL@VENUE``.
        ttl_s: Seconds after which what it asks for is dropped, where it does not say; 0 for never.
    """

    account: str
    instruments: Mapping[str, Instrument]
    names: tuple[str, ...]
    ttl_s: float = 0.0
