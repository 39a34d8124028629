"""What is laid over a class of CCXT's, without a venue: what its answers count for, and how often it knocks."""

import asyncio
import time

import pytest

from libra.gateways.budget import Urgency
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.guard import Hooks, NotConnected, guarded, paid
from libra.gateways.ccxt.rules import VenueRules
from libra.gateways.ccxt.venue import make_turnstile, require_venue

S = 1_000_000_000
RULES = VenueRules("binance")
URL = "https://fapi.binance.com/fapi/v1/depth"


class OrderSocket:
    """All that is asked of a connection that says something."""

    url = "wss://ws-fapi.binance.com/ws-fapi/v1"


def hooks_at(venue_s):
    """Hooks of a venue whose clock shows so many seconds of its minute."""
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    ahead_ns = 1_700_000_040 * S + round(venue_s * S) - time.monotonic_ns()
    hooks.venue_now_ns = lambda: time.monotonic_ns() + ahead_ns
    return hooks


async def test_a_neighbours_minute_holds_cancels_no_longer_than_the_venue_does():
    hooks = hooks_at(58.9)
    hooks.answered(429, URL, {"X-MBX-USED-WEIGHT-1M": "2401", "Retry-After": "1"}, "")
    began = time.monotonic()
    await hooks.turnstile.take(Urgency.CANCEL, RULES.order_cost("linear", orders=0))
    # Its minute ends in 1.1 s, and what left a little earlier may be counted with what leaves then.
    assert 1.0 < time.monotonic() - began < 3.0


async def test_an_answer_over_a_socket_counts_for_the_minute_in_which_its_request_left():
    hooks = hooks_at(59.9)

    def answered(name, used):
        row = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "count": used}
        hooks.heard(OrderSocket(), {"id": name, "status": 200, "rateLimits": [row]})

    for name in ("late", "in time"):
        hooks.leaves({"id": name})
    await asyncio.sleep(0.2)
    hooks.leaves({"id": "behind it"})
    answered("behind it", 5)
    answered("late", 2_400)
    await hooks.turnstile.take(Urgency.QUERY, {"linear.weight": 1})
    assert hooks.turnstile.counters()["used"]["linear.weight_1m"] == 6
    assert list(hooks.left_ns) == ["in time"]


@pytest.fixture
async def closed_door():
    """A server that refuses each handshake, and how often it was tried."""
    knocks = []

    async def on_connection(reader, writer):
        knocks.append(time.monotonic())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], knocks
    server.close()
    await server.wait_closed()


async def test_a_socket_that_is_dead_is_tried_less_and_less_often(closed_door):
    port, knocks = closed_door
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    exchange = guarded(require_venue("binance"), hooks)({"enableRateLimit": False})
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            with pytest.raises(NotConnected), paid(only_connected=True):
                await exchange.watch(f"ws://127.0.0.1:{port}/ws-fapi/v1", "1", {"id": "1"})
            await asyncio.sleep(0.02)
    finally:
        await exchange.close()
    # At once, and 0.5, 1.5 and 3.5 s behind it.
    assert 3 <= len(knocks) <= 5
    assert hooks.turnstile.counters()["used"]["linear.connections_5m"] == len(knocks)


async def test_a_socket_that_held_for_a_while_is_made_anew_at_once(closed_door, monkeypatch):
    port, knocks = closed_door
    monkeypatch.setattr("libra.gateways.ccxt.guard._FIRST_KNOCK_S", 0.2)
    monkeypatch.setattr("libra.gateways.ccxt.guard._LONGEST_KNOCK_S", 0.8)
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    exchange = guarded(require_venue("binance"), hooks)({"enableRateLimit": False})
    gaps = []
    try:
        for pause in (0.25, 0.45, 1.75, 0.25, 0.1):
            with pytest.raises(NotConnected), paid(only_connected=True):
                await exchange.watch(f"ws://127.0.0.1:{port}/ws-fapi/v1", "1", {"id": "1"})
            await asyncio.sleep(pause)
            gaps.append(len(knocks))
    finally:
        await exchange.close()
    assert gaps == [1, 2, 3, 4, 5]


