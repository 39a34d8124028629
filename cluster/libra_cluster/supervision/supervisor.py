"""The run of a topology: starts its members, stops them in their order, and tells about all of them as one run.

1. Every member builds what it has to, so that a mistake anywhere is found before anything trades.
2. Those with accounts run first, then those with strategies only.
3. The run ends by a signal, to us or to a member, when its time is over, or when a member ended. Then members with
   strategies only are drained, and when they are gone those that strategies depend on: nothing is asked of an account
   that has stopped.

A member that dies is named with its last words; the others are drained, and the run has failed.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from libra import early_kill, exit_codes
from libra.assembly.trading_node import RunResult
from libra.config.live import check_live, key_names
from libra.config.secrets import seclude, take_out
from libra.errors import ConfigError, LibraError
from libra.stop_signals import SAME_STOP_S, stop_signals
from libra_cluster.bridge.native import require_bridge
from libra_cluster.server.membership import ServerMembership
from libra_cluster.supervision.child import Child
from libra_cluster.supervision.merge import merge_rows, merge_statuses, merge_summaries, node_row
from libra_cluster.topology import Member, Topology
from libra_core import name_latches, take_kill_switch, tell_latches

if TYPE_CHECKING:
    from types import FrameType

    from libra.config import Settings

__all__ = ["Supervisor"]

_log = logging.getLogger("libra.cluster")

_SETTLE_S = 5.0
"""How long an account may take to cancel, or close, what strategies left whose node died, from that death on."""
_GRACE_S = 35.0
"""Beyond its drain's time: a member flushes its logs for up to 30 s, and ends itself when it cannot."""


