"""How a socket that orders leave by is found dead, by a clock that the test moves."""

from types import SimpleNamespace

import pytest

from libra.gateways.ccxt import pings
from libra.gateways.ccxt.rules import VenueRules

FOUND_WITHIN_S = 3.0
"""The time in which CCXT pings other connections once."""


class Socket:
    """A connection of CCXT's whose pings have an answer for a while."""

    def __init__(self, monkeypatch, *, half_open_at_s, holds_s=0.0, talks=False):
        self.url, self.keepAlive, self.lastPong, self.heard_ns = "ws://venue", FOUND_WITHIN_S * 1e3, None, 0
        self.connection = self
        self.now_s, self.half_open_at_s, self.holds_s, self.talks = 0.0, half_open_at_s, holds_s, talks
        self.answers_at_s, self.failed_at_s, self.pings = None, None, 0
        monkeypatch.setattr(pings, "asyncio", SimpleNamespace(sleep=self.sleep))

    def closed(self):
        return self.failed_at_s is not None or self.now_s > 60

    async def ping(self):
        self.pings += 1
        self.answers_at_s = self.now_s + 0.1 if self.now_s < self.half_open_at_s else None

    async def sleep(self, seconds):
        self.now_s += seconds
        if self.answers_at_s is not None and self.pings == 5 and self.holds_s:
            # The loop is held: it reads what came only behind that.
            self.now_s, self.holds_s = self.now_s + self.holds_s, 0.0
            return
        if self.answers_at_s is not None and self.now_s >= self.answers_at_s:
            self.lastPong = 1
        self.heard_ns += self.talks

    def on_error(self, error):
        self.failed_at_s, self.why = self.now_s, str(error)


@pytest.mark.parametrize("half_open_at_s", [0.0, 1.0, 9.9, 10.0, 10.1, 10.5, 11.3])
async def test_a_half_open_socket_is_found_within_the_time_of_one_ping_of_others(monkeypatch, half_open_at_s):
    socket = Socket(monkeypatch, half_open_at_s=half_open_at_s)
    await pings.ping_often(socket)
    assert socket.failed_at_s - half_open_at_s <= FOUND_WITHIN_S + 0.3
    assert "answers no ping" in socket.why


@pytest.mark.parametrize("more", [{"holds_s": 20.0}, {}])
async def test_one_that_answers_is_kept_also_where_the_loop_was_held(monkeypatch, more):
    socket = Socket(monkeypatch, half_open_at_s=1e9, **more)
    await pings.ping_often(socket)
    assert socket.failed_at_s is None
    assert 60 / 1.3 - 20 <= socket.pings <= 60, "once a second or a little less"


async def test_one_that_talks_and_answers_no_ping_is_kept(monkeypatch):
    socket = Socket(monkeypatch, half_open_at_s=0.0, talks=True)
    await pings.ping_often(socket)
    assert socket.failed_at_s is None


async def test_a_ping_that_cannot_be_sent_fails_the_connection(monkeypatch):
    socket = Socket(monkeypatch, half_open_at_s=0.0)

    async def ping():
        raise ConnectionError("closing")

    socket.ping = ping
    await pings.ping_often(socket)
    assert socket.why == "closing"


@pytest.mark.parametrize(
    ("venue", "url", "takes"),
    [
        ("binance", "wss://ws-api.binance.com:443/ws-api/v3", True),
        ("binance", "wss://ws-fapi.binance.com/ws-fapi/v1", True),
        ("binance", "wss://fstream.binance.com/ws/a-listen-key", False),
        ("okx", "wss://ws.okx.com/ws-api", False),
    ],
)
def test_which_sockets_take_orders(venue, url, takes):
    assert VenueRules(venue).takes_orders(url) is takes
