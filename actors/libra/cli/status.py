"""`libra status`: the nodes that run on this host, their accounts and strategies."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from libra import exit_codes
from libra.cli import text
from libra.cli.nodes import add_node_arguments, chosen_nodes, hidden_beside, hidden_lines, no_node_text
from libra.control.client import NodeClient
from libra.errors import ControlError

WATCH_EVERY_S = 1.0

_LOSSES = ("DAILY_LOSS", "DRAWDOWN")
"""Stops behind which an account may still reduce."""


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra status`.

    Returns:
        The exit code: 0 also where no node runs, 1 where one does not answer.
    """
    options = _parser().parse_args(arguments)
    while True:
        clients = chosen_nodes(options)
        rows = [_ask(client) for client in clients]
        # Who was told where to look wants nothing else.
        is_whole = options.node is None and options.pid is None and not os.environ.get("LIBRA_RUN_DIR")
        hidden = hidden_beside(clients) if is_whole else []
        if options.json:
            more = {"hidden": [asdict(node) for node in hidden]} if hidden else {}
            print(json.dumps({"nodes": rows, **more}, ensure_ascii=False), flush=True)
        elif rows:
            print("\n\n".join(map(describe, rows)), *hidden_lines(hidden), sep="\n", flush=True)
        else:
            print(no_node_text(), flush=True)
        if not options.watch:
            return exit_codes.FAILED if any("silent" in row for row in rows) else exit_codes.OK
        time.sleep(WATCH_EVERY_S)
        if not options.json:
            print()


def _ask(client: NodeClient) -> dict[str, Any]:
    try:
        return client.ask("status")
    except ControlError as error:
        node = client.node
        return {"name": node.name, "pid": node.pid, "profile": node.profile, "silent": error.text}


def describe(row: Mapping[str, Any]) -> str:
    """A node in a few lines."""
    head = f"{row['name']}  pid {row['pid']}  profile {row['profile'] or '-'}"
    if "silent" in row:
        return f"{head}\n  {row['silent']}"
    errors = row["errors"]
    lines = [f"{head}  up {_duration(row['uptime_s'])}" + (f"  {errors} errors" if errors else "")]
    lines += [line for account in row["accounts"] for line in account_lines(account)]
    for strategy in row["strategies"]:
        lines.append(f"  strategy {strategy['name']}  {strategy['state']}  on {strategy['account']}")
    lines += [line for venue in row.get("venues", ()) for line in venue_lines(venue)]
    lines += bridge_lines(row.get("bridge"))
    for actor, lanes in row["waiting_s"].items():
        if lanes:
            ages = ", ".join(f"{lane} {age_s:.1f} s" for lane, age_s in lanes.items())
            lines.append(f"  {actor} has waiting: {ages}")
    lines += vanished_lines(row["vanished"])
    return "\n".join(lines)


def venue_lines(venue: Mapping[str, Any]) -> list[str]:
    """A venue's rate budget: what is used of each limit, who waits for a turn, and how long the venue wants silence."""
    where = venue["redirect"] or ("test network" if venue["testnet"] else "live")
    waits = [f"{count} {urgency.lower()}" for urgency, count in venue["waiting"].items() if count]
    silent = f"  SILENT for {venue['barred_ns'] / 1e9:.0f} s more: the venue asks for it" if venue["barred_ns"] else ""
    head = f"  venue {venue['venue']}  {where}  {text.count(venue['granted'])} requests"
    head += f"  waiting: {', '.join(waits)}" if waits else ""
    used = [f"{name} {venue['used'][name]} of {most}" for name, most in venue["most"].items() if venue["used"][name]]
    return [head + silent, *(f"    {line}" for line in used)]


def bridge_lines(bridge: Mapping[str, Any] | None) -> list[str]:
    """A bridge: whether it is connected, what waits, what is missing, who is there."""
    if bridge is None:
        return []
    if bridge["fenced"]:
        state = "FENCED: another process of this name has taken over"
    elif bridge["connected"]:
        since_ns = bridge["since_ns"]
        since = "" if since_ns is None else f" for {_duration((time.time_ns() - since_ns) / 1e9)}"
        state = f"connected{since}{', but the server REFUSES what is below' if bridge['refuses'] else ''}"
    else:
        state = f"NOT CONNECTED: {bridge['error'] or 'not yet'}"
    waits = f"{bridge['backlog']} events under way, {bridge['unsent']} not sent, outbox {bridge['fullness_pct']} % full"
    lines = [f"  bridge  {state}  {waits}"]
    lines += [_refusal_line(reason, rows) for reason, rows in _by_reason(bridge["refuses"])]
    if bridge["findings"]:
        found = ", ".join(finding["code"] for finding in bridge["findings"])
        lines.append(f"    to see to at the server: {found} (--json says what to change)")
    if bridge["gaps"]:
        lines.append(f"    gaps: {', '.join(bridge['gaps'])}")
    if bridge["lost"] or bridge["losses"]:
        lines.append(f"    lost: {bridge['lost']} events, in {bridge['losses']} losses")
    if bridge["suspected"]:
        lines.append(
            f"    may be lost: something, {bridge['suspected']} times, with a server and a node that had ended, or "
            "before this node took part"
        )
    if bridge["excused"]:
        actors = ", ".join(f"{name} ({events} events)" for name, events in sorted(bridge["excused"].items()))
        lines.append(f"    acknowledged without the actors that do not get on with them: {actors}")
    lines += [_peer_line(peer) for peer in bridge["peers"]]
    return lines


