"""A spot account as Binance has it. What moves its money beside trades is in the histories of its wallet."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from libra.gateways.ccxt.account import DAY_MS, MS, UNIT, BinanceAccount, Row, key_of, rows_of
from libra.gateways.ccxt.numbers import decimal_of, sum_of
from libra.gateways.protocol import VenueFlow, VenueState

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SpotAccount"]

_log = logging.getLogger(__name__)

_PAGE, _TRANSFER_PAGE, _DIVIDEND_PAGE = 1_000, 100, 500
_HISTORY_MS = 90 * DAY_MS
"""How much of a history the venue lets one ask for at once."""

_LATE_MS = 3 * DAY_MS
"""A deposit is listed from when it was seen, and counts from when it was credited."""

_WALLETS = ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING", "OPTION")
_TRANSFERS = {f"MAIN_{wallet}": -1 for wallet in _WALLETS} | {f"{wallet}_MAIN": 1 for wallet in _WALLETS}
_CREDITED = frozenset({1, 6})
_SENT_BACK = frozenset({1, 3, 5})

_ASK_EVERY_S = 45.0
"""A withdrawal history may be asked for ten times a minute, so without a sign that money moved it is not more often."""

_ASKS_A_SIGN = 3
"""So many looks ask behind a sign at once: a history may lag behind it."""

_DOUBT_EVERY_S = 10.0
"""While a difference is not explained they are asked for as often as the rate limits allow."""


class SpotAccount(BinanceAccount):
    """See the module."""

    kind = "spot"
    trades_weight = 20
    orders_method, trades_method = "privateGetOpenOrders", "privateGetMyTrades"
    order_method, all_orders_method = "privateGetOrder", "privateGetAllOrders"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - as `BinanceAccount`
        super().__init__(*args)
        self._asked_at = float("-inf")
        self._signs = 0
        self._asks_left = 0
        self._has_told = False
        self._is_in_doubt = False

    def doubt(self) -> None:
        """A history may say what it is."""
        self._is_in_doubt = True

    async def flows_since(self, ts_ns: int) -> list[VenueFlow]:
        """Deposits, withdrawals, transfers between wallets and distributions; none where the venue has no histories."""
        if not self.has_histories:
            if not self._has_told:
                self._has_told = True
                _log.warning("%s has no wallet histories here: a deposit is a difference", self.venue.options.venue)
            return []
        if not self._is_due():
            return []
        since_ms = ts_ns // MS
        lists = await asyncio.gather(
            self._deposits(since_ms),
            self._withdrawals(since_ms),
            self._dividends(since_ms),
            *(self._transfers(kind, sign, since_ms) for kind, sign in _TRANSFERS.items()),
        )
        self._asked_at = asyncio.get_running_loop().time()
        self._asks_left = max(0, self._asks_left - 1)
        return list(chain.from_iterable(lists))

    async def _state(self) -> VenueState:
        """Totals: free and locked."""
        shown_ns = self.venue.venue_now_ns()
        account = await self.ask("privateGetAccount", {"omitZeroBalances": "true"})
        totals = {
            str(row["asset"]): sum_of((decimal_of(row["free"]), decimal_of(row["locked"])))
            for row in account["balances"]
        }
        return VenueState((), {asset: total for asset, total in totals.items() if total}, shown_ns, UNIT)

    @property
    def has_histories(self) -> bool:
        """False on the test network."""
        return "sapi" in self.venue.exchange.urls["api"]

    def _is_due(self) -> bool:
        if self._signs != self.user.money_moved:
            self._signs, self._asks_left = self.user.money_moved, _ASKS_A_SIGN
        pause_s = _DOUBT_EVERY_S if self._is_in_doubt else _ASK_EVERY_S
        self._is_in_doubt = False
        return self._asks_left > 0 or asyncio.get_running_loop().time() >= self._asked_at + pause_s

    async def _deposits(self, since_ms: int) -> list[VenueFlow]:
        rows = await self._history("sapiGetCapitalDepositHisrec", since_ms - _LATE_MS)
        return [
            VenueFlow(
                key_of("DEPOSIT", row["id"]),
                "transfer",
                str(row["coin"]),
                decimal_of(row["amount"]),
                None,
                int(row.get("completeTime") or row["insertTime"]) * MS,
            )
            for row in rows
            if int(row["status"]) in _CREDITED and _of_spot(row)
        ]

    async def _withdrawals(self, since_ms: int) -> list[VenueFlow]:
        # Told by the second.
        rows = await self._history("sapiGetCapitalWithdrawHistory", since_ms - 1_000)
        return [flow for row in rows if _of_spot(row) for flow in _withdrawal(row)]

    async def _history(self, method: str, since_ms: int) -> list[Row]:
        rows: list[Row] = []
        start_ms, now_ms = since_ms, self.now_ms()
        while start_ms <= now_ms:
            window = {"startTime": start_ms, "endTime": start_ms + _HISTORY_MS - 1, "limit": _PAGE}

            def page(number: int, window: Row = window) -> object:
                return self.ask(method, {**window, "offset": (number - 1) * _PAGE})

            rows += await self.pages(page, _PAGE)
            start_ms += _HISTORY_MS
        return rows

    async def _transfers(self, kind: str, sign: int, since_ms: int) -> list[VenueFlow]:
        until_ms = self.now_ms() + DAY_MS

        def page(number: int) -> object:
            params = {"type": kind, "startTime": since_ms, "endTime": until_ms}
            return self.ask("sapiGetAssetTransfer", {**params, "current": number, "size": _TRANSFER_PAGE})

        rows = await self.pages(page, _TRANSFER_PAGE)
        return [_transfer(row, sign) for row in rows if row["status"] == "CONFIRMED"]

    async def _dividends(self, since_ms: int) -> list[VenueFlow]:
        found: dict[str, VenueFlow] = {}
        start_ms, end_ms = since_ms, self.now_ms() + DAY_MS
        while True:
            # The newest come first.
            window = {"startTime": max(start_ms, end_ms - _HISTORY_MS), "endTime": end_ms, "limit": _DIVIDEND_PAGE}
            rows = rows_of(await self.ask("sapiGetAssetAssetDividend", window))
            for row in rows:
                key = key_of("DIVIDEND", row["id"])
                amount, ts_ns = decimal_of(row["amount"]), int(row["divTime"]) * MS
                found[key] = VenueFlow(key, "other", str(row["asset"]), amount, None, ts_ns)
            oldest_ms = min((int(row["divTime"]) for row in rows), default=0)
            if len(rows) == _DIVIDEND_PAGE:
                end_ms = min(oldest_ms, end_ms - 1)
            elif window["startTime"] > start_ms:
                end_ms = window["startTime"] - 1
            else:
                return list(found.values())


def _transfer(row: Row, sign: int) -> VenueFlow:
    amount = decimal_of(row["amount"])
    amount = amount if sign > 0 else amount.copy_negate()
    ts_ns = int(row["timestamp"]) * MS
    return VenueFlow(key_of("TRANSFER", row["tranId"]), "transfer", str(row["asset"]), amount, None, ts_ns)


def _withdrawal(row: Row) -> Iterator[VenueFlow]:
    amount = sum_of((decimal_of(row["amount"]), decimal_of(row.get("transactionFee") or "0")))
    ts_ns = _time_of(str(row["applyTime"]))
    yield VenueFlow(key_of("WITHDRAW", row["id"]), "transfer", str(row["coin"]), amount.copy_negate(), None, ts_ns)
    if int(row["status"]) in _SENT_BACK:
        yield VenueFlow(key_of("WITHDRAW", row["id"], "back"), "transfer", str(row["coin"]), amount, None, ts_ns)


def _of_spot(row: Row) -> bool:
    return int(row.get("walletType") or 0) == 0


def _time_of(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1_000 * MS
