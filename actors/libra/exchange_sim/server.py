"""The process: one port, on which the venue's paths are told apart."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from aiohttp import WSMsgType, web

from libra.exchange_sim.clients import Client
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.market_streams import NAME
from libra.exchange_sim.params import Params
from libra.exchange_sim.signing import split_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.exchange_sim.side import Side
    from libra.exchange_sim.venue import Venue

__all__ = ["Server", "serve"]

_REST = re.compile(r"/(api/v3|fapi/v[123])/(.+)")
_STREAM = re.compile(r"/(stream|fstream)(?:/(?:public|market|private))?(?:/(ws|stream))?((?:/[^/]+)*)/?")
_API = {"/ws-api/v3": True, "/ws-fapi/v1": False}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict).decode

MOST_MESSAGE_BYTES = 1 << 20


class Server:
    """Serves a venue.

    Args:
        venue: What is served.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        path = request.path
        found = _REST.fullmatch(path)
        if found is not None:
            return await self._rest(request, self._venue.sides[found[1].startswith("api")], found[2])
        if path.rstrip("/") in _API:
            return await self._ws_api(request, spot=_API[path.rstrip("/")])
        stream = _STREAM.fullmatch(path)
        if stream is not None:
            return await self._stream(request, stream)
        return _json(404, {"code": -1000, "msg": "Path not found."})

    async def _rest(self, request: web.BaseRequest, side: Side, path: str) -> web.Response:
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        # The text as it was sent: that is what was signed.
        query = urlsplit(request.raw_path).query
        now_ms = self._venue.clock.now_ms()
        ip = request.remote or ""
        params = Params.of_query(query, body)
        headers: dict[str, str] = {}
        status, account = 200, None
        answer: object
        try:
            endpoint = side.find(request.method, path)
            if endpoint is None:
                raise side.not_found()
            key = request.headers.get("X-MBX-APIKEY")
            answer, account = side.ask(endpoint, params, ip, key, split_signature(query, body))
        except ApiError as error:
            status, answer = error.http, error.body()
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
        self._venue.flush()
        headers |= side.budgets.headers(ip, account.number if account else None, now_ms)
        return _json(status, answer, headers)

    async def _ws_api(self, request: web.BaseRequest, *, spot: bool) -> web.StreamResponse:
        api, venue, ip = self._venue.ws_apis[spot], self._venue, request.remote or ""
        ws, client = await self._open(request, spot=spot, combined=False)
        try:
            async for message in ws:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    continue
                now_ms = venue.clock.now_ms()
                try:
                    answer = api.answer(api.decode(message.data), client, ip, now_ms)
                except ApiError as error:
                    answer = api.refuse(None, error, ip, now_ms)
                client.send(answer)
                client.flush(venue.clock.now_ns())
                venue.flush()
        finally:
            venue.user_streams.detach(client)
        return ws

    async def _stream(self, request: web.BaseRequest, path: re.Match[str]) -> web.StreamResponse:
        spot, streams = path[1] == "stream", request.query.get("streams", "")
        ws, client = await self._open(request, spot=spot, combined=bool(streams) or path[2] == "stream")
        names = [part for part in [*path[3].split("/"), *streams.split("/")] if part and not part.isdigit()]
        listen_key = request.query.get("listenKey")
        for name in [*names, *([listen_key] if listen_key else [])]:
            self._enter(client, name)
        try:
            async for message in ws:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    client.send(self._command(client, message.data))
                    client.flush(self._venue.clock.now_ns())
        finally:
            self._venue.market_streams.leave(client)
            self._venue.user_streams.detach(client)
        return ws

    async def _open(
        self, request: web.BaseRequest, *, spot: bool, combined: bool
    ) -> tuple[web.WebSocketResponse, Client]:
        ws = web.WebSocketResponse(compress=False, max_msg_size=MOST_MESSAGE_BYTES)
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        limit = self._venue.settings.limits.client_backlog_bytes
        return ws, Client(transport, limit, spot=spot, combined=combined)

    def _enter(self, client: Client, name: str) -> None:
        side = "spot" if client.is_spot else "linear"
        owner = self._venue.user_streams.owner(side, name)
        if owner is not None:
            self._venue.user_streams.attach(side, owner, client)
        else:
            self._venue.market_streams.subscribe(client, name)

    def _command(self, client: Client, text: str | bytes) -> bytes:
        try:
            command = _decode(text)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return _encode({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
        number, method, names = command.get("id"), command.get("method"), command.get("params")
        names = names if isinstance(names, list) else []
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            if not names or not all(isinstance(name, str) and NAME.fullmatch(name) for name in names):
                return _encode({"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": number})
            for name in names:
                if method == "SUBSCRIBE":
                    self._enter(client, name)
                else:
                    self._venue.market_streams.unsubscribe(client, name)
            return _encode({"result": None, "id": number})
        if method == "LIST_SUBSCRIPTIONS":
            return _encode({"result": sorted(client.names), "id": number})
        if method == "SET_PROPERTY" and len(names) == 2 and names[0] == "combined":
            client.is_combined = bool(names[1])
            return _encode({"result": None, "id": number})
        return _encode({"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": number})


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=_encode(body), content_type="application/json", headers=headers)


async def serve(venue: Venue, ready: Callable[[str, int], None]) -> None:
    """Serves a venue until SIGINT or SIGTERM.

    Args:
        venue: What is served.
        ready: Called with host and port when clients may come.
    """
    settings = venue.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    venue.open()
    runner = web.ServerRunner(web.Server(Server(venue).handle, access_log=None))
    await runner.setup()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.create_server((settings.host, settings.port), family=family, backlog=256)
    await web.SockSite(runner, sock, shutdown_timeout=0.5).start()
    pump = asyncio.create_task(_pump(venue))
    ready(settings.host, sock.getsockname()[1])
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({pump, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if pump.done():
            pump.result()
    finally:
        for task in (pump, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for client in list(venue.market_streams.clients()):
            client.cut()
        await runner.cleanup()


async def _pump(venue: Venue) -> None:
    step_s = venue.settings.step_ms / 1_000
    while True:
        venue.step()
        await asyncio.sleep(step_s)
