"""What an endpoint is: who answers, what it costs, and who may ask. REST and ws-api share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.params import Params

__all__ = ["Call", "Endpoint", "Security"]


class Security(Enum):
    """What a request needs."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered."""

    params: Params
    _account: Account | None
    now_ms: int

    @property
    def account(self) -> Account:
        """Who asks; there for every endpoint that needs a key."""
        assert self._account is not None  # noqa: S101 - the server has asked for the key
        return self._account


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint."""

    answer: Callable[[Call], Any]
    weight: int | Callable[[Params], int] = 1
    security: Security = Security.NONE
    places_order: bool = False

    def cost(self, params: Params) -> int:
        """The request's weight."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)
