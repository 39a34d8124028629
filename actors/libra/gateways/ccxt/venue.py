"""A connection to a venue by CCXT: opened, pointed where the profile says, its clock measured, its errors made ours."""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from libra.errors import ConfigError, GatewayError, LibraError
from libra.gateways.budget import RateBudget, Urgency
from libra.gateways.ccxt.errors import told
from libra.gateways.ccxt.guard import Hooks, guarded, urgent
from libra.gateways.ccxt.rules import VenueRules
from libra.gateways.turnstile import Turnstile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.gateways.ccxt.options import CcxtOptions

__all__ = ["Venue", "make_turnstile", "require_venue"]

_log = logging.getLogger(__name__)

_TIME_SAMPLES = 3
_CLOSE_S = 0.2
_PING_MS = 3_000
"""How often a WebSocket is pinged at least; by itself CCXT does it every 30 s."""


def require_venue(name: str) -> type[Any]:
    """CCXT's class of a venue. The first call loads CCXT, which takes seconds: make it before anything trades.

    Raises:
        ConfigError: When CCXT is not installed, or knows no such venue for WebSockets.
    """
    try:
        pro = importlib.import_module("ccxt.pro")
    except ImportError:
        raise ConfigError(
            'the gateway "ccxt" needs the package ccxt, which is not installed: install libra[ccxt]'
        ) from None
    if name not in pro.exchanges:
        raise ConfigError(f'CCXT has no venue "{name}" with WebSockets; it has {", ".join(pro.exchanges)}')
    found: type[Any] = getattr(pro, name)
    _tls(found().cafile)
    return found


@cache
def _tls(cafile: str) -> ssl.SSLContext:
    """How certificates are checked; reading them takes a tenth of a second, so it is done once."""
    return ssl.create_default_context(cafile=cafile)


def make_turnstile(name: str) -> Turnstile:
    """The rate budget of one address at a venue: make one for all gateways that speak to it from here."""
    exchange_class = require_venue(name)
    rate_limit_ms = float(exchange_class().describe().get("rateLimit", 50))
    return Turnstile(RateBudget(VenueRules(name, rate_limit_ms).limits()))


