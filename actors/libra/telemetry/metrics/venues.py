"""Metrics of the venues that a node speaks to: the rate budget of each, who waits for it, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from libra.telemetry.metrics.declared import Row, counter, gauge

__all__ = ["METRICS", "venue_rows"]

_LIMITS: Final = {
    "used": gauge("libra_venue_rate_used", "What is used of a rate limit.", "venue", "network", "limit"),
    "left": gauge(
        "libra_venue_rate_left",
        "What is left of a rate limit, the reserve for cancels included.",
        "venue",
        "network",
        "limit",
    ),
    "most": gauge("libra_venue_rate_limit", "How much the rate limit allows.", "venue", "network", "limit"),
}
_TURNS: Final = {
    "granted": counter("libra_venue_requests_total", "Requests that went to the venue.", "venue", "network"),
    "refused": counter(
        "libra_venue_requests_refused_total", "Requests that found no room to wait in.", "venue", "network"
    ),
    "expired": counter(
        "libra_venue_requests_expired_total", "Requests whose deadline passed while they waited.", "venue", "network"
    ),
    "dropped": counter(
        "libra_venue_requests_dropped_total", "Requests that were not wanted any more.", "venue", "network"
    ),
    "penalties": counter("libra_venue_penalties_total", "How often the venue asked for silence.", "venue", "network"),
    "corrected": counter(
        "libra_venue_corrections_total", "How often the venue had counted more than we.", "venue", "network"
    ),
}
_WAITING = gauge("libra_venue_waiting_requests", "Requests that wait for their turn.", "venue", "network", "urgency")
_SILENT = gauge("libra_venue_silent_seconds", "How much longer the venue wants silence.", "venue", "network")

METRICS: Final = (*_LIMITS.values(), *_TURNS.values(), _WAITING, _SILENT)


def venue_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """The venues, as `libra.assembly.venues.Venues.rows` has them."""
    for row in rows:
        # Of a redirection its host: a path, or a user in it, is nobody's business.
        redirect = urlsplit(row["redirect"]).hostname if row["redirect"] else None
        network = redirect or ("test" if row["testnet"] else "live")
        here = (row["venue"], network)
        for key, metric in _LIMITS.items():
            for limit, amount in row[key].items():
                yield metric.row(amount, *here, limit)
        for key, metric in _TURNS.items():
            yield metric.row(row[key], *here)
        for urgency, count in row["waiting"].items():
            yield _WAITING.row(count, *here, urgency.lower())
        yield _SILENT.row(row["barred_ns"] / 1e9, *here)
