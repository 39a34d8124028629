"""USD-M: the account, as it may be asked for and set: wallets, positions, leverage, income, listen keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import RATE, money_text, text_of, trimmed
from libra.exchange_sim.treasury import TRANSFERS

if TYPE_CHECKING:
    from libra.exchange_sim.funding import Funding
    from libra.exchange_sim.ledger_linear import Position
    from libra.exchange_sim.linear import LinearTrading
    from libra.exchange_sim.rest_market import MarketData
    from libra.exchange_sim.treasury import Treasury
    from libra.exchange_sim.user_streams import UserStreams

__all__ = ["LinearAccountApi"]

_WEEK_MS = 7 * 86_400_000


class LinearAccountApi:
    """The USD-M endpoints of an account.

    Args:
        trading: The executions.
        data: The markets.
        funding: Marks and payments.
        treasury: Transfers.
        streams: Listen keys.
    """

    def __init__(
        self, trading: LinearTrading, data: MarketData, funding: Funding, treasury: Treasury, streams: UserStreams
    ) -> None:
        self.trading = trading
        self.data = data
        self._funding = funding
        self._treasury = treasury
        self._streams = streams

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path."""
        signed, key = Security.SIGNED, Security.KEY
        return {
            ("GET", "account"): Endpoint(self.account, 5, signed),
            ("GET", "balance"): Endpoint(self.balance, 5, signed),
            ("GET", "positionRisk"): Endpoint(self.position_risk, 5, signed),
            # Older versions have other rows, and more of them.
            ("GET", "v1/positionRisk"): Endpoint(self.position_risk_of_all, 5, signed),
            ("GET", "v2/positionRisk"): Endpoint(self.position_risk_of_all, 5, signed),
            ("POST", "leverage"): Endpoint(self.leverage, 1, signed),
            ("POST", "marginType"): Endpoint(_margin_type, 1, signed),
            ("GET", "positionSide/dual"): Endpoint(lambda _: {"dualSidePosition": False}, 30, signed),
            ("POST", "positionSide/dual"): Endpoint(_one_way, 1, signed),
            ("GET", "leverageBracket"): Endpoint(self.brackets, 1, signed),
            ("GET", "commissionRate"): Endpoint(self.commission, 20, signed),
            ("GET", "symbolConfig"): Endpoint(self.symbol_config, 5, signed),
            ("GET", "accountConfig"): Endpoint(self.account_config, 5, signed),
            ("GET", "income"): Endpoint(self.income, 30, signed),
            ("POST", "listenKey"): Endpoint(self._open_key, 1, key),
            ("PUT", "listenKey"): Endpoint(self._keep_key, 1, key),
            ("DELETE", "listenKey"): Endpoint(self._close_key, 1, key),
        }

    def account(self, call: Call) -> dict[str, Any]:
        """Wallets and positions."""
        ledger = call.account.linear
        assets = [self._asset_view(call, asset) for asset in ledger.wallet]
        total = {
            name: money_text(sum(one[name] for one in assets))
            for name in ("walletBalance", "unrealizedProfit", "marginBalance", "initialMargin", "availableBalance")
        }
        positions = [self._position_view(one) for one in ledger.positions.values()]
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": False,
            "canWithdraw": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "totalInitialMargin": total["initialMargin"],
            "totalMaintMargin": money_text(0),
            "totalWalletBalance": total["walletBalance"],
            "totalUnrealizedProfit": total["unrealizedProfit"],
            "totalMarginBalance": total["marginBalance"],
            "totalPositionInitialMargin": total["initialMargin"],
            "totalOpenOrderInitialMargin": money_text(0),
            "totalCrossWalletBalance": total["walletBalance"],
            "totalCrossUnPnl": total["unrealizedProfit"],
            "availableBalance": total["availableBalance"],
            "maxWithdrawAmount": total["availableBalance"],
            "assets": [_asset_text(one) for one in assets],
            "positions": [one for one in positions if one["positionAmt"].strip("-0.")],
        }

    def balance(self, call: Call) -> list[dict[str, Any]]:
        """Wallets."""
        rows = []
        for asset in call.account.linear.wallet:
            one = self._asset_view(call, asset)
            rows.append(
                {
                    "accountAlias": call.account.name,
                    "asset": asset,
                    "balance": money_text(one["walletBalance"]),
                    "crossWalletBalance": money_text(one["walletBalance"]),
                    "crossUnPnl": money_text(one["unrealizedProfit"]),
                    "availableBalance": money_text(one["availableBalance"]),
                    "maxWithdrawAmount": money_text(one["availableBalance"]),
                    "marginAvailable": True,
                    "updateTime": call.now_ms,
                }
            )
        return rows

    def position_risk(self, call: Call) -> list[dict[str, Any]]:
        """Positions, of one market or of all, where there is one or an order that may open one."""
        found = [one for one in self._positions(call) if one.size or one.open_buys or one.open_sells]
        return [{name: value for name, value in _risk_view(one).items() if name not in _OLD_ONLY} for one in found]

    def position_risk_of_all(self, call: Call) -> list[dict[str, Any]]:
        """The same as before version 3: of every market, flat ones too, with leverage and the kind of margin."""
        rows = [_risk_view(one) for one in self._positions(call)]
        return [{name: value for name, value in row.items() if name not in _NEW_ONLY} for row in rows]

    def _positions(self, call: Call) -> list[Position]:
        wanted = call.params.get("symbol")
        markets = [self.data.market(call.params)] if wanted is not None else self.trading.floor.listed(spot=False)
        return [call.account.linear.position(market) for market in markets]

    def leverage(self, call: Call) -> dict[str, Any]:
        """Sets the leverage of a market."""
        market, wanted = self.data.market(call.params), call.params.integer("leverage")
        if wanted is None:
            raise ApiError.missing("leverage")
        if not 1 <= wanted <= 125:
            raise ApiError(-4028, f"Leverage {wanted} is not valid.")
        position = call.account.linear.position(market)
        before, position.leverage = position.leverage, wanted
        if wanted < before and call.account.linear.available(market.quote) < 0:
            position.leverage = before
            raise ApiError(-2019, "Margin is insufficient.")
        event = {
            "e": "ACCOUNT_CONFIG_UPDATE",
            "E": call.now_ms,
            "T": call.now_ms,
            "ac": {"s": market.symbol, "l": wanted},
        }
        self._streams.send(call.account, "linear", event)
        return {"leverage": wanted, "maxNotionalValue": "1000000000", "symbol": market.symbol}

    def brackets(self, call: Call) -> list[dict[str, Any]]:
        """One bracket a market."""
        bracket = {
            "bracket": 1,
            "initialLeverage": 125,
            "notionalCap": 1_000_000_000,
            "notionalFloor": 0,
            "maintMarginRatio": 0.004,
            "cum": 0,
        }
        wanted = call.params.get("symbol")
        markets = [self.data.market(call.params)] if wanted is not None else self.trading.floor.listed(spot=False)
        return [{"symbol": market.symbol, "brackets": [bracket]} for market in markets]

    def commission(self, call: Call) -> dict[str, Any]:
        """The fees in a market."""
        maker, taker = (trimmed(rate, RATE) for rate in call.account.linear_fees)
        market = self.data.market(call.params)
        return {"symbol": market.symbol, "makerCommissionRate": maker, "takerCommissionRate": taker}

    def symbol_config(self, call: Call) -> list[dict[str, Any]]:
        """Leverage and margin type."""
        wanted = call.params.get("symbol")
        markets = [self.data.market(call.params)] if wanted is not None else self.trading.floor.listed(spot=False)
        return [
            {
                "symbol": market.symbol,
                "marginType": "CROSSED",
                "isAutoAddMargin": "false",
                "leverage": call.account.linear.position(market).leverage,
                "maxNotionalValue": "1000000000",
            }
            for market in markets
        ]

    def account_config(self, call: Call) -> dict[str, Any]:
        """What is set for the account."""
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": False,
            "canWithdraw": False,
            "dualSidePosition": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
            "uid": call.account.number,
        }

    def income(self, call: Call) -> list[dict[str, Any]]:
        """Funding, fees, realised profits and transfers, the oldest first; of seven days where no time is said."""
        params = call.params
        kind, wanted = params.get("incomeType"), params.get("symbol")
        rows: list[dict[str, Any]] = []
        for market in self.trading.floor.listed(spot=False):
            for one in self.trading.executions_of(call.account, market):
                for name, amount in (("COMMISSION", -one.fee), ("REALIZED_PNL", one.realised)):
                    if amount:
                        asset = one.fee_asset if name == "COMMISSION" else market.quote
                        trade = (one.ts_ms, one.trade_id, str(one.trade_id))
                        rows.append(_income(market.symbol, asset, name, amount, *trade))
        for payment in self._funding.payments:
            if payment.account is call.account:
                market, amount = payment.market, -payment.amount
                rows.append(_income(market.symbol, market.quote, "FUNDING_FEE", amount, payment.ts_ms, payment.id))
        for moved in self._treasury.of(call.account, *TRANSFERS):
            rows.append(_income("", moved.asset, "TRANSFER", moved.change("linear"), moved.ts_ms, moved.id))
        rows = [
            row
            for row in sorted(rows, key=lambda row: row["time"])
            if (kind is None or row["incomeType"] == kind) and (wanted is None or row["symbol"] == wanted)
        ]
        start, end = params.integer("startTime"), params.integer("endTime")
        if start is None and end is None:
            start = call.now_ms - _WEEK_MS
        rows = [row for row in rows if (start is None or row["time"] >= start) and (end is None or row["time"] <= end)]
        page, limit = max(params.integer("page") or 1, 1), params.limit(100, 1_000)
        return rows[(page - 1) * limit : page * limit]

    def _asset_view(self, call: Call, asset: str) -> dict[str, Any]:
        ledger = call.account.linear
        positions = [one for one in ledger.positions.values() if one.market.quote == asset]
        unrealised = sum(one.unrealised() for one in positions)
        wallet = ledger.wallet[asset]
        return {
            "asset": asset,
            "walletBalance": wallet,
            "unrealizedProfit": unrealised,
            "marginBalance": wallet + unrealised,
            "initialMargin": sum(one.margin() for one in positions),
            "availableBalance": max(ledger.available(asset), 0),
            "updateTime": call.now_ms,
        }

    def _position_view(self, one: Position) -> dict[str, Any]:
        margin, unrealised = money_text(one.margin()), money_text(one.unrealised() if one.size else 0)
        return {**_position_row(one), "unrealizedProfit": unrealised, "positionInitialMargin": margin}

    def _open_key(self, call: Call) -> dict[str, Any]:
        return {"listenKey": self._streams.open_key(call.account, "linear")}

    def _keep_key(self, call: Call) -> dict[str, Any]:
        return {"listenKey": self._streams.keep_key(call.account, "linear")}

    def _close_key(self, call: Call) -> dict[str, Any]:
        self._streams.close_key(call.account, "linear")
        return {}


