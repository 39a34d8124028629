"""Opens the account groups of a profile: their gates, their venues, and the four actors of each."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from libra.assembly.load_class import load_class
from libra.errors import ConfigError, StorageError
from libra.execution import Execution
from libra.gateways.actor import GatewayActor, check_reporting
from libra.portfolio import Portfolio
from libra.risk import Risk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from libra.assembly.venues import Venues
    from libra.config import Settings
    from libra.config.accounts import (
        AccountGroupSettings,
        FixedSizingSettings,
        PythonGatewaySettings,
        SymbolRiskSettings,
        VolatilitySizingSettings,
    )
    from libra.core.node import Node
    from libra.gateways.protocol import VenueFlow
    from libra.model import Instrument, OrderReport
    from libra_core import AccountGroup, NodeCore

__all__ = ["add_account_actors", "add_paper_venue", "open_account", "tell_of_waiting_cancels"]

_log = logging.getLogger(__name__)

_MS = 1_000_000
_S = 1_000_000_000
_STALE_AFTER_NS = 10_000_000_000
_SLOW = 6
"""An actor of an account that failed too often is started again after so many times the longest wait of the others."""

_NO_LIMITS = {"per_symbol", "volume_window_s"}
"""What stands among the limits of a profile and is none."""


def add_paper_venue(
    core: NodeCore, settings: Settings, group: AccountGroupSettings, instruments: dict[str, Instrument]
) -> None:
    """Make the account's paper venue, where it trades on one."""
    gateway = group.gateway
    if gateway.kind != "paper":
        return
    known = [instruments[entry.id] for entry in settings.instruments_of(group.name)]
    core.add_paper_venue(
        group.name,
        known,
        venue=known[0].venue if known else "paper",
        latency_ns=round(gateway.latency_ms * _MS),
        slippage_ticks=gateway.slippage_ticks,
        fill_on_touch=gateway.limit_fill == "touch",
        stale_after_ns=_STALE_AFTER_NS,
        seed=settings.node.seed,
    )


def open_account(
    core: NodeCore,
    settings: Settings,
    group: AccountGroupSettings,
    instruments: dict[str, Instrument],
    found: Sequence[tuple[str, Decimal]] | None = None,
) -> AccountGroup:
    """Open an account's gate with its log.

    Args:
        core: The node.
        settings: The profile.
        group: The account's settings.
        instruments: All listed instruments.
        found: What the account has at its venue, where that was asked; a log that holds more knows better.

    Raises:
        ConfigError: For limits or instruments that make no sense.
        StorageError: For a log that cannot be had.
    """
    risk = group.risk
    ids = [entry.id for entry in settings.instruments_of(group.name)]
    # The top-level [risk] may name instruments of other accounts.
    own_limits = [(name, own) for key, own in risk.per_symbol.items() if (name := _id_of(settings, key)) in ids]
    try:
        account = core.open_account(
            group.name,
            [instruments[name] for name in ids],
            [strategy.name for strategy in settings.strategies_of(group.name)],
            balances=list(group.balances.items() if found is None else found),
            sizing=_sizing(group.sizing),
            sizing_overrides=[(_id_of(settings, key), value) for key, value in group.sizing.per_symbol.items()],
            allow_short=group.allow_short,
            limits=[
                *_limits(risk),
                *((f"instruments.{name}.{key}", value) for name, own in own_limits for key, value in _limits(own)),
            ],
            volume_window_ns=risk.volume_window_s * _S,
            volatility=_volatility(group.sizing),
            validity_window_ns=group.validity_window_ms * _MS,
            on_breach=group.on_breach,
            log_path=_log_path(group),
            sync_every_record=group.log.sync == "every_record",
        )
    except ValueError as error:
        raise ConfigError(f"account {group.name}: {error}") from error
    except OSError as error:
        raise StorageError(f"account {group.name}: the order gate's log cannot be used: {error}") from error
    if account.recovered["torn"]:
        _log.warning(
            "account %s: the last record of its log was torn, as by a process that died while it wrote: it is cut off",
            group.name,
        )
    for limit, profile, log in account.recovered["limits"]:
        _log.warning("account %s: %s is %s by its log, not %s as in the profile", group.name, limit, log, profile)
    return account


