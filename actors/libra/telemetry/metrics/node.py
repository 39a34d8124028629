"""Metrics of a node itself: lanes, actors, its loop, what could not be delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from libra.telemetry.metrics.declared import Declared, Histogram, Row, counter, gauge

__all__ = ["METRICS", "actor_rows", "lane_rows", "letter_rows", "loop_rows", "node_rows"]

_INFO = gauge("libra_node_info", "Always 1; its labels tell which node this is, and its version.", "node", "version")
_READY = gauge("libra_node_ready", "1 while /readyz says that the node is ready.")
_DRAINING = gauge("libra_node_draining", "1 from the moment on at which the node was asked to end.")
_STRATEGY = gauge("libra_strategy_running", "1 while the strategy runs.", "strategy", "account")
_HOOK_ERRORS = counter("libra_hook_errors_total", "Exceptions that hooks of actors raised.")
_SNAPSHOT_ERRORS = counter("libra_snapshot_errors_total", "Snapshots that could not be taken, read or written.")
_NATIVE_RESTARTS = counter("libra_native_restarts_total", "Native threads that were started again behind a panic.")

_LANES: Final = {
    "published": counter("libra_events_published_total", "Events that were published.", "lane"),
    "delivered": counter(
        "libra_events_delivered_total", "Events for mailboxes of subscribers, each once a mailbox.", "lane"
    ),
    "dispatched": counter("libra_events_dispatched_total", "Events that were handed to handlers.", "lane"),
    "dropped": counter("libra_events_dropped_total", "Events that were dropped since a queue was full.", "lane"),
    "conflated": counter("libra_events_conflated_total", "Events that a later one of their kind has replaced.", "lane"),
    "refused": counter(
        "libra_events_refused_total", "Events that were refused since a subscriber had no room.", "lane"
    ),
    "waiting": gauge("libra_events_waiting", "Events that wait in mailboxes.", "lane"),
}

_RUNNING = gauge("libra_actor_running", "1 while the actor runs.", "actor")
_GIVEN_UP = gauge("libra_actor_given_up", "1 for an actor that failed too often and is not started again.", "actor")
_OLDEST = gauge("libra_actor_oldest_event_seconds", "How long the oldest waiting event has waited.", "actor", "lane")
_TASKS = gauge("libra_actor_tasks", "Tasks of the actor that have not ended.", "actor")
_TIMERS = gauge("libra_actor_timers", "Timers that the actor has set.", "actor")
_BLOCKED = counter("libra_actor_blocked_loop_total", "How often the actor has held the loop for too long.", "actor")
_LETTERS = counter(
    "libra_dead_letters_total", "What could not be delivered or was not handled to its end.", "code", "actor"
)

_AGE = gauge("libra_loop_beat_age_seconds", "How long ago the loop came round; more than a second: it is held up.")
_LAG = Declared("libra_loop_lag_seconds", "histogram", "By how much the loop came round later than it was to.")

METRICS: Final = (
    *(_INFO, _READY, _DRAINING, _STRATEGY, _HOOK_ERRORS, _SNAPSHOT_ERRORS, _NATIVE_RESTARTS, *_LANES.values()),
    *(_RUNNING, _GIVEN_UP, _OLDEST, _TASKS, _TIMERS, _BLOCKED, _LETTERS, _AGE, _LAG),
)


_OTHER: Final = "other"


def node_rows(
    name: str,
    version: str,
    *,
    is_ready: bool,
    is_draining: bool,
    strategies: Mapping[str, tuple[str, bool]],
    errors: int,
    snapshot_errors: int,
    native_restarts: int,
) -> Iterator[Row]:
    """The node as a whole.

    Args:
        name: Its name.
        version: The version of Libra.
        is_ready: What `/readyz` says.
        is_draining: It was asked to end.
        strategies: The account of each strategy, and whether it runs.
        errors: What hooks raised.
        snapshot_errors: Snapshots that failed.
        native_restarts: Restarts of native threads.
    """
    yield _INFO.row(1, name, version)
    yield _READY.row(is_ready)
    yield _DRAINING.row(is_draining)
    for strategy, (account, runs) in strategies.items():
        yield _STRATEGY.row(runs, strategy, account)
    yield _HOOK_ERRORS.row(errors)
    yield _SNAPSHOT_ERRORS.row(snapshot_errors)
    yield _NATIVE_RESTARTS.row(native_restarts)


def lane_rows(lanes: Mapping[str, Mapping[str, int]]) -> Iterator[Row]:
    """The lanes, as `libra_core.NodeCore.counts` has them."""
    for lane, counts in lanes.items():
        for key, metric in _LANES.items():
            yield metric.row(counts[key], lane)


def actor_rows(
    states: Mapping[str, str],
    given_up: Collection[str],
    waiting_s: Mapping[str, Mapping[str, float]],
    loads: Mapping[str, tuple[int, int]],
    blocked: Mapping[str, int],
) -> Iterator[Row]:
    """The actors.

    Args:
        states: Where each stands.
        given_up: Those that failed for good.
        waiting_s: How long the oldest event of each lane has waited, by actor, where one waits.
        loads: Tasks and timers of each.
        blocked: How often each has held the loop.
    """
    for actor, state in states.items():
        yield _RUNNING.row(state == "running", actor)
        yield _GIVEN_UP.row(actor in given_up, actor)
        tasks, timers = loads.get(actor, (0, 0))
        yield _TASKS.row(tasks, actor)
        yield _TIMERS.row(timers, actor)
        yield _BLOCKED.row(blocked.get(actor, 0), actor)
        for lane, age_s in waiting_s.get(actor, {}).items():
            yield _OLDEST.row(age_s, actor, lane)


def letter_rows(counts: Iterable[tuple[str, str, int]], actors: Collection[str]) -> Iterator[Row]:
    """Dead letters by reason and actor.

    Args:
        counts: Reason, whom they were for, and how many.
        actors: The node's own; whoever else was written to is `other`, since other nodes say who that is.
    """
    totals = Counter[tuple[str, str]]()
    for reason, actor, count in counts:
        totals[reason, actor if actor in actors else _OTHER] += count
    for (reason, actor), count in totals.items():
        yield _LETTERS.row(count, reason, actor)


def loop_rows(age_s: float, lag: Histogram) -> Iterator[Row]:
    """The loop: when it came round last, and how late it usually does."""
    yield _AGE.row(age_s)
    yield _LAG.row(lag)
