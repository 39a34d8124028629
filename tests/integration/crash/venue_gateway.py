"""The gateway to the venue of these tests, and a market that stands still."""

import asyncio
import json

from tests.integration.crash.points import POINTS

from libra.errors import GatewayError
from libra.model import OrderReport, Quote

INSTRUMENT = "BTC/USDT:USDT@crash"


class VenueGateway:
    """Orders over a Unix socket. Config: ``socket``; the session number is what the test says."""

    session = 0
    latest = None

    def __init__(self):
        self._waiting = {}
        self._reports = asyncio.Queue()
        self._writer = None
        self._listener = None
        self._n = 0
        type(self).latest = self

    @property
    def name(self):
        return "crash"

    @property
    def is_connected(self):
        return self._listener is not None and not self._listener.done()

    async def connect(self, config):
        reader, self._writer = await asyncio.open_unix_connection(config["socket"])
        self._listener = asyncio.create_task(self._listen(reader))
        await self._ask(op="hello", session=self.session)
        POINTS.reach("connected")

    async def disconnect(self):
        if self._listener is not None:
            self._listener.cancel()
        if self._writer is not None:
            self._writer.close()

    async def subscribe(self, symbols):
        """It has no market data."""

    async def stream_ticks(self):
        return
        yield

    async def order(self, order):
        POINTS.reach("order.unsent")
        price = None if order.price is None else str(order.price)
        answer = self._send(
            op="order", order_id=order.order_id, side=str(order.side), size=str(order.size), price=price
        )
        await self._writer.drain()
        POINTS.reach("order.sent")
        venue_id = await answer
        POINTS.reach("order.answered")
        return venue_id

    async def cancel(self, order_id):
        POINTS.reach("cancel.unsent")
        answer = self._send(op="cancel", order_id=order_id)
        await self._writer.drain()
        POINTS.reach("cancel.sent")
        taken = await answer
        POINTS.reach("cancel.answered")
        return taken

    def touch(self, order_id, *, whole, lost):
        """Has the venue execute a resting order; its report may get lost."""
        self._send(op="touch", order_id=order_id, whole=whole, lost=lost)

    async def query_order(self, order_id):
        POINTS.reach("query.unsent")
        reports = await self._ask(op="query", order_id=order_id)
        POINTS.reach("query.answered")
        return [OrderReport(**report) for report in reports]

    async def stream_reports(self):
        while (report := await self._reports.get()) is not None:
            yield OrderReport(**report)

    async def positions(self):
        return []

    async def balance(self):
        return {}

    async def _ask(self, **request):
        return await self._send(**request)

    def _send(self, **request):
        self._n += 1
        self._waiting[self._n] = answer = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"n": self._n, **request}).encode() + b"\n")
        return answer

    async def _listen(self, reader):
        while line := await reader.readline():
            message = json.loads(line)
            if "report" in message:
                self._reports.put_nowait(message["report"])
            elif not (waiting := self._waiting.pop(message["n"])).done():
                waiting.set_result(message["answer"])
        for waiting in self._waiting.values():
            waiting.set_exception(GatewayError("the venue is gone"))
        self._reports.put_nowait(None)


class StillMarket:
    """One quote, again and again."""

    name = "crash"
    is_connected = True

    async def connect(self, config):
        """Nothing to connect to."""

    async def disconnect(self):
        """Nothing to leave."""

    async def subscribe(self, symbols):
        """There is one symbol."""

    async def stream_ticks(self):
        while True:
            yield Quote(INSTRUMENT, "100.0", "100.1", "5", "5")
            await asyncio.sleep(0.001)

    async def order(self, order):
        raise NotImplementedError

    async def cancel(self, order_id):
        raise NotImplementedError

    async def positions(self):
        return []

    async def balance(self):
        return {}
