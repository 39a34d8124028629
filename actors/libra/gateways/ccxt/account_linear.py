"""A USD-M account as Binance has it. Its income history tells of all money that came or went, executions too."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Literal

from libra.gateways.ccxt.account import DAY_MS, MS, UNIT, BinanceAccount, Row, key_of, rows_of
from libra.gateways.ccxt.numbers import decimal_of
from libra.gateways.protocol import VenueFlow, VenuePosition, VenueState

__all__ = ["LinearAccount"]

_PAGE = 1_000
_OF_EXECUTIONS = frozenset({"COMMISSION", "REALIZED_PNL"})
"""What executions bring and cost: booked with them."""

_TRANSFERS = frozenset(
    {
        "TRANSFER",
        "INTERNAL_TRANSFER",
        "CROSS_COLLATERAL_TRANSFER",
        "STRATEGY_UMFUTURES_TRANSFER",
        "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW",
        "AUTO_EXCHANGE",
    }
)
_REBATES = frozenset({"REFERRAL_KICKBACK", "COMMISSION_REBATE", "API_REBATE", "FEE_RETURN"})
_FEES = frozenset({"POSITION_LIMIT_INCREASE_FEE"})


class LinearAccount(BinanceAccount):
    """See the module."""

    kind = "swap"
    span_ms = 7 * DAY_MS
    orders_method, trades_method = "fapiPrivateGetOpenOrders", "fapiPrivateGetUserTrades"
    order_method, all_orders_method = "fapiPrivateGetOrder", "fapiPrivateGetAllOrders"

    async def flows_since(self, ts_ns: int) -> list[VenueFlow]:
        """Everything of the income history that is not of executions."""
        flows: list[VenueFlow] = []
        start_ms, now_ms = ts_ns // MS, self.now_ms()
        while start_ms <= now_ms:
            window = {"startTime": start_ms, "endTime": start_ms + self.span_ms - 1, "limit": _PAGE}

            def page(number: int, window: Row = window) -> object:
                return self.ask("fapiPrivateGetIncome", {**window, "page": number})

            for row in await self.pages(page, _PAGE):
                if row.get("symbol"):
                    self.trades_in(str(row["symbol"]))
                if row["incomeType"] not in _OF_EXECUTIONS:
                    flows.append(self._flow(row))
            start_ms += self.span_ms
        return flows

    async def _state(self) -> VenueState:
        """Wallets and positions, of one answer."""
        shown_ns = self.venue.venue_now_ns()
        account, priced = await asyncio.gather(
            self.ask("fapiPrivateV3GetAccount", {}), self.ask("fapiPrivateV3GetPositionRisk", {})
        )
        # Prices are in another list, and good for a position that is the same there.
        prices = {_place(row): (decimal_of(row["positionAmt"]), decimal_of(row["entryPrice"])) for row in priced}
        positions = []
        for row in account["positions"]:
            size = decimal_of(row["positionAmt"])
            if size:
                self.trades_in(str(row["symbol"]))
                then, price = prices.get(_place(row), (Decimal(0), Decimal(0)))
                positions.append(VenuePosition(self.symbol(str(row["symbol"])), size, price if then == size else None))
        wallets = {str(row["asset"]): decimal_of(row["walletBalance"]) for row in account["assets"]}
        return VenueState(tuple(positions), {asset: total for asset, total in wallets.items() if total}, shown_ns, UNIT)

    async def _orders(self, market_id: str | None = None) -> list[Row]:
        params = {} if market_id is None else {"symbol": market_id}
        rows = await super()._orders(market_id)
        # Orders that wait for a trigger are in a list of their own; no strategy of ours has any.
        waiting = rows_of(await self.ask("fapiPrivateGetOpenAlgoOrders", params))
        return rows + [
            {
                "symbol": row["symbol"],
                "orderId": f"algo-{row['algoId']}",
                "clientOrderId": row.get("clientAlgoId"),
                "side": row["side"],
                "price": row.get("price") or "0",
                "origQty": row.get("quantity") or "0",
                "executedQty": "0",
                "time": row["createTime"],
            }
            for row in waiting
        ]

    def _flow(self, row: Row) -> VenueFlow:
        symbol = str(row.get("symbol") or "")
        return VenueFlow(
            key_of(row["incomeType"], row["tranId"], row["asset"], symbol),
            _kind(str(row["incomeType"])),
            str(row["asset"]),
            decimal_of(row["income"]),
            self.symbol(symbol) if symbol else None,
            int(row["time"]) * MS,
        )


def _kind(income: str) -> Literal["funding", "transfer", "rebate", "fee", "other"]:
    if income == "FUNDING_FEE":
        return "funding"
    if income in _TRANSFERS:
        return "transfer"
    return "rebate" if income in _REBATES else "fee" if income in _FEES else "other"


def _place(row: Row) -> tuple[str, str]:
    return str(row["symbol"]), str(row.get("positionSide", "BOTH"))
