"""What Python nodes say is what docs/wire.md says of it: read without Libra, and held against what was published."""

import ast
import re
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaos.driven import Place
from tests.unit.core.test_codec import plain
from tests.wire import packed, reader
from tests.wire.listener import Listener
from tests.wire.packed import Tagged

from libra.core import codec, watching
from libra.core.events import Event, EventType
from libra.model import Quote, Trade
from libra_core import Bar, BookDelta

HERE = Path(__file__).parent
DOCUMENT = (HERE.parents[1] / "docs" / "wire.md").read_text()
SECTION = DOCUMENT.partition("### What Python packs")[2].partition("\n### ")[0]
END = b"the end"


class Side(Enum):
    LONG = "long"


class Leg(msgspec.Struct):
    symbol: str
    size: Decimal


class Level(msgspec.Struct, array_like=True):
    price: Decimal
    size: int


class Choice(msgspec.Struct, tag=True):
    made: bool


@codec.register(tag="wire.plan")
class Plan(msgspec.Struct):
    side: Side
    legs: list[Leg]
    level: Level
    choice: Choice
    pair: tuple[int, str]
    names: set[str]
    day: date
    hour: time
    span: timedelta
    number: UUID
    by_number: dict[int, Decimal]
    raw: bytes
    at: datetime
    anything: Any = None


QUOTE = Quote.from_units(("BTC/USDT@sim", 2, 5, 9), [101, 102, 3, 4, 5, 6])
QUOTE_READ = Tagged("quote", [["BTC/USDT@sim", 2, 5, 9], [101, 102, 3, 4, 5, 6]])
PLAN = Plan(
    side=Side.LONG,
    legs=[Leg("BTC/USDT", Decimal("1.50"))],
    level=Level(Decimal("0.10"), 2**70),
    choice=Choice(made=True),
    pair=(1, "one"),
    names={"b", "a"},
    day=date(2026, 1, 2),
    hour=time(3, 4, 5),
    span=timedelta(seconds=90, milliseconds=500),
    number=UUID(int=5),
    by_number={2: Decimal("2.0"), 1: Decimal(1)},
    raw=b"\0\xff",
    at=datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - no offset is a case of its own
    anything=watching.WatchRequest(),
)
PLAN_READ = Tagged(
    "wire.plan",
    {
        "side": "long",
        "legs": [{"symbol": "BTC/USDT", "size": Decimal("1.50")}],
        "level": [Decimal("0.10"), 2**70],
        "choice": {"type": "Choice", "made": True},
        "pair": [1, "one"],
        "names": ["a", "b"],
        "day": "2026-01-02",
        "hour": "03:04:05",
        "span": "PT90.5S",
        "number": "00000000-0000-0000-0000-000000000005",
        "by_number": {1: Decimal(1), 2: Decimal("2.0")},
        "raw": b"\0\xff",
        "at": datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001
        "anything": {"wants": True},
    },
)
MARKET = [
    (QUOTE, QUOTE_READ),
    (
        Trade.from_units(("A@b", 1, 2, 3), [1, 2, 3, 4], "seller"),
        Tagged("trade", [["A@b", 1, 2, 3], [1, 2, 3, 4], "seller"]),
    ),
    (Trade.from_units(("A@b", 1, 2, 3), [1, 2, 3, 4], None), Tagged("trade", [["A@b", 1, 2, 3], [1, 2, 3, 4], None])),
    (
        Bar.from_units(("A@b", 1, 2, 3), [4, 6, 3, 5, 7, 8], 60_000),
        Tagged("bar", [["A@b", 1, 2, 3], [4, 6, 3, 5, 7, 8], 60_000]),
    ),
    (
        BookDelta.from_units(("A@b", 1, 2, 3), True, [4, 5, -1, 6], [(7, 8)], [(9, 0)]),
        Tagged("book_delta", [["A@b", 1, 2, 3], True, [4, 5, -1, 6], [[7, 8]], [[9, 0]]]),
    ),
]
PLAIN: list[Any] = [
    {"price": Decimal("1.50"), "at": datetime(2026, 1, 2, tzinfo=UTC), "many": [2**70, -(2**70), 2**64 - 1, -(2**63)]},
    {1: 2, "a": [Decimal("1E-9")], None: {b"\0": {(2**70): "deep"}}, Decimal("0.10"): 1.5},
    datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    [None, True, False, -1, -33, -129, -40_000, 2**31, 2**40, 0.1, "é" * 40, "x" * 70_000, b"x" * 300, list(range(20))],
    {str(number): number for number in range(20)},
    Decimal("-Infinity"),
]
TERMINATED = watching.Terminated("con/worker", watching.TerminationReason.FAILED, "ValueError: no", comes_back=True)
TERMINATED_READ = {"name": "con/worker", "reason": "failed", "detail": "ValueError: no", "comes_back": True}


def same(read: object, meant: object) -> bool:
    """Equal in type and text too: 1.50 is not 1.5, and 1 not True."""
    return read == meant and repr(read) == repr(meant)


