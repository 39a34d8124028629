"""Streaming indicators, native: a value in, the indicator's value out once enough are in."""

from libra_core import EwmaVolatility, Sma

__all__ = ["EwmaVolatility", "Sma"]
