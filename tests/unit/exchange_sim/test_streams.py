"""Market streams: what is published is what the engine's book is, each frame made once, whoever reads it."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libra.exchange_sim import clients
from libra.exchange_sim.clients import Client, frame

from .conftest import Reader, Stage, market


def reading(stage: Stage, *names: str, spot: bool = True, combined: bool = False) -> Reader:
    reader = Reader()
    client = Client(reader, 1 << 22, spot=spot, combined=combined)
    stage.venue.clients.add(client)
    for name in names:
        stage.venue.market_streams.subscribe(client, name)
    return reader


def apply(book: dict[str, dict[Decimal, Decimal]], update: dict[str, Any]) -> None:
    for side in ("b", "a"):
        for price, size in update[side]:
            if Decimal(size):
                book[side][Decimal(price)] = Decimal(size)
            else:
                book[side].pop(Decimal(price), None)


def book_of(stage: Stage, where: str) -> dict[str, dict[Decimal, Decimal]]:
    depth = stage.ask("alice", "GET", f"{where}/depth", symbol="BTCUSDT", limit=1_000)
    pairs = (("b", depth["bids"]), ("a", depth["asks"]))
    return {side: {Decimal(price): Decimal(size) for price, size in levels} for side, levels in pairs}


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(590_000, 610_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40)
@given(ORDERS, st.sampled_from(["spot", "linear"]), st.integers(0, 19))
def test_a_snapshot_and_the_updates_behind_it_are_the_engines_book(
    orders: list[tuple[str, str, int, bool]], where: str, asked_at: int
):
    stage = Stage()
    reader = reading(stage, "btcusdt@depth@100ms", "btcusdt@depth", spot=where == "spot")
    updates: list[dict[str, Any]] = []
    snapshot: dict[str, Any] = {}
    for number, (name, side, ticks, both) in enumerate(orders):
        price = f"{ticks // 10}.{ticks % 10}"
        stage.order(name, side, "0.5", price, where=where, selfTradePreventionMode="NONE")
        if number == min(asked_at, len(orders) - 1):
            snapshot = stage.ask("alice", "GET", f"{where}/depth", symbol="BTCUSDT", limit=1_000)
        stage.wait(0.05)
        if both:
            stage.wait(0.05)
        updates += reader.messages()
    for _ in range(20):
        stage.wait(0.05)
    updates += reader.messages()
    last = snapshot["lastUpdateId"]
    book = {"b": {}, "a": {}}
    apply(book, {"b": snapshot["bids"], "a": snapshot["asks"]})
    # Both paces of the stream are complete by themselves; each is told from the other by following its own chain.
    fast = chain(updates, spot=where == "spot")
    applied = False
    for one in fast:
        if one["u"] <= last:
            continue
        if not applied:
            # Binance's rule to join, which USD-M words by `pu`.
            assert one["U"] <= last + 1 <= one["u"]
        applied = True
        apply(book, one)
    assert book == book_of(stage, where)


def chain(updates: list[dict[str, Any]], *, spot: bool) -> list[dict[str, Any]]:
    """The updates of one pace: those that continue each other."""
    found: list[dict[str, Any]] = []
    for one in updates:
        if not found or one["U"] == found[-1]["u"] + 1:
            found.append(one)
            if not spot and len(found) > 1:
                assert one["pu"] == found[-2]["u"]
    return found


def test_quotes_and_trades_are_told_to_all_by_frames_made_once(monkeypatch: Any):
    made: list[bytes] = []
    monkeypatch.setattr(
        "libra.exchange_sim.market_streams.frame", lambda payload: made.append(payload) or frame(payload)
    )
    stage = Stage()
    names = ("btcusdt@bookTicker", "btcusdt@trade", "btcusdt@aggTrade")
    readers = [reading(stage, *names) for _ in range(5)]
    other = reading(stage, *names, spot=False)
    combined = reading(stage, names[1], combined=True)
    stage.order("bob", "SELL", "1", "60000")
    stage.order("bob", "SELL", "1", "60000")
    stage.order("alice", "BUY", "1.5", "60000")
    stage.wait(0.01)
    first, *rest = [one.messages() for one in readers]
    assert all(messages == first for messages in rest)
    assert other.messages() == []
    quotes = [one for one in first if "e" not in one]
    assert [(one["a"], one["A"], one["b"]) for one in quotes] == [
        ("60000.00000000", "1.00000000", "0.00000000"),
        ("60000.00000000", "2.00000000", "0.00000000"),
        ("60000.00000000", "0.50000000", "0.00000000"),
    ]
    trades = [one for one in first if one.get("e") == "trade"]
    assert [(one["q"], one["m"]) for one in trades] == [("1.00000000", False), ("0.50000000", False)]
    (grouped,) = [one for one in first if one.get("e") == "aggTrade"]
    assert (grouped["q"], grouped["f"], grouped["l"]) == ("1.50000000", trades[0]["t"], trades[1]["t"])
    wrapped = combined.messages()
    assert [one["stream"] for one in wrapped] == ["btcusdt@trade"] * 2
    assert [one["data"] for one in wrapped] == trades
    # Three quotes, two trades, one of them grouped; and the two trades once more for who reads them wrapped.
    assert len(made) == 8


def test_candles_tickers_and_marks_are_told_every_second():
    stage = Stage(markets=(market("BTC/USDT"), market("BTC/USDT:USDT")))
    spot = reading(stage, "btcusdt@kline_1m", "btcusdt@ticker", "btcusdt@miniTicker", "!ticker@arr", "btcusdt@depth5")
    linear = reading(stage, "btcusdt@markPrice@1s", "!markPrice@arr@1s", "btcusdt@kline_5m", spot=False)
    for where in ("spot", "linear"):
        stage.order("bob", "SELL", "1", "60000", where=where)
        stage.order("bob", "BUY", "1", "59000", where=where)
        stage.order("alice", "BUY", "0.5", "60000", where=where)
        stage.order("alice", "SELL", "0.5", "59000", where=where)
    stage.wait(1.1)
    seen = {one["e"]: one for one in spot.messages() if isinstance(one, dict) and "e" in one}
    candle = seen["kline"]["k"]
    assert [candle[key] for key in "ohlc"] == ["60000.00000000"] * 2 + ["59000.00000000"] * 2
    assert (candle["v"], candle["q"], candle["V"], candle["n"], candle["x"]) == (
        "1.00000000",
        "59500.00000000",
        "0.50000000",
        2,
        False,
    )
    ticker = seen["24hrTicker"]
    assert (ticker["p"], ticker["P"], ticker["w"]) == ("-1000.00000000", "-1.666", "59500.00000000")
    assert (seen["24hrMiniTicker"]["h"], ticker["b"], ticker["a"]) == (
        "60000.00000000",
        "59000.00000000",
        "60000.00000000",
    )
    messages = linear.messages()
    (mark,) = [one for one in messages if isinstance(one, dict) and one["e"] == "markPriceUpdate"]
    assert mark["p"] == "59500.00000000"
    assert [mark] in messages
    stage.wait(60)
    closed = [one["k"] for one in spot.messages() if isinstance(one, dict) and one.get("e") == "kline"]
    assert [(one["x"], one["n"]) for one in closed][:1] == [(True, 2)]


def test_long_messages_have_long_headers():
    for length in (0, 125, 126, 65_535, 65_536):
        made = frame(b"x" * length)
        assert made.endswith(b"x" * length)
        assert len(made) - length == (2 if length < 126 else 4 if length < 65_536 else 10)
    assert clients.frame(b"hello") == bytes((0x81, 5)) + b"hello"