def said_by_nodes(*asked: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    """What somebody who only listens reads of published values, and of messages."""
    with Place(["pub", "con"], environment="packed") as place, Listener(place.server.socket) as hears:
        hears.ask("PSUBSCRIBE", "libra:*")
        con, pub = place.node("con", EventType.SIGNAL), place.node("pub")
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        for value in asked:
            assert pub.core.publish(Event.create(EventType.SIGNAL, "plans", value))
        for kind, number, body in (
            ("ask", 7, watching.WatchRequest()),
            ("tell", 0, watching.WatchRequest(wants=False)),
            ("tell", 0, watching.Ended(TERMINATED)),
            ("tell", 0, TERMINATED),
            ("reply", 8, None),
            ("tell", 0, PLAN),
        ):
            assert pub.core.post(pub.slot, "con/worker", kind, number, body)
        place.until(lambda: pub.outboxes()["SIGNALS"]["events"] == 0)
        with Listener(place.server.socket) as asks:
            asks.ask("PUBLISH", "libra:end", END.decode())
        values, messages = [], []
        while (said := hears.read())[3] != END:
            if said[2] != b"libra:packed:SIGNALS:all" or not said[3]:
                continue
            for event in reader.read(said[3])["events"]:
                payload = event["payload"]
                if "message" in payload:
                    messages.append(payload["message"])
                else:
                    values.append(packed.value_of(payload["tag"], bytes.fromhex(payload["msgpack"])))
        return values, messages


def test_what_nodes_say_is_read_without_them() -> None:
    values, messages = said_by_nodes(*PLAIN, PLAN, {"plan": PLAN, "market": [told for told, _ in MARKET]})
    meant = [*PLAIN, PLAN_READ, {"market": [read for _, read in MARKET], "plan": PLAN_READ}]
    assert values == meant
    bodies = [packed.value_of(message["tag"], bytes.fromhex(message["msgpack"])) for message in messages]
    assert bodies == [
        Tagged("libra.watch", {"wants": True}),
        Tagged("libra.watch", {"wants": False}),
        Tagged("libra.ended", {"told": TERMINATED_READ}),
        Tagged("libra.terminated", TERMINATED_READ),
        None,
        PLAN_READ,
    ]
    assert [(message["kind"], int(message["id"], 16)) for message in messages][:2] == [(1, 7), (0, 0)]


@pytest.mark.parametrize(("told", "read"), MARKET, ids=lambda it: type(it).__name__)
def test_market_data_in_a_message(told: object, read: Tagged) -> None:
    assert packed.value_of(*codec.encode(told)) == read


@given(plain)
def test_any_plain_value_is_read(value: object) -> None:
    tag, data = codec.encode(value)
    assert tag == "plain"
    # By its bytes: what is not a number does not equal itself.
    assert codec.encode(packed.value_of(tag, data)) == (tag, data)


@given(plain, st.integers(1, 40))
def test_what_is_too_short_or_too_long_is_refused(value: object, many: int) -> None:
    _, data = codec.encode(value)
    for wrong in (data[:-many], data + b"\xc0" * many):
        with pytest.raises(packed.PackedError):
            packed.value_of("plain", wrong)


@pytest.mark.parametrize("data", [b"\xc1", b"\xa2\xff\xff", b"\x91\xc1", b"\x81\x90\x01"], ids=repr)
def test_what_msgpack_does_not_have_is_refused(data: bytes) -> None:
    with pytest.raises(packed.PackedError):
        packed.unpack(data)


def examples() -> dict[int, tuple[bytes, str]]:
    rows = re.findall(r"^\| (\d+) \| .* \| `([0-9a-f]+)`: (.*) \|$", SECTION, flags=re.MULTILINE)
    return {int(code): (bytes.fromhex(data), said) for code, data, said in rows}


MEANT = {
    1: (Decimal("1.50"), "1.50"),
    2: (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    3: (2**70, str(2**70)),
    4: (Tagged("libra.watch", {"wants": True}), "of `libra.watch`, {wants: true}"),
    5: ({1: 2, "a": [Decimal(10)]}, '{1: 2, "a": [10]}, the last a decimal number'),
}


def test_the_bytes_of_each_extension_type_are_what_the_document_says_and_the_codec_makes() -> None:
    found = examples()
    assert found.keys() == MEANT.keys()
    for code, (data, said) in found.items():
        value, words = MEANT[code]
        extension = packed.unpack(data)
        assert isinstance(extension, packed.Extension)
        assert extension.code == code
        assert same(packed.value_of("plain", data), value)
        assert said == words
        told = [watching.WatchRequest()] if code == 4 else [value]
        assert codec.encode(told) == ("plain", b"\x91" + data)


def test_there_are_no_other_extension_types() -> None:
    others = [code for code in range(-128, 128) if code not in MEANT]
    for code in others:
        data = b"\xd4" + code.to_bytes(1, "big", signed=True) + b"1"
        with pytest.raises(packed.PackedError, match="of a later version"):
            packed.value_of("plain", data)
        # The timestamps of msgpack itself are none of ours, and of another length.
        with pytest.raises(codec.CodecError):
            codec.decode("plain", data)


def test_the_tags_of_the_document_are_those_that_there_are() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (.*)$", SECTION, flags=re.MULTILINE))
    own = {tag: made for tag, made in codec._structs.items() if made.__module__.partition(".")[0] == "libra"}
    assert rows.keys() == {*own, *codec._NATIVE}
    for tag, made in own.items():
        stated = re.findall(r"`([a-z_]+)`: (?:boolean|text|the fields|`NODE)", rows[tag].partition(" | ")[0])
        assert stated == list(made.__struct_fields__), tag
    reasons = set(re.findall(r"`([a-z_]+)`", rows["libra.terminated"].partition("`reason`: ")[2].partition(";")[0]))
    assert reasons == {reason.value for reason in watching.TerminationReason}


@pytest.mark.parametrize("name", ["packed", "reader"])
def test_a_reader_needs_nothing_of_libra(name: str) -> None:
    tree = ast.parse((HERE / f"{name}.py").read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module.partition(".")[0] for module in imported - {"tests.wire"}} <= sys.stdlib_module_names
