"""What an order has to be, as `exchangeInfo` says: the filters of both sides, and the answer where one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import MONEY, parse_units, text_of, trimmed

if TYPE_CHECKING:
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.orders import Order
    from libra.exchange_sim.params import Params

__all__ = ["check_linear", "check_spot", "linear_filters", "read_amount", "spot_filters"]

LARGEST_PRICE = 10**9
"""In whole units of the quote currency."""


def read_amount(params: Params, name: str, market: Market, decimals: int, *, required: bool = True) -> int:
    """A price or size in units of 10^-decimals; 0 where it is optional and not there.

    Raises:
        ApiError: -1102, -1100 or -1111.
    """
    text = params.get(name)
    if text is None:
        if required:
            raise ApiError.missing(name)
        return 0
    try:
        # Spot takes up to eight decimals and then looks at the filters; USD-M takes the instrument's own.
        units = parse_units(text, MONEY if market.is_spot else decimals)
    except ValueError as error:
        raise ApiError.illegal(name) from error
    if units is None:
        raise ApiError.precision(name) if market.is_spot else ApiError.precision()
    if market.is_spot:
        step = 10 ** (MONEY - decimals)
        if units % step:
            raise ApiError.filter("PRICE_FILTER" if "rice" in name else "LOT_SIZE")
        units //= step
    if units >= 2**62:
        raise ApiError.illegal(name)
    if units < 0:
        raise ApiError.illegal(name)
    return units


def check_spot(order: Order, open_orders: list[Order], reference: int) -> None:
    """The spot filters.

    Args:
        order: The order.
        open_orders: What the account has open in the market.
        reference: The average price of the last minutes, for PERCENT_PRICE_BY_SIDE and market orders' NOTIONAL.

    Raises:
        ApiError: -1013 with the filter's name.
    """
    market = order.market
    for price in filter(None, (order.price, order.stop_price)):
        if price % market.tick or price > LARGEST_PRICE * 10**market.price_decimals:
            raise ApiError.filter("PRICE_FILTER")
    if not order.quote_amount:
        _check_lots(order, "LOT_SIZE", market.max_quantity)
        if order.is_market:
            _check_lots(order, "MARKET_LOT_SIZE", market.max_market_quantity)
    if order.price and reference:
        _check_percent(order, reference)
    value = order.quote_amount or market.notional(order.price or reference, order.quantity)
    is_bounded = not order.is_market or market.settings.max_notional_to_market
    if value < market.min_notional or (is_bounded and value > market.max_notional):
        raise ApiError.filter("NOTIONAL")
    if len(open_orders) >= market.settings.max_orders:
        raise ApiError.filter("MAX_NUM_ORDERS")
    if order.is_conditional and sum(one.waits for one in open_orders) >= market.settings.max_stop_orders:
        raise ApiError.filter("MAX_NUM_ALGO_ORDERS")


def _check_lots(order: Order, name: str, largest: int) -> None:
    market = order.market
    if order.quantity < market.lot or order.quantity > largest or order.quantity % market.lot:
        raise ApiError.filter(name)


def _check_percent(order: Order, reference: int) -> None:
    up, down = order.market.settings.percent_up, order.market.settings.percent_down
    if not reference * down <= order.price <= reference * up:
        raise ApiError.filter("PERCENT_PRICE_BY_SIDE")


def check_linear(order: Order, open_orders: list[Order], mark: int) -> None:
    """The USD-M filters.

    Args:
        order: The order.
        open_orders: What the account has open in the market.
        mark: The mark price in units of the market.

    Raises:
        ApiError: As documented for each.
    """
    market = order.market
    for price in filter(None, (order.price, order.stop_price)):
        if price > LARGEST_PRICE * 10**market.price_decimals:
            raise ApiError(-4002, "Price greater than max price.")
        if price % market.tick:
            raise ApiError(-4014, "Price not increased by tick size.")
    largest = market.max_market_quantity if order.is_market else market.max_quantity
    if order.quantity <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if order.quantity < market.lot:
        raise ApiError(-4004, "Quantity less than min quantity.")
    if order.quantity > largest:
        raise ApiError(-4005, "Quantity greater than max quantity.")
    if order.quantity % market.lot:
        raise ApiError(-4023, "Qty not increased by step size.")
    if order.price and mark:
        _check_multiplier(order, mark)
    reference = order.price or order.stop_price or mark
    if not order.reduce_only and market.notional(reference, order.quantity) < market.min_notional:
        least = trimmed(market.min_notional, MONEY)
        raise ApiError(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
    if len(open_orders) >= market.settings.max_orders:
        raise ApiError(-2025, "Reach max open order limit.")
    if order.is_conditional and sum(one.waits for one in open_orders) >= market.settings.max_stop_orders:
        raise ApiError(-4045, "Reach max stop order limit.")


def _check_multiplier(order: Order, mark: int) -> None:
    market = order.market
    if order.buys and order.price > mark * market.settings.percent_up:
        highest = market.price_text(int(mark * market.settings.percent_up))
        raise ApiError(-4016, f"Limit price can't be higher than {highest}.")
    if not order.buys and order.price < mark * market.settings.percent_down:
        lowest = market.price_text(int(mark * market.settings.percent_down))
        raise ApiError(-4024, f"Limit price can't be lower than {lowest}.")


def _steps(market: Market) -> list[dict[str, Any]]:
    """What prices and sizes are multiples of, which both kinds of market list first."""
    step = market.size_text(market.lot)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": market.price_text(market.tick),
            "maxPrice": market.price_text(LARGEST_PRICE * 10**market.price_decimals),
            "tickSize": market.price_text(market.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": step,
            "maxQty": market.size_text(market.max_quantity),
            "stepSize": step,
        },
    ]


def spot_filters(market: Market) -> list[dict[str, Any]]:
    """The filters of a spot market, as exchangeInfo lists them."""
    settings = market.settings
    up, down = str(settings.percent_up), str(settings.percent_down)
    return [
        *_steps(market),
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": market.size_text(0),
            "maxQty": market.size_text(market.max_market_quantity),
            "stepSize": market.size_text(0),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": trimmed(market.min_notional, MONEY),
            "applyMinToMarket": True,
            "maxNotional": text_of(market.max_notional, MONEY),
            "applyMaxToMarket": settings.max_notional_to_market,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": settings.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": settings.max_stop_orders},
    ]


def linear_filters(market: Market) -> list[dict[str, Any]]:
    """The filters of a contract, as exchangeInfo lists them."""
    settings = market.settings
    step = market.size_text(market.lot)
    return [
        *_steps(market),
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": step,
            "maxQty": market.size_text(market.max_market_quantity),
            "stepSize": step,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": settings.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": settings.max_stop_orders},
        {"filterType": "MIN_NOTIONAL", "notional": trimmed(market.min_notional, MONEY)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": str(settings.percent_up),
            "multiplierDown": str(settings.percent_down),
            "multiplierDecimal": "4",
        },
    ]
