"""What one end says it published and the other that it handled, each in a file of its own that is only appended to.

A line is written with one system call, so a process that is killed leaves whole lines. The publisher writes before it
publishes, and takes back what was refused; the consumer writes in its handler.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

DURABLE = ("RISK", "ORDERS", "SIGNALS")
"""The lanes of durable events."""


class Ledger:
    """An append-only file of (lane, number)."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, lane: str, number: int) -> None:
        os.write(self._fd, f"{lane} {number}\n".encode())

    def take_back(self, lane: str, number: int) -> None:
        """It was refused."""
        os.write(self._fd, f"{lane} -{number}\n".encode())


def _rows(path: Path) -> Iterator[tuple[str, int]]:
    for line in path.read_text(encoding="ascii").splitlines():
        lane, number = line.split()
        yield lane, int(number)


def published(path: Path) -> dict[str, list[int]]:
    """What was accepted, by lane and in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for lane, number in _rows(path):
        if number > 0:
            found[lane].append(number)
        else:
            assert found[lane].pop() == -number, "a refusal is of the event before it"
    return dict(found)


def handled(path: Path) -> dict[str, list[int]]:
    """What handlers were given, by lane and in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for lane, number in _rows(path):
        found[lane].append(number)
    return dict(found)


def assert_each_once_in_order(sent: Path, came: Path) -> dict[str, int]:
    """Durable events handled = published, each once, in order; how many those were, by lane."""
    there, here = published(sent), handled(came)
    for lane in there.keys() | here.keys():
        expected, found = there.get(lane, []), here.get(lane, [])
        if expected != found:
            at = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), None)
            at = min(len(expected), len(found)) if at is None else at
            missing, doubled = sorted(set(expected) - set(found)), len(found) - len(set(found))
            raise AssertionError(
                f"{lane}: published {len(expected)}, handled {len(found)}; they part at {at}: published "
                f"{expected[at : at + 5]}, handled {found[at : at + 5]}; missing {missing[:10]} ({len(missing)}), "
                f"{doubled} handled more than once"
            )
    return {lane: len(numbers) for lane, numbers in there.items()}


def assert_all_is_accounted_for(sent: Path, came: Path, lane: str, passed: Iterable[tuple[int, int]]) -> int:
    """Each event was handled, in order, or the consumer was told by its number that it passes over it.

    For a publisher in one life that publishes nothing else on the lane: its numbers are those of the channel. Gives how
    many events the consumer was told of.
    """
    there, here = published(sent)[lane], handled(came).get(lane, [])
    told = [number for first, last in passed for number in range(first, last + 1)]
    gone = set(told)
    assert len(told) == len(gone), "told of twice"
    assert gone <= set(there), f"told of what was never published: {sorted(gone - set(there))[:10]}"
    expected = [number for number in there if number not in gone]
    assert here == expected, (
        f"published {len(there)}, handled {len(here)}, told of {len(gone)}; without a word "
        f"{sorted(set(expected) - set(here))[:10]}, in spite of one {sorted(set(here) - set(expected))[:10]}"
    )
    assert len(here) + len(gone) == len(there)
    return len(gone)


def books_of_market_data(sent: dict[str, Any], came: dict[str, Any]) -> list[tuple[str, int, int]]:
    """What became of market data between a publisher and a consumer, by their status: rows of what has to be equal.

    Published = not wanted + dropped + conflated + sent; sent = received + lost + missed + not followed; received = not
    subscribed to + dropped + conflated + handled. Latest values that were loaded come on top of what was received.
    """
    here, there = sent["stats"], came["stats"]
    lane, out = here["lanes"]["MARKET_DATA"], here["link"]["market_out"]
    arrived, market = there["lanes"]["MARKET_DATA"], there["link"]["market_in"]
    of_publisher = market["nodes"].get(here["node"], dict.fromkeys(("events", "lost", "missed", "unfollowed"), 0))
    from_loop = lane["dropped"] + lane["conflated"] + out["events"] - out["again"] + out["unwanted"] + out["unsendable"]
    to_loop = market["unwanted"] + market["skipped"] + market["older"] + arrived["arrived"]
    mailbox = came["market"]
    return [
        # A letter that found nobody stays in its process.
        ("published", sent["market"]["published"] - sent["letters"], lane["unwanted"] + lane["refused"] + lane["sent"]),
        ("from the loop to the thread", lane["sent"], from_loop),
        ("from node to node", out["events"], sum(of_publisher.values())),
        (
            "from the thread to the loop",
            market["events"] + market["loaded"],
            to_loop + arrived["dropped_in"] + arrived["conflated_in"],
        ),
        (
            "in the mailbox",
            arrived["arrived"],
            came["quotes"] + mailbox["dropped"] + mailbox["conflated"] + there["misfits"] + mailbox["refused"],
        ),
    ]
