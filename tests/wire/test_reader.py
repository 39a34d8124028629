"""The reader beside this file, which knows docs/wire.md only, reads what the Rust writer wrote."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.wire import reader, refusals

from libra.core import codec
from libra.model import RiskCode

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*/*.hex"))


def frame(path: Path) -> bytearray:
    return bytearray.fromhex(path.read_text())


def sealed(data: bytearray) -> bytes:
    """The frame with the checksum of its bytes."""
    data[12:16] = reader.crc32c(bytes(data[:12] + data[16:])).to_bytes(4, "little")
    return bytes(data)


def test_the_checksum_is_the_one_of_rfc_3720() -> None:
    assert reader.crc32c(b"123456789") == 0xE3069283
    assert reader.crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_frame_holds_what_stands_beside_it(path: Path) -> None:
    assert reader.read(bytes(frame(path))) == json.loads(path.with_suffix(".json").read_text())


def test_there_is_a_frame_of_every_kind_and_every_payload() -> None:
    frames = [reader.read(bytes(frame(path))) for path in FILES]
    assert {it["header"]["kind"] for it in frames} == {1, 2, 3, 4, 7, 8}
    seen = {event["encoding"] for it in frames for event in it["events"]}
    assert seen == {word for word, _ in reader._PAYLOADS.values()}


def test_a_python_payload_is_what_the_codec_makes() -> None:
    events = reader.read(bytes(frame(GOLDEN / "v1.0" / "account.hex")))["events"]
    payload = events[-1]["payload"]
    data = bytes.fromhex(payload["msgpack"])
    value = {"side": "long", "sizes": [1, 2.5, None]}
    assert codec.decode(payload["tag"], data) == value == msgspec.msgpack.decode(data)
    assert codec.encode(value) == (payload["tag"], data)


def test_messages_between_actors_say_who_to_whom_and_what() -> None:
    events = reader.read(bytes(frame(GOLDEN / "v1.0" / "messages.hex")))["events"]
    messages = [event["payload"]["message"] for event in events]
    assert [message["kind"] for message in messages] == [0, 1, 2, 3]
    assert [codec.decode(message["tag"], bytes.fromhex(message["msgpack"])) for message in messages] == [
        {"size": 7},
        "how",
        [1, 2, None],
        "busy",
    ]
    assert messages[2]["id"] == messages[1]["id"]


def test_a_message_of_a_later_version_is_skipped() -> None:
    data = frame(GOLDEN / "v1.0" / "messages.hex")
    at = data.index(b"libra.mail") + len(b"libra.mail") + 4
    data[at] = 2
    events = reader.read(sealed(data))["events"]
    assert events[0] == {"channel_seq": 41, "skipped": "malformed"}
    assert "payload" in events[1]


def test_what_is_damaged_of_a_newer_major_or_foreign_is_refused() -> None:
    path = GOLDEN / "v1.0" / "orders.hex"
    for place in (6, 20, 300, -1):
        data = frame(path)
        data[place] ^= 1
        with pytest.raises(reader.FrameError, match="checksum"):
            reader.read(bytes(data))
    newer = frame(path)
    newer[4] = 2
    with pytest.raises(reader.FrameError, match="format 02"):
        reader.read(sealed(newer))
    with pytest.raises(reader.FrameError, match="not a frame"):
        reader.read(b"hello")
    with pytest.raises(reader.FrameError, match="as long as"):
        reader.read(bytes(frame(path)[:-1]))


def test_what_a_newer_minor_adds_is_passed_over() -> None:
    data = frame(GOLDEN / "v1.0" / "market.hex")
    data[5] = 9
    first = int.from_bytes(data[10:12], "little")
    data[first + 3] = 200
    events = reader.read(sealed(data))["events"]
    assert events[0] == {"channel_seq": 41, "skipped": "unknown_encoding"}
    assert [event["channel_seq"] for event in events] == list(range(41, 47))
    # As many bytes as a quote has, and none of them known: an event without payload to this reader.
    data[first + 3] = 0
    assert reader.read(sealed(data))["events"][0]["payload"] == {}
    data[5] = 0
    assert reader.read(sealed(data))["events"][0]["skipped"] == "malformed"


CASES = json.loads(refusals.FILE.read_text())
DOCUMENT = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()


def test_the_refused_frames_are_those_that_are_made() -> None:
    assert refusals.cases() == CASES, "write them anew: python -m tests.wire.refusals"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_what_the_document_refuses_is_refused_by_its_code(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])
    if "event" in case:
        events = reader.read(data)["events"]
        assert [event.get("skipped") for event in events] == [case["event"], *[None] * (len(events) - 1)]
        assert [event["channel_seq"] for event in events] == list(range(41, 41 + len(events)))
    else:
        with pytest.raises(reader.FrameError) as refused:
            reader.read(data)
        assert refused.value.code == case["frame"]


def test_there_is_a_refused_frame_for_every_code_of_the_document() -> None:
    begin = DOCUMENT.index("### What a reader refuses")
    rows = [row.split("|")[1] for row in DOCUMENT[begin : DOCUMENT.index("## Market data")].splitlines() if "|" in row]
    codes = [code for row in rows for code in re.findall(r"`(\w+)`", row)]
    assert len(codes) > 12
    # A publisher with too many names would make a file of megabytes: see below.
    assert {*codes} - {"too_many_names"} == {case.get("frame") or case["event"] for case in CASES}


def test_the_types_and_codes_are_those_of_the_documents() -> None:
    rows = re.findall(r"^\| (\d+) \| `[A-Z_]+` \| `[A-Z_]+`(.*) \|$", DOCUMENT, flags=re.MULTILINE)
    assert {int(number) for number, _ in rows} == reader._TYPES
    assert {int(number) for number, stays in rows if stays} == reader._LOCAL_ONLY
    assert {code.value for code in RiskCode} == reader.RISK_CODES


def test_of_a_publisher_so_many_names_are_taken_in_and_no_more() -> None:
    def named(publisher: str, first: int, count: int) -> bytes:
        table = b"".join(
            bytes([len(name)]) + name for name in (b"%d" % number for number in range(first, first + count))
        )
        head = bytearray(frame(GOLDEN / "v1.2" / "ack.hex")[:72])
        event = struct.pack("<HBBI56x", 19, 0, 0, 64)
        head[6:8], head[32:40] = b"\1\1", struct.pack("<II", 1, 64 + len(table))
        head[48:60] = struct.pack("<IIHBB", 0, len(table), count, len(publisher), 3)
        head[60:72] = (publisher + "all").encode().ljust(12, b"\0")
        return sealed(head + event + table)

    known: dict[str, set[str]] = {}
    reader.read(named("one", 0, 50_000), known)
    reader.read(named("one", 50_000, 50_000), known)
    reader.read(named("one", 1, 2), known)
    with pytest.raises(reader.FrameError) as refused:
        reader.read(named("one", 99_999, 2), known)
    assert refused.value.code == "too_many_names"
    reader.read(named("two", 99_999, 2), known)
    assert len(known["one"]) == 100_000