class Supervisor:
    """Runs the nodes of a profile that has `[nodes]`.

    Args:
        settings: The profile.
        profile: Where it came from, for operators.
        resume: Accounts whose kill latch is taken back at the start.
        joined: The members have a bridge; None for where there is more than one of them.
        live: Real money is asked for.

    Raises:
        ConfigError: For an account to resume that is not there; for real money that was not asked for, or keys that are
            missing.
        BridgeError: When nodes have to be joined and this build cannot.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        profile: str = "",
        resume: Sequence[str] = (),
        joined: bool | None = None,
        live: bool = False,
    ) -> None:
        check_live(settings, live=live)
        self._live = live
        self._settings = settings
        self._key_names = key_names(settings)
        self._keys: dict[str, str] = {}
        self._profile = profile
        self._resume = tuple(resume)
        unknown = sorted(set(resume) - {group.name for group in settings.account_groups})
        if unknown:
            raise ConfigError(f"--resume: there is no account {', '.join(unknown)}")
        self._topology = Topology.of(settings)
        self._joined = self._topology.is_joined if joined is None else joined
        if self._joined:
            require_bridge()
        self._children: list[Child] = []
        self._mourned: list[Child] = []
        self._settle_by = 0.0
        self._selector = selectors.DefaultSelector()
        self._stops: list[float] = []
        self._asked_by: str | None = None
        self._first_to_end: list[Child] = []
        self._kill_lock = threading.Lock()
        self._is_killed = False
        self._time_is_over = False

    def run(
        self, on_progress: Callable[[dict[str, Any]], None] | None = None, progress_interval_s: float = 0.25
    ) -> RunResult:
        """Run to the end. See `libra.assembly.trading_node.TradingNode.run`.

        Raises:
            ConfigError: When a member finds its part of the profile wrong; nothing has traded then.
            LibraError: When a member cannot be started.
            KeyboardInterrupt: When it is stopped before all members are built.
        """
        tell = _Pace(on_progress, progress_interval_s)
        with ExitStack() as stack:
            stack.enter_context(self._signals())
            stack.callback(tell_latches)
            bridge = self._topology.bridge
            if self._joined and bridge.url is None:
                server = ServerMembership(bridge.environment, appendonly=bridge.appendonly)
                stack.callback(server.close)
            stack.callback(self._close)
            if self._key_names:
                seclude()
                self._keys = take_out(self._key_names)
            for member in self._topology.members:
                self._start(member)
            self._keys = {}
            self._build()
            started = time.perf_counter()
            for last in (True, False):
                self._let_run([child for child in self._children if child.member.ends_last is last], tell)
            self._follow(tell)
            self._drain(tell)
            for child in self._children:
                if _is_config_fault(child):
                    raise ConfigError(f"node {child.name}: {child.death}")
            return self._sum_up(time.perf_counter() - started)

    # From the start to the end ---------------------------------------------------------------------------------------

    def _start(self, member: Member) -> None:
        node = self._settings.node.model_copy(update={"name": member.name, "duration_s": None})
        telemetry = self._settings.telemetry.of_node(self._topology.members.index(member))
        settings = self._settings.model_copy(update={"node": node, "telemetry": telemetry})
        child = Child(
            member,
            {
                "settings": settings.model_dump(by_alias=True),
                "part": asdict(member.part),
                "name": member.name,
                "nodes": [other.name for other in self._topology.members],
                "accounts": [other.name for other in self._topology.members if other.part.accounts],
                "profile": self._profile,
                "resume": self._resume,
                "live": self._live,
                "joined": self._joined,
                "bridge": self._topology.bridge.model_dump(by_alias=True),
                "patience_s": self._patience_for(member),
                # Who has no account has no keys either: strategies are anybody's code. Who has one is told them by its
                # socket: anybody may read what a process was started with.
                "keys": self._keys if member.part.accounts else {},
            },
            self._selector,
            without=self._key_names,
            secluded=bool(member.part.accounts and self._key_names),
        )
        with self._kill_lock:
            self._children.append(child)
            if self._is_killed and member.part.accounts:
                child.signal(signal.SIGUSR1)

    def _build(self) -> None:
        while not all(child.is_built for child in self._children):
            self._look(0.25)
            if self._stops:
                raise KeyboardInterrupt
            for child in self._children:
                if not child.is_running and not child.is_built:
                    self._raise_fault(child)

    def _raise_fault(self, child: Child) -> None:
        if _is_config_fault(child):
            raise ConfigError(f"node {child.name}: {child.death}")
        raise LibraError(f"node {child.name} could not be started: {child.death}")

    def _let_run(self, children: list[Child], tell: _Pace) -> None:
        for child in children:
            child.go()
        while not self._is_ending() and not all(child.status is not None for child in children):
            self._look(tell.until_due())
            tell(self._children)

    def _follow(self, tell: _Pace) -> None:
        duration_s = self._settings.node.duration_s
        until = None if duration_s is None else time.monotonic() + duration_s
        while not self._is_ending():
            left_s = tell.until_due() if until is None else min(tell.until_due(), until - time.monotonic())
            if until is not None and left_s <= 0 and time.monotonic() >= until:
                self._time_is_over = True
                return
            self._look(max(left_s, 0.0))
            tell(self._children)

    def _is_ending(self) -> bool:
        return bool(self._stops) or any(child.asks or not child.is_running for child in self._children)

    def _drain(self, tell: _Pace) -> None:
        if self._asked_by is None:
            self._first_to_end = [child for child in self._children if child.asks or not child.is_running]
        self._mourn(self._children)
        self._settle(tell)
        for last in (False, True):
            group = [child for child in self._children if child.member.ends_last is last and child.is_running]
            # Who was asked to end says so: a second signal would end it at once.
            self._look(0)
            for child in group:
                child.stop()
            give_up_at = time.monotonic() + self._patience_s
            while running := [child for child in group if child.is_running]:
                self._look(min(tell.until_due(), 0.25))
                tell(self._children)
                self._mourn(group)
                if time.monotonic() >= give_up_at:
                    for child in running:
                        child.kill()
            self._mourn(group)
            self._settle(tell)

    def _mourn(self, children: Sequence[Child]) -> None:
        """Tell of those that have ended, each once. Strategies that died with their node have vanished."""
        for child in children:
            if child.is_running or child in self._mourned:
                continue
            self._mourned.append(child)
            self._report(child)
            if child.death is not None:
                self._settle_by = time.monotonic() + _SETTLE_S
                for account in self._accounts():
                    account.tell_vanished(child.member.part.strategies)

    def _settle(self, tell: _Pace) -> None:
        """An account deals with what strategies left that have vanished, before it stops; what stays then it tells."""
        dead = [child for child in self._mourned if child.death is not None]
        gone = [strategy for child in dead for strategy in child.member.part.strategies]
        if not gone:
            return
        before = len(self._stops)
        for child in self._accounts():
            # Another signal means that nobody wants to wait.
            while child.is_running and not child.has_settled(gone) and len(self._stops) == before:
                if time.monotonic() >= self._settle_by:
                    break
                self._look(tell.until_due())
                tell(self._children)

    def _accounts(self) -> list[Child]:
        return [child for child in self._children if child.member.part.accounts and child.is_running]

    def _report(self, child: Child) -> None:
        child.read_rest()
        if (death := child.death) is not None:
            _log.error("node %s (pid %d) died: %s", child.name, child.pid, death)

    def _sum_up(self, duration_s: float) -> RunResult:
        results = [child.result for child in self._children if child.result is not None]
        dead = [child for child in self._children if child.death is not None]
        ended = "ended" if self._time_is_over else "stop"
        summary: dict[str, Any] = {}
        if results:
            summaries = [result["summary"] for result in results]
            summary = merge_summaries(summaries, duration_s=duration_s, ended=ended, asked_by=self._who_asked())
        # What a node says of itself is in its row as well, with its name.
        deaths = [f"node {child.name} died: {child.death}" for child in dead]
        failures = [*deaths, *summary.get("failures", ())]
        rows = [node_row(c.name, c.pid, list(c.member.part.roles), c.result, c.death) for c in self._children]
        return RunResult(
            summary={**summary, "failures": failures, "nodes": rows},
            exit_code=_exit_code([result["exit_code"] for result in results], any_died=bool(dead)),
            orders=merge_rows(result["orders"] for result in results),
            fills=merge_rows(result["fills"] for result in results),
            equity=merge_rows(result["equity"] for result in results),
        )

    def _who_asked(self) -> str | None:
        """Who asked for the end: of us, or of the nodes that ended first; a node that died was asked by nobody."""
        if not self._first_to_end:
            return self._asked_by
        told = (
            child.result["summary"].get("asked_by") if child.result is not None else None
            for child in self._first_to_end
        )
        ends = (
            f"{child.name} ({who})" if who else child.name for child, who in zip(self._first_to_end, told, strict=True)
        )
        return f"the end of node {', '.join(ends)}"

    # Meanwhile -------------------------------------------------------------------------------------------------------

    def _look(self, timeout_s: float) -> None:
        """Take in what members say, and pass on a second signal to stop."""
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, Child):
                key.data.read(key.fd)
            else:
                os.read(key.fd, 4096)
        if len(self._stops) > 1:
            # Whoever is draining ends at once; whoever is not begins, whatever its turn.
            self._stops = self._stops[:1]
            for child in self._children:
                child.stop()

    def _hear_signals(self, source: int, waker: int) -> None:
        """A thread's work: the kill switch is passed on at once, whatever holds up the main thread; then that is woken.

        Args:
            source: Where the interpreter writes the number of each signal.
            waker: What the main thread looks at.
        """
        while numbers := os.read(source, 4096):
            if signal.SIGUSR1 in numbers:
                with self._kill_lock:
                    self._is_killed = True
                    # Others would only have the same accounts stopped, by an event that may come behind a resume.
                    for child in self._children:
                        if child.member.part.accounts:
                            child.signal(signal.SIGUSR1)
            with suppress(BlockingIOError):
                os.write(waker, numbers)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT, SIGTERM and SIGHUP stop the run, SIGUSR1 is the kill switch of every account, SIGCHLD wakes us."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        source, sink = os.pipe()
        reader, waker = os.pipe()
        for descriptor in (sink, reader, waker):
            os.set_blocking(descriptor, False)
        hearing = threading.Thread(target=self._hear_signals, args=(source, waker), name="libra-signals", daemon=True)
        # Before the hold is released, which it inherits: it takes no signal itself.
        hearing.start()
        handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self._ask_to_stop,
            **dict.fromkeys(stop_signals(), self._ask_to_stop),
            signal.SIGUSR1: _nothing,
            signal.SIGCHLD: _nothing,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        # Before it is passed on, each account has its marker, which its node takes away with its answer: so it does not
        # matter whether that node lives.
        name_latches(self._settings.account_logs)
        take_kill_switch(pass_on=True)
        woken = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ)
        was_held = early_kill.release()
        try:
            yield
        finally:
            if was_held:
                early_kill.hold()
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(sink)
            hearing.join()
            for descriptor in (source, reader, waker):
                os.close(descriptor)

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if self._asked_by is None:
            self._asked_by = signal.Signals(number).name
        if not self._stops or now - self._stops[-1] >= SAME_STOP_S:
            self._stops.append(now)

    def _close(self) -> None:
        """Nothing is left, however the run ended; after a fault of ours members still drain."""
        running = [child for child in self._children if child.is_running]
        for child in running:
            child.stop()
        for child in self._children:
            child.close(self._patience_s)

    @property
    def _patience_s(self) -> float:
        return self._settings.node.drain_timeout_s + _GRACE_S

    def _patience_for(self, member: Member) -> float:
        """How long a member that is to end may wait for those that end before it."""
        others = len(self._topology.members) - 1
        return self._patience_s + others * _SETTLE_S + _GRACE_S if member.ends_last and others else 0.0


class _Pace:
    """Shows the merged status every so often."""

    def __init__(self, show: Callable[[dict[str, Any]], None] | None, interval_s: float) -> None:
        self._show = show
        self._interval_s = interval_s
        self._due = time.monotonic() + interval_s

    def until_due(self) -> float:
        """Seconds until the next one."""
        return max(0.0, self._due - time.monotonic())

    def __call__(self, children: Sequence[Child]) -> None:
        if self.until_due() > 0:
            return
        self._due = time.monotonic() + self._interval_s
        statuses = [child.status for child in children if child.status is not None]
        if self._show is not None and statuses:
            self._show(merge_statuses(statuses))


def _is_config_fault(child: Child) -> bool:
    return child.error is not None and child.error["exit_code"] == exit_codes.USAGE


def _exit_code(codes: Sequence[int], *, any_died: bool) -> int:
    if any_died or any(code not in (exit_codes.OK, exit_codes.RISK_STOP) for code in codes):
        return exit_codes.FAILED
    return exit_codes.RISK_STOP if exit_codes.RISK_STOP in codes else exit_codes.OK


def _nothing(*_: object) -> None:
    """A handler is needed for the signal to be heard of."""
