"""`[[strategies]]`: which class runs on which symbols, for which account."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from libra.config.base import ClassPath, Identifier, Section, Whole


class StrategySettings(Section):
    """One running strategy."""

    name: Identifier = Field(description="Name of the strategy, unique.")
    class_path: ClassPath = Field(
        alias="class", description='The class: "strategies/my.py:MyStrategy" or "package.module:Class".'
    )
    account: Identifier = Field(description="Name of the account group that it trades for.")
    symbols: tuple[str, ...] = Field(
        min_length=1,
        description='Symbols that it sees and trades (or SYMBOL@VENUE); "*/USDT:USDT" stands for all that fit it.',
    )
    on_vanish: Literal["keep", "cancel", "flatten"] = Field(
        default="cancel",
        description='Its open orders when it fails for good or is stopped: "keep" or "cancel" them, or "flatten": '
        "cancel them and close what it holds.",
    )
    stop_after_silence_ms: Annotated[Whole, Field(ge=10)] | None = Field(
        default=None,
        description="It is stopped, and on_vanish says what becomes of its orders, when the last quote of one of its "
        "symbols is older, milliseconds.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Its own parameters, handed over as they stand.")
