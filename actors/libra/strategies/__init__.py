"""Strategies: the base class, streaming indicators, and examples.

A strategy says what it thinks by signals (or asks for orders); how much is traded is the portfolio's, whether it may be
the order gate's.
"""

from libra.strategies.base import Strategy
from libra.strategies.indicators import Sma
from libra.strategies.protocol import StrategyProtocol

__all__ = ["Sma", "Strategy", "StrategyProtocol"]
