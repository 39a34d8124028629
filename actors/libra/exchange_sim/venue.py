"""The whole venue, put together from its settings; nothing here knows of sockets."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from libra.exchange_sim.accounts import make_account, make_flow
from libra.exchange_sim.algo_orders import AlgoApi
from libra.exchange_sim.clock import Clock
from libra.exchange_sim.faults import Faults
from libra.exchange_sim.floor import Floor
from libra.exchange_sim.funding import Funding
from libra.exchange_sim.linear import LinearTrading
from libra.exchange_sim.market_streams import MarketStreams
from libra.exchange_sim.rest_linear import LinearApi
from libra.exchange_sim.rest_linear_account import LinearAccountApi
from libra.exchange_sim.rest_market import MarketData
from libra.exchange_sim.rest_spot import SpotApi
from libra.exchange_sim.rest_wallet import WalletApi
from libra.exchange_sim.side import OrderRequest, Side
from libra.exchange_sim.signing import Signatures
from libra.exchange_sim.spot import SpotTrading
from libra.exchange_sim.tape import Tape
from libra.exchange_sim.treasury import Treasury
from libra.exchange_sim.user_streams import UserStreams
from libra.exchange_sim.weights import Budgets
from libra.exchange_sim.ws_api import WsApi

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clients import Client
    from libra.exchange_sim.orders import Execution
    from libra.exchange_sim.settings import SimSettings

__all__ = ["Venue"]


class Venue:
    """Markets, accounts and endpoints.

    Args:
        settings: All of it.
        clock: The venue's clock; a test may bring its own.
    """

    def __init__(self, settings: SimSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.floor = Floor(settings, self.clock)
        users = [make_account(index, account) for index, account in enumerate(settings.accounts)]
        self.flow = make_flow()
        self.accounts: dict[int, Account] = {0: self.flow, **{user.number: user for user in users}}
        self.trades: list[Execution] = []
        self.requests: deque[OrderRequest] = deque(maxlen=100_000)
        self.clients: set[Client] = set()
        self.user_streams = UserStreams(self.clock, int(settings.limits.listen_key_s * 1_000))
        self.spot = SpotTrading(self.floor, self.accounts, self.trades, self.user_streams)
        self.linear = LinearTrading(self.floor, self.accounts, self.trades, self.user_streams)
        self.treasury = Treasury(self.clock, self.user_streams)
        self.funding = Funding(settings, self.floor, self.accounts)
        self.tape = Tape(self.floor.markets)
        self.market_streams = MarketStreams(self.floor, self.tape, self.funding)
        self.floor.watchers.append(self.market_streams)
        signatures = Signatures(users)
        self.sides = {spot: self._side(signatures, spot=spot) for spot in (True, False)}
        self.ws_apis = {spot: WsApi(side, self.user_streams) for spot, side in self.sides.items()}
        self.faults = Faults(self)
        self.user_streams.on_event = self.faults.on_event
        self._depth_at_ms = self._second_at_ms = 0

    def open(self) -> None:
        """Lets the past of the markets happen, so that there are books, trades and marks."""
        self.floor.catch_up()
        self.funding.mark_all()
        self.market_streams.tick_depth(self.clock.now_ms())
        self.flush()

    def step(self) -> None:
        """Lets happen what is due."""
        self.floor.advance()
        self.faults.step(self.clock.now_ns())
        now_ms = self.clock.now_ns() // 1_000_000
        if now_ms >= self._depth_at_ms:
            self._depth_at_ms = now_ms - now_ms % 50 + 50
            self.market_streams.tick_depth(self.clock.now_ms())
        if now_ms >= self._second_at_ms:
            self._second_at_ms = now_ms - now_ms % 1_000 + 1_000
            self.funding.mark_all()
            if self.funding.is_due():
                self.funding.pay(self.linear)
            self.user_streams.expire()
            self.market_streams.tick_second(self.clock.now_ms())
        self.flush()

    def flush(self) -> None:
        """Writes to all clients what waits for them."""
        now_ns = self.clock.now_ns()
        self.market_streams.flush(now_ns)
        touched = self.user_streams.touched
        for client in touched:
            client.flush(now_ns)
        touched.clear()
        for client in self.clients:
            # What was kept back while a client stalled.
            if client.has_waiting:
                client.flush(now_ns)

    def _side(self, signatures: Signatures, *, spot: bool) -> Side:
        budgets = Budgets(self.settings.limits, spot=spot)
        data = MarketData(self.floor, self.tape, self.funding, budgets, spot=spot)
        if spot:
            own = {**SpotApi(self.spot, data, budgets).endpoints(), **WalletApi(self.treasury).endpoints()}
        else:
            orders = LinearApi(self.linear, data, self.funding)
            account = LinearAccountApi(self.linear, data, self.funding, self.treasury, self.user_streams)
            own = {**orders.endpoints(), **AlgoApi(orders).endpoints(), **account.endpoints()}
        name, endpoints = "spot" if spot else "linear", {**data.endpoints(), **own}
        return Side(name, self.clock, endpoints, budgets, signatures, self.requests)
