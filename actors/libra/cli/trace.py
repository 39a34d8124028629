"""`libra trace`: the path of one order, or of any trace, over the nodes of this host."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from libra import exit_codes
from libra.cli.nodes import add_node_arguments, chosen_nodes, no_node_text
from libra.control.client import NodeClient
from libra.errors import ConfigError, ControlError, LibraError
from libra.telemetry.path import Happening, TracedEvent, path_of

_USUAL_LAST = 10
_MOST_LAST = 1_000
_FEWEST_DIGITS = 4
_DEEPEST = 20
_ASK_S = 5.0
"""A ring of millions takes its while."""


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra trace`.

    Returns:
        The exit code: 1 where nothing is known of the trace, or a node does not answer.
    """
    options = _parser().parse_args(arguments)
    if (options.id is None) == (options.last is None):
        raise ConfigError("name one trace (libra trace ID), or list the latest ones (libra trace --last)")
    nodes = chosen_nodes(options)
    if not nodes:
        raise LibraError(no_node_text())
    return _last(nodes, options) if options.id is None else _show(nodes, options)


def _show(nodes: list[NodeClient], options: argparse.Namespace) -> int:
    prefix = options.id.lower()
    if not _FEWEST_DIGITS <= len(prefix) <= 32 or not set(prefix) <= set("0123456789abcdef"):
        raise ConfigError(f"a trace id is {_FEWEST_DIGITS} to 32 hexadecimal digits, not {options.id!r}")
    answers, silent = _ask_all(nodes, "trace", id=prefix)
    notes = [{**note, "node": name} for name, answer in answers for note in answer["notes"]]
    traces = sorted({note["trace_id"] for note in notes})
    if not traces:
        raise LibraError("\n".join([f"no node remembers a trace {prefix}", *_reach(answers), *silent]))
    if len(traces) > 1:
        shown = "\n".join(f"  {trace}" for trace in traces[:_USUAL_LAST])
        raise ConfigError(f"{len(traces)} traces begin with {prefix}, give more digits:\n{shown}")
    events = path_of(notes)
    is_cut = any(answer["more"] for _, answer in answers)
    if options.json:
        rows = [asdict(event) for event in events]
        print(json.dumps({"trace_id": traces[0], "events": rows, "cut": is_cut, "silent": silent}, ensure_ascii=False))
    else:
        print("\n".join(describe(traces[0], events)))
        if is_cut:
            print("there is more of it than is shown")
        if any(event.depth == 0 and event.parent_span_id for event in events):
            print(
                "\n".join(["what led to it is not remembered, or happened where it is not sampled", *_reach(answers)])
            )
        print(*silent, sep="\n", end="\n" if silent else "")
    return exit_codes.FAILED if silent else exit_codes.OK


def _last(nodes: list[NodeClient], options: argparse.Namespace) -> int:
    if not 1 <= options.last <= _MOST_LAST:
        raise ConfigError(f"--last lists 1 to {_MOST_LAST} traces")
    answers, silent = _ask_all(nodes, "traces", last=options.last)
    latest: dict[str, dict[str, Any]] = {}
    for name, answer in answers:
        for row in answer["traces"]:
            known = latest.get(row["trace_id"])
            # Who received it knows it later than its publisher, which is to be named.
            if known is None or _rank(known) < _rank(row):
                latest[row["trace_id"]] = {**row, "node": name}
    rows = sorted(latest.values(), key=lambda row: row["at_ns"], reverse=True)[: options.last]
    if options.json:
        print(json.dumps({"traces": rows, "silent": silent}, ensure_ascii=False))
    elif not rows:
        print("\n".join(["no node remembers an order", *_reach(answers), *silent]))
    else:
        for row in rows:
            what = f"{row['event_type']:<22} {row['instrument']:<28} {row['source']} on {row['node']}"
            print(f"{row['trace_id']}  {_clock(row['at_ns'])}  {what}")
        print(*silent, sep="\n", end="\n" if silent else "")
    return exit_codes.FAILED if silent else exit_codes.OK


def _rank(row: Mapping[str, Any]) -> tuple[bool, int]:
    return row["step"] == "published", row["at_ns"]


def _ask_all(
    nodes: Iterable[NodeClient], op: str, **arguments: object
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """What the nodes answer, with their names, and what is said of those that do not."""
    answers, silent = [], []
    for client in nodes:
        try:
            answers.append((client.node.name, client.ask(op, timeout_s=_ASK_S, **arguments)))
        except ControlError as error:
            silent.append(error.text)
    return answers, silent


def _reach(answers: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """How far back each node remembers."""
    lines = []
    for name, answer in answers:
        recorded = answer["recorded"]
        if recorded["overwritten"]:
            lines.append(f"{name} remembers since {_clock(recorded['since_ns'])} UTC; what was before is overwritten")
        elif recorded["notes"]:
            lines.append(f"{name} remembers everything since its start")
        else:
            lines.append(f"{name} remembers nothing: [telemetry] recent_events is 0, or nothing has happened")
    return lines


def describe(trace_id: str, events: list[TracedEvent]) -> list[str]:
    """A trace for people: a line an event, and below it a line for each place where something became of it."""
    first_ns = min(event.at_ns for event in events)
    lines = [f"trace {trace_id}  from {_clock(first_ns)} UTC"]
    for event in events:
        indent = "    " * min(event.depth, _DEEPEST)
        lines.append(f"{indent}{event.event_type}  by {event.source}  {event.instrument}".rstrip())
        lines += [f"{indent}  {_line(happening, first_ns)}" for happening in event.happenings]
    return lines


def _line(happening: Happening, first_ns: int) -> str:
    took = f", in {_span(happening.end_ns - happening.at_ns)}" if happening.end_ns != happening.at_ns else ""
    what = _WORDS[happening.step].format(actor=happening.actor)
    # A clock of another host may be behind.
    return f"{_span(happening.at_ns - first_ns):>14}  {happening.node}: {what}{took}"


_WORDS = {
    "published": "published",
    "cause": "came in, and led to what follows",
    "sent": "left for other nodes",
    "received": "received",
    "handled": "handled by {actor}",
    "failed": "a handler of {actor} raised",
}


def _span(ns: int) -> str:
    return f"{ns / 1e6:,.3f} ms" if abs(ns) < 1_000_000_000 else f"{ns / 1e9:,.3f} s"


def _clock(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest // 1_000:06}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra trace",
        description="Shows the path of one trace over the nodes of this host: its events as a tree, who handled each, "
        "and when. Ids stand in the log beside what failed, in event.trace_id, and in --last.",
        epilog="exit codes: 0 ok, 1 nothing is known of it or a node does not answer, 2 usage",
        allow_abbrev=False,
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the trace id, or its first digits")
    parser.add_argument(
        "--last",
        nargs="?",
        type=int,
        const=_USUAL_LAST,
        metavar="N",
        help=f"list the latest N traces of orders ({_USUAL_LAST})",
    )
    add_node_arguments(parser)
    return parser
