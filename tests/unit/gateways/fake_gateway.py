"""A gateway that does what a test tells it, and a market that stands still."""

import asyncio
import time
from decimal import Decimal
from types import SimpleNamespace

from libra.errors import GatewayError
from libra.gateways.ccxt.account_unified import UnifiedAccount
from libra.gateways.protocol import VenueState
from libra.model import OrderReport, Quote


class Script:
    """What all instances of `FakeGateway` do, and what they were asked."""

    def __init__(self):
        self.made = []
        self.ordered = []
        self.cancelled = []
        self.queried = []
        self.sessions = []
        self.connected = True
        self.connect_errors = []
        self.on_order = lambda order: None
        self.on_cancel = lambda order_id: True
        self.on_query = lambda order_id: [not_found(order_id)]
        # What a gateway shows that can be looked at.
        self.orders = []
        self.executions = []
        self.flows = []
        self.balances = {"USDT": Decimal(100_000)}
        self.positions = []
        self.looks = 0
        self.exchange = None
        self.since = []
        self.on_state = lambda state: state

    def report(self, *reports):
        """Streamed by the newest instance."""
        for report in reports:
            self.made[-1].reports.put_nowait(report)


def not_found(order_id):
    return OrderReport(order_id, "NOT_FOUND", ts_venue_ns=time.time_ns())


class FakeGateway:
    script = Script()

    def __init__(self):
        self.reports = asyncio.Queue()
        self.disconnected = False
        self.script.made.append(self)

    name = "fake"

    @property
    def is_connected(self):
        return self.script.connected

    async def connect(self, config):
        if self.script.connect_errors:
            raise self.script.connect_errors.pop(0)
        self.script.sessions.append(dict(config))

    async def disconnect(self):
        self.disconnected = True

    async def subscribe(self, symbols):
        pass

    async def stream_ticks(self):
        while True:
            yield Quote("BTC/USDT:USDT@fake", "100.0", "100.1", "5", "5")
            await asyncio.sleep(0.005)

    async def order(self, order):
        self.script.ordered.append(order.order_id)
        return await _maybe(self.script.on_order(order))

    async def cancel(self, order_id):
        self.script.cancelled.append(order_id)
        return await _maybe(self.script.on_cancel(order_id))

    async def query_order(self, order_id):
        self.script.queried.append(order_id)
        return await _maybe(self.script.on_query(order_id))

    async def stream_reports(self):
        while True:
            report = await self.reports.get()
            if report is None:
                return
            if isinstance(report, Exception):
                raise report
            yield report

    async def positions(self):
        return []

    async def balance(self):
        return {}


class ShownGateway(FakeGateway):
    """One whose account can be looked at."""

    async def open_orders(self):
        return list(self.script.orders)

    async def executions_since(self, ts_ns):
        self.script.since.append(ts_ns)
        return list(self.script.executions)

    async def flows_since(self, ts_ns):
        return list(self.script.flows)

    async def account_state(self):
        self.script.looks += 1
        state = VenueState(tuple(self.script.positions), dict(self.script.balances), time.time_ns())
        return await _maybe(self.script.on_state(state))


class ElsewhereGateway(FakeGateway):
    """One that shows of its account what CCXT tells of any venue's, by the class that a script has for it."""

    def __init__(self):
        super().__init__()
        venue = SimpleNamespace(
            exchange=self.script.exchange,
            options=SimpleNamespace(venue="fake", market=self.script.exchange.market_kind),
            venue_now_ns=time.time_ns,
            error=lambda error: GatewayError(str(error)),
        )
        account = UnifiedAccount(venue, None, ["BTC/USDT:USDT"], None)
        self.open_orders, self.executions_since = account.open_orders, account.executions_since
        self.flows_since, self.account_state = account.flows_since, account.account_state


class FakeMarket(FakeGateway):
    def __init__(self):
        self.reports = asyncio.Queue()

    is_connected = True

    async def connect(self, config):
        pass


async def _maybe(value):
    return await value if hasattr(value, "__await__") else value
