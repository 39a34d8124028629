"""The rate rules of venues: their limits, what a request costs, and where they say what they have counted.

Binance's are those of its documentation (REST API, "Limits"; exchangeInfo's ``rateLimits`` replaces them once it was
read). Of other venues CCXT knows one figure, which becomes a limit over ten seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from libra.gateways.budget import Limit

__all__ = ["VenueRules"]

_S = 1_000_000_000
_SLACK_NS = 1 * _S
"""A venue counts when a request arrives: what left a little earlier may be counted with what left a little later."""

_RESERVED = 10
"""One part in so many of each limit is kept for cancels."""

_MILLI = 1_000
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_UNITS = {
    "REQUEST_WEIGHT": "weight",
    "ORDERS": "orders",
    "RAW_REQUESTS": "raw",
    "UID": "uid",
    "CONNECTIONS": "connections",
}
_LETTERS = {"S": "SECOND", "M": "MINUTE", "H": "HOUR", "D": "DAY"}
_HEADER = re.compile(r"x-(?:mbx-|sapi-)(used-weight|order-count)-(\d+)([smhd])")
_RATE_LIMITS = re.compile(r'"rateLimits"\s*:\s*(\[[^\]]*\])')
_BINANCE = {
    "spot": [
        ("REQUEST_WEIGHT", "MINUTE", 1, 6_000),
        ("RAW_REQUESTS", "MINUTE", 5, 61_000),
        ("ORDERS", "SECOND", 10, 100),
        ("ORDERS", "DAY", 1, 200_000),
        ("CONNECTIONS", "MINUTE", 5, 300),
    ],
    "linear": [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2_400),
        ("ORDERS", "SECOND", 10, 300),
        ("ORDERS", "MINUTE", 1, 1_200),
        ("CONNECTIONS", "MINUTE", 5, 300),
    ],
    "wallet": [("UID", "MINUTE", 1, 180_000)],
    "inverse": [("REQUEST_WEIGHT", "MINUTE", 1, 2_400), ("ORDERS", "MINUTE", 1, 1_200)],
}
_OF_ACCOUNTS = {"capital/withdraw/history": 18_000}
"""What weighs for an account, and not for an address."""

_CCXT_WEIGHT = 5
"""CCXT's costs of Binance's spot endpoints are their weights by this."""


class VenueRules:
    """The rules of one venue.

    Args:
        venue: CCXT's name of it.
        rate_limit_ms: CCXT's ``rateLimit``.
    """

    def __init__(self, venue: str, rate_limit_ms: float = 50.0) -> None:
        self.is_binance = venue.startswith("binance")
        self._rate_limit_ms = max(0.1, float(rate_limit_ms))

    def limits(self) -> list[Limit]:
        """What holds before the venue has said more."""
        if self.is_binance:
            return [_limit(family, *rule) for family, rules in _BINANCE.items() for rule in rules]
        most = int(10_000 / self._rate_limit_ms * _MILLI)
        return [Limit("weight_10s", "other.weight", most, 10 * _S, most // _RESERVED)]

    def cost(self, api: object, cost: float, *, orders: int = 0, path: str = "") -> dict[str, int]:
        """What a request takes.

        Args:
            api: The part of the API that it goes to, as CCXT names it.
            cost: CCXT's cost of it.
            orders: How many new orders it sends.
            path: Where it goes there.
        """
        if not self.is_binance:
            return {"other.weight": ceil(cost * _MILLI)}
        family = self.family(api[0] if isinstance(api, (list, tuple)) else str(api))
        weight = ceil(round(cost * (_CCXT_WEIGHT if family == "spot" else 1), 6))
        own = {"wallet.uid": _OF_ACCOUNTS[path]} if path in _OF_ACCOUNTS else {}
        return {f"{family}.weight": weight, f"{family}.orders": orders, f"{family}.raw": 1, **own}

    def order_cost(self, market: str, *, orders: int) -> dict[str, int]:
        """What a new order takes, or with no orders a cancel."""
        if not self.is_binance:
            return {"other.weight": _MILLI}
        return {f"{market}.weight": 1, f"{market}.orders": orders, f"{market}.raw": 1}

    def connection_cost(self, url: str) -> dict[str, int]:
        """What a try to make a WebSocket connection takes."""
        family = "linear" if "fstream" in url else self.family(url)
        return {f"{family}.connections": 1} if self.is_binance else {}

    def takes_orders(self, url: str) -> bool:
        """True for the address of a socket that requests go by, orders among them."""
        return self.is_binance and ("ws-api" in url or "ws-fapi" in url)

    @staticmethod
    def family(text: str) -> str:
        """Which of Binance's exchanges an API or an address belongs to: each counts for itself."""
        if "fapi" in text:
            return "linear"
        return "inverse" if "dapi" in text else "spot"

    def counted(self, url: str, headers: Mapping[str, str]) -> Iterable[tuple[str, int]]:
        """What the headers of an answer say of limits: name and count."""
        if not self.is_binance:
            return
        for key, value in headers.items():
            found = _HEADER.fullmatch(key.lower())
            if found is not None and value.isdigit():
                unit = "weight" if found.group(1) == "used-weight" else "orders"
                interval = _LETTERS[found.group(3).upper()]
                yield _name(self.family(url), unit, interval, int(found.group(2))), int(value)

    def counted_by_message(self, url: str, message: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
        """The same of an answer over a WebSocket."""
        rows = message.get("rateLimits")
        for row in rows if self.is_binance and isinstance(rows, list) else ():
            unit, interval = _UNITS.get(row.get("rateLimitType")), row.get("interval")
            if unit is not None and interval in _SECONDS and isinstance(row.get("count"), int):
                yield _name(self.family(url), unit, interval, int(row.get("intervalNum", 1))), row["count"]

    def announced(self, url: str, body: str) -> list[Limit]:
        """The limits that an ``exchangeInfo`` tells."""
        if not self.is_binance or "exchangeInfo" not in url:
            return []
        found = _RATE_LIMITS.search(body)
        limits = []
        try:
            rows = json.loads(found.group(1)) if found is not None else []
            for row in rows:
                if row["rateLimitType"] in _UNITS and row["interval"] in _SECONDS and int(row["limit"]) > 0:
                    rule = (row["rateLimitType"], row["interval"], int(row["intervalNum"]), int(row["limit"]))
                    limits.append(_limit(self.family(url), *rule))
        except (ValueError, KeyError, TypeError):
            return []
        return limits


def _name(family: str, unit: str, interval: str, count: int) -> str:
    return f"{family}.{unit}_{count}{interval[0].lower()}"


def _limit(family: str, kind: str, interval: str, count: int, most: int) -> Limit:
    unit = _UNITS[kind]
    length_ns = _SECONDS[interval] * count * _S + _SLACK_NS
    # Cancels are no orders, and need no reserve among these; nor do they wait for a connection.
    reserve = 0 if unit in ("orders", "connections") else most // _RESERVED
    own = unit in ("orders", "uid")
    return Limit(_name(family, unit, interval, count), f"{family}.{unit}", most, length_ns, reserve, own, _SLACK_NS)
