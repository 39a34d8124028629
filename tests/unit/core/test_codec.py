"""The codec of payloads: what goes in comes out, the same bytes every time, and what cannot is refused clearly."""

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libra.core.codec import decode, encode, register
from libra.core.events import EventType
from libra.errors import CodecError, LibraError
from libra_core import Bar, BookDelta, Event, Quote, Trade


class Side(Enum):
    BUY = "buy"


@register(tag="test.leg")
class Leg(msgspec.Struct, frozen=True):
    symbol: str
    size: Decimal


@register
class Plan(msgspec.Struct):
    legs: list[Leg]
    at: datetime
    side: Side
    by_number: dict[int, Decimal]
    pair: tuple[int, str]
    names: set[str]
    raw: bytes
    anything: Any = None


@register(tag="test.tree")
class Tree(msgspec.Struct):
    value: int
    children: list["Tree"] = []


class Unknown(msgspec.Struct):
    x: int


def round_trip(payload):
    tag, data = encode(payload)
    assert type(tag) is str
    assert type(data) is bytes
    return decode(tag, data)


def same(a, b):
    """Equal, of equal types, with equal text: `1 == 1.0 == Decimal('1.00')` is not enough."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        keys = sorted(a, key=repr)
        return keys == sorted(b, key=repr) and all(same(a[key], b[key]) for key in keys)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    # A fold says nothing without a zone, and a zone becomes its offset.
    st.datetimes(timezones=st.one_of(st.none(), st.just(UTC), offsets)).map(lambda at: at.replace(fold=0)),
)
keys = st.one_of(st.text(), st.integers(-(2**70), 2**70), st.decimals(allow_nan=False), st.binary(), st.none())
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(), inner, max_size=5),
        st.dictionaries(keys, inner, max_size=5),
    ),
    max_leaves=20,
)
legs = st.builds(Leg, symbol=st.text(), size=st.decimals(allow_nan=False))


@given(plain)
def test_plain_payloads_round_trip(payload):
    assert encode(payload)[0] == "plain"
    assert same(round_trip(payload), payload)


@given(
    st.builds(
        Plan,
        legs=st.lists(legs, max_size=3),
        at=st.datetimes(timezones=st.one_of(st.just(UTC), st.none())),
        side=st.just(Side.BUY),
        by_number=st.dictionaries(st.integers(-(2**63), 2**63), st.decimals(allow_nan=False), max_size=3),
        pair=st.tuples(st.integers(-(2**63), 2**63), st.text()),
        names=st.sets(st.text()),
        raw=st.binary(),
        anything=st.one_of(
            st.none(), st.decimals(allow_nan=False), st.dictionaries(st.text(), st.decimals(allow_nan=False))
        ),
    )
)
def test_structs_round_trip(plan):
    back = round_trip(plan)
    assert type(back) is Plan
    assert back == plan
    assert repr(back.legs) == repr(plan.legs), "a Decimal keeps its zeros"
    assert same(back.anything, plan.anything)


@given(st.dictionaries(keys, scalars, max_size=8), st.randoms())
def test_the_bytes_do_not_depend_on_the_order_of_keys(payload, random):
    items = list(payload.items())
    random.shuffle(items)
    assert encode(dict(items)) == encode(payload)
    assert encode({"in": [dict(items)]}) == encode({"in": [payload]})


def test_the_bytes_do_not_depend_on_the_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.unit.core.test_codec import *\n"
        "plan = Plan([], datetime(2026, 1, 1), Side.BUY, {2: Decimal(1), 1: Decimal(2)}, (1, ''), set('abcdef'), b'')\n"
        "print(encode({'plan': plan, 'z': 1, 'a': {3: 1, 'x': 2}}))"
    )
    root = __file__.rsplit("/tests/", 1)[0]
    outs = {
        subprocess.run(
            [sys.executable, "-c", code, root], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outs) == 1


def test_tags():
    assert encode(Leg("a", Decimal(1)))[0] == "test.leg"
    assert encode(Plan([], datetime.now(UTC), Side.BUY, {}, (1, ""), set(), b""))[0] == f"{__name__}.Plan"
    assert round_trip(Tree(1, [Tree(2), Tree(3, [Tree(4)])])) == Tree(1, [Tree(2), Tree(3, [Tree(4)])])


def test_what_has_a_tag_may_stand_inside():
    payload = {"legs": [Leg("a", Decimal("1.50")), {"deep": Leg("b", Decimal(2))}], "quote": Quote("B@X", 1, 2, 3, 4)}
    back = round_trip(payload)
    assert back["legs"] == payload["legs"]
    assert back["quote"].to_units() == payload["quote"].to_units()


# Market data

units = st.integers(-(2**63), 2**63 - 1)
heads = st.tuples(st.text(), st.integers(0, 18), st.integers(0, 18), units)
levels = st.lists(st.tuples(units, units), max_size=5)


@given(heads, st.lists(units, min_size=6, max_size=6))
def test_quotes_round_trip(head, numbers):
    quote = Quote.from_units(head, numbers)
    assert encode(quote)[0] == "quote"
    back = round_trip(quote)
    assert type(back) is Quote
    assert back.to_units() == quote.to_units() == (head, numbers)
    assert (repr(back), back.bid, back.ask_size) == (repr(quote), quote.bid, quote.ask_size)


@given(heads, st.lists(units, min_size=4, max_size=4), st.sampled_from([None, "buyer", "seller"]))
def test_trades_round_trip(head, numbers, aggressor):
    trade = Trade.from_units(head, numbers, aggressor)
    assert encode(trade)[0] == "trade"
    assert round_trip(trade).to_units() == trade.to_units() == (head, numbers, aggressor)


@given(heads, st.lists(units, min_size=4, max_size=4), units, units, st.integers(0, 2**32 - 1))
def test_bars_round_trip(head, prices, volume, ts_open_ns, interval_ms):
    low, a, b, high = sorted(prices)
    bar = Bar.from_units(head, [a, high, low, b, volume, ts_open_ns], interval_ms)
    assert encode(bar)[0] == "bar"
    assert round_trip(bar).to_units() == bar.to_units()
    assert round_trip(bar).ts_venue_ns == ts_open_ns


@given(heads, st.booleans(), st.lists(units, min_size=4, max_size=4), levels, levels)
def test_book_deltas_round_trip(head, snapshot, ids, bids, asks):
    book = BookDelta.from_units(head, snapshot, ids, bids, asks)
    assert encode(book)[0] == "book_delta"
    assert round_trip(book).to_units() == book.to_units() == (head, snapshot, ids, bids, asks)


def test_numbers_of_the_public_constructors_survive():
    quote = round_trip(Quote("BTC/USDT@X", "100.10", "100.20", "1.500", 2, venue_seq=9, ts_venue_ns=5))
    assert (str(quote.bid), str(quote.ask), str(quote.bid_size), str(quote.ask_size)) == (
        "100.10", "100.20", "1.500", "2.000",
    )  # fmt: skip
    assert (quote.instrument, quote.venue_seq, quote.ts_venue_ns) == ("BTC/USDT@X", 9, 5)


@pytest.mark.parametrize(
    ("native", "arguments"),
    [
        (Quote, (("B", 19, 0, 0), [0] * 6)),
        (Quote, (("B", 1, 0, 0), [0] * 5)),
        (Quote, (("B", 1, 0, 0), [2**63] + [0] * 5)),
        (Trade, (("B", 1, 255, 0), [0] * 4, None)),
        (Trade, (("B", 1, 2, 0), [0] * 4, "nobody")),
        (Bar, (("B", 1, 2, 0), [5, 4, 1, 2, 0, 0], 1)),
        (BookDelta, (("B", 1, 300, 0), True, [0] * 4, [], [])),
    ],
)
def test_native_numbers_are_checked(native, arguments):
    with pytest.raises((ValueError, OverflowError)):
        native.from_units(*arguments)


# What is refused


class MyInt(int):
    pass


ITSELF: list[object] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    "payload",
    [
        (1, 2), {1, 2}, object(), Side.BUY, EventType.TICK, MyInt(3), 1j, Unknown(1), {"a": Unknown(1)}, [(1,)],
        {(1,): 2}, "\ud800", Event.create(EventType.TICK, "test"), ITSELF, lambda: None, 10**5000,
        Plan([], datetime.now(UTC), Side.BUY, {2**70: Decimal(1)}, (1, ""), {1j}, b""),
    ],
    ids=lambda payload: type(payload).__name__,
)  # fmt: skip
def test_what_would_not_come_back_is_refused(payload):
    with pytest.raises(CodecError) as refused:
        encode(payload)
    assert isinstance(refused.value, LibraError)
    assert str(refused.value)


def test_messages_say_what_to_do():
    with pytest.raises(CodecError, match=r"Unknown is not registered: decorate it"):
        encode(Unknown(1))
    with pytest.raises(CodecError, match=r"no class is registered here for the tag 'nowhere.Thing'"):
        decode("nowhere.Thing", b"\x80")


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("plain", b""), ("plain", b"\xc1"), ("plain", b"\x92\x01"), ("plain", b"\x01\x01"), ("plain", b"\xd4\x09x"),
        ("plain", b"\xd4\x01x"), ("plain", b"\xd4\x02x"), ("plain", b"\xd4\x03x"), ("plain", b"\xd4\x04\x01"),
        ("plain", b"\xd4\x05\x01"), ("plain", b"\xd4\x01\xff"), ("plain", b"\x91" * 100_000), ("test.leg", b"\x80"),
        ("test.leg", b"\x82\xa6symbol\x01\xa4size\xa11"), ("test.leg", b"\xa1x"), ("quote", b"\x90"),
        ("quote", b"\x01"), ("book_delta", b"\x92\x01\x02"),
        ("quote", b"\x92\x94\xa1B\x13\x00\x00\x96\x00\x00\x00\x00\x00\x00"),
    ],
)  # fmt: skip
def test_bad_data_is_an_error_of_ours(tag, data):
    with pytest.raises(CodecError):
        decode(tag, data)


@given(st.sampled_from(["plain", "quote", "trade", "bar", "book_delta", "test.leg", "test.tree", "?"]), st.binary())
def test_any_bytes_are_a_payload_or_an_error(tag, data):
    with suppress(CodecError):
        decode(tag, data)


@given(plain, st.integers(0, 10**6), st.integers(0, 255))
def test_damaged_data_is_a_payload_or_an_error(payload, where, byte):
    tag, data = encode(payload)
    damaged = bytearray(data)
    damaged[where % len(data)] = byte
    with suppress(CodecError):
        decode(tag, bytes(damaged))


def test_registering():
    class One(msgspec.Struct):
        x: int

    class Two(msgspec.Struct):
        x: int

    class Bad(msgspec.Struct):
        x: Decimal | str

    assert register(One, "test.one") is One
    assert register(One, "test.one") is One
    with pytest.raises(CodecError, match=r"test\.one.*taken by .*One"):
        register(Two, "test.one")
    for taken in ("plain", "quote", "bar", ""):
        with pytest.raises(CodecError, match="taken by the codec"):
            register(Two, taken)
    for nothing in (dict, int, 5, Two(1)):
        with pytest.raises(CodecError, match=r"msgspec\.Struct"):
            register(nothing)
    with pytest.raises(CodecError, match="fields of"):
        register(Bad)
    assert round_trip(One(5)) == One(5)


def test_a_module_that_is_loaded_again_replaces_its_class():
    def load():
        class Again(msgspec.Struct):
            x: int

        return register(Again)

    old, new = load(), load()
    assert type(round_trip(new(1))) is new
    assert type(round_trip(old(1))) is new


def test_import_libra_does_not_load_msgspec():
    code = "import libra, sys; sys.exit('msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