_OLD_ONLY = frozenset({"leverage", "maxNotionalValue", "marginType", "isAutoAddMargin", "isolated", "adlQuantile"})
_NEW_ONLY = frozenset(
    {"initialMargin", "maintMargin", "positionInitialMargin", "openOrderInitialMargin", "adl", "marginAsset"}
    | {"bidNotional", "askNotional"}
)
"""What positionRisk tells up to version 2 alone, and from version 3 on."""


def _risk_view(one: Position) -> dict[str, Any]:
    return {
        **_position_row(one),
        "positionInitialMargin": money_text(one.margin() if one.size else 0),
        "adlQuantile": 0,
        "isAutoAddMargin": "false",
        "isolated": False,
        "isolatedMargin": money_text(0),
    }


def _position_row(one: Position) -> dict[str, Any]:
    """What each list of positions tells."""
    market = one.market
    return {
        "symbol": market.symbol,
        "positionSide": "BOTH",
        "positionAmt": market.size_text(one.size),
        "entryPrice": trimmed(one.entry_price(), 8),
        "breakEvenPrice": trimmed(one.entry_price(), 8),
        "markPrice": money_text(one.mark),
        "unRealizedProfit": money_text(one.unrealised() if one.size else 0),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": money_text(one.notional()),
        "marginAsset": market.quote,
        "isolatedWallet": "0",
        "initialMargin": money_text(one.margin()),
        "maintMargin": money_text(0),
        "openOrderInitialMargin": money_text(0),
        "adl": 0,
        "bidNotional": money_text(one.open_buys),
        "askNotional": money_text(one.open_sells),
        "leverage": str(one.leverage),
        "marginType": "cross",
        "maxNotionalValue": "1000000000",
        "updateTime": one.updated_ms,
    }