class Venue:
    """One connection, with one account's keys or with none.

    Args:
        options: Where, and with which keys.
        turnstile: The rate budget that all connections to this venue from here share.
        exact: Numbers as the venue's own text. CCXT cannot keep order books so.
    """

    def __init__(self, options: CcxtOptions, turnstile: Turnstile, *, exact: bool = True) -> None:
        self.options = options
        self.rules = VenueRules(options.venue)
        self.hooks = Hooks(turnstile, self.rules, options.account)
        self.hooks.venue_now_ns = self.venue_now_ns
        self._exact = exact
        self._exchange: Any = None
        self._offset_ns = 0
        self._doubt_ns = 0
        self._measuring: asyncio.Task[None] | None = None

    @property
    def exchange(self) -> Any:  # noqa: ANN401 - CCXT's
        """CCXT's object.

        Raises:
            GatewayError: When there is no connection.
        """
        if self._exchange is None:
            raise GatewayError(f"{self.options.venue} is not connected")
        return self._exchange

    @property
    def is_open(self) -> bool:
        """True between `open` and `close`."""
        return self._exchange is not None

    @property
    def clock_offset_ns(self) -> int:
        """The venue's clock minus ours, as last measured."""
        return self._offset_ns

    def venue_now_ns(self) -> int:
        """The venue's time; never later than it is there, by all that is known."""
        return time.time_ns() + self._offset_ns - self._doubt_ns

    async def open(self, symbols: Iterable[str] = ()) -> None:
        """Make the connection, load the markets, and measure the venue's clock.

        Raises:
            GatewayError: When the venue cannot be reached, or its clock is too far from ours.
        """
        options = self.options
        exchange_class = require_venue(options.venue)
        credentials = options.credentials
        config: dict[str, Any] = {
            "enableRateLimit": False,
            "timeout": options.timeout_ms,
            "newUpdates": True,
            "options": self._ccxt_options(symbols),
        }
        if credentials:
            config |= {"apiKey": credentials.api_key, "secret": credentials.secret, "password": credentials.password}
        exchange = guarded(exchange_class, self.hooks)(config)
        # An answer to a ping is what tells a quiet connection from a dead one.
        exchange.timeout_on_exit = 0
        exchange.ssl_context = _tls(exchange.cafile)
        exchange.streaming = {**exchange.streaming, "keepAlive": max(20, min(_PING_MS, options.stale_after_ms // 4))}
        if self._exact:
            exchange.number = str
        self._exchange = exchange
        try:
            if options.testnet:
                to_test_network(exchange)
            if options.redirect is not None:
                redirect(exchange, options.redirect)
            with urgent(Urgency.QUERY):
                await exchange.load_markets()
                await self.measure_clock()
        except asyncio.CancelledError:
            await self.close()
            raise
        except Exception as error:
            await self.close()
            raise self.error(error) from None

    async def close(self) -> None:
        """Close every connection."""
        exchange, self._exchange = self._exchange, None
        measuring, self._measuring = self._measuring, None
        if measuring is not None:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)
        if exchange is None:
            return
        self.hooks.on_message = None
        self.hooks.on_frame = {}
        closing = asyncio.ensure_future(exchange.close())
        done, _ = await asyncio.wait([closing], timeout=_CLOSE_S)
        if not done:
            # Whoever does not answer the end of a WebSocket is not waited for.
            connector = exchange.tcp_connector
            if connector is not None:
                await connector.close()
            await asyncio.wait([closing], timeout=_CLOSE_S)
        if not closing.done():
            closing.cancel()
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            raise self.error(error if isinstance(error, Exception) else OSError(str(error))) from None

    async def measure_clock(self) -> None:
        """Measure the venue's clock by the quickest of a few answers, and correct what is signed by it.

        Raises:
            GatewayError: When the clocks are further apart than the options allow.
        """
        exchange = self.exchange
        if not exchange.has.get("fetchTime"):
            return
        best: tuple[int, int] | None = None
        params = {"type": "swap", "subType": "linear"} if self.options.market == "swap" else {}
        for _ in range(_TIME_SAMPLES):
            began_ns = time.monotonic_ns()
            venue_ms = await exchange.fetch_time(params if self.rules.is_binance else {})
            took_ns = time.monotonic_ns() - began_ns
            if venue_ms is None:
                continue
            offset_ns = int(venue_ms) * 1_000_000 + took_ns // 2 - time.time_ns()
            if best is None or took_ns < best[0]:
                best = (took_ns, offset_ns)
        if best is None:
            return
        # A whole millisecond is what the venue's clock is told in.
        took_ns, self._offset_ns = best
        self._doubt_ns = took_ns // 2 + 1_000_000
        skew_ms = abs(self._offset_ns) / 1e6
        if skew_ms > self.options.max_clock_skew_ms:
            raise GatewayError(
                f"{self.options.venue}: its clock and ours are {skew_ms:.0f} ms apart, and"
                f" {self.options.max_clock_skew_ms} are allowed: set the clock of this machine"
            )
        exchange.options["timeDifference"] = -round(self._offset_ns / 1e6)

    async def measure_clock_anew(self) -> None:
        """As `measure_clock`, where the venue has refused a request for its time; all who were refused share one.

        Raises:
            GatewayError: When it cannot be measured, or is too far off.
        """
        measuring = self._measuring
        if measuring is None or measuring.done():
            _log.warning("%s refuses the time of a request: its clock is measured anew", self.options.venue)
            with urgent(Urgency.QUERY):
                measuring = asyncio.create_task(self.measure_clock(), name="libra-ccxt-clock-anew")
            self._measuring = measuring
        await asyncio.wait([measuring])
        if not measuring.cancelled() and (error := measuring.exception()) is not None:
            raise self.error(error) if isinstance(error, Exception) else error

    def error(self, error: Exception) -> LibraError:
        """An error of CCXT, or ours, as ours and without keys. Raise it ``from None``."""
        if isinstance(error, LibraError):
            return error
        return told(error, self.options.venue, self.options.credentials)

    def _ccxt_options(self, symbols: Iterable[str]) -> dict[str, Any]:
        contracts = [":" in symbol for symbol in symbols] or [self.options.market == "swap"]
        options: dict[str, Any] = {"defaultType": self.options.market, "maxRetriesOnFailure": 0}
        if self.rules.is_binance:
            kinds = ["spot"] * (not all(contracts)) + ["linear"] * any(contracts)
            options |= {
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": kinds},
                "recvWindow": min(60_000, self.options.window_ms),
                # Not asked for, and read as floats: with exact numbers its task dies where a position is open.
                "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
            }
            if self.options.market == "swap":
                options["defaultSubType"] = "linear"
        return options


def to_test_network(exchange: Any) -> None:  # noqa: ANN401 - CCXT's
    """Point a client at its venue's test network.

    Binance's own of perpetuals is its demo trading: CCXT refuses to sign a request for the one that was before.
    """
    exchange.set_sandbox_mode(True)
    demo = exchange.urls.get("demo") if exchange.id.startswith("binance") else None
    if not demo:
        return
    api = exchange.urls["api"]
    api |= {key: address for key, address in demo.items() if key.startswith(("fapi", "dapi"))}
    for key in ("linear", "inverse"):
        api["ws"][key] = demo["ws"][key]
        api["ws"]["ws-api"][key] = demo["ws"]["ws-api"][key]


def redirect(exchange: Any, address: str) -> None:  # noqa: ANN401 - CCXT's
    """Point a client of Binance at another server that has its paths, as ``libra exchange-sim`` has.

    Raises:
        ConfigError: For another venue.
    """
    if not exchange.id.startswith("binance"):
        raise ConfigError(f'redirect is for Binance\'s protocol, not for "{exchange.id}"')
    http = address.rstrip("/")
    ws = f"ws{http.removeprefix('http')}"
    api = exchange.urls["api"]
    for key in [key for key in api if key != "ws"]:
        # What is not served there must not go to the real venue either.
        api[key] = f"{http}/not-served/{key}"
    api |= {"public": f"{http}/api/v3", "private": f"{http}/api/v3", "sapi": f"{http}/sapi/v1"}
    for version in ("", "V2", "V3"):
        path = f"{http}/fapi/{version.lower() or 'v1'}"
        api |= {f"fapiPublic{version}": path, f"fapiPrivate{version}": path}
    api["ws"] = {key: f"{ws}/not-served/{key}" for key in api["ws"] if key != "ws-api"} | {
        "spot": f"{ws}/stream/ws",
        "linear": f"{ws}/fstream/ws",
        "ws-api": {"spot": f"{ws}/ws-api/v3", "linear": f"{ws}/ws-fapi/v1"},
    }
