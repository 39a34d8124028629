"""`[market]`: where market data comes from, one of four kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from libra.config.base import ClassPath, NumberedSymbol, PositiveAmount, Real, Section, Symbol, Whole
from libra.config.venues import CcxtVenueSettings

_RateHz = Annotated[Real, Field(ge=0, le=100_000)]


class SyntheticSymbolSettings(Section):
    """`[[market.symbols]]` of a synthetic market: how one symbol moves."""

    symbol: NumberedSymbol = Field(
        description='Symbol in CCXT notation: "BTC/USDT:USDT"; "S{0..9}/USDT:USDT" stands for ten that move each alone.'
    )
    start_price: PositiveAmount = Field(description="The first mid price.")
    volatility_bps_per_sqrt_s: Annotated[Real, Field(ge=0, le=1_000)] = Field(
        default=2.0,
        description="Standard deviation of the return over one second, in basis points; grows with the root of time.",
    )
    spread_ticks: Annotated[Whole, Field(ge=1, le=10_000)] = Field(default=1, description="The usual spread, in ticks.")
    quote_rate_hz: _RateHz = Field(default=50.0, description="Quotes a second, on average.")
    trade_rate_hz: _RateHz = Field(default=10.0, description="Trades a second, on average.")
    book_rate_hz: _RateHz = Field(default=10.0, description="Changes of the order book a second, on average.")
    book_levels: Annotated[Whole, Field(ge=1, le=1_000)] = Field(
        default=10, description="Levels of each side of the book."
    )
    level_size: PositiveAmount = Field(
        default="1", validate_default=True, description="The usual size of a level, in base units."
    )


class SyntheticMarketSettings(Section):
    """A seeded market of several symbols; needs no network."""

    kind: Literal["synthetic"] = Field(description='"synthetic": a seeded random market.')
    symbols: tuple[SyntheticSymbolSettings, ...] = Field(min_length=1, description="The symbols, one table each.")


class ReplayMarketSettings(Section):
    """Recorded frames, several files merged by their receive time."""

    kind: Literal["replay"] = Field(description='"replay": recorded frames.')
    files: tuple[str, ...] = Field(
        default=(),
        description="Recordings (gzip or plain, `<receive time ns> <json>` a line), relative to the profile or here.",
    )


class GatewayMarketSettings(Section):
    """A gateway of your own, written in Python."""

    kind: Literal["gateway"] = Field(description='"gateway": a class that follows libra.gateways.protocol.Gateway.')
    class_path: ClassPath = Field(
        alias="class", description='The class: "package.module:Class" or "path/file.py:Class".'
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Handed to the gateway's connect as it stands.")
    symbols: tuple[Symbol, ...] = Field(min_length=1, description="Symbols to subscribe to.")


class CcxtMarketSettings(CcxtVenueSettings):
    """Market data of a venue that CCXT knows; needs no keys."""

    symbols: tuple[Symbol, ...] = Field(min_length=1, description="Symbols to subscribe to.")
    books: bool = Field(default=True, description="Order books too, besides quotes and trades.")


MarketSettings = Annotated[
    SyntheticMarketSettings | ReplayMarketSettings | GatewayMarketSettings | CcxtMarketSettings,
    Field(discriminator="kind"),
]
"""One of the four kinds, told apart by `kind`."""

REAL_TIME = ("gateway", "ccxt")
"""Kinds of market data that come when they come: an actor takes them in, and no clock can be simulated."""
