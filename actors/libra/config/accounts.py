"""`[[account_groups]]` and `[risk]`: an account, what it may hold, and the limits that its order gate enforces."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from libra.config.base import (
    Amount,
    ClassPath,
    Currency,
    Identifier,
    Percent,
    PositiveAmount,
    Real,
    Section,
    Whole,
    limited,
)
from libra.config.venues import CcxtVenueSettings, EnvironmentName

InstrumentKey = str
"""A symbol, or `SYMBOL@VENUE` where two venues list it."""


Share = Annotated[Amount, Field(gt=0), AfterValidator(partial(limited, decimals=2))]
"""A share in percent that may be above 100, in whole basis points."""

Factor = Annotated[Amount, Field(gt=0), AfterValidator(partial(limited, decimals=4))]
"""A multiple of something: 2.5 is two and a half times."""

BoundedShare = Annotated[Percent, AfterValidator(partial(limited, decimals=2))]
"""A share in percent up to all of it, in whole basis points."""

Within = Annotated[Whole, Field(ge=1, le=100_000)]
"""A number of orders or messages within a time."""


class SymbolRiskSettings(Section):
    """`[risk.per_symbol."BTC/USDT:USDT"]`: limits of one instrument, in place of the account's.

    What they mean is in docs/risk.md.
    """

    max_position: PositiveAmount | None = Field(
        default=None, description="Largest position either way, in size units of the base."
    )
    max_position_notional: PositiveAmount | None = Field(default=None, description="Largest position value.")
    max_order_size: PositiveAmount | None = Field(default=None, description="Largest size of one order, in base units.")
    max_order_notional: PositiveAmount | None = Field(default=None, description="Largest value of one order.")
    max_orders_per_instrument: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="Orders of the instrument that may work at a time."
    )
    max_participation_pct: BoundedShare | None = Field(
        default=None, description="Largest share of the volume traded within volume_window_s, %."
    )
    max_concentration_pct: Share | None = Field(
        default=None, description="Largest exposure to the instrument as a share of the equity, %."
    )


class RiskSettings(SymbolRiskSettings):
    """`[risk]` and `risk` of an account group. A limit that is not set is not enforced.

    `max_position_notional` and `max_order_notional` have to be set for every account group, here or in `[risk]`.
    """

    max_gross_exposure: PositiveAmount | None = Field(
        default=None, description="Largest exposure to all instruments of a settle currency, long and short alike."
    )
    max_net_exposure: PositiveAmount | None = Field(
        default=None, description="The same with shorts set off against longs, either way."
    )
    max_leverage: Factor | None = Field(
        default=None, description="Gross exposure as a multiple of the equity, at most."
    )
    volume_window_s: Annotated[Whole, Field(ge=1, le=86_400)] = Field(
        default=60, description="How far back trades count as volume, seconds."
    )
    max_open_orders: Annotated[Whole, Field(ge=1)] | None = Field(
        default=100, description="Orders that may work at a time."
    )
    max_daily_loss: PositiveAmount | None = Field(
        default=None, description="Loss since midnight UTC at which trading stops."
    )
    max_drawdown_pct: BoundedShare | None = Field(
        default=None, description="Fall from the highest equity at which trading stops, %."
    )
    max_orders_per_second: Within | None = Field(default=50, description="Orders sent in any one second.")
    max_orders_per_minute: Within | None = Field(default=None, description="Orders sent in any one minute.")
    max_messages_per_second: Within | None = Field(
        default=None, description="Orders and cancels in any one second; cancels count, and are never refused."
    )
    max_strategy_messages_per_second: Within | None = Field(default=None, description="The same of a single strategy.")
    price_collar_pct: BoundedShare | None = Field(
        default=Decimal(5),
        description="How far an order's price may lie from the middle of the market, %; farther is a mistake.",
    )
    max_quote_age_ms: Annotated[Whole, Field(ge=1)] | None = Field(
        default=5_000,
        description="A market whose last quote is older is stale, milliseconds: no order leaves there, and beside a "
        "position in it none that could increase one.",
    )
    per_symbol: dict[InstrumentKey, SymbolRiskSettings] = Field(
        default_factory=dict, description="Limits of single instruments, by symbol (or SYMBOL@VENUE)."
    )


class PaperGatewaySettings(Section):
    """Orders are matched here, against the market data of the run."""

    kind: Literal["paper"] = Field(description='"paper": simulated fills.')
    latency_ms: Annotated[Real, Field(ge=0, le=60_000)] = Field(
        default=0.0, description="Way of an order to the venue, ms."
    )
    slippage_ticks: Annotated[Whole, Field(ge=0, le=1_000)] = Field(
        default=0, description="Ticks by which a taker's price is made worse."
    )
    limit_fill: Literal["touch", "through"] = Field(
        default="through",
        description='A resting limit order fills when the market trades at its price ("touch") or beyond it.',
    )


class PythonGatewaySettings(Section):
    """Orders go to a gateway of your own, written in Python."""

    kind: Literal["python"] = Field(description='"python": a class that follows libra.gateways.protocol.Gateway.')
    class_path: ClassPath = Field(
        alias="class", description='The class: "package.module:Class" or "path/file.py:Class".'
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Handed to the gateway's connect as it stands.")
    query_every_ms: Annotated[Whole, Field(ge=1, le=60_000)] = Field(
        default=1_000, description="How often orders without an answer are looked for and asked about, milliseconds."
    )
    unanswered_after_ms: Annotated[Whole, Field(ge=1, le=60_000)] = Field(
        default=5_000, description="Silence after which the venue is asked what became of an order, milliseconds."
    )
    reconcile_every_s: Annotated[Real, Field(ge=0.01, le=3_600)] = Field(
        default=60.0,
        description="How often the account is held against its venue, where the gateway can show it, seconds.",
    )
    look_within_s: Annotated[Real, Field(ge=0.1, le=3_600)] = Field(
        default=30.0,
        description="A look at the account that takes longer is given up, and taken again, seconds. The wait for the"
        " venue's rate limits does not count, up to ten times as long.",
    )
    histories_lag_s: Annotated[Real, Field(ge=0, le=600)] = Field(
        default=30.0,
        description="The venue's histories may lag behind its balances and positions by so much: what they may explain"
        " is no incident before, seconds.",
    )


class CcxtGatewaySettings(CcxtVenueSettings):
    """Orders go to a venue that CCXT knows: live, to its test network, or redirected."""

    market: Literal["spot", "swap"] = Field(
        default="spot", description='Which of its markets the account trades: "spot" or "swap" (perpetuals).'
    )
    api_key_env: EnvironmentName = Field(description="The environment variable that holds the API key.")
    secret_env: EnvironmentName = Field(description="The one that holds its secret, or a private key in PEM.")
    password_env: EnvironmentName | None = Field(
        default=None, description="The one that holds the passphrase, where the venue wants one."
    )
    websocket_orders: bool = Field(default=True, description="Send orders by WebSocket where the venue takes them so.")
    query_every_ms: Annotated[Whole, Field(ge=1, le=60_000)] = Field(
        default=1_000, description="How often orders without an answer are looked for and asked about, milliseconds."
    )
    unanswered_after_ms: Annotated[Whole, Field(ge=1, le=60_000)] = Field(
        default=5_000, description="Silence after which the venue is asked what became of an order, milliseconds."
    )
    reconcile_every_s: Annotated[Real, Field(ge=0.01, le=3_600)] = Field(
        default=60.0,
        description="How often the account is held against its venue, where the gateway can show it, seconds.",
    )
    look_within_s: Annotated[Real, Field(ge=0.1, le=3_600)] = Field(
        default=30.0,
        description="A look at the account that takes longer is given up, and taken again, seconds. The wait for the"
        " venue's rate limits does not count, up to ten times as long.",
    )
    histories_lag_s: Annotated[Real, Field(ge=0, le=600)] = Field(
        default=30.0,
        description="The venue's histories may lag behind its balances and positions by so much: what they may explain"
        " is no incident before, seconds.",
    )


AccountGatewaySettings = Annotated[
    PaperGatewaySettings | PythonGatewaySettings | CcxtGatewaySettings, Field(discriminator="kind")
]
"""Where orders of the account go, told apart by `kind`."""


class AccountLogSettings(Section):
    """`log` of an account group: the append-only truth of its order gate."""

    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="The file, from the profile's folder on; without it one of this run."
    )
    sync: Literal["none", "every_record"] = Field(
        default="none", description='"every_record" survives a power cut, "none" a crash of the process.'
    )
    resume: bool = Field(default=False, description="Carry on from what the file holds; otherwise it has to be empty.")


class AccountJournalSettings(Section):
    """`journal` of an account group: its log as tables of an SQLite database, written behind the trading."""

    enabled: bool = Field(default=True, description="Keep one, where the log has a file of its own.")
    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description='The file; beside the log where left out: "main.log" has "main.journal.db".'
    )


class FixedSizingSettings(Section):
    """A size, a value or a share of the equity."""

    kind: Literal["fixed_notional", "fixed_size", "percent_equity"] = Field(
        description='"fixed_notional" (value in the quote currency), "fixed_size" (base units) or "percent_equity" (%).'
    )
    value: PositiveAmount = Field(description="How much, in the unit that kind says.")
    per_symbol: dict[InstrumentKey, PositiveAmount] = Field(
        default_factory=dict, description="Another value for single instruments, by symbol (or SYMBOL@VENUE)."
    )


class VolatilitySizingSettings(Section):
    """A position whose volatility is a share of the equity; the formula is in docs/risk.md."""

    kind: Literal["volatility_target"] = Field(description='"volatility_target": as much as moves the equity so far.')
    target_pct: Share = Field(description="Annualised volatility of the position as a share of the equity, %.")
    interval_s: Annotated[Real, Field(ge=0.001, le=86_400)] = Field(
        default=60.0, description="Length of the intervals that returns are taken of, seconds."
    )
    decay: Annotated[Real, Field(gt=0, lt=1)] = Field(
        default=0.94, description="Weight of the estimate before, as in RiskMetrics."
    )
    warmup: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=30, description="Returns before there is an estimate; signals before are not sized."
    )
    min_notional: Annotated[Amount, Field(ge=0)] = Field(
        default=Decimal(0), description="A position worth less is not asked for."
    )
    max_notional: PositiveAmount | None = Field(default=None, description="A position is worth no more.")
    per_symbol: dict[InstrumentKey, Share] = Field(
        default_factory=dict, description="Another target for single instruments, by symbol (or SYMBOL@VENUE)."
    )


SizingSettings = Annotated[FixedSizingSettings | VolatilitySizingSettings, Field(discriminator="kind")]
"""How large an order a signal becomes, told apart by `kind`."""


class AccountGroupSettings(Section):
    """One account at one venue: its portfolio, risk, execution and gateway."""

    name: Identifier = Field(description="Name of the account, unique; strategies refer to it.")
    gateway: AccountGatewaySettings = Field(description="Where its orders go.")
    balances: dict[Currency, Annotated[Amount, Field(ge=0)]] = Field(
        default_factory=dict,
        description='What a paper account starts with: { USDT = "100000" }. A venue says its own.',
    )
    log: AccountLogSettings = Field(default_factory=AccountLogSettings, description="The log of its order gate.")
    journal: AccountJournalSettings = Field(
        default_factory=AccountJournalSettings, description="What that log says, as a database to read."
    )
    sizing: SizingSettings = Field(description="How large an order a signal becomes.")
    validity_window_ms: Annotated[Whole, Field(ge=100, le=600_000)] = Field(
        default=10_000,
        description="How long after its intent an order may reach the venue, milliseconds: it leaves in the first half "
        "or never, and what the venue does not know behind the window is taken for lost.",
    )
    allow_short: bool = Field(default=False, description="May positions go below zero? Never for spot.")
    on_breach: Literal["reduce_only", "halt"] = Field(
        default="reduce_only",
        description="While a loss limit is passed, orders that only reduce a position may leave and stay, and all "
        'others are refused and cancelled ("reduce_only"), or nothing leaves and all is cancelled ("halt").',
    )
    risk: RiskSettings = Field(
        default_factory=RiskSettings, description="Its limits; what is not given here comes from the top-level [risk]."
    )

    @property
    def journal_path(self) -> Path | None:
        """Where its journal is; None where it keeps none: without a log of its own there is nothing to keep."""
        if self.log.path is None or not self.journal.enabled:
            return None
        if self.journal.path is not None:
            return Path(self.journal.path)
        return Path(self.log.path).with_suffix(".journal.db")
