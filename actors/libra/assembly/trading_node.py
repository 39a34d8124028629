"""The node that a profile describes: sources, account groups, strategies; or a part of these, one node of several."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import libra
from libra import exit_codes
from libra.assembly import summary
from libra.assembly.accounts import add_account_actors, add_paper_venue, open_account, tell_of_waiting_cancels
from libra.assembly.bridge import bridge_row
from libra.assembly.bridge_end import BridgeEnd
from libra.assembly.bridge_log import BridgeLog
from libra.assembly.digest import run_identity
from libra.assembly.ended import EndedStrategies
from libra.assembly.instruments import native_instruments, scope_of
from libra.assembly.journals import Journals
from libra.assembly.load_class import load_class
from libra.assembly.operator import Operator
from libra.assembly.options import node_options
from libra.assembly.outside import Outside
from libra.assembly.sources import SIMULATION_START_NS, add_source
from libra.assembly.stale_watch import StaleWatch
from libra.assembly.tracing import listens, record_events
from libra.assembly.venues import Venues
from libra.config.market import REAL_TIME
from libra.config.part import NodePart
from libra.config.sharing import limits_without_parts
from libra.control.folder import RunFile, run_folder
from libra.control.peer import Peer
from libra.control.server import ControlServer
from libra.core.actor import HOOKS, ActorState
from libra.core.events import Event, EventType
from libra.core.handlers import check_hooks
from libra.core.node import Node
from libra.errors import ConfigError, ControlError
from libra.gateways.market import MarketActor
from libra.risk import change_limits

if TYPE_CHECKING:
    from libra.assembly.bridge import NodeBridge
    from libra.assembly.monitoring import Monitoring
    from libra.assembly.turn import Turn
    from libra.config import Settings
    from libra.config.market import GatewayMarketSettings
    from libra.config.strategies import StrategySettings
    from libra.core.actor import Actor
    from libra.risk import LimitsChange
    from libra_core import AccountGroup

__all__ = ["RunResult", "TradingNode", "build"]

_log = logging.getLogger(__name__)

_JOURNAL_S = 30.0
"""How long the journals of a simulated run may take to catch up with it: it wrote as fast as it could."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        summary: What `libra run --json` prints.
        exit_code: 0 ok, 1 failed, 3 an account ended stopped.
        orders: A row for each order and each refused request.
        fills: A row for each execution.
        equity: A row for each note of a currency's equity.
    """

    summary: dict[str, Any]
    exit_code: int
    orders: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    equity: list[dict[str, Any]] = field(default_factory=list)


def build(
    settings: Settings,
    *,
    profile: str = "",
    resume: Collection[str] = (),
    part: NodePart | None = None,
    bridge: NodeBridge | None = None,
    live: bool = False,
) -> TradingNode:
    """The node that settings describe, ready to run.

    Args:
        settings: What it runs.
        profile: Where they came from, for operators.
        resume: Accounts whose kill latch, should an earlier run have left it set, is taken back at the start.
        part: What this node builds of it; all of it where left out.
        bridge: Joins it to the nodes that build the rest.
        live: Real money is asked for: without it no account trades at a venue that is no test network.

    Raises:
        ConfigError: For data that cannot be read, classes that cannot be loaded, or numbers that make no sense; for
            keys that are missing, and instruments that a venue lists otherwise.
        GatewayError: For a venue that cannot be reached.
    """
    return TradingNode(settings, profile=profile, resume=resume, part=part, bridge=bridge, live=live)


class TradingNode(Node):
    """A node with market data, accounts and strategies, or a part of these. Build one with `build`."""

    def __init__(
        self,
        settings: Settings,
        *,
        profile: str = "",
        resume: Collection[str] = (),
        part: NodePart | None = None,
        bridge: NodeBridge | None = None,
        live: bool = False,
    ) -> None:
        super().__init__(node_options(settings))
        self.settings = settings
        self.part = part if part is not None else NodePart.whole(settings)
        self.strategies = tuple(entry for entry in settings.strategies if entry.name in self.part.strategies)
        """Those that run in this node."""
        self._groups = settings.account_groups if self.part.accounts else ()
        self._bridge = bridge
        self.turn: Turn | None = None
        """When it may drain, where that is for others to say."""
        self.bridge_end = BridgeEnd()
        self.bridge_log = BridgeLog()
        self._was_fenced = False
        self._kill_signals = 0
        self.instruments = native_instruments(settings)
        self._venues = Venues(settings, self.part, self.instruments, live=live) if _has_venues(settings) else None
        if self._venues is not None:
            self._venues.look()
        self._exporter = record_events(self.core, settings)
        self.core.list_instruments(list(self.instruments.values()))
        # Its accounts may be in another node.
        self.core.reserve_facts()
        self.accounts: dict[str, AccountGroup] = {}
        self.journals = Journals(self.core.signal)
        self.started_at = time.perf_counter()
        self._profile = profile
        self._resume = frozenset(resume)
        unknown = sorted(self._resume - {group.name for group in settings.account_groups})
        if unknown:
            raise ConfigError(f"--resume: there is no account {', '.join(unknown)}")
        self._control: ControlServer | None = None
        self.ended = EndedStrategies(self, None if bridge is None else bridge.life)
        self.lost_input = False
        self.is_open = False
        """Accounts and bridge are open, and the actors are being started."""
        if self.options.simulated:
            if self.part != NodePart.whole(settings):
                raise ConfigError("simulated time is that of one process: a part of a profile runs on a live clock")
            add_source(self.core, settings, self.instruments, SIMULATION_START_NS)
            self.core.digest_blob(run_identity(settings))
        if self.part.market:
            self._add_market_actor()
        else:
            self.endless = True
        for group in self._groups:
            add_account_actors(self, group, partial(self.accounts.__getitem__, group.name), self._venues)
        outside = frozenset(entry.name for entry in settings.strategies) - set(self.part.strategies)
        if self._groups and outside:
            life_of = (lambda _: None) if bridge is None else bridge.life_of
            ended = self.ended
            self.add_actor(
                "outside",
                partial(Outside, outside, self.part.elsewhere, ended.vanish, ended.lose, ended.miss, life_of),
            )
        for strategy in self.strategies:
            self._add_strategy(strategy)
        self._monitoring: Monitoring | None = None
        if settings.telemetry.metrics is not None:
            from libra.assembly.monitoring import Monitoring

            # Last, so that whatever else is wrong leaves nobody listening.
            self._monitoring = Monitoring(self, settings)

    def run(
        self, on_progress: Callable[[dict[str, Any]], None] | None = None, progress_interval_s: float = 0.25
    ) -> RunResult:
        """Run to the end.

        Args:
            on_progress: Called with a status every so often.
            progress_interval_s: How often, in seconds.

        Returns:
            The summary, the exit code, and the rows of orders, fills and equity.
        """
        tell = None
        if on_progress is not None:
            show = on_progress

            def tell() -> None:
                self._report_problems()
                show(summary.status(self))

        self.started_at = time.perf_counter()
        outcome = self.run_blocking(tell, progress_interval_s)
        self._report_problems()
        told = summary.summary(self, outcome)
        return RunResult(
            summary=told,
            exit_code=_exit_code(told),
            orders=summary.order_rows(self),
            fills=summary.fill_rows(self),
            equity=summary.equity_rows(self),
        )

    def change_limits(
        self, account: str, changes: Mapping[str, object], *, confirmed: bool = False, who: str
    ) -> LimitsChange:
        """Change limits of an account that trades: see `libra.risk.change_limits`.

        Args:
            account: Name of the account group.
            changes: Limits by their names in a profile; None for no limit.
            confirmed: True to let limits become looser.
            who: Who asks for it; it stands in the gate's log.

        Raises:
            ConfigError: For an account that is not there or not open, and for changes that are not taken.
            StorageError: When the change cannot be written down; then it does not hold.
        """
        opened = self.accounts.get(account)
        if opened is None:
            raise ConfigError(f"no open account {account!r}; there is {', '.join(self.accounts) or 'none'}")
        changed = change_limits(opened, changes, confirmed=confirmed, who=who)
        for change in changed.changes:
            _log.warning("account %s: %s from %s to %s, by %s", account, change.key, change.old, change.new, who)
        return changed

    def limits(self, account: str) -> dict[str, str]:
        """Limits of an open account that hold now, by their names in a profile."""
        return dict(self.accounts[account].limits())

    # Building --------------------------------------------------------------------------------------------------------

    def _add_market_actor(self) -> None:
        market = self.settings.market
        if market.kind == "gateway":
            self.endless = True
            gateway_class = load_class(market.class_path)
            self.add_actor("market", partial(self._make_market_actor, gateway_class, market))
        elif market.kind == "ccxt" and self._venues is not None:
            self.endless = True
            self.add_actor("market", self._venues.market_actor)

    def _make_market_actor(self, gateway_class: type[Any], market: GatewayMarketSettings) -> MarketActor:
        return MarketActor(gateway_class(), market.symbols, self.instruments, deepcopy(market.options))

    def _add_strategy(self, strategy: StrategySettings) -> None:
        strategy_class = load_class(strategy.class_path)
        if not all(hasattr(strategy_class, name) for name in ("on_start", "_attach", "_assign")):
            raise ConfigError(f"{strategy.class_path} is no strategy: derive it from libra.strategies.Strategy")
        try:
            check_hooks(strategy_class, *HOOKS)
        except TypeError as error:
            raise ConfigError(f"{strategy.class_path}: {error}") from error
        scope = scope_of(strategy, self.instruments, self.part.request_deadline_ms / 1_000)
        try:
            params = deepcopy(strategy.params)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(f"strategies.{strategy.name}.params: each instance gets a copy, and {why}") from error

        def make() -> Actor:
            made: Any = strategy_class(deepcopy(params))
            made._assign(scope)
            return made  # type: ignore[no-any-return]

        self.add_actor(strategy.name, make)
        silence_ms = strategy.stop_after_silence_ms
        if silence_ms is not None:
            all_of_them = frozenset(strategy.name for strategy in self.settings.strategies)
            watch = partial(StaleWatch, strategy.name, all_of_them, scope.names, silence_ms, self.stop_strategy)
            self.add_actor(f"silence.{strategy.name}", watch)

    # Running ---------------------------------------------------------------------------------------------------------

    def _switch_is_about(self) -> list[tuple[str, str | None]]:
        # Of a node that has none those of the whole run: what it cannot tell the others of, the next start has to know.
        return self.settings.account_logs

    def _open(self) -> None:
        operator = Operator(self, time.time_ns(), self._profile, libra.__version__)
        if self._monitoring is not None:
            self._monitoring.start(operator.look)
        for warning in limits_without_parts(self.settings, self._groups):
            _log.warning("%s", warning)
        for group in self._groups:
            add_paper_venue(self.core, self.settings, group, self.instruments)
        if self.part.market and not self.options.simulated and self.settings.market.kind not in REAL_TIME:
            add_source(self.core, self.settings, self.instruments, time.time_ns())
            self.core.start_feed()
        for group in self._groups:
            found = self._venues.balances.get(group.name) if self._venues is not None else None
            self.accounts[group.name] = open_account(self.core, self.settings, group, self.instruments, found)
            self.journals.start(group)
        self._look_at_latches()
        if self._bridge is not None:
            self._bridge.start(self.core)
        if self._exporter is not None:
            self._exporter.start()
        self._listen(operator)
        self.is_open = True

    def _opened(self) -> None:
        self._tell_gateway(EventType.GATEWAY_CONNECTED)
        self.core.publish_unconfirmed()
        for strategy in self.strategies:
            self.tell_strategy(EventType.STRATEGY_STARTED, strategy.name)
        self.ended.end_strangers()

    def _idle(self) -> None:
        for account in self.accounts.values():
            account.confirm()
        self.ended.tell()

    def _stop_sources(self) -> None:
        self.core.stop_sources()
        self._tell_gateway(EventType.GATEWAY_DISCONNECTED)
        self.bridge_end.note_accounts(self.accounts.values())
        for account in self.accounts.values():
            account.stop_new_orders("the node is stopping")

    def _awaits_answers(self) -> bool:
        """Cancels are on their way. In simulated time, which stands still by now, no answer would come."""
        return not self.options.simulated and any(account.cancels_pending for account in self.accounts.values())

    def _actor_given_up(self, name: str) -> None:
        if self._is_strategy(name):
            self._strategy_has_ended(name)
            return
        self._abandon(name, "it needs a restart")

    def _actor_exhausted(self, name: str) -> None:
        """An account's own: as soon as it runs again what is open is cancelled, and what is asked for is refused."""
        self._abandon(name, "it is started again and again, to cancel what is open and to refuse what is asked for")

    def _abandon(self, actor: str, then: str) -> None:
        """An account's own actor failed for good, or for long: nobody can be relied on to carry its orders."""
        account = self.accounts.get(actor.rpartition(".")[0])
        if account is None or account.standing()["unattended"] is not None:
            return
        _log.error("account %s is unattended, no new order leaves: its actor %s failed: %s", account.name, actor, then)
        self.cancel_outside(account, account.abandon(f"{actor} failed: {then}"))

    def attend(self, account: AccountGroup) -> bool:
        """Let an account trade again whose own actor had failed too often, now that all run; True where that was so.

        An actor that was given up does not come back: its account stays unattended until a restart.
        """
        if account.standing()["unattended"] is None:
            return False
        own = {name: state for name, state in self.actor_states().items() if name.rpartition(".")[0] == account.name}
        if any(name in self.failed or state is not ActorState.RUNNING for name, state in own.items()):
            return False
        account.attend()
        return True

    def _actor_stopped(self, name: str) -> None:
        if self._is_strategy(name):
            self._strategy_has_ended(name)

    def _actor_left(self, name: str, why: str) -> None:
        if self._is_strategy(name) and name not in self.ended:
            self.ended.leave(name, why)

    def _is_strategy(self, name: str) -> bool:
        return any(strategy.name == name for strategy in self.strategies)

    def _strategy_has_ended(self, name: str) -> None:
        """One that an operator has stopped was gone before, and only operators ask for its policy again."""
        if name not in self.ended:
            self.ended.end(name)

    def cancel_outside(self, account: AccountGroup, order_ids: list[str]) -> None:
        """Cancels at a gateway outside go through its actor; a paper venue has cancelled already."""
        if order_ids:
            actor: Any = self.actor_named(f"{account.name}.gateway")
            if actor is not None:
                actor.cancel(order_ids)
            else:
                tell_of_waiting_cancels(account.name, order_ids)

    def _flush(self) -> None:
        # What paper venues have said by now is booked, too.
        self.core.stop_feed()
        while self.core.ingest():
            pass
        for account in self.accounts.values():
            if account.cancels_pending:
                _log.warning(
                    "account %s: %d cancels are without an answer: as far as is known, their orders are open",
                    *(account.name, account.cancels_pending),
                )
        self.ended.tell()
        self.ended.tell_left()
        for strategy in self.strategies:
            if strategy.name not in self.ended:
                self.tell_strategy(EventType.STRATEGY_STOPPED, strategy.name)
        for account in self.accounts.values():
            account.note_equity()
            account.confirm()
            account.flush()

    async def _close(self) -> None:
        if self._control is not None:
            await self._control.close()
        if self._bridge is not None:
            # Now that the last events are published.
            await self.bridge_end.leave(self._bridge, self.bridge_log, self.core, self.options.drain_timeout_s)
            if not self.bridge_end.left_behind:
                # Whoever has the accounts has heard of those that were told, or will.
                self.core.answer_kill_signals(self._kill_signals)
        if self._exporter is not None:
            self.core.extend_drain(2 * self.options.drain_timeout_s)
            self._exporter.close(self.options.drain_timeout_s)
        if self.journals:
            timeout_s = _JOURNAL_S if self.options.simulated else self.options.drain_timeout_s
            self.core.extend_drain(timeout_s + self.options.drain_timeout_s)
            self.journals.close(timeout_s)
        if self._monitoring is not None:
            # It tells that the node drains until there is nothing left to tell.
            self.core.extend_drain(2 * self.options.drain_timeout_s)
            self._monitoring.close(self.options.drain_timeout_s)
        await super()._close()

    @property
    def has_bridge(self) -> bool:
        """False for a node that runs alone."""
        return self._bridge is not None

    def bridge_stats(self) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
        """What the bridge counts, and the same for operators; nothing, and None, for a node that runs alone."""
        stats = {} if self._bridge is None else self._bridge.stats()
        return stats, bridge_row(stats, self.bridge_log.connected_since_ns)

    def bridge_row(self) -> dict[str, Any] | None:
        """The bridge for operators; None for a node that runs alone."""
        return self.bridge_stats()[1]

    @property
    def metrics_url(self) -> str | None:
        """Where Prometheus finds the node's metrics; None where they are not served."""
        return None if self._monitoring is None else self._monitoring.url

    def venue_rows(self) -> list[dict[str, Any]]:
        """The rate budgets of the venues that the node speaks to by CCXT; see `Venues.rows`."""
        return [] if self._venues is None else self._venues.rows()

    def should_stop(self) -> bool:
        """See `Node`; what happened elsewhere, or on the way there, is taken in at this place."""
        if self._bridge is not None:
            self.bridge_log.tell(self._bridge.news())
            if self.bridge_log.is_fenced and not self._was_fenced:
                self._was_fenced = True
                self.stop("another process has this node's name")
        if not self._groups and (signals := self.core.kill_signals()) != self._kill_signals:
            self._kill_signals = signals
            self.pull_switch("a signal to the process")
        self.ended.take_in()
        if not self.options.simulated:
            # In simulated time what a disk does must not be seen.
            for news in self.journals.news():
                self._voice.publish(Event.create(EventType.JOURNAL_STATE, news["account"], news))
        return super().should_stop() and self._may_end()

    def inputs_ended(self) -> bool:
        """See `Node`."""
        return super().inputs_ended() and self._may_end()

    def _may_end(self) -> bool:
        # Of one that is fenced nothing leaves, so nobody is answered.
        return self.turn is None or self.bridge_log.is_fenced or self.turn.has_come()

    # Operators -------------------------------------------------------------------------------------------------------

    def stop_strategy(self, name: str) -> None:
        """Stop a strategy for good: nothing of it leaves any more, its policy says what happens to its orders.

        Of one that is no more already, what its policy says is asked for again, also what was given up before.
        """
        self.ended.end(name)
        self.request_stop(self.find_slot(name))

    def pull_switch(self, reason: str) -> None:
        """Have every account stopped that this node is joined with, where it has none of its own."""
        _log.error("kill switch: %s: every account that this node is joined with is told to stop", reason)
        self.core.publish(Event.create(EventType.CIRCUIT_BREAKER, self.options.name, {"reason": reason}))

    def strategies_are_gone(self, names: Iterable[str]) -> None:
        """Strategies that run elsewhere are no more, since their node died; from any thread."""
        self.ended.note_lost(names)
        self.core.signal()

    def _look_at_latches(self) -> None:
        for account in self.accounts.values():
            why = account.standing()["killed"]
            if why is None:
                continue
            if account.name in self._resume:
                peer = Peer(os.getuid(), os.getpid())
                account.resume(f"libra run --resume by {peer}")
                if self.core.kill_signals():
                    # Pulled behind the command line that says resume: by whatever came first here, it stands.
                    account.kill("set by a signal to the process while it started")
                else:
                    _log.warning("account %s is resumed; it was stopped: %s", account.name, why)
            else:
                # The process that was stopped may have died before its cancels.
                account.cancel_all()
                _log.error(
                    "account %s: the kill switch is set, no new order leaves: %s."
                    " To trade again: libra resume --account %s, or start with --resume %s",
                    *(account.name, why, account.name, account.name),
                )

    def _listen(self, operator: Operator) -> None:
        node = self.settings.node
        if not listens(self.settings):
            return
        in_main_thread = threading.current_thread() is threading.main_thread()
        takes_signal = self.options.signals and in_main_thread
        is_member = self.part != NodePart.whole(self.settings)
        run_file = RunFile(
            name=node.name,
            pid=os.getpid(),
            started_ns=operator.started_ns,
            profile=self._profile,
            version=libra.__version__,
            takes_signal=takes_signal,
            accounts=tuple(self.accounts),
            # Its supervisor's, which all members of a run have in common.
            run=str(os.getppid()) if is_member else "",
        )
        server = ControlServer(run_file, run_folder(), operator.verbs, may_cancel=self.only_node())
        try:
            server.open()
        except (ControlError, OSError) as error:
            if any(group.gateway.kind != "paper" for group in self._groups):
                raise ConfigError(f"operators could not reach an account at a venue: {error}") from error
            # On paper no reason not to trade: signals still work.
            _log.error("operators cannot reach this node but by signals, which it tries to mend: %s", error)
            server.open_later()
        self._control = server

    def _tell_gateway(self, event_type: EventType) -> None:
        """The native feeds are gateways as well; one in Python speaks for itself."""
        kind = self.settings.market.kind
        if self.part.market and kind not in REAL_TIME:
            self.core.publish(Event.create(event_type, kind, {"gateway": kind}))

    def tell_strategy(self, event_type: EventType, name: str, **more: object) -> None:
        """What becomes of a strategy, in its name."""
        # Not through its slot: a strategy that was given up has none any more.
        self._voice.publish(Event.create(event_type, name, {"strategy": name, **more}))

    def _report_problems(self) -> None:
        for place, message, fatal in self.core.source_problems():
            self.lost_input |= fatal
            _log.log(logging.ERROR if fatal else logging.WARNING, "%s: %s", place, message)


def _exit_code(told: Mapping[str, Any]) -> int:
    if told["failures"]:
        return exit_codes.FAILED
    return exit_codes.RISK_STOP if told["stopped"] else exit_codes.OK


def _has_venues(settings: Settings) -> bool:
    return settings.market.kind == "ccxt" or any(group.gateway.kind == "ccxt" for group in settings.account_groups)
