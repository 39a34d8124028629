"""Requests over a WebSocket: the same endpoints by other names, and the subscription to an account's own events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from libra.exchange_sim.endpoints import Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.params import Params
from libra.exchange_sim.rest_market import rate_limits
from libra.exchange_sim.signing import signed_query

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clients import Client
    from libra.exchange_sim.side import Side
    from libra.exchange_sim.user_streams import UserStreams

__all__ = ["WsApi", "WsRequest"]

_SPOT = {
    "ping": ("GET", "ping"),
    "time": ("GET", "time"),
    "exchangeInfo": ("GET", "exchangeInfo"),
    "depth": ("GET", "depth"),
    "trades.recent": ("GET", "trades"),
    "trades.historical": ("GET", "historicalTrades"),
    "trades.aggregate": ("GET", "aggTrades"),
    "klines": ("GET", "klines"),
    "avgPrice": ("GET", "avgPrice"),
    "ticker.24hr": ("GET", "ticker/24hr"),
    "ticker.price": ("GET", "ticker/price"),
    "ticker.book": ("GET", "ticker/bookTicker"),
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.status": ("GET", "order"),
    "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "order/amend/keepPriority"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"),
    "myTrades": ("GET", "myTrades"),
    "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"),
    "account.rateLimits.orders": ("GET", "rateLimit/order"),
}

_LINEAR = {
    "ping": ("GET", "ping"),
    "time": ("GET", "time"),
    "depth": ("GET", "depth"),
    "ticker.price": ("GET", "ticker/price"),
    "ticker.book": ("GET", "ticker/bookTicker"),
    "order.place": ("POST", "order"),
    "order.modify": ("PUT", "order"),
    "order.status": ("GET", "order"),
    "order.cancel": ("DELETE", "order"),
    "algoOrder.place": ("POST", "algoOrder"),
    "algoOrder.cancel": ("DELETE", "algoOrder"),
    "account.status": ("GET", "account"),
    "v2/account.status": ("GET", "account"),
    "account.balance": ("GET", "balance"),
    "v2/account.balance": ("GET", "balance"),
    "account.position": ("GET", "v2/positionRisk"),
    "v2/account.position": ("GET", "positionRisk"),
    "userDataStream.start": ("POST", "listenKey"),
    "userDataStream.ping": ("PUT", "listenKey"),
    "userDataStream.stop": ("DELETE", "listenKey"),
}

_encode = msgspec.json.Encoder().encode

_SUBSCRIBE = Endpoint(lambda _: None, 2, Security.SIGNED)


class WsRequest(msgspec.Struct):
    """A request as it is sent. Numbers keep the text that they were written as, since that text was signed."""

    method: str
    id: str | int | None = None
    params: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(WsRequest, float_hook=str)


class WsApi:
    """The ws-api of one side.

    Args:
        side: Its endpoints.
        streams: The user streams.
    """

    def __init__(self, side: Side, streams: UserStreams) -> None:
        self._side = side
        self._streams = streams
        self._methods = _SPOT if side.name == "spot" else _LINEAR
        self._next_subscription = 0

    def decode(self, text: str | bytes) -> WsRequest:
        """Reads a request.

        Raises:
            ApiError: When it is none.
        """
        try:
            return _decoder.decode(text)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ApiError(-1135, "Invalid JSON Request") from error

    def place_of(self, method: str) -> tuple[str, str]:
        """The REST method and path that a method stands for; the method itself where there is none."""
        return self._methods.get(method, ("", method))

    def note(self, request: WsRequest, code: int) -> None:
        """Keeps in mind that an order was asked for, which a fault has refused."""
        endpoint = self._side.find(*self.place_of(request.method))
        if endpoint is not None:
            values = _values_of(request)
            self._side.note(endpoint, Params(values), values.get("apiKey"), code)

    def answer(self, request: WsRequest, client: Client, ip: str, now_ms: int) -> bytes:
        """Answers a request."""
        try:
            result, _ = self._ask(request, client, ip)
        except ApiError as error:
            return self.refuse(request.id, error, ip, now_ms)
        body = {"id": request.id, "status": 200, "result": result}
        if request.params.get("returnRateLimits", True) is not False:
            body["rateLimits"] = self._limits(ip, now_ms)
        return _encode(body)

    def refuse(self, number: str | int | None, error: ApiError, ip: str, now_ms: int) -> bytes:
        """The answer to a request that is refused."""
        body = error.body()
        if error.retry_after_s is not None:
            body["data"] = {"serverTime": now_ms, "retryAfter": now_ms + error.retry_after_s * 1_000}
        limits = self._limits(ip, now_ms)
        return _encode({"id": number, "status": error.http, "error": body, "rateLimits": limits})

    def _ask(self, request: WsRequest, client: Client, ip: str) -> tuple[Any, Account | None]:
        values = _values_of(request)
        params = Params(values)
        key, signed = values.get("apiKey"), signed_query(values)
        if request.method == "userDataStream.subscribe.signature" and self._side.name == "spot":
            return self._subscribe(params, client, ip, key, signed), None
        if request.method == "userDataStream.unsubscribe" and self._side.name == "spot":
            self._streams.detach(client)
            return {}, None
        place = self._methods.get(request.method)
        endpoint = self._side.find(*place) if place is not None else None
        if endpoint is None:
            raise ApiError(-1000, f"Unknown method '{request.method}'.")
        return self._side.ask(endpoint, params, ip, key, signed)

    def _subscribe(
        self, params: Params, client: Client, ip: str, key: str | None, signed: tuple[str, str]
    ) -> dict[str, Any]:
        self._side.ask(_SUBSCRIBE, params, ip, key, signed)
        account = self._side.signatures.account(key)
        number = self._next_subscription
        self._next_subscription += 1
        wrap = lambda event: {"subscriptionId": number, "event": event}  # noqa: E731
        self._streams.attach("spot", account.name, client, wrap)
        return {"subscriptionId": number}

    def _limits(self, ip: str, now_ms: int) -> list[dict[str, Any]]:
        row = rate_limits(self._side.budgets)[0]
        return [{**row, "count": self._side.budgets.used(ip, now_ms)}]


def _values_of(request: WsRequest) -> dict[str, str]:
    return {name: _text(value) for name, value in request.params.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        value if isinstance(value, str) else _encode(value).decode() if isinstance(value, list | dict) else str(value)
    )
