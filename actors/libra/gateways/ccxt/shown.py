"""Gateways that show the account: all where the venue is one of which that is known, else its orders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from libra.gateways.ccxt.account_linear import LinearAccount
from libra.gateways.ccxt.account_spot import SpotAccount
from libra.gateways.ccxt.account_unified import UnifiedAccount
from libra.gateways.ccxt.gateway import CcxtGateway
from libra.gateways.ccxt.venue import require_venue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libra.gateways.ccxt.account import BinanceAccount
    from libra.gateways.ccxt.options import CcxtOptions
    from libra.gateways.protocol import VenueExecution, VenueFlow, VenueOrder, VenueState

__all__ = ["ShownCcxtGateway", "account_gateway"]

_log = logging.getLogger(__name__)

_ACCOUNTS: dict[tuple[str, str], type[BinanceAccount]] = {
    ("binance", "spot"): SpotAccount,
    ("binance", "swap"): LinearAccount,
    ("binanceusdm", "swap"): LinearAccount,
}
_NEEDED = ("fetchOpenOrders", "fetchMyTrades", "fetchBalance")


def _is_whole(options: CcxtOptions) -> bool:
    """True where all of an account is looked at."""
    has = require_venue(options.venue)().has
    return (options.venue, options.market) in _ACCOUNTS and all(has.get(name) for name in _NEEDED)


class ShownCcxtGateway(CcxtGateway):
    """Implements `libra.gateways.ReconcilingGateway`: see `CcxtGateway`."""

    def __init__(self, options: CcxtOptions, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as `CcxtGateway`
        super().__init__(options, *args, **named)
        symbols = [instrument.symbol for instrument in self._instruments]
        kind = _ACCOUNTS[options.venue, options.market] if _is_whole(options) else UnifiedAccount
        self._account: BinanceAccount | UnifiedAccount = kind(self._venue, self._user, symbols, self._known)

    async def connect(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as `CcxtGateway`
        """As `CcxtGateway`; an account that cannot be looked at often is told of."""
        await super().connect(*args, **named)
        self._account.check_budget()

    def doubt(self) -> None:
        """The look before left a difference: histories that are not read by each look are read."""
        self._account.doubt()

    async def open_orders(self) -> Sequence[VenueOrder]:
        """What is open on the account, ours and foreign; on Binance now and then in all symbols."""
        return await self._account.open_orders()

    async def executions_since(self, ts_ns: int) -> Sequence[VenueExecution]:
        """Every execution from this time of the venue's clock on, where anything told of some; of Binance alone."""
        return await self._account.executions_since(ts_ns)

    async def flows_since(self, ts_ns: int) -> Sequence[VenueFlow]:
        """Every flow from this time of the venue's clock on; of Binance alone."""
        return await self._account.flows_since(ts_ns)

    async def account_state(self) -> VenueState:
        """Positions and balances now; elsewhere than on Binance positions, where the venue tells them."""
        return await self._account.account_state()


def account_gateway(options: CcxtOptions, *args: Any, **named: Any) -> CcxtGateway:  # noqa: ANN401 - as `CcxtGateway`
    """The gateway of an account: one that shows as much of it as the venue can; what is missing is said in the log."""
    if _is_whole(options):
        return ShownCcxtGateway(options, *args, **named)
    has = require_venue(options.venue)().has
    missing = [name for name in _NEEDED if not has.get(name)]
    why = f"it lacks {', '.join(missing)}" if missing else "its account is not known well enough"
    told = (options.venue, options.market, options.account)
    if not has.get("fetchOpenOrders"):
        _log.warning("%s (%s): %s is not held against the venue: %s", *told, why)
        return CcxtGateway(options, *args, **named)
    looked = "open orders and positions" if options.market == "swap" and has.get("fetchPositions") else "open orders"
    _log.warning("%s (%s): of %s %s are held against the venue, and no balances: %s", *told, looked, why)
    return ShownCcxtGateway(options, *args, **named)
