"""What nodes leave and say on a real server is where docs/wire.md says, and nowhere else: enough for a listener."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.driven import Driven, Place
from tests.wire import reader, xxh3
from tests.wire.listener import Listener

from libra.core.events import Event, EventType
from libra.model import Quote

DOCUMENT = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
LANES = ("RISK", "ORDERS", "SIGNALS", "MARKET_DATA")
SHARDS = 64
INSTRUMENTS = [("BTC/USDT:" * 29)[:length] for length in range(1, 256)]
"""One of each length that a name may have."""
END = b"the end"
_NAME = "[a-z0-9][a-z0-9_-]*"
_WORDS = {
    "ENV": "wire-test",
    "C": f"(RISK|ORDERS|SIGNALS|MARKET_DATA):[a-z0-9]+:{_NAME}",
    "LANE": "(RISK|ORDERS|SIGNALS|MARKET_DATA)",
    "SHARD": "[a-z0-9]+",
    "NODE": _NAME,
    "PUBLISHER": _NAME,
}


def stated() -> dict[str, re.Pattern[str]]:
    """Each key and channel of the document's tables."""
    found = re.findall(r"^\| `(libra:ENV:[A-Za-z:]+)` \|", DOCUMENT, flags=re.MULTILINE)
    return {key: re.compile(":".join(_WORDS.get(word, word) for word in key.split(":"))) for key in found}


class Run:
    """Two nodes that say something of everything, and what somebody who only listens has of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        place.server.ask("CONFIG SET notify-keyspace-events KEA")
        self.heard: list[tuple[str, bytes]] = []
        with Listener(place.server.socket) as pubsub, Listener(place.server.socket) as asks:
            for pattern in ("libra:*", "__keyspace@0__:*"):
                pubsub.ask("PSUBSCRIBE", pattern)
            self._say_everything()
            self.listened = {channel.decode() for channel in asks.ask("PUBSUB", "CHANNELS", "*")}
            self.lasting = {key.decode() for key in asks.ask("KEYS", "*")}
            asks.ask("PUBLISH", "libra:end", END.decode())
            while (said := pubsub.read())[3] != END:
                self.heard.append((said[2].decode(), said[3]))

    def _say_everything(self) -> None:
        place, durable = self.place, (EventType.ORDER_FILLED, EventType.CIRCUIT_BREAKER, EventType.SIGNAL)
        pub = place.node("pub")
        con = place.node("con", EventType.QUOTE, EventType.POSITION_UPDATED, *durable)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for event_type in (EventType.POSITION_UPDATED, *durable):
            assert pub.publish(event_type, {"said": 1})

        def quote(name: str) -> Quote:
            return Quote(name, bid="1.1", ask="1.2", bid_size="1", ask_size="1")

        def have_come() -> bool:
            for name in INSTRUMENTS:
                pub.core.publish_market(Event.create(EventType.QUOTE, "feed", quote(name)), name)
            quotes = [payload for event_type, payload in con.handled if event_type == "QUOTE"]
            return {quote.symbol for quote in quotes} == {*INSTRUMENTS}

        place.until(have_come)
        place.until(lambda: self._has_acknowledged(pub))

    def _has_acknowledged(self, pub: Driven) -> bool:
        return all(pub.outboxes()[lane]["events"] == 0 for lane in LANES[:3])


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Place(["pub", "con"], environment="wire-test", shards=SHARDS) as place:
        yield Run(place)


def test_every_key_and_channel_of_a_run_is_stated_and_there_is_each_that_is(run: Run) -> None:
    said = {channel for channel, _ in run.heard if channel.startswith("libra:")} | run.listened
    written = {channel.removeprefix("__keyspace@0__:") for channel, _ in run.heard if channel.startswith("__")}
    used = (said | written | run.lasting) - {"libra:end"}
    patterns = stated()
    missing = {key for key in used if not any(pattern.fullmatch(key) for pattern in patterns.values())}
    assert not missing, "docs/wire.md does not name them"
    assert {key for key, pattern in patterns.items() if not any(map(pattern.fullmatch, used))} == set()


def test_what_is_said_on_each_channel_is_of_the_kinds_that_are_stated(run: Run) -> None:
    kinds: dict[str, set[int]] = {}
    empty: set[str] = set()
    for channel, data in run.heard:
        if channel.startswith("libra:") and not data:
            empty.add(channel)
        elif channel.startswith("libra:"):
            said = reader.read(data)
            assert not [event for event in said["events"] if "skipped" in event]
            kinds.setdefault(channel, set()).add(said["header"]["kind"])
    rows = re.findall(r"^\| `(libra:ENV:[A-Za-z:]+)` \| (.*) \|$", DOCUMENT, flags=re.MULTILINE)
    for channel, seen in kinds.items():
        [words] = [words for key, words in rows if stated()[key].fullmatch(channel)]
        assert seen <= {int(number) for number in re.findall(r"\((?:kind )?(\d)\)", words)}, channel
    # What says nothing is stated, too: on the same channels, and of a lane's where the row says that.
    stating = {key for key, words in rows if "messages of no bytes at each start of a node" in words}
    assert stating == {"libra:ENV:control", "libra:ENV:LANE:SHARD"}
    assert "at each start of a node, where it is `all` |" in DOCUMENT
    assert empty == {"libra:wire-test:control", *(f"libra:wire-test:{lane}:all" for lane in LANES[:3])}
    assert kinds["libra:wire-test:control"] == {4}
    assert 3 in kinds["libra:wire-test:control:pub"]


def test_a_reader_finds_the_shard_of_an_instrument_of_any_length(run: Run) -> None:
    found: dict[str, int] = {}
    for channel, data in run.heard:
        if channel.startswith("libra:wire-test:MARKET_DATA:"):
            said, shard = reader.read(data), int(channel.rpartition(":")[2])
            assert said["header"]["shard"] == str(shard)
            found |= {event["instrument"]: shard for event in said["events"]}
    assert set(INSTRUMENTS) <= set(found)
    assert found == {name: xxh3.shard_of(name, SHARDS) for name in found}
    assert len(set(found.values())) > SHARDS // 2
    assert found.get("", 0) == 0


def test_the_document_has_an_instrument_and_its_shard() -> None:
    [(name, bits, shards, shard)] = re.findall(
        r"`(\S+)` gives 0x([0-9a-f]{16}), with (\d+) shards shard (\d+);", DOCUMENT
    )
    assert (f"{xxh3.xxh3_64(name.encode()):016x}", xxh3.shard_of(name, int(shards))) == (bits, int(shard))
