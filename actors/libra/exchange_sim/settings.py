"""What can be set: accounts, markets, limits. Read once from TOML, with defaults that need no file."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec

from libra.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AccountSettings", "FlowSettings", "LimitSettings", "MarketSettings", "SimSettings", "load_settings"]

Amount = Decimal
"""At least 0; msgspec compares no decimals, so that `checked` does."""

Positive = Decimal
"""Above 0."""


class FlowSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The others in a synthetic market: rates a second, volatility in basis points per square root of a second."""

    volatility_bps: Annotated[float, msgspec.Meta(gt=0, le=500)] = 0.2
    spread_ticks: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 2
    quote_rate_hz: Annotated[float, msgspec.Meta(ge=0.1, le=1e6)] = 20.0
    trade_rate_hz: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 4.0
    book_rate_hz: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 20.0
    book_levels: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 200
    level_notional: Positive = Decimal(20_000)


class MarketSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market: `BASE/QUOTE` for spot, `BASE/QUOTE:SETTLE` for a perpetual contract."""

    symbol: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,10}(:[A-Z0-9]{1,10})?$")]
    start_price: Positive
    tick_size: Positive
    lot_size: Positive
    max_quantity: Positive = Decimal(9_000)
    max_market_quantity: Positive = Decimal(1_000)
    min_notional: Amount = Decimal(5)
    max_notional: Positive = Decimal(9_000_000)
    """What an order of spot may be worth at most; USD-M has no such filter."""
    max_notional_to_market: bool = False
    """Market orders, too."""
    percent_up: Positive = Decimal(5)
    percent_down: Amount = Decimal("0.2")
    max_orders: Annotated[int, msgspec.Meta(ge=1)] = 200
    max_stop_orders: Annotated[int, msgspec.Meta(ge=1)] = 10
    quiet: bool = False
    data: tuple[str, ...] = ()
    flow: FlowSettings = FlowSettings()


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account; its secret guards nothing but a simulation. With `public_key` (PEM) it signs by Ed25519."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    api_key: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    secret: str = ""
    public_key: str = ""
    spot: dict[str, Amount] = {}
    linear: dict[str, Amount] = {}
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    linear_maker_fee: Decimal = Decimal("0.0002")
    linear_taker_fee: Decimal = Decimal("0.0005")
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] = 20


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the venue lets an address and an account do."""

    spot_weight: Annotated[int, msgspec.Meta(ge=1)] = 6_000
    linear_weight: Annotated[int, msgspec.Meta(ge=1)] = 2_400
    spot_orders_10s: Annotated[int, msgspec.Meta(ge=1)] = 100
    spot_orders_day: Annotated[int, msgspec.Meta(ge=1)] = 200_000
    linear_orders_10s: Annotated[int, msgspec.Meta(ge=1)] = 300
    linear_orders_minute: Annotated[int, msgspec.Meta(ge=1)] = 1_200
    ban_after: Annotated[int, msgspec.Meta(ge=1)] = 20
    ban_s: Annotated[int, msgspec.Meta(ge=1)] = 120
    client_backlog_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 4 << 20
    listen_key_s: Annotated[float, msgspec.Meta(gt=0)] = 3_600.0


_POSITIVE = (
    *("start_price", "tick_size", "lot_size", "max_quantity", "max_market_quantity"),
    *("max_notional", "percent_up"),
)
_NOT_BELOW_ZERO = ("min_notional", "percent_down")


def _default_markets() -> tuple[MarketSettings, ...]:
    btc, eth = Decimal(60_000), Decimal(3_000)
    cent, satoshi, milli = Decimal("0.01"), Decimal("0.00001"), Decimal("0.001")
    return (
        MarketSettings(symbol="BTC/USDT", start_price=btc, tick_size=cent, lot_size=satoshi),
        MarketSettings(symbol="ETH/USDT", start_price=eth, tick_size=cent, lot_size=Decimal("0.0001")),
        MarketSettings(
            symbol="BTC/USDT:USDT",
            start_price=btc,
            tick_size=Decimal("0.10"),
            lot_size=milli,
            min_notional=Decimal(100),
        ),
        MarketSettings(
            symbol="ETH/USDT:USDT", start_price=eth, tick_size=cent, lot_size=milli, min_notional=Decimal(20)
        ),
    )


def _default_accounts() -> tuple[AccountSettings, ...]:
    rich = Decimal(100_000)
    return (
        AccountSettings(
            name="sim",
            api_key="sim-key",
            secret="sim-secret",  # noqa: S106 - it guards nothing
            spot={"USDT": rich, "BTC": Decimal(10)},
            linear={"USDT": rich},
        ),
    )


class SimSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 1
    history_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300.0
    step_ms: Annotated[float, msgspec.Meta(ge=0.1, le=1_000)] = 5.0
    funding_interval_s: Annotated[float, msgspec.Meta(ge=1)] = 28_800.0
    funding_rate: Decimal = Decimal("0.0001")
    markets: tuple[MarketSettings, ...] = msgspec.field(default_factory=_default_markets)
    accounts: tuple[AccountSettings, ...] = msgspec.field(default_factory=_default_accounts)
    limits: LimitSettings = LimitSettings()


def load_settings(path: Path | None) -> SimSettings:
    """Reads a TOML file; without one, the defaults.

    Raises:
        ConfigError: When it cannot be read, or says what makes no sense.
    """
    if path is None:
        return SimSettings()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
        settings = msgspec.convert(data, SimSettings, strict=False)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return checked(settings, str(path))


def checked(settings: SimSettings, where: str) -> SimSettings:
    """The settings, when names are not used twice and accounts can sign.

    Raises:
        ConfigError: With all that is wrong.
    """
    problems = []
    for what, names in (
        ("market", [market.symbol for market in settings.markets]),
        ("account", [account.name for account in settings.accounts]),
        ("api_key", [account.api_key for account in settings.accounts]),
    ):
        problems += [f'{what} "{name}" is there twice' for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [
        f'account "{account.name}" has neither secret nor public_key'
        for account in settings.accounts
        if not account.secret and not account.public_key
    ]
    if not settings.markets:
        problems.append("there is no market")
    for market in settings.markets:
        amounts = {name: getattr(market, name) for name in _POSITIVE} | {"level_notional": market.flow.level_notional}
        problems += [f"{market.symbol}: {name} has to be above 0" for name, amount in amounts.items() if amount <= 0]
        least = {name: getattr(market, name) for name in _NOT_BELOW_ZERO}
        problems += [f"{market.symbol}: {name} has to be at least 0" for name, amount in least.items() if amount < 0]
    for account in settings.accounts:
        if min([*account.spot.values(), *account.linear.values()], default=Decimal(0)) < 0:
            problems.append(f'account "{account.name}" cannot begin with less than nothing')
    if problems:
        raise ConfigError(f"{where} makes no sense:", tuple(problems))
    return settings
