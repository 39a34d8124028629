"""WebSocket connections: those that ask, and those that read streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from libra.exchange_sim.clients import Client
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.faults import Asked
from libra.exchange_sim.market_streams import NAME

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator

    from libra.exchange_sim.venue import Venue
    from libra.exchange_sim.ws_api import WsRequest

__all__ = ["Sockets"]

MOST_MESSAGE_BYTES = 1 << 20

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Sockets:
    """Serves a venue's WebSockets.

    Args:
        venue: What is served.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def serve_api(self, request: web.BaseRequest, *, spot: bool) -> web.StreamResponse:
        """A connection of the ws-api."""
        if self._venue.faults.is_closed("spot" if spot else "linear"):
            return web.Response(status=503)
        api, venue, ip = self._venue.ws_apis[spot], self._venue, request.remote or ""
        ws, client = await self._open(request, spot=spot, api=True)
        try:
            async for data in self._messages(ws, client):
                now_ms = venue.clock.now_ms()
                try:
                    wanted = api.decode(data)
                except ApiError as error:
                    self._send(client, api.refuse(None, error, ip, now_ms))
                    continue
                asked = self._asked(wanted, spot=spot)
                broken = venue.faults.before(asked)
                if broken is not None:
                    api.note(wanted, broken.code)
                    self._send(client, api.refuse(wanted.id, broken, ip, now_ms))
                    continue
                answer = api.answer(wanted, client, ip, now_ms)
                fault = venue.faults.after(asked)
                if fault is None:
                    self._send(client, answer)
                elif fault.kind == "slow":
                    asyncio.get_running_loop().call_later(fault.seconds, self._send, client, answer)
                elif fault.status is not None:
                    self._send(client, api.refuse(wanted.id, ApiError.unknown_execution(), ip, now_ms))
                else:
                    client.cut()
                venue.flush()
        finally:
            self._leave(client)
        return ws

    async def serve_stream(self, request: web.BaseRequest, path: re.Match[str]) -> web.StreamResponse:
        """A connection that reads streams; `path` is as `server` takes it apart."""
        spot, streams = path[1] == "stream", request.query.get("streams", "")
        if self._venue.faults.is_closed("spot" if spot else "linear"):
            return web.Response(status=503)
        ws, client = await self._open(request, spot=spot, api=False)
        client.is_combined = bool(streams) or path[2] == "stream"
        names = [part for part in [*path[3].split("/"), *streams.split("/")] if part and not part.isdigit()]
        listen_key = request.query.get("listenKey")
        for name in [*names, *([listen_key] if listen_key else [])]:
            self._enter(client, name)
        try:
            async for data in self._messages(ws, client):
                self._send(client, self._command(client, data))
        finally:
            self._leave(client)
        return ws

    async def _open(self, request: web.BaseRequest, *, spot: bool, api: bool) -> tuple[web.WebSocketResponse, Client]:
        ws = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=MOST_MESSAGE_BYTES)
        await ws.prepare(request)
        if request.transport is None:
            raise ConnectionResetError("the client has gone")
        limit = self._venue.settings.limits.client_backlog_bytes
        client = Client(request.transport, limit, spot=spot, api=api)
        self._venue.clients.add(client)
        return ws, client

    async def _messages(self, ws: web.WebSocketResponse, client: Client) -> AsyncIterator[str | bytes]:
        """What a client says; nothing while its connection is half open, and then pings have no answer either."""
        async for message in ws:
            if client.is_muted:
                continue
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                yield message.data

    def _send(self, client: Client, payload: bytes) -> None:
        client.send(payload)
        client.flush(self._venue.clock.now_ns())

    def _leave(self, client: Client) -> None:
        self._venue.market_streams.leave(client)
        self._venue.user_streams.detach(client)
        self._venue.clients.discard(client)

    def _asked(self, wanted: WsRequest, *, spot: bool) -> Asked:
        side = self._venue.sides[spot]
        method, path = self._venue.ws_apis[spot].place_of(wanted.method)
        account = side.signatures.name(str(wanted.params.get("apiKey", "")))
        return Asked(side.name, method, path, account, str(wanted.params.get("symbol", "")))

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
