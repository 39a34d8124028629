"""The process: one port, on which the venue's paths are told apart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from libra.exchange_sim.control import Control
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.faults import Asked
from libra.exchange_sim.params import Params
from libra.exchange_sim.rest_wallet import PREFIX
from libra.exchange_sim.signing import split_signature
from libra.exchange_sim.sockets import Sockets
from libra.stop_signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.exchange_sim.side import Side
    from libra.exchange_sim.venue import Venue

__all__ = ["Server", "serve"]

_REST = re.compile(r"/(api/v3|fapi/v[123]|sapi/v1)/(.+)")
_CONTROL = "/control/"
_STREAM = re.compile(r"/(stream|fstream)(?:/(?:public|market|private))?(?:/(ws|stream))?((?:/[^/]+)*)/?")
"""Its side, whether events are wrapped with their stream's name, and the rest: names, a listen key, or a number."""
_API = {"/ws-api/v3": True, "/ws-fapi/v1": False}

_encode = msgspec.json.Encoder().encode


class Server:
    """Serves a venue.

    Args:
        venue: What is served.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._control = Control(venue)
        self._sockets = Sockets(venue)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        try:
            return await self._handle(request)
        except ConnectionError:
            # Whoever asked has gone, or was cut off by a fault: nobody is there to be told.
            return web.Response(status=400)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        found = _REST.fullmatch(path)
        if found is not None:
            prefix = PREFIX if found[1].startswith("sapi") else ""
            side = self._venue.sides[not found[1].startswith("fapi")]
            return await self._rest(request, side, prefix + found[2], found[1].rpartition("/")[2])
        if path.rstrip("/") in _API:
            return await self._sockets.serve_api(request, spot=_API[path.rstrip("/")])
        stream = _STREAM.fullmatch(path)
        if stream is not None:
            return await self._sockets.serve_stream(request, stream)
        if path.startswith(_CONTROL):
            return await self._answer_control(request, path.removeprefix(_CONTROL))
        return _json(404, {"code": -1000, "msg": "Path not found."})

    async def _rest(self, request: web.BaseRequest, side: Side, path: str, version: str) -> web.Response:
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        # The text as it was sent: that is what was signed.
        query = urlsplit(request.raw_path).query
        now_ms = self._venue.clock.now_ms()
        ip = request.remote or ""
        params = Params.of_query(query, body)
        headers: dict[str, str] = {}
        status, account = 200, None
        answer: object
        key = request.headers.get("X-MBX-APIKEY")
        asked = Asked(side.name, request.method, path, side.signatures.name(key), params.get("symbol") or "")
        try:
            endpoint = side.find(request.method, f"{version}/{path}") or side.find(request.method, path)
            if endpoint is None:
                raise side.not_found()
            broken = self._venue.faults.before(asked)
            if broken is not None:
                side.note(endpoint, params, key, broken.code)
                raise broken
            answer, account = side.ask(endpoint, params, ip, key, split_signature(query, body))
            answer = self._venue.faults.lagging(asked, answer, now_ms)
        except ApiError as error:
            status, answer = error.http, error.body()
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
        self._venue.flush()
        fault = self._venue.faults.after(asked)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault is not None and fault.status is None:
            if request.transport is not None:
                # The answer goes nowhere then.
                request.transport.abort()
        elif fault is not None:
            lost = ApiError.unknown_execution()
            status, answer = lost.http, lost.body()
        headers |= side.budgets.headers(ip, account.number if account else None, now_ms)
        return _json(status, answer, headers)

    async def _answer_control(self, request: web.BaseRequest, path: str) -> web.Response:
        body = await request.read() if request.can_read_body else b""
        try:
            answer = self._control.answer(request.method, path, request.query, body)
        except ApiError as error:
            return _json(error.http, error.body())
        self._venue.flush()
        return _json(200, answer)


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=_encode(body), content_type="application/json", headers=headers)


async def serve(venue: Venue, ready: Callable[[str, int], None], *, until_eof: bool = False) -> None:
    """Serves a venue until SIGINT, SIGTERM or SIGHUP.

    Args:
        venue: What is served.
        ready: Called with host and port when clients may come.
        until_eof: The end of standard input is the end, too: whoever started it is gone.
    """
    settings = venue.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, *stop_signals()):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        loop.add_reader(0, _read_end, stop)
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
        if until_eof:
            loop.remove_reader(0)
        for task in (pump, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for client in list(venue.clients):
            client.cut()
        await runner.cleanup()


def _read_end(stop: asyncio.Event) -> None:
    if not os.read(0, 1_024):
        stop.set()


async def _pump(venue: Venue) -> None:
    step_s = venue.settings.step_ms / 1_000
    while True:
        venue.step()
        await asyncio.sleep(step_s)
