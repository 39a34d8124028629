"""Gateways: the way to a venue, for market data and for orders.

`protocol` is what anyone may implement in Python; `actor` runs such a gateway inside an account group, `market` one
that gives market data. `synthetic`, `replay` and `paper` are gateways to use without a node; inside one the same parts
run natively, where a profile names them (``[market]``, ``gateway = { kind = "paper" }``).
"""

from libra.gateways.paper import PaperGateway
from libra.gateways.protocol import Gateway, ReportingGateway, Tick
from libra.gateways.replay import ReplayGateway
from libra.gateways.synthetic import SyntheticGateway

__all__ = ["Gateway", "PaperGateway", "ReplayGateway", "ReportingGateway", "SyntheticGateway", "Tick"]
