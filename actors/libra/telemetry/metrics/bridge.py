"""Metrics of a node's bridge: its connection, what waits, what is missing or lost, and the other nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from libra.telemetry.metrics.declared import Row, counter, gauge

__all__ = ["METRICS", "bridge_rows"]

_CONNECTED = gauge("libra_bridge_connected", "1 while the bridge is connected to its server.")
_FENCED = gauge("libra_bridge_fenced", "1 once another process of this node's name has taken over.")
_REFUSALS = gauge("libra_bridge_server_refusals", "What the server refuses now, counted.")
_UNSENT = gauge("libra_bridge_unsent_events", "Durable events that the server has not confirmed.")
_BACKLOG = gauge("libra_bridge_backlog_events", "Durable events that not all nodes have acknowledged.")
_EXCUSALS = counter("libra_bridge_excused_events_total", "Events acknowledged without an actor that does not get on.")

_LANES: Final = {
    "sent": counter("libra_bridge_sent_total", "Events that were handed to the bridge's threads.", "lane"),
    "refused": counter("libra_bridge_refused_total", "Events that the bridge had no room for.", "lane"),
    "dropped": counter("libra_bridge_dropped_total", "Events that were dropped on their way out.", "lane"),
    "conflated": counter("libra_bridge_conflated_total", "Events that a later one replaced on their way out.", "lane"),
    "arrived": counter("libra_bridge_arrived_total", "Events of other nodes that came in.", "lane"),
    "dropped_in": counter(
        "libra_bridge_arrived_dropped_total", "Events of other nodes that were dropped here.", "lane"
    ),
    "conflated_in": counter("libra_bridge_arrived_conflated_total", "Events of other nodes replaced here.", "lane"),
}
_OUTBOX = gauge("libra_bridge_outbox_events", "Durable events in the outbox.", "lane")
_OUTBOX_BYTES = gauge("libra_bridge_outbox_bytes", "Bytes of the durable events in the outbox.", "lane")
_FULLNESS = gauge("libra_bridge_outbox_fullness_ratio", "How full the outbox is, 0 to 1.", "lane")
_CUT = counter("libra_bridge_cut_total", "Durable events that were cut from a full outbox before all had them.", "lane")

_GAP = gauge("libra_bridge_gap_open", "1 while events of the channel are missing that may still come.", "channel")
_LAG = gauge("libra_bridge_lag_seconds", "How long the channel's last events were on their way.", "channel")
_CHANNELS: Final = {
    "events": counter(
        "libra_bridge_channel_events_total", "Events of the channel that were given to this node.", "channel"
    ),
    "gaps": counter("libra_bridge_gaps_total", "Gaps that were noticed in the channel.", "channel"),
    "reads": counter(
        "libra_bridge_stream_reads_total",
        "Reads of the stream: at a connection, and where a gap is repaired.",
        "channel",
    ),
    "lost": counter("libra_bridge_losses_total", "Gaps that were given up: those events never come.", "channel"),
    "lost_events": counter("libra_bridge_lost_events_total", "Events that never come, as far as known.", "channel"),
    "suspected": counter("libra_bridge_suspected_losses_total", "Losses that may have been.", "channel"),
    "snapshots": counter("libra_bridge_snapshots_total", "Snapshots that stood for missing events.", "channel"),
}
_PEER = gauge("libra_bridge_peer_up", "1 while the other node gives signs of life.", "peer")
_HEARD = gauge("libra_bridge_peer_silence_seconds", "How long ago the other node was heard of.", "peer")
_CLOCK = gauge("libra_bridge_peer_clock_ahead_seconds", "By how much the other node's clock is ahead of ours.", "peer")
_BEHIND = gauge("libra_bridge_peer_lanes_behind", "Lanes on which the other node owes acknowledgements.", "peer")

METRICS: Final = (
    *(_CONNECTED, _FENCED, _REFUSALS, _UNSENT, _BACKLOG, _EXCUSALS, *_LANES.values()),
    *(_OUTBOX, _OUTBOX_BYTES, _FULLNESS, _CUT, _GAP, _LAG, *_CHANNELS.values(), _PEER, _HEARD, _CLOCK, _BEHIND),
)


def bridge_rows(stats: Mapping[str, Any], row: Mapping[str, Any] | None, now_ns: int) -> Iterator[Row]:
    """A bridge; nothing for a node without one.

    Args:
        stats: What it counts, as `libra.assembly.bridge.NodeBridge.stats` has it.
        row: What operators see of the same.
        now_ns: The time of the wall clock, nanoseconds since the epoch.
    """
    if row is None:
        return
    yield _CONNECTED.row(row["connected"])
    yield _FENCED.row(row["fenced"])
    yield _REFUSALS.row(len(row["refuses"]))
    yield _UNSENT.row(row["unsent"])
    yield _BACKLOG.row(row["backlog"])
    yield _EXCUSALS.row(row["excusals"])
    for lane, counts in stats["lanes"].items():
        for key, metric in _LANES.items():
            yield metric.row(counts[key], lane)
    link = stats.get("link", {})
    for lane, box in link.get("outboxes", {}).items():
        yield _OUTBOX.row(box["events"], lane)
        yield _OUTBOX_BYTES.row(box["bytes"], lane)
        yield _FULLNESS.row(box["fullness"] / 100, lane)
        yield _CUT.row(box["cut"], lane)
    for channel, counts in link.get("channels", {}).items():
        yield _GAP.row(counts["gap"], channel)
        yield _LAG.row(counts["lag_us"] / 1e6, channel)
        for key, metric in _CHANNELS.items():
            yield metric.row(counts[key], channel)
    for peer in row["peers"]:
        name = peer["node"]
        yield _PEER.row(peer["up"], name)
        yield _HEARD.row(max(0.0, (now_ns - peer["heard_ns"]) / 1e9), name)
        yield _CLOCK.row(peer["clock_ahead_us"] / 1e6, name)
        yield _BEHIND.row(len(peer["behind"]), name)
