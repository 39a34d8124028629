"""A few answers of Binance's spot exchange, in the shapes of its documentation: what CCXT needs to trade one symbol."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00000", "stepSize": "0.00001"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.0"},
]
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
]
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
    "isSpotTradingAllowed": True,
    "permissions": ["SPOT"],
    "permissionSets": [["SPOT"]],
    "filters": FILTERS,
}


class FakeBinance:
    """One symbol, one account. What it does with an order is the test's affair: `on_order` gives (status, answer)."""

    def __init__(self):
        self.requests = []
        self.listed = [{}]
        """What each symbol says of itself otherwise than `SYMBOL`."""
        self.user_sockets = []
        self.market_sockets = []
        self.subscribed = []
        self.orders = {}
        self.trades = []
        self.weight = 20
        self.clock_skew_ms = 0
        self.depth = {"lastUpdateId": 100, "bids": [["100.00", "1.5"]], "asks": [["100.01", "2.25"]]}
        self.depths = self.most_depths = 0
        self.depth_takes_s = 0.0
        self.on_order = self.accept
        self.on_cancel = self.cancel
        self.refuse_next = []
        self.answers_pings = self.takes_sockets = True
        self.is_half_open = False
        """What comes by the sockets of requests is lost; pings have no answer by `answers_pings`."""

    async def start(self):
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/v3/exchangeInfo", self.exchange_info),
                web.get("/api/v3/time", self.server_time),
                web.get("/api/v3/depth", self.get_depth),
                web.get("/api/v3/account", self.account),
                web.post("/api/v3/order", self.post_order),
                web.get("/api/v3/order", self.get_order),
                web.delete("/api/v3/order", self.delete_order),
                web.get("/api/v3/myTrades", self.my_trades),
                web.get("/api/v3/openOrders", self.open_orders),
                web.get("/sapi/v1/{path:.+}", self.history),
                web.get("/ws-api/v3", self.ws_api),
                web.get("/stream/ws/{n}", self.stream),
            ]
        )
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def stop(self):
        for socket in [*self.user_sockets, *self.market_sockets]:
            await socket.close()
        await self.runner.cleanup()

    def answer(self, data, status=200, **headers):
        return web.json_response(data, status=status, headers={"X-MBX-USED-WEIGHT-1M": str(self.weight), **headers})

    def error(self, code, msg, status=400, **headers):
        return self.answer({"code": code, "msg": msg}, status, **headers)

    def now_ms(self):
        return int(time.time() * 1e3) + self.clock_skew_ms

    async def exchange_info(self, request):
        self.requests.append(("exchangeInfo", {}))
        return self.answer(
            {"timezone": "UTC", "rateLimits": RATE_LIMITS, "symbols": [SYMBOL | more for more in self.listed]}
        )

    async def server_time(self, request):
        return self.answer({"serverTime": self.now_ms()})

    async def get_depth(self, request):
        self.requests.append(("depth", dict(request.query)))
        self.depths += 1
        self.most_depths = max(self.most_depths, self.depths)
        await asyncio.sleep(self.depth_takes_s)
        self.depths -= 1
        return self.answer(self.depth)

    async def account(self, request):
        balances = [{"asset": "USDT", "free": "1000.50000000", "locked": "9.50000000"}]
        return self.answer({"balances": balances, "accountType": "SPOT", "permissions": ["SPOT"]})

    async def post_order(self, request):
        params = dict(parse_qsl(await request.text()))
        self.requests.append(("REST order", params))
        if self.refuse_next:
            return self.refuse_next.pop(0)
        status, data = self.on_order(params)
        return self.answer(data, status)

    async def get_order(self, request):
        self.requests.append(("query", dict(request.query)))
        number = request.query.get("orderId")
        order = self.orders.get(request.query.get("origClientOrderId"))
        if number is not None:
            order = next((order for order in self.orders.values() if str(order["orderId"]) == number), None)
        return self.answer(order) if order else self.error(-2013, "Order does not exist.")

    async def delete_order(self, request):
        self.requests.append(("REST cancel", dict(request.query)))
        if self.refuse_next:
            return self.refuse_next.pop(0)
        status, data = self.on_cancel(dict(request.query))
        return self.answer(data, status)

    async def my_trades(self, request):
        query = dict(request.query)
        self.requests.append(("myTrades", query))
        found = [trade for trade in self.trades if query.get("orderId") in (None, str(trade["orderId"]))]
        found = [trade for trade in found if trade["id"] >= int(query.get("fromId", 0))]
        return self.answer(found[: int(query.get("limit", 500))])

    async def open_orders(self, request):
        return self.answer([order for order in self.orders.values() if order["status"] == "NEW"])

    async def history(self, request):
        """Nothing ever moved by itself."""
        lists = request.match_info["path"].startswith("capital")
        return self.answer([] if lists else {"total": 0, "rows": []})

    def accept(self, params):
        order = {
            "symbol": "BTCUSDT",
            "orderId": 1000 + len(self.orders),
            "orderListId": -1,
            "clientOrderId": params["newClientOrderId"],
            "transactTime": self.now_ms(),
            "price": params.get("price", "0.00000000"),
            "origQty": params["quantity"],
            "executedQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": params.get("timeInForce", "GTC"),
            "type": params["type"],
            "side": params["side"],
            "fills": [],
        }
        self.orders[order["clientOrderId"]] = order
        return 200, order

    def in_time(self, act):
        """As an act, where the request's time is near the venue's."""
        refused = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        return lambda params: (
            act(params) if -2_000 < int(params["timestamp"]) - self.now_ms() < 1_000 else (400, refused)
        )

    def cancel(self, params):
        order = self.orders.get(params.get("origClientOrderId"))
        if order is None or order["status"] != "NEW":
            return 400, {"code": -2011, "msg": "Unknown order sent."}
        order["status"] = "CANCELED"
        return 200, {**order, "origClientOrderId": order["clientOrderId"], "clientOrderId": "cancel-1"}

    async def ws_api(self, request):
        if not self.takes_sockets:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.user_sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.PING and self.answers_pings:
                await socket.pong(message.data)
            if message.type is WSMsgType.PING or self.is_half_open:
                continue
            if message.type is not WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            self.requests.append((f"ws {asked['method']}", asked["params"]))
            status, result = {
                "userDataStream.subscribe.signature": lambda params: (200, {"subscriptionId": 0}),
                "order.place": lambda params: self.on_order(params),
                "order.cancel": self.on_cancel,
            }[asked["method"]](asked["params"])
            if status is None:
                continue
            key = "result" if status == 200 else "error"
            limits = [{**RATE_LIMITS[1], "count": 7}]
            await socket.send_json({"id": asked["id"], "status": status, key: result, "rateLimits": limits})
        return socket

    async def stream(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.market_sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            self.subscribed.append((asked["params"], socket))
            await socket.send_json({"result": None, "id": asked["id"]})
        return socket

    async def user_event(self, **event):
        for socket in self.user_sockets:
            if not socket.closed:
                await socket.send_json({"subscriptionId": 0, "event": event})

    async def market_event(self, channel, **frame):
        for streams, socket in self.subscribed:
            if any(channel in stream for stream in streams) and not socket.closed:
                await socket.send_json(frame)

    def report(self, order_id, status, execution, **more):
        return {
            "e": "executionReport",
            "E": self.now_ms(),
            "s": "BTCUSDT",
            "c": order_id,
            "C": "",
            "x": execution,
            "X": status,
            "r": "NONE",
            "i": 1000,
            "l": "0.00000000",
            "L": "0.00000000",
            "n": "0",
            "N": None,
            "T": self.now_ms(),
            "t": -1,
            "m": False,
            **more,
        }
