"""The native volatility against one in plain Python."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libra.strategies.indicators import EwmaVolatility

YEAR_S = 31_557_600
MAX_SILENT = 100


def reference(quotes, interval_ns, decay, warmup):
    """Last price of each interval that had one, then the recursion, restarted behind a long silence."""
    closes = {}
    for ts_ns, mid in quotes:
        closes[ts_ns // interval_ns] = mid
    points = sorted(closes.items())[:-1]
    following = sorted(closes)[1:]
    squares, variance = [], None
    for index, (number, price) in enumerate(points):
        if index and points[index - 1] is not None:
            before, earlier = points[index - 1]
            if number - before <= MAX_SILENT:
                squares.append(math.log(price / earlier) ** 2 / (number - before))
                if len(squares) <= warmup:
                    variance = sum(squares) / len(squares)
                else:
                    variance = decay * variance + (1 - decay) * squares[-1]
        if following[index] - number > MAX_SILENT:
            squares, variance = [], None
    if len(squares) < warmup or not variance:
        return None
    return math.sqrt(variance * YEAR_S * 1e9 / interval_ns)


steps = st.lists(st.tuples(st.integers(0, 4_000), st.floats(0.9, 1.1)), min_size=1, max_size=60)
silences = st.lists(st.integers(0, 59), max_size=2)


@given(steps, silences, st.integers(1, 5), st.floats(0.01, 0.99))
def test_it_agrees_with_plain_python(moves, long, warmup, decay):
    native = EwmaVolatility(1.0, decay=decay, warmup=warmup)
    again = EwmaVolatility(1.0, decay=decay, warmup=warmup)
    ts_ns, mid, quotes = 1_700_000_000_000_000_000, 100.0, []
    for index, (step_ms, move) in enumerate(moves):
        ts_ns += step_ms * 1_000_000 + (150_000_000_000 if index in long else 0)
        mid *= move
        quotes.append((ts_ns, mid))
        value = native.update(ts_ns, mid)
        assert value == again.update(ts_ns, mid), "the same quotes give the same bits"
        expected = reference(quotes, 1_000_000_000, decay, warmup)
        assert (value is None) == (expected is None)
        if expected is not None:
            assert value == pytest.approx(expected, rel=1e-6)
    assert native.value == value


@pytest.mark.parametrize("terms", [{"decay": 1.0}, {"decay": 0.0}, {"warmup": 0}])
def test_what_no_estimate_comes_of_is_refused(terms):
    with pytest.raises(ValueError, match="decay lies between 0 and 1"):
        EwmaVolatility(60.0, **terms)
    with pytest.raises(ValueError, match="interval_s"):
        EwmaVolatility(0.0)
