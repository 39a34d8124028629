"""Market events as the venue's streams have them, as JSON text.

Names, numbers and decimals are put together by hand: none of them needs an escape, and these are most of all frames.
Times are the venue's, in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.exchange_sim.numbers import money_text, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libra.exchange_sim.floor import Told
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.tape import AggTrade, Candle, PublicTrade

__all__ = ["agg_trade", "best", "depth", "kline", "mark_price", "mini_ticker", "partial_depth", "ticker", "trade"]

Levels = "Sequence[tuple[str, str]]"


def best(market: Market, told: Told, now_ms: int) -> bytes:
    """`bookTicker`."""
    _, _, ts_ns, update_id, bid, bid_size, ask, ask_size = told
    rest = f'"s":"{market.symbol}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}'
    if market.is_spot:
        return f'{{"u":{update_id},{rest}'.encode()
    return f'{{"e":"bookTicker","u":{update_id},"E":{now_ms},"T":{ts_ns // 1_000_000},{rest}'.encode()


def trade(market: Market, one: PublicTrade, now_ms: int) -> bytes:
    """`trade`."""
    head = f'{{"e":"trade","E":{now_ms},"T":{one.ts_ms},"s":"{market.symbol}","t":{one.id},'
    maker = "true" if one.maker_buys else "false"
    tail = f'"m":{maker},"M":true}}' if market.is_spot else f'"X":"MARKET","m":{maker}}}'
    return f'{head}"p":"{one.price_text}","q":"{one.quantity_text}",{tail}'.encode()


def agg_trade(market: Market, one: AggTrade, now_ms: int) -> bytes:
    """`aggTrade`."""
    maker = "true" if one.maker_buys else "false"
    tail = ',"M":true}' if market.is_spot else "}"
    return (
        f'{{"e":"aggTrade","E":{now_ms},"s":"{market.symbol}","a":{one.id},"p":"{market.price_text(one.price)}",'
        f'"q":"{market.size_text(one.quantity)}","f":{one.first},"l":{one.last},"T":{one.ts_ms},"m":{maker}{tail}'
    ).encode()


def _levels(levels: Sequence[tuple[str, str]]) -> str:
    return ",".join([f'["{price}","{size}"]' for price, size in levels])


def depth(
    market: Market,
    ids: tuple[int, int, int],
    bids: Sequence[tuple[str, str]],
    asks: Sequence[tuple[str, str]],
    now_ms: int,
) -> bytes:
    """`depthUpdate`; ids are the first, the last, and the last of the one before."""
    first, last, previous = ids
    times = f'"E":{now_ms}' if market.is_spot else f'"E":{now_ms},"T":{now_ms}'
    chain = f'"U":{first},"u":{last}' if market.is_spot else f'"U":{first},"u":{last},"pu":{previous}'
    return (
        f'{{"e":"depthUpdate",{times},"s":"{market.symbol}",{chain},"b":[{_levels(bids)}],"a":[{_levels(asks)}]}}'
    ).encode()


def partial_depth(
    market: Market, last_id: int, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], now_ms: int
) -> bytes:
    """The best levels of both sides: `depth5`, `depth10`, `depth20`."""
    if market.is_spot:
        return f'{{"lastUpdateId":{last_id},"bids":[{_levels(bids)}],"asks":[{_levels(asks)}]}}'.encode()
    return depth(market, (last_id, last_id, last_id), bids, asks, now_ms)


def kline(market: Market, interval: str, length_ms: int, candle: Candle, now_ms: int) -> bytes:
    """`kline`."""
    closed = "true" if candle.opens_ms + length_ms <= now_ms else "false"
    return (
        f'{{"e":"kline","E":{now_ms},"s":"{market.symbol}","k":{{"t":{candle.opens_ms},'
        f'"T":{candle.opens_ms + length_ms - 1},"s":"{market.symbol}","i":"{interval}","f":{candle.first},'
        f'"L":{candle.last},"o":"{market.price_text(candle.open)}","c":"{market.price_text(candle.close)}",'
        f'"h":"{market.price_text(candle.high)}","l":"{market.price_text(candle.low)}",'
        f'"v":"{market.size_text(candle.volume)}","n":{candle.count},"x":{closed},"q":"{money_text(candle.quote)}",'
        f'"V":"{market.size_text(candle.taker_volume)}","Q":"{money_text(candle.taker_quote)}","B":"0"}}}}'
    ).encode()


def mini_ticker(market: Market, day: Candle, now_ms: int) -> bytes:
    """`24hrMiniTicker`."""
    return (
        f'{{"e":"24hrMiniTicker","E":{now_ms},"s":"{market.symbol}","c":"{market.price_text(day.close)}",'
        f'"o":"{market.price_text(day.open)}","h":"{market.price_text(day.high)}","l":"{market.price_text(day.low)}",'
        f'"v":"{market.size_text(day.volume)}","q":"{money_text(day.quote)}"}}'
    ).encode()


def ticker(
    market: Market,
    day: Candle,
    top: tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]],
    last: PublicTrade | None,
    now_ms: int,
) -> bytes:
    """`24hrTicker`."""
    none = (market.price_text(0), market.size_text(0))
    bid, ask = (side[0] if side else none for side in top)
    book = ""
    if market.is_spot:
        book = f'"x":"{market.price_text(day.open)}","b":"{bid[0]}","B":"{bid[1]}","a":"{ask[0]}","A":"{ask[1]}",'
    average = day.quote * 10**market.size_decimals // day.volume if day.volume else 0
    return (
        f'{{"e":"24hrTicker","E":{now_ms},"s":"{market.symbol}","p":"{market.price_text(day.close - day.open)}",'
        f'"P":"{change_percent(day)}","w":"{money_text(average)}",{book}"c":"{market.price_text(day.close)}",'
        f'"Q":"{last.quantity_text if last else none[1]}","o":"{market.price_text(day.open)}",'
        f'"h":"{market.price_text(day.high)}","l":"{market.price_text(day.low)}",'
        f'"v":"{market.size_text(day.volume)}","q":"{money_text(day.quote)}","O":{day.opens_ms},"C":{now_ms},'
        f'"F":{day.first},"L":{day.last},"n":{day.count}}}'
    ).encode()


def change_percent(day: Candle) -> str:
    """The change of a day in percent, with three decimals, toward zero."""
    change = day.close - day.open
    thousandths = abs(change) * 100_000 // day.open if day.open else 0
    return text_of(thousandths if change >= 0 else -thousandths, 3)


def mark_price(market: Market, mark: int, rate: int, next_ms: int, now_ms: int) -> bytes:
    """`markPriceUpdate`; the mark in money, which is also the index here."""
    price = money_text(mark)
    return (
        f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{market.symbol}","p":"{price}","i":"{price}","P":"{price}",'
        f'"r":"{money_text(rate)}","T":{next_ms}}}'
    ).encode()
