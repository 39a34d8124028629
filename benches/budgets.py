"""The goals of design.md, how far each is met, and the tables: for people and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cases import BLOCKS, FEW, LOOPS, MANY, PEERS
from goals import Budget

__all__ = ["budgets", "markdown", "ratios", "text"]

Found = dict[str, float]
Rows = Sequence[Sequence[str]]
TASK_PEER, PLACE_PEER = PEERS


def ratios(found: Found) -> Found:
    """How many times quicker Libra's bus is than a peer's."""
    bus = found["parts/emit"] + found["parts/dispatch sync"]
    quicker = {
        f"{loop}/{way}/{kind}/{peer}": found[f"{loop}/{way}/{kind}/{peer}"] / found[f"{loop}/{way}/{kind}/libra"]
        for loop in LOOPS
        for way in ("whole way", "bus alone")
        for kind in ("sync", "async")
        for peer in PEERS
    }
    others = ("nautilus publish", "nautilus send", "a dict of handlers")
    return quicker | {name: found[f"peers/{name}"] / bus for name in others if f"peers/{name}" in found}


def budgets(found: Found, p99_us: float) -> list[Budget]:
    """Every goal that this run says something about."""
    quicker = ratios(found)
    task = {kind: found[f"uvloop/bus alone/{kind}/{TASK_PEER}"] for kind in ("sync", "async")}
    worst = min(task[kind] / (found["parts/emit"] + found[f"parts/dispatch {kind}"]) for kind in task)
    goals = [
        Budget("queue to a sync handler", found["parts/dispatch sync"], 1000 / 12, "ns"),
        Budget("queue to an async handler", found["parts/dispatch async"], 1000 / 7, "ns"),
        Budget("emit", found["parts/emit"], 20, "ns"),
        Budget("`emit` and dispatch against an asyncio PriorityQueue bus", worst, 60, "x", at_least=True),
        Budget(
            f"{MANY:,} instruments against {FEW}, a handler each",
            found[f"parts/{MANY} instruments"] / found[f"parts/{FEW} instruments"],
            1.3,
            "x",
        ),
        Budget("p99 from publish to handler, half of saturation", p99_us, 1000, "us"),
    ]
    if "nautilus publish" in quicker:
        goals.insert(
            3,
            Budget(
                "`emit` and dispatch against nautilus_trader's publish",
                quicker["nautilus publish"],
                10,
                "x",
                at_least=True,
            ),
        )
    for threads in ("one_thread", "two_threads"):
        edge, ring = found.get(f"native/edge_{threads}"), found.get(f"native/ring_{threads}")
        if edge and ring:
            name = f"native edge over the bare ring, {threads.replace('_', ' ')}"
            goals.append(Budget(name, edge / ring, 1.5, "x"))
    edges, queue = found.get("native/edges_4_producers"), found.get("native/array_queue_4_producers")
    if edges and queue:
        goals.append(Budget("four native edges over the bare crossbeam queue, four producers", edges / queue, 1.5, "x"))
    if edge := found.get("native/edge_two_threads"):
        goals.append(Budget("native edge, rate", 1000 / edge, 20, "M/s", at_least=True))
    return goals


def _tables(found: Found, latency: dict[str, float], goals: Iterable[Budget]) -> list[tuple[str, list[str], Rows]]:
    """Every table as (title, heads, rows)."""

    def ways(way: str) -> Rows:
        rows = []
        for loop in LOOPS:
            for kind in ("sync", "async"):
                task, place, own = (found[f"{loop}/{way}/{kind}/{who}"] for who in (TASK_PEER, PLACE_PEER, "libra"))
                rows.append(
                    [
                        f"{kind} handler, {loop} loop",
                        f"{task:,.0f} / {place:,.0f}",
                        f"{own:,.0f}",
                        f"{task / own:.0f}x / {place / own:.1f}x",
                    ]
                )
        return rows

    heads = ["asyncio bus, ns: a task a call / in place", "Libra, ns", "ratio"]
    parts = {
        "`emit`": "emit",
        "`await publish`": "await publish",
        "queue to sync handler": "dispatch sync",
        "queue to async handler": "dispatch async",
        "queue to a list of 256": "dispatch list of 256",
        **{f"queue to a NumPy block of {size}": f"dispatch block of {size}" for size in BLOCKS},
        **{f"queue to one of {count:,} handlers by instrument": f"{count} instruments" for count in (FEW, MANY)},
        "make an event with a dict": "create",
    }
    queues = {
        "bare ring (`ringbuf`)": "ring",
        "edge": "edge",
        "edge with full fences, where the system has no `membarrier`": "edge_fenced",
        "edge, sent one by one and received in runs": "edge_runs",
        "edge, in runs of 256 at both ends": "edge_batch",
        "bare ring, in runs of 256 at both ends": "ring_batch",
        "crossbeam `ArrayQueue`": "array_queue",
        "crossbeam channel": "channel",
        "edges, one a producer": "edges",
    }
    runs = ["one_thread", "two_threads", "4_producers"]
    peers = {
        "nautilus_trader 1.231 `publish`": "nautilus publish",
        "nautilus_trader 1.231 `send`": "nautilus send",
        "a dict of handlers in Python": "a dict of handlers",
    }
    quicker = ratios(found)
    return [
        ("Goals of the design", ["what", "measured", "goal", ""], [goal.row() for goal in goals]),
        ("Whole way", ["make the event, publish, handle", *heads], ways("whole way")),
        ("Bus alone", ["publish an event that exists, handle", *heads], ways("bus alone")),
        ("Parts", ["part", "ns an event"], [[name, f"{found[f'parts/{key}']:.0f}"] for name, key in parts.items()]),
        (
            "No queue",
            ["peer: handler called on the spot", "ns an event", "against Libra's `emit` and dispatch"],
            [
                [name, f"{found[f'peers/{key}']:.0f}", f"{quicker[key]:.1f}x"]
                for name, key in peers.items()
                if f"peers/{key}" in found
            ],
        ),
        (
            "Native queues",
            ["native ends, ns an event", "in turns on one thread", "on two", "four producers"],
            [
                [name, *(f"{cost:.0f}" if (cost := found.get(f"native/{key}_{run}")) else "-" for run in runs)]
                for name, key in queues.items()
            ],
        ),
        (
            "Latency",
            ["load", "p50", "p99", "p99.9"],
            [
                [
                    f"{latency['rate'] / 1e6:.1f} M events/s, half of saturation",
                    *(f"{latency[name]:,.1f} us" for name in ("p50_us", "p99_us", "p99.9_us")),
                ]
            ],
        ),
    ]


def text(found: Found, latency: dict[str, float], goals: list[Budget], skipped: dict[str, str]) -> str:
    """The result for people."""
    lines: list[str] = []
    for title, heads, rows in _tables(found, latency, goals):
        table = [heads, *rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
        lines += ["", title]
        for row in table:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            lines.append("  " + "  ".join(cells).rstrip())
    lines += ["", *(f"left out: {name}: {reason}" for name, reason in skipped.items())]
    missed = [goal for goal in goals if goal.over > 1]
    lines.append(f"{len(goals) - len(missed)} of {len(goals)} goals met")
    return "\n".join(lines).lstrip()


def markdown(found: Found, latency: dict[str, float], goals: list[Budget], skipped: dict[str, str]) -> str:
    """The tables of docs/performance.md, "The bus"."""
    lines: list[str] = []
    for _, heads, rows in _tables(found, latency, goals):
        lines += ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines.append("")
    lines += [f"Left out: {name}: {reason}." for name, reason in skipped.items()]
    return "\n".join(lines).rstrip()