def _by_reason(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    reasons: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        reasons.setdefault(row["reason"], []).append(row)
    return list(reasons.items())


def _refusal_line(reason: str, rows: Sequence[Mapping[str, Any]]) -> str:
    for_s = max(0.0, (time.time_ns() - min(row["since_ns"] for row in rows)) / 1e9)
    return f"    refused for {_duration(for_s)}: {', '.join(row['what'] for row in rows)}: {reason}"


_WORTH_A_WORD_S: Final = 0.2


def _peer_line(peer: Mapping[str, Any]) -> str:
    behind = [lane for lane in peer["behind"] if lane not in peer["given_up"]]
    debts = [f"  behind on {', '.join(behind)}"] if behind else []
    debts += [f"  not waited for on {', '.join(peer['given_up'])}"] if peer["given_up"] else []
    if abs(ahead_s := peer["clock_ahead_us"] / 1e6) >= _WORTH_A_WORD_S:
        debts.append(f"  its clock is {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}")
    return f"    node {peer['node']}  {'up' if peer['up'] else 'DOWN'}{''.join(debts)}"


def vanished_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Strategies that are gone, and how far their positions are closed."""
    lines = []
    for gone in rows:
        name = gone["strategy"]
        until, how = f"libra resume --strategy {name}", "GONE from"
        if not gone.get("can_resume", True):
            until, how = "its account's node is started again", "ENDED on"
        where = f"{gone['account']} ({gone['on_vanish']})"
        lines.append(f"  strategy {name}  {how} {where}: its requests are refused until {until}")
        for closing in gone["flattening"]:
            why = f": {closing['code']} {closing['detail']}".rstrip() if closing["code"] else ""
            lines.append(f"  flattening {name} {closing['instrument']}  {closing['state']}{why}")
    return lines


def account_lines(account: Mapping[str, Any]) -> list[str]:
    """An account: whether it trades, what is open, what it holds."""
    stopped = account["stopped"]
    if account["killed"] is not None:
        state = f"KILLED ({account['killed']})"
    elif stopped is not None:
        only = stopped[0] in _LOSSES and account.get("on_breach") == "reduce_only"
        state = ("reduce only: " if only else "stopped: ") + " ".join(part for part in stopped if part)
    else:
        state = "trading"
    if (failed := account.get("unattended")) is not None:
        state = f"UNATTENDED ({failed})" + ("" if account["killed"] is None else f"  {state}")
    waiting = f", {account['cancelling']} being cancelled" if account["cancelling"] else ""
    orders = f"{account['open_orders']} open orders{waiting}"
    lines = [f"  account {account['name']}  {state}  {orders}  limits version {account['limits_version']}"]
    for position in account["positions"]:
        lines.append(
            f"    {position['instrument']}  {position['size']}  unrealised {text.money(position['unrealised'])}"
        )
    if (journal := account.get("journal")) is not None:
        lines.append(f"    journal {journal['path']}  {journal_state(journal)}")
    return lines + look_lines(account.get("look"))


def look_lines(look: Mapping[str, Any] | None) -> list[str]:
    """The last look at an account's venue: when, for how long, and what it found."""
    if look is None:
        return []
    counts = {
        "missed executions booked": look["missed_executions"],
        "missed flows booked": look["missed_flows"],
        "orders adopted": look["adopted"],
        "orders asked about": look["unsettled"],
        "foreign": look["foreign"],
        "looked at again": len(look["undecided"]),
    }
    found = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    ago = _duration(max(0.0, (time.time_ns() - look["at_ns"]) / 1e9))
    took = f"{look['duration_ns'] / 1e6:.0f} ms"
    differs = len(look["differences"])
    verdict = f"{differs} differ" if differs else "the venue agrees" if look["settled"] else "not decided"
    lines = [f"    looked at the venue {ago} ago in {took}: {verdict}{f' ({found})' if found else ''}"]
    for code, name, ours, theirs, amount in look["differences"]:
        lines.append(f"      {code} {name}  ours {ours}, the venue's {theirs}, difference {amount}")
    return lines


def journal_state(journal: Mapping[str, Any]) -> str:
    """How a journal stands, in words."""
    if journal["error"] is None:
        return f"{text.count(journal['records'])} records"
    for_s = "" if journal["behind_s"] is None else f" for {journal['behind_s']:.0f} s"
    return f"BEHIND by {text.count(journal['behind_bytes'])} bytes{for_s}: {journal['error']}"


def _duration(seconds: float) -> str:
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra status",
        description="Shows the nodes that run on this host: accounts with what stops them, open orders and positions.",
        epilog="exit codes: 0 ok (also where no node runs), 1 a node does not answer, 2 usage",
        allow_abbrev=False,
    )
    add_node_arguments(parser)
    parser.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")
    return parser