def _asset_text(one: dict[str, Any]) -> dict[str, Any]:
    wallet, unrealised, margin = (
        money_text(one[key]) for key in ("walletBalance", "unrealizedProfit", "marginBalance")
    )
    initial, available = money_text(one["initialMargin"]), money_text(one["availableBalance"])
    return {
        "asset": one["asset"],
        "walletBalance": wallet,
        "unrealizedProfit": unrealised,
        "marginBalance": margin,
        "maintMargin": money_text(0),
        "initialMargin": initial,
        "positionInitialMargin": initial,
        "openOrderInitialMargin": money_text(0),
        "crossWalletBalance": wallet,
        "crossUnPnl": unrealised,
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "marginAvailable": True,
        "updateTime": one["updateTime"],
    }


def _margin_type(call: Call) -> dict[str, Any]:
    kind = call.params.choice("marginType", frozenset({"ISOLATED", "CROSSED"}), ApiError.bad_enum(-1100, "marginType"))
    if kind == "CROSSED":
        raise ApiError(-4046, "No need to change margin type.")
    raise ApiError(-4047, "Only cross margin is simulated.")


def _one_way(call: Call) -> dict[str, Any]:
    if call.params.flag("dualSidePosition"):
        raise ApiError(-4068, "Hedge mode is not simulated.")
    raise ApiError(-4059, "No need to change position side.")


def _income(
    symbol: str, asset: str, kind: str, amount: int, ts_ms: int, number: int, trade_id: str = ""
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": text_of(amount, 8),
        "asset": asset,
        "info": kind,
        "time": ts_ms,
        "tranId": number,
        "tradeId": trade_id,
    }
