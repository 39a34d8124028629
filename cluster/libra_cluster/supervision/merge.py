"""One summary of several nodes': numbers are added, tables by their keys, lists one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

__all__ = ["merge_rows", "merge_statuses", "merge_summaries", "node_row"]

_SHARE = (
    *("events", "lanes", "signals", "orders", "fills", "errors", "dead_letters", "events_per_s", "failed", "ended"),
    *("failures", "asked_by"),
)
"""What a node's row says of its own summary."""

_LAST_ORDERS = 8


def merge_summaries(
    summaries: Sequence[Mapping[str, Any]], *, duration_s: float, ended: str, asked_by: str | None
) -> dict[str, Any]:
    """The summary of the run as a whole.

    Args:
        summaries: Those of the nodes.
        duration_s: How long the run took, seconds of the wall clock.
        ended: Why it ended.
        asked_by: Who asked for that, if anyone did.

    Returns:
        An object of the shape that a run of one process has; its digest is None, as that of any live run.
    """
    merged = _add([{key: value for key, value in summary.items() if key not in _OWN} for summary in summaries])
    events = sum(merged.get("events", {}).values())
    return {
        **merged,
        "latency_us": {"tick_to_order": _slowest([summary["latency_us"]["tick_to_order"] for summary in summaries])},
        "duration_s": round(duration_s, 6),
        "events_per_s": round(events / duration_s, 1) if duration_s > 0 else 0.0,
        "digest": None,
        "ended": ended,
        "asked_by": asked_by,
    }


def merge_statuses(statuses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The status of the run as a whole: see `libra.assembly.summary.status`."""
    merged: dict[str, Any] = _add(statuses)
    merged["time_ns"] = max(status["time_ns"] for status in statuses)
    merged["elapsed_s"] = max(status["elapsed_s"] for status in statuses)
    merged["orders"] = sorted(merged["orders"], key=lambda row: row["time_ns"])[-_LAST_ORDERS:]
    return merged


def merge_rows(tables: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of several nodes in the order of their times."""
    rows = [dict(row) for table in tables for row in table]
    return sorted(rows, key=lambda row: row["time_ns"])


def node_row(
    name: str, pid: int, roles: Sequence[str], result: Mapping[str, Any] | None, death: str | None
) -> dict[str, Any]:
    """A node's row in `nodes`: who it was, how it ended, its share of the counts, and what its bridge counted."""
    row: dict[str, Any] = {"name": name, "pid": pid, "roles": list(roles), "died": death}
    if result is None:
        return {**row, "exit_code": None}
    summary = result["summary"]
    share = {key: summary[key] for key in _SHARE}
    return {**row, "exit_code": result["exit_code"], **share, "bridge": result["bridge"]}


_OWN = ("latency_us", "duration_s", "events_per_s", "digest", "ended", "asked_by")
"""What has a rule of its own."""


def _add(values: Sequence[Any]) -> Any:  # noqa: ANN401 - a JSON tree
    kinds = [value for value in values if value is not None]
    if not kinds:
        return None
    first = kinds[0]
    if isinstance(first, Mapping):
        keys = dict.fromkeys(key for value in kinds for key in value)
        return {key: _add([value[key] for value in kinds if key in value]) for key in keys}
    if isinstance(first, (list, tuple)):
        return [item for value in kinds for item in value]
    if isinstance(first, (int, float, Decimal)) and not isinstance(first, bool):
        return sum(kinds[1:], start=first)
    # Texts, such as why an account is stopped: it is in one node.
    return first


def _slowest(latencies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = [latency for latency in latencies if latency["p99"] is not None]
    worst = max(found, key=lambda latency: latency["p99"], default={"p50": None, "p99": None, "max": None})
    return dict(worst)
