"""Gateways: the way to a venue, for market data and for orders.

`protocol` is what anyone may implement in Python; `actor` runs such a gateway inside an account group. The synthetic
market, recorded files and the paper venue are native: a profile names them (``[market]``, ``gateway = { kind = "paper" }``).
"""

from libra.gateways.protocol import Gateway, ReportingGateway, Tick

__all__ = ["Gateway", "ReportingGateway", "Tick"]
