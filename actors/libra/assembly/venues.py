"""The venues that a node speaks to by CCXT: their rate budgets, their keys, and a look at them before it trades."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from libra.config.live import check_live
from libra.config.secrets import environment
from libra.errors import ConfigError
from libra.gateways.ccxt.actors import CcxtGatewayActor, CcxtMarketActor
from libra.gateways.ccxt.credentials import Credentials, read_secret
from libra.gateways.ccxt.gateway import CcxtGateway
from libra.gateways.ccxt.options import CcxtOptions
from libra.gateways.ccxt.shown import account_gateway
from libra.gateways.ccxt.venue import make_turnstile, require_venue

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from decimal import Decimal

    from libra.config import Settings
    from libra.config.accounts import AccountGroupSettings, CcxtGatewaySettings
    from libra.config.market import CcxtMarketSettings
    from libra.config.part import NodePart
    from libra.config.venues import CcxtVenueSettings
    from libra.gateways.protocol import VenueFlow
    from libra.gateways.turnstile import Turnstile
    from libra.model import Instrument, OrderReport
    from libra_core import AccountGroup

__all__ = ["Venues"]

T = TypeVar("T")


class Venues:
    """What of a node's part is at venues of CCXT's. All gateways to one of them share its rate budget.

    Args:
        settings: The profile.
        part: What the node builds of it.
        instruments: All listed instruments, by ``SYMBOL@VENUE``.
        live: Real money was asked for.

    Raises:
        ConfigError: When real money was not asked for, or keys, packages or venues are missing.
    """

    def __init__(
        self, settings: Settings, part: NodePart, instruments: Mapping[str, Instrument], *, live: bool
    ) -> None:
        self._settings = settings
        self._instruments = instruments
        groups = settings.account_groups if part.accounts else ()
        self._groups = {group.name: group.gateway for group in groups if group.gateway.kind == "ccxt"}
        market = settings.market
        self._market = market if part.market and market.kind == "ccxt" else None
        self._windows_ms = {group.name: group.validity_window_ms for group in settings.account_groups}
        if part.accounts:
            check_live(settings, live=live)
            if part.strategies and any(gateway.is_live for gateway in self._groups.values()):
                raise ConfigError(
                    "accounts with real money run in a process without strategies: start the profile by its nodes"
                )
        self._keys = {name: _keys(gateway) for name, gateway in self._groups.items()}
        if any(place.is_beside for place in self._places()):
            raise ConfigError(
                'a redirect with port 0 is an exchange that "libra run" starts beside it: give an address'
            )
        # CCXT takes seconds to load, and a node's loop must not stand still for it.
        for place in self._places():
            require_venue(place.venue)
        self._turnstiles: dict[tuple[str, bool, str | None], Turnstile] = {}
        self._flows: defaultdict[str, list[OrderReport | VenueFlow]] = defaultdict(list)
        self.balances: dict[str, list[tuple[str, Decimal]]] = {}
        """What each account had at the venue when it was looked at."""

    def look(self) -> None:
        """Speak to every venue once, before anything trades: is it there, are the keys good, are instruments its.

        Raises:
            ConfigError: For keys or instruments that are not the venue's.
            GatewayError: For a venue that cannot be reached.
        """
        for name in self._groups:
            self.balances[name] = sorted(_apart(self._balances(name)).items())
        if self._market is not None:
            _apart(self._listed())

    def market_actor(self) -> CcxtMarketActor:
        """The actor that takes in market data."""
        market = self._the_market()
        return CcxtMarketActor(
            self._market_gateway(market, self._turnstile(market), strict=False), market.symbols, self._instruments, {}
        )

    def gateway_actor(self, group: AccountGroupSettings, account: AccountGroup) -> CcxtGatewayActor:
        """The actor of an account's gateway."""
        gateway = self._groups[group.name]
        return CcxtGatewayActor(
            account_gateway(
                self._options(group.name),
                self._turnstile(gateway),
                self._traded(group.name),
                known=account.order,
                books=False,
                strict=False,
            ),
            account,
            {},
            query_every_s=gateway.query_every_ms / 1_000,
            reconcile_every_s=gateway.reconcile_every_s,
            look_within_s=gateway.look_within_s,
            histories_lag_s=gateway.histories_lag_s,
            unanswered_after_s=gateway.unanswered_after_ms / 1_000,
            flows=self._flows[group.name],
        )

    def rows(self) -> list[dict[str, Any]]:
        """The rate budget of each venue, as `RateBudget.counters` has it, with whose it is."""
        return [
            {"venue": venue, "testnet": testnet, "redirect": redirect, **gate.counters()}
            for (venue, testnet, redirect), gate in list(self._turnstiles.items())
        ]

    async def _balances(self, name: str) -> dict[str, Decimal]:
        options = self._options(name)
        gateway = CcxtGateway(options, make_turnstile(options.venue), self._traded(name), books=False)
        await gateway.connect(reports=False)
        try:
            return dict(await gateway.total_balance())
        finally:
            await gateway.disconnect()

    async def _listed(self) -> None:
        market = self._the_market()
        gateway = self._market_gateway(market, make_turnstile(market.venue))
        await gateway.connect()
        await gateway.disconnect()

    def _places(self) -> list[CcxtVenueSettings]:
        return [*self._groups.values(), *([self._market] if self._market is not None else [])]

    def _the_market(self) -> CcxtMarketSettings:
        if self._market is None:
            raise ConfigError("this node has no market of kind ccxt")
        return self._market

    def _turnstile(self, place: CcxtVenueSettings) -> Turnstile:
        key = (place.venue, place.testnet, place.redirect)
        if key not in self._turnstiles:
            self._turnstiles[key] = make_turnstile(place.venue)
        return self._turnstiles[key]

    def _traded(self, name: str) -> list[Instrument]:
        return [self._instruments[entry.id] for entry in self._settings.instruments_of(name)]

    def _market_gateway(self, market: CcxtMarketSettings, turnstile: Turnstile, *, strict: bool = True) -> CcxtGateway:
        instruments = [self._instruments[f"{symbol}@{market.venue}"] for symbol in market.symbols]
        return CcxtGateway(_place(market), turnstile, instruments, books=market.books, strict=strict)

    def _options(self, name: str) -> CcxtOptions:
        gateway = self._groups[name]
        return CcxtOptions(
            **{field: getattr(gateway, field) for field in _SHARED},
            market=gateway.market,
            credentials=self._keys[name],
            account=name,
            use_websocket_orders=gateway.websocket_orders,
            # Bytes leave in the first half; what is on its way for longer than the other the venue refuses.
            window_ms=max(1, self._windows_ms[name] // 2),
        )


_SHARED = ("venue", "testnet", "redirect", "stale_after_ms", "max_clock_skew_ms", "timeout_ms")


def _place(market: CcxtVenueSettings) -> CcxtOptions:
    return CcxtOptions(**{field: getattr(market, field) for field in _SHARED})


def _keys(gateway: CcxtGatewaySettings) -> Credentials:
    known = environment()
    password = read_secret(gateway.password_env, known) if gateway.password_env is not None else ""
    return Credentials(read_secret(gateway.api_key_env, known), read_secret(gateway.secret_env, known), password)


def _apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to its end on a loop of its own: the caller may be inside one."""
    outcome: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(coroutine))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="libra-venue-look", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
