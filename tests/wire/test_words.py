"""What the nodes of a run say by themselves has the fields that docs/wire.md names, read without Libra."""

import os
import re
import signal
from pathlib import Path
from typing import Any

from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import BUYER, Joined, joined
from tests.wire import packed, reader
from tests.wire.listener import Listener
from tests.wire.test_packed import SECTION

__all__ = ["joined"]

NUMBERS = {
    "CIRCUIT_BREAKER": 50,
    "GATEWAY_CONNECTED": 80,
    "GATEWAY_DISCONNECTED": 81,
    "STRATEGY_STARTED": 82,
    "STRATEGY_STOPPED": 83,
    "ACTOR_STATE": 84,
}


def stated() -> dict[int, tuple[set[str], str]]:
    """The fields of each event that a node makes in Python, and its row."""
    fields: dict[int, tuple[set[str], str]] = {}
    for events, words in re.findall(
        r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| (`[a-z]+`.*) \|$", SECTION, flags=re.MULTILINE
    ):
        # A field is what a colon, a comma or the type follows; what stands behind "the latter" are values.
        named = {*re.findall(r"`([a-z]+)`", words.partition("the latter")[0])} - {"start"}
        fields |= {NUMBERS[event]: (named, words) for event in re.findall(r"`([A-Z_]+)`", events)}
    return fields


def plain_of(frame: bytes) -> list[tuple[int, Any]]:
    """What stands in a frame in Python's own words, by the events' types."""
    return [
        (event["type"], packed.value_of(event["payload"]["tag"], bytes.fromhex(event["payload"]["msgpack"])))
        for event in reader.read(frame)["events"]
        if event.get("encoding") == "encoded" and "msgpack" in event["payload"]
    ]


def test_what_nodes_say_by_themselves_is_stated(joined: Joined) -> None:
    running = joined.start("run", joined.topology(strategy=joined.strategy(BUYER)), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    server = Path(os.environ["LIBRA_RUN_DIR"]) / "bridge-libra" / "server.sock"
    said: list[tuple[int, Any]] = []
    with Listener(server) as hears, Listener(server) as asks:
        hears.ask("PSUBSCRIBE", "libra:*")
        assert joined.run("stop", "--strategy", "mine", "--node", "strategies").code == 0

        def kept() -> list[tuple[int, Any]]:
            values = [value for node in pids for value in asks.ask("HVALS", f"libra:libra:state:{node}")]
            return [word for value in values for word in plain_of(value.partition(b" ")[2])]

        wait_until(lambda: (NUMBERS["ACTOR_STATE"], {"actor": "mine", "state": "stopped"}) in kept(), "it has stopped")
        said += kept()
        os.kill(pids["strategies"], signal.SIGUSR1)
        while not {number for number, _ in said} >= {NUMBERS["STRATEGY_STOPPED"], NUMBERS["CIRCUIT_BREAKER"]}:
            said += plain_of(frame) if (frame := hears.read()[3]) else []
    running.signal(signal.SIGTERM)
    running.end()
    fields = stated()
    assert fields.keys() == {*NUMBERS.values()}
    for number, value in said:
        named, row = fields[number]
        assert value.keys() <= named, (number, value, row)
    seen = {number for number, _ in said}
    assert NUMBERS["GATEWAY_CONNECTED"] in seen
    [stopped] = [value for number, value in said if number == NUMBERS["STRATEGY_STOPPED"]]
    assert stopped.keys() == {"strategy", "vanished", "life"}
    states = {value["state"] for number, value in said if number == NUMBERS["ACTOR_STATE"]}
    assert states <= {*re.findall(r"`([a-z]+)`", fields[NUMBERS["ACTOR_STATE"]][1])}
