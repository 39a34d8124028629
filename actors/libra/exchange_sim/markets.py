"""A market: its instrument, the text of its amounts, and what its filters are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from libra.errors import ConfigError
from libra.exchange_sim.numbers import MONEY, text_of
from libra_core import Instrument

if TYPE_CHECKING:
    from libra.exchange_sim.settings import MarketSettings

__all__ = ["Market", "make_market"]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """A market. Prices, sizes and steps are in units of its own decimals; money is in units of 10^-8."""

    number: int
    settings: MarketSettings
    instrument: Instrument
    is_spot: bool
    symbol: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    tick: int
    lot: int
    max_quantity: int
    max_market_quantity: int
    min_notional: int
    max_notional: int
    unit: int
    """What one unit of price times one of size is worth, in money."""

    @property
    def texts(self) -> tuple[int, int]:
        """Decimals of prices and sizes as text: eight on spot, the instrument's own on USD-M."""
        return (MONEY, MONEY) if self.is_spot else (self.price_decimals, self.size_decimals)

    def price_text(self, units: int) -> str:
        """A price as the venue writes it."""
        if self.is_spot:
            return text_of(units * 10 ** (MONEY - self.price_decimals), MONEY)
        return text_of(units, self.price_decimals)

    def size_text(self, units: int) -> str:
        """A size as the venue writes it."""
        if self.is_spot:
            return text_of(units * 10 ** (MONEY - self.size_decimals), MONEY)
        return text_of(units, self.size_decimals)

    def notional(self, price: int, size: int) -> int:
        """Price times size, in money; exact."""
        return price * size * self.unit

    def asset_amount(self, size: int) -> int:
        """A size as an amount of the base asset, in money's decimals."""
        return size * int(10 ** (MONEY - self.size_decimals))


def make_market(number: int, settings: MarketSettings) -> Market:
    """A market of its settings.

    Raises:
        ConfigError: When steps and prices do not go together.
    """
    pair, _, settle = settings.symbol.partition(":")
    base, quote = pair.split("/")
    if settle and settle != quote:
        raise ConfigError(f"{settings.symbol}: only contracts that settle in their quote currency are simulated")
    price_decimals, size_decimals = _decimals(settings.tick_size), _decimals(settings.lot_size)
    if price_decimals + size_decimals > MONEY:
        raise ConfigError(f"{settings.symbol}: tick_size and lot_size have more than {MONEY} decimals together")

    def units(name: str, value: Decimal, decimals: int) -> int:
        scaled = value.scaleb(decimals)
        if scaled != scaled.to_integral_value() or scaled >= 2**62:
            raise ConfigError(f"{settings.symbol}: {name} = {value} does not fit {decimals} decimals")
        return int(scaled)

    tick = units("tick_size", settings.tick_size, price_decimals)
    lot = units("lot_size", settings.lot_size, size_decimals)
    if units("start_price", settings.start_price, price_decimals) % tick:
        raise ConfigError(f"{settings.symbol}: start_price is not on tick_size")
    instrument = Instrument(
        settings.symbol,
        "binanceusdm" if settle else "binance",
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        tick_size=settings.tick_size,
        lot_size=settings.lot_size,
        kind="LINEAR" if settle else "SPOT",
        settle=settle or quote,
    )
    return Market(
        number=number,
        settings=settings,
        instrument=instrument,
        is_spot=not settle,
        symbol=f"{base}{quote}",
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        tick=tick,
        lot=lot,
        max_quantity=units("max_quantity", settings.max_quantity, size_decimals),
        max_market_quantity=units("max_market_quantity", settings.max_market_quantity, size_decimals),
        min_notional=units("min_notional", settings.min_notional, MONEY),
        max_notional=units("max_notional", settings.max_notional, MONEY),
        unit=10 ** (MONEY - price_decimals - size_decimals),
    )


def _decimals(step: Decimal) -> int:
    exponent = step.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