async def test_connections_are_in_the_budget(closed_door):
    port, knocks = closed_door
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    for _ in range(300):
        hooks.turnstile.used(await hooks.turnstile.take(Urgency.SNAPSHOT, {"spot.connections": 1}))
    exchange = guarded(require_venue("binance"), hooks)({"enableRateLimit": False})
    try:
        with paid():
            waiting = asyncio.ensure_future(exchange.watch(f"ws://127.0.0.1:{port}/stream/ws", "x", {"id": "1"}))
        await asyncio.sleep(0.3)
        assert knocks == []
        assert not waiting.done()
        assert hooks.turnstile.counters()["waiting"]["SNAPSHOT"] == 1
        waiting.cancel()
    finally:
        await exchange.close()


@pytest.mark.parametrize("ahead_s", [-4, 0, 4])
@pytest.mark.parametrize("status", [429, 418])
async def test_a_refusal_over_a_socket_is_timed_by_the_venues_clock(status, ahead_s):
    for names in (("serverTime", "retryAfter"), ("retryAfter",)):
        hooks = Hooks(make_turnstile("binance"), RULES, "a")
        hooks.venue_now_ns = lambda: time.time_ns() - ahead_s * S
        now_ms = hooks.venue_now_ns() // 1_000_000
        told = {"serverTime": now_ms, "retryAfter": now_ms + 3_000}
        data = {name: told[name] for name in names}
        hooks.heard(OrderSocket(), {"id": "1", "status": status, "error": {"code": -1003, "data": data}})
        assert 2.5 * S < hooks.turnstile.counters()["barred_ns"] <= 3.1 * S


@pytest.mark.parametrize(("status", "wanted_s"), [(429, 10), (418, 120)])
async def test_a_refusal_over_a_socket_that_says_no_time_is_taken_for_a_long_one(status, wanted_s):
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    hooks.heard(OrderSocket(), {"id": "1", "status": status, "error": {"code": -1003, "msg": "Too many"}})
    assert (wanted_s - 1) * S < hooks.turnstile.counters()["barred_ns"] <= wanted_s * S


async def test_ccxt_does_not_keep_a_listen_key_alive_beside_us():
    hooks = Hooks(make_turnstile("binance"), RULES, "a")
    exchange = guarded(require_venue("binance"), hooks)({"enableRateLimit": False})
    asked = []

    async def put(params):
        asked.append(params)
        raise library().RequestTimeout("no answer")

    exchange.fapiPrivatePutListenKey = put
    exchange.options["linear"] = {"listenKey": "the-key"}
    await exchange.keep_alive_listen_key({"type": "swap", "subType": "linear"})
    assert (asked, exchange.options["linear"]) == ([], {"listenKey": "the-key"})
    await exchange.close()


@pytest.mark.parametrize("name", ["binance", "bybit", "gate"])
@pytest.mark.parametrize(("request_id", "kept"), [("17", []), ("sendtx:17", []), ("authenticated", ["authenticated"])])
async def test_requests_are_forgotten_and_a_login_is_not(venue, name, request_id, kept):
    hooks = Hooks(make_turnstile(name), VenueRules(name), "a")
    exchange = guarded(require_venue(name), hooks)({"enableRateLimit": False})
    url = f"{venue.url.replace('http', 'ws')}/stream/ws/1"
    try:
        exchange.open()
        client = exchange.client(url)
        await client.connect(exchange.session)
        with paid(only_connected=True):
            answer = exchange.watch(url, request_id, {"params": [], "id": "1"}, request_id)
        client.resolve(True, request_id)
        assert await answer is True
        # What follows an answer follows in the next turn of the loop.
        await asyncio.sleep(0)
        assert list(client.subscriptions) == kept
    finally:
        await exchange.close()
