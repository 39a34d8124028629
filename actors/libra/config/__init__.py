"""Configuration: a TOML profile becomes one frozen `Settings`, or one error that names everything wrong with it.

- Models, one file a section: `node`, `market`, `instruments`, `accounts` (and risk), `strategies`; all: `settings`.
  A new key is a field there with a description; the schema, the messages and `config show` follow by themselves.
- Reading: `files` (TOML and includes) -> `tree` (values with places) -> `overrides` (environment, `--set`) -> `load`.
- Sections of other packages come by `plugins`.
- Checking: pydantic for single fields, `checks` and `check_instruments` across them; `explain` words the findings.

Data goes one way, from text to `Settings`; nothing here starts anything or imports user code.
"""

from libra.config.accounts import (
    AccountGroupSettings,
    AccountLogSettings,
    PaperGatewaySettings,
    PythonGatewaySettings,
    RiskSettings,
    SizingSettings,
    SymbolRiskSettings,
)
from libra.config.instruments import InstrumentSettings
from libra.config.load import Flags, load
from libra.config.market import (
    GatewayMarketSettings,
    MarketSettings,
    ReplayMarketSettings,
    SyntheticMarketSettings,
    SyntheticSymbolSettings,
)
from libra.config.node import NodeSettings, SupervisionSettings
from libra.config.part import NodePart
from libra.config.plugins import plugins, settings_model
from libra.config.profiles import find_profile, list_profiles
from libra.config.schema import json_schema
from libra.config.settings import Settings
from libra.config.strategies import StrategySettings
from libra.errors import ConfigError

__all__ = [
    "AccountGroupSettings",
    "AccountLogSettings",
    "ConfigError",
    "Flags",
    "GatewayMarketSettings",
    "InstrumentSettings",
    "MarketSettings",
    "NodePart",
    "NodeSettings",
    "PaperGatewaySettings",
    "PythonGatewaySettings",
    "ReplayMarketSettings",
    "RiskSettings",
    "Settings",
    "SizingSettings",
    "StrategySettings",
    "SupervisionSettings",
    "SymbolRiskSettings",
    "SyntheticMarketSettings",
    "SyntheticSymbolSettings",
    "find_profile",
    "json_schema",
    "list_profiles",
    "load",
    "plugins",
    "settings_model",
]
