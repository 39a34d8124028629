"""`[[instruments]]`: what may be traded, in which steps and at which fees."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from libra.config.base import Amount, Currency, NumberedSymbol, PositiveAmount, Rate, Section, Whole


class InstrumentSettings(Section):
    """One instrument of one venue. Prices, sizes and fee rates are decimal strings or numbers, read exactly."""

    symbol: NumberedSymbol = Field(
        description='Symbol in CCXT notation: "BTC/USDT" spot, "BTC/USDT:USDT" linear; "S{0..9}/USDT" stands for ten.'
    )
    venue: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description='The venue: "binance", "binanceusdm", "binancecoinm", "synthetic".'
    )
    venue_symbol: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description='The venue\'s own symbol, "BTCUSDT"; without it base and quote written together.'
    )
    kind: Literal["spot", "linear", "inverse"] = Field(
        description='"spot", "linear" (P&L in the quote currency) or "inverse" (market data only).'
    )
    price_decimals: Annotated[Whole, Field(ge=0, le=12)] = Field(description="Decimals that prices are kept in.")
    size_decimals: Annotated[Whole, Field(ge=0, le=12)] = Field(description="Decimals that sizes are kept in.")
    tick_size: PositiveAmount = Field(description="The smallest step of a price.")
    lot_size: PositiveAmount = Field(description="The smallest step of a size.")
    min_size: PositiveAmount | None = Field(default=None, description="The smallest order; without it one lot.")
    max_size: PositiveAmount = Field(description="The largest order.")
    min_notional: Annotated[Amount, Field(ge=0)] = Field(
        default="0", validate_default=True, description="The smallest value of an order, in the quote currency."
    )
    contract_size: PositiveAmount = Field(default="1", validate_default=True, description="Base units of one contract.")
    maker_fee: Rate = Field(description='Fee rate of a maker, "0.0002" is two basis points; negative for a rebate.')
    taker_fee: Rate = Field(description="Fee rate of a taker.")
    settle: Currency | None = Field(
        default=None, description="Currency of P&L and fees; without it what the symbol says."
    )
    fee_decimals: Annotated[Whole, Field(ge=0, le=12)] = Field(
        default=8, description="Decimals the venue rounds a fee to."
    )

    @property
    def id(self) -> str:
        """`SYMBOL@VENUE`, the name that events carry."""
        return f"{self.symbol}@{self.venue}"

    @property
    def base(self) -> str:
        """The base currency: `BTC` of `BTC/USDT:USDT`."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """The quote currency: `USDT` of `BTC/USDT:USDT`."""
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def settle_currency(self) -> str:
        """The currency that P&L and fees are in."""
        after_colon = self.symbol.partition(":")[2].partition("-")[0]
        return self.settle or after_colon or self.quote

    @property
    def native_symbol(self) -> str:
        """The venue's own symbol."""
        return self.venue_symbol or f"{self.base}{self.quote}"

    @property
    def smallest_size(self) -> Decimal:
        """The smallest order."""
        return self.min_size if self.min_size is not None else self.lot_size

    @property
    def tradable(self) -> bool:
        """False where only market data is supported: inverse contracts."""
        return self.kind != "inverse"
