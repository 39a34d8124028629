"""The whole of a profile as one frozen model."""

from __future__ import annotations

from pydantic import Field

from libra.config.accounts import AccountGroupSettings, RiskSettings
from libra.config.base import Section
from libra.config.instruments import InstrumentSettings
from libra.config.market import MarketSettings
from libra.config.node import NodeSettings
from libra.config.strategies import StrategySettings
from libra.config.telemetry import TelemetrySettings


class Settings(Section):
    """A Libra profile: everything that a run depends on. Build one with `libra.config.load`."""

    node: NodeSettings = Field(default_factory=NodeSettings, description="The process: clock, seed, speed, logging.")
    market: MarketSettings = Field(description="Where market data comes from.")
    instruments: tuple[InstrumentSettings, ...] = Field(
        default=(), description="What may be traded, and in which steps."
    )
    risk: RiskSettings = Field(
        default_factory=RiskSettings, description="Limits that every account group inherits, and may override."
    )
    account_groups: tuple[AccountGroupSettings, ...] = Field(
        default=(), description="Accounts, with their sizing and limits."
    )
    strategies: tuple[StrategySettings, ...] = Field(
        default=(), description="Strategies, each with its account and symbols."
    )
    telemetry: TelemetrySettings = Field(
        default_factory=TelemetrySettings,
        description="What a node remembers of its events, and where it tells of them.",
    )

    def instrument(self, key: str) -> InstrumentSettings | None:
        """The instrument that a symbol or a `SYMBOL@VENUE` means.

        Args:
            key: A symbol that one venue lists, or `SYMBOL@VENUE`.

        Returns:
            The instrument; None when it is not listed, or when two venues list the symbol.
        """
        found = [entry for entry in self.instruments if key in (entry.id, entry.symbol)]
        return found[0] if len(found) == 1 else None

    @property
    def account_logs(self) -> list[tuple[str, str | None]]:
        """Each account with the path of its log; None for one in memory."""
        return [(group.name, group.log.path) for group in self.account_groups]

    def strategies_of(self, account: str) -> tuple[StrategySettings, ...]:
        """The strategies that trade for an account, in the order of the profile."""
        return tuple(strategy for strategy in self.strategies if strategy.account == account)

    def instruments_of(self, account: str) -> tuple[InstrumentSettings, ...]:
        """The listed instruments that an account's strategies name, each once, in the order of the profile."""
        keys = {symbol for strategy in self.strategies_of(account) for symbol in strategy.symbols}
        return tuple(entry for entry in self.instruments if entry.id in keys or entry.symbol in keys)
