"""The reader beside this file, which knows docs/wire.md only, reads what the Rust writer wrote."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.wire import reader

from libra.core import codec

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
