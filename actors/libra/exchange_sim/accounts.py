"""Who trades here: an account, its key, its fees and its books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from libra.errors import ConfigError
from libra.exchange_sim.ledger_linear import LinearLedger
from libra.exchange_sim.ledger_spot import SpotLedger
from libra.exchange_sim.numbers import MONEY, RATE

if TYPE_CHECKING:
    from decimal import Decimal

    from libra.exchange_sim.settings import AccountSettings

__all__ = ["FLOW", "Account", "make_account", "make_flow"]

FIRST_USER = 2
FLOW = "flow"


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """An account. Rates in units of 10^-8."""

    number: int
    name: str
    api_key: str
    secret: bytes
    public_key: str
    spot: SpotLedger
    linear: LinearLedger
    spot_fees: tuple[int, int]
    """Of a maker, of a taker."""
    linear_fees: tuple[int, int]

    @property
    def is_flow(self) -> bool:
        """Whether these are the others, who need no balance and pay no fee."""
        return self.number < FIRST_USER


def make_account(index: int, settings: AccountSettings) -> Account:
    """An account of its settings."""
    return Account(
        number=FIRST_USER + index,
        name=settings.name,
        api_key=settings.api_key,
        secret=settings.secret.encode(),
        public_key=settings.public_key,
        spot=SpotLedger({asset: _units(settings, amount, MONEY) for asset, amount in settings.spot.items()}),
        linear=LinearLedger(
            {asset: _units(settings, amount, MONEY) for asset, amount in settings.linear.items()}, settings.leverage
        ),
        spot_fees=(_units(settings, settings.maker_fee, RATE), _units(settings, settings.taker_fee, RATE)),
        linear_fees=(
            _units(settings, settings.linear_maker_fee, RATE),
            _units(settings, settings.linear_taker_fee, RATE),
        ),
    )


def make_flow() -> Account:
    """The others in all markets, as one account: what they trade with users is booked, so that nothing is lost."""
    return Account(0, FLOW, "", b"", "", SpotLedger({}), LinearLedger({}, 1), (0, 0), (0, 0))


def _units(settings: AccountSettings, value: Decimal, decimals: int) -> int:
    scaled = value.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ConfigError(f'account "{settings.name}": {value} has more than {decimals} decimals')
    return int(scaled)
