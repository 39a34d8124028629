"""What a supervisor and its members say to each other arrives as it was, however it is cut into pieces."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libra.config import load, settings_model
from libra_cluster.wire import LineReader, decode, encode

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    # A fold stands in no TOML.
    st.times().map(lambda at: at.replace(fold=0)),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC])).map(lambda at: at.replace(fold=0)),
)
keys = st.text(max_size=6) | st.sampled_from(["$decimal", "$pairs", "$date", "$other"])
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


@given(trees)
def test_a_message_arrives_as_it_was(value):
    message = {"type": "x", "value": value}
    line = encode(message)
    assert line.count(b"\n") == 1
    found = decode(line)
    assert found == message
    assert repr(found) == repr(message)


@given(st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\n", b".")), max_size=6), st.integers(1, 7))
def test_lines_are_put_together_from_any_pieces(lines, size):
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    reader = LineReader()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [line for piece in pieces for line in reader.feed(piece)] == lines
    assert reader.end() == b"rest"
    assert reader.end() == b""


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 30))
def test_a_long_line_comes_in_parts_and_nothing_of_it_is_kept_or_lost(pieces, longest):
    reader = LineReader(longest)
    found = []
    for piece in pieces:
        lines = reader.feed(piece)
        assert sum(map(len, reader._rest)) <= longest
        assert all(len(line) <= longest + len(piece) for line in lines)
        found += lines
    whole = b"".join(pieces)
    assert b"".join([*found, reader.end()]) == whole.replace(b"\n", b"")
    short = LineReader(longest=max(len(whole), 1))
    assert [line for piece in pieces for line in short.feed(piece)] == whole.split(b"\n")[:-1]


def test_what_nobody_knows_is_refused():
    with pytest.raises(TypeError):
        encode({"type": "x", "value": object()})


@pytest.mark.parametrize("profile", ["paper", "replay", "two_nodes"])
def test_settings_arrive_as_they_were(profile: str):
    settings = load(profile, environ={})
    order = decode(encode({"settings": settings.model_dump(by_alias=True)}))
    found = settings_model().model_validate(order["settings"], by_alias=True, by_name=False)
    assert found.model_dump() == {**settings_model().model_construct().model_dump(), **settings.model_dump()}
