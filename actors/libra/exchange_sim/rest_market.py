"""What everybody may ask, of spot and of USD-M: the market data endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.endpoints import Call, Endpoint
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.filters import linear_filters, spot_filters
from libra.exchange_sim.frames import change_percent
from libra.exchange_sim.numbers import money_text
from libra.exchange_sim.tape import INTERVALS_MS
from libra.exchange_sim.weights import DAY_MS, MINUTE_MS, TEN_SECONDS_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.exchange_sim.floor import Floor
    from libra.exchange_sim.funding import Funding
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.params import Params
    from libra.exchange_sim.tape import Candle, Tape
    from libra.exchange_sim.weights import Budgets

__all__ = ["MarketData", "rate_limits"]

_INTERVALS = {TEN_SECONDS_MS: ("SECOND", 10), MINUTE_MS: ("MINUTE", 1), DAY_MS: ("DAY", 1)}

SPOT_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
LINEAR_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")


def rate_limits(budgets: Budgets) -> list[dict[str, Any]]:
    """The limits, as exchangeInfo and ws-api list them."""
    rows = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": budgets.weight}]
    for length, limit in budgets.orders.items():
        interval, number = _INTERVALS[length]
        rows.append({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": limit})
    return rows


class MarketData:
    """The market data of one side.

    Args:
        floor: The markets.
        tape: Their history.
        funding: Marks of contracts.
        budgets: The limits to tell of.
        spot: Which side it is.
    """

    def __init__(self, floor: Floor, tape: Tape, funding: Funding, budgets: Budgets, *, spot: bool) -> None:
        self._floor = floor
        self._tape = tape
        self._funding = funding
        self._budgets = budgets
        self._spot = spot

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path below the side's versions."""
        by_symbol = _by_symbol(2, 4) if self._spot else _by_symbol(1, 2)
        day = _by_symbol(2, 80) if self._spot else _by_symbol(1, 40)
        shared: dict[str, Endpoint] = {
            "ping": Endpoint(lambda _: {}),
            "time": Endpoint(lambda call: {"serverTime": call.now_ms}),
            "exchangeInfo": Endpoint(self._info, 20 if self._spot else 1),
            "depth": Endpoint(self._depth, _depth_weight_spot if self._spot else _depth_weight_linear),
            "trades": Endpoint(self._trades, 25 if self._spot else 5),
            "historicalTrades": Endpoint(self._trades, 25 if self._spot else 20),
            "aggTrades": Endpoint(self._agg_trades, 4 if self._spot else 20),
            "klines": Endpoint(self._klines, 2 if self._spot else 5),
            "ticker/24hr": Endpoint(self._day, day),
            "ticker/price": Endpoint(self._price, by_symbol),
            "ticker/bookTicker": Endpoint(self._best, _by_symbol(2, 4) if self._spot else _by_symbol(2, 5)),
        }
        if self._spot:
            shared["avgPrice"] = Endpoint(self._average, 2)
            shared["ticker/tradingDay"] = shared["ticker"] = Endpoint(self._day, 4)
        else:
            shared["premiumIndex"] = Endpoint(self._premium, _by_symbol(1, 10))
            shared["fundingInfo"] = Endpoint(lambda _: [], 1)
        return {("GET", path): endpoint for path, endpoint in shared.items()}

    def market(self, params: Params) -> Market:
        """The market that is asked for.

        Raises:
            ApiError: -1102 or -1121.
        """
        market = self._floor.find(params.text("symbol"), spot=self._spot)
        if market is None:
            raise ApiError.bad_symbol()
        return market

    def last_or_mid(self, market: Market) -> int:
        """The last price; before the first trade the middle of the book, and 0 where there is none."""
        last = self._tape.last_price(market)
        bid, ask = self._floor.core.best(market.number)
        return last or ((bid + ask) // 2 if bid and ask else bid or ask or 0)

    def reference(self, market: Market, now_ms: int) -> int:
        """The average price of the last five minutes in units of the market."""
        volume = quote = 0
        for candle in self._tape.candles(market, "1m", now_ms)[-5:]:
            volume += candle.volume
            quote += candle.quote
        return quote // (volume * market.unit) if volume else self.last_or_mid(market)

    def _info(self, call: Call) -> dict[str, Any]:
        view = _spot_info if self._spot else _linear_info
        wanted = call.params.get("symbol")
        markets = self._floor.listed(spot=self._spot)
        if wanted is not None:
            markets = [self.market(call.params)]
        info: dict[str, Any] = {
            "timezone": "UTC",
            "serverTime": call.now_ms,
            "rateLimits": rate_limits(self._budgets),
            "exchangeFilters": [],
            "symbols": [view(market) for market in markets],
        }
        if not self._spot:
            assets = sorted({market.quote for market in markets})
            info["assets"] = [{"asset": one, "marginAvailable": True, "autoAssetExchange": "0"} for one in assets]
        return info

    def _depth(self, call: Call) -> dict[str, Any]:
        market = self.market(call.params)
        levels = call.params.limit(100 if self._spot else 500, 5_000 if self._spot else 1_000)
        last_id, bids, asks = self._floor.core.depth(market.number, levels)
        depth: dict[str, Any] = {"lastUpdateId": last_id}
        if not self._spot:
            depth |= {"E": call.now_ms, "T": call.now_ms}
        return {**depth, "bids": bids, "asks": asks}

    def _trades(self, call: Call) -> list[dict[str, Any]]:
        market = self.market(call.params)
        trades = list(self._tape.trades(market))[-call.params.limit(500, 1_000) :]
        more = {"isBestMatch": True} if self._spot else {}
        return [
            {
                "id": one.id,
                "price": one.price_text,
                "qty": one.quantity_text,
                "quoteQty": money_text(market.notional(one.price, one.quantity)),
                "time": one.ts_ms,
                "isBuyerMaker": one.maker_buys,
                **more,
            }
            for one in trades
        ]

    def _agg_trades(self, call: Call) -> list[dict[str, Any]]:
        market, params = self.market(call.params), call.params
        start, end, first = params.integer("startTime"), params.integer("endTime"), params.integer("fromId")
        groups = [
            one
            for one in self._tape.grouped(market)
            if (first is None or one.id >= first)
            and (start is None or one.ts_ms >= start)
            and (end is None or one.ts_ms <= end)
        ]
        limit = params.limit(500, 1_000)
        groups = groups[:limit] if first is not None or start is not None else groups[-limit:]
        more = {"M": True} if self._spot else {}
        return [
            {
                "a": one.id,
                "p": market.price_text(one.price),
                "q": market.size_text(one.quantity),
                "f": one.first,
                "l": one.last,
                "T": one.ts_ms,
                "m": one.maker_buys,
                **more,
            }
            for one in groups
        ]

    def _klines(self, call: Call) -> list[list[Any]]:
        market, params = self.market(call.params), call.params
        interval = params.text("interval")
        if interval not in INTERVALS_MS:
            raise ApiError.bad_enum(-1120, "interval")
        length = INTERVALS_MS[interval]
        start, end = params.integer("startTime"), params.integer("endTime")
        candles = [
            one
            for one in self._tape.candles(market, interval, call.now_ms)
            if (start is None or one.opens_ms >= start) and (end is None or one.opens_ms <= end)
        ]
        limit = params.limit(500, 1_000 if self._spot else 1_500)
        candles = candles[:limit] if start is not None else candles[-limit:]
        return [
            [
                one.opens_ms,
                market.price_text(one.open),
                market.price_text(one.high),
                market.price_text(one.low),
                market.price_text(one.close),
                market.size_text(one.volume),
                one.opens_ms + length - 1,
                money_text(one.quote),
                one.count,
                market.size_text(one.taker_volume),
                money_text(one.taker_quote),
                "0",
            ]
            for one in candles
        ]

    def _each(self, call: Call, view: Callable[[Market], dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
        if call.params.get("symbol") is not None:
            return view(self.market(call.params))
        markets = self._floor.listed(spot=self._spot)
        symbols = call.params.get("symbols")
        if symbols is not None:
            wanted = {name.strip('" ') for name in symbols.strip("[]").split(",")}
            if not wanted <= {market.symbol for market in markets}:
                raise ApiError.bad_symbol()
            markets = [market for market in markets if market.symbol in wanted]
        return [view(market) for market in markets]

    def _day(self, call: Call) -> dict[str, Any] | list[dict[str, Any]]:
        return self._each(call, lambda market: self._day_view(market, self._tape.day(market, call.now_ms), call.now_ms))

    def _day_view(self, market: Market, day: Candle, now_ms: int) -> dict[str, Any]:
        trades = self._tape.trades(market)
        average = day.quote * 10**market.size_decimals // day.volume if day.volume else 0
        view = {
            "symbol": market.symbol,
            "priceChange": market.price_text(day.close - day.open),
            "priceChangePercent": change_percent(day),
            "weightedAvgPrice": money_text(average),
            "lastPrice": market.price_text(day.close),
            "lastQty": trades[-1].quantity_text if trades else market.size_text(0),
            "openPrice": market.price_text(day.open),
            "highPrice": market.price_text(day.high),
            "lowPrice": market.price_text(day.low),
            "volume": market.size_text(day.volume),
            "quoteVolume": money_text(day.quote),
            "openTime": day.opens_ms,
            "closeTime": now_ms,
            "firstId": day.first,
            "lastId": day.last,
            "count": day.count,
        }
        if self._spot:
            best = self._best_view(market)
            view |= {"prevClosePrice": market.price_text(day.open)}
            view |= {name: best[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")}
        return view

    def _price(self, call: Call) -> dict[str, Any] | list[dict[str, Any]]:
        def view(market: Market) -> dict[str, Any]:
            row: dict[str, Any] = {"symbol": market.symbol, "price": market.price_text(self.last_or_mid(market))}
            return row if self._spot else {**row, "time": call.now_ms}

        return self._each(call, view)

    def _best(self, call: Call) -> dict[str, Any] | list[dict[str, Any]]:
        more = {} if self._spot else {"time": call.now_ms}
        return self._each(call, lambda market: {**self._best_view(market), **more})

    def _best_view(self, market: Market) -> dict[str, Any]:
        _, bids, asks = self._floor.core.depth(market.number, 1)
        none = (market.price_text(0), market.size_text(0))
        (bid, bid_size), (ask, ask_size) = (side[0] if side else none for side in (bids, asks))
        return {
            "symbol": market.symbol,
            "bidPrice": bid,
            "bidQty": bid_size,
            "askPrice": ask,
            "askQty": ask_size,
        }

    def _average(self, call: Call) -> dict[str, Any]:
        market = self.market(call.params)
        trades = self._tape.trades(market)
        price = market.price_text(self.reference(market, call.now_ms))
        return {"mins": 5, "price": price, "closeTime": trades[-1].ts_ms if trades else call.now_ms}

    def _premium(self, call: Call) -> dict[str, Any] | list[dict[str, Any]]:
        def view(market: Market) -> dict[str, Any]:
            mark, rate, next_ms = self._funding.state(market)
            return {
                "symbol": market.symbol,
                "markPrice": money_text(mark),
                "indexPrice": money_text(mark),
                "estimatedSettlePrice": money_text(mark),
                "lastFundingRate": money_text(rate),
                "interestRate": money_text(rate),
                "nextFundingTime": next_ms,
                "time": call.now_ms,
            }

        return self._each(call, view)


def _by_symbol(one: int, everyone: int) -> Callable[[Params], int]:
    return lambda params: one if params.get("symbol") is not None else everyone


def _depth_weight_spot(params: Params) -> int:
    limit = params.limit(100, 5_000)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250


def _depth_weight_linear(params: Params) -> int:
    limit = params.limit(500, 1_000)
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


_STP = ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"]


def _spot_info(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(SPOT_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": spot_filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": _STP,
    }


def _linear_info(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "pair": market.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.quote,
        "pricePrecision": market.price_decimals,
        "quantityPrecision": market.size_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.015000",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": linear_filters(market),
        "orderTypes": list(LINEAR_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