def add_account_actors(
    node: Node, group: AccountGroupSettings, account: Callable[[], AccountGroup], venues: Venues | None = None
) -> None:
    """Add portfolio, risk, execution and, for a venue outside, the gateway.

    Args:
        node: The node.
        group: The account's settings.
        account: Gives the opened account, when the actors start.
        venues: Makes the gateway of an account at a venue of CCXT's.
    """
    restarts = node.options.restarts
    # Given up, one would leave nobody to cancel what is open, or to refuse what is asked for.
    policy = replace(restarts, slow_restart_s=_SLOW * restarts.max_backoff_s)
    outside: list[GatewayActor] = []
    name = f"{group.name}.gateway"

    def cancel(order_ids: list[str]) -> None:
        running = node.actor_named(name)
        if isinstance(running, GatewayActor):
            running.cancel_new(order_ids)
        elif order_ids:
            tell_of_waiting_cancels(group.name, order_ids)

    gateway = group.gateway
    make: Callable[[], GatewayActor] | None = None
    if gateway.kind == "python":
        make = _gateway_in_python(gateway, account)
    elif gateway.kind == "ccxt" and venues is not None:
        make = partial(_gateway_of_ccxt, venues, group, account)
    if make is not None:
        made = make

        def make_gateway() -> GatewayActor:
            new = made()
            if outside:
                outside.pop().abandon()
            outside.append(new)
            return new

        node.add_actor(name, make_gateway, account=group.name, policy=policy)
    on_paper = gateway.kind == "paper"
    # What these three have room for decides whether a signal or a request is taken.
    add = partial(node.add_actor, decisive=True, account=group.name, policy=policy)
    add(f"{group.name}.execution", lambda: Execution(account(), cancel, reconciles=on_paper))
    add(f"{group.name}.risk", lambda: Risk(account(), cancel))
    add(f"{group.name}.portfolio", lambda: Portfolio(account()))


def _gateway_in_python(
    gateway: PythonGatewaySettings, account: Callable[[], AccountGroup]
) -> Callable[[], GatewayActor]:
    gateway_class = load_class(gateway.class_path)
    flows: list[OrderReport | VenueFlow] = []

    def make() -> GatewayActor:
        made = gateway_class()
        check_reporting(made, gateway.class_path)
        return GatewayActor(
            made,
            account(),
            deepcopy(gateway.options),
            query_every_s=gateway.query_every_ms / 1_000,
            unanswered_after_s=gateway.unanswered_after_ms / 1_000,
            reconcile_every_s=gateway.reconcile_every_s,
            look_within_s=gateway.look_within_s,
            histories_lag_s=gateway.histories_lag_s,
            flows=flows,
        )

    return make


def _gateway_of_ccxt(venues: Venues, group: AccountGroupSettings, account: Callable[[], AccountGroup]) -> GatewayActor:
    return venues.gateway_actor(group, account())


def tell_of_waiting_cancels(account: str, order_ids: Iterable[str]) -> None:
    """Cancels that stand in the log while no instance of the gateway runs: the next one sends them."""
    _log.warning(
        "account %s: its gateway does not run: what is to be cancelled is cancelled when it does: %s",
        *(account, ", ".join(order_ids)),
    )


def _log_path(group: AccountGroupSettings) -> Path | None:
    if group.log.path is None:
        if group.gateway.kind != "paper":
            raise ConfigError(
                f"account {group.name} trades at a venue: name the file that its order gate keeps its log in,"
                ' log = { path = "...", resume = true }; without it a crash would forget what was sent'
            )
        return None
    path = Path(group.log.path)
    if not group.log.resume and path.exists() and path.stat().st_size > 0:
        raise ConfigError(
            f"account {group.name}: {path} holds an earlier run; set log.resume = true to carry on, or name a new file"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"account {group.name}: the folder of the log cannot be made: {error}") from error
    return path


def _limits(limits: SymbolRiskSettings) -> list[tuple[str, Decimal | int]]:
    """Every limit that is set, by its name in the profile."""
    settings = [(name, getattr(limits, name)) for name in type(limits).model_fields if name not in _NO_LIMITS]
    return [(name, value) for name, value in settings if value is not None]


def _sizing(sizing: FixedSizingSettings | VolatilitySizingSettings) -> tuple[str, Decimal]:
    return sizing.kind, sizing.target_pct if sizing.kind == "volatility_target" else sizing.value


def _volatility(sizing: FixedSizingSettings | VolatilitySizingSettings) -> dict[str, Any] | None:
    if sizing.kind != "volatility_target":
        return None
    return {
        "interval_ns": round(sizing.interval_s * _S),
        "decay": sizing.decay,
        "warmup": sizing.warmup,
        "min_notional": sizing.min_notional,
        "max_notional": sizing.max_notional,
    }


def _id_of(settings: Settings, key: str) -> str:
    entry = settings.instrument(key)
    if entry is None:
        raise ConfigError(f"{key} is no listed instrument, or more than one venue lists it: write SYMBOL@VENUE")
    return entry.id
