"""The wallet endpoints (``/sapi/v1``): transfers, deposits, withdrawals, distributions, and their histories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.numbers import MONEY, parse_units, trimmed
from libra.exchange_sim.treasury import TRANSFERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libra.exchange_sim.params import Params
    from libra.exchange_sim.treasury import Movement, Treasury

__all__ = ["PREFIX", "WalletApi", "read_money"]

PREFIX = "sapi/"
"""What is in front of these paths among those of the spot side."""

_DAY_MS = 86_400_000


class WalletApi:
    """The wallets of an account.

    Args:
        treasury: What moved.
    """

    def __init__(self, treasury: Treasury) -> None:
        self._treasury = treasury

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        """By method and path."""
        signed = Security.SIGNED
        found = {
            ("POST", "asset/transfer"): Endpoint(self.transfer, 1, signed),
            ("GET", "asset/transfer"): Endpoint(self.transfers, 1, signed),
            ("GET", "asset/assetDividend"): Endpoint(self.dividends, 10, signed),
            ("GET", "capital/deposit/hisrec"): Endpoint(self.deposits, 1, signed),
            ("POST", "capital/withdraw/apply"): Endpoint(self.withdraw, 1, signed),
            ("GET", "capital/withdraw/history"): Endpoint(self.withdrawals, 1, signed),
        }
        return {(method, PREFIX + path): endpoint for (method, path), endpoint in found.items()}

    def transfer(self, call: Call) -> dict[str, Any]:
        """Between spot and USD-M."""
        kind = call.params.choice("type", frozenset(TRANSFERS), ApiError.bad_enum(-1100, "type"))
        asset, amount = call.params.text("asset"), read_money(call.params.text("amount"), "amount")
        return {"tranId": self._treasury.move(call.account, kind, asset, amount).id}

    def transfers(self, call: Call) -> dict[str, Any]:
        """Transfers of one type, the newest first; of seven days where no time is said."""
        rows = list(self._treasury.of(call.account, call.params.text("type")))
        rows = _of_time(rows, call, default_ms=7 * _DAY_MS, most_ms=None)[::-1]
        current, size = call.params.integer("current") or 1, min(call.params.integer("size") or 10, 100)
        page = [
            {
                "asset": one.asset,
                "amount": trimmed(one.amount, MONEY),
                "type": one.kind,
                "status": "CONFIRMED",
                "tranId": one.id,
                "timestamp": one.ts_ms,
            }
            for one in rows[(current - 1) * size : current * size]
        ]
        return {"total": len(rows), **({"rows": page} if page else {})}

    def dividends(self, call: Call) -> dict[str, Any]:
        """Distributions, the newest first."""
        rows = _of_time(self._treasury.of(call.account, "DIVIDEND"), call, default_ms=None, most_ms=180 * _DAY_MS)[::-1]
        page = [
            {
                "id": one.id,
                "amount": trimmed(one.amount, MONEY),
                "asset": one.asset,
                "divTime": one.ts_ms,
                "enInfo": "Distribution",
                "tranId": one.id,
                "direction": 1,
            }
            for one in rows[: call.params.limit(20, 500)]
        ]
        return {"rows": page, "total": len(rows)}

    def deposits(self, call: Call) -> list[dict[str, Any]]:
        """Deposits, the newest first."""
        rows = _of_time(self._treasury.of(call.account, "DEPOSIT"), call, default_ms=90 * _DAY_MS)[::-1]
        return [
            {
                "id": str(one.id),
                "amount": trimmed(one.amount, MONEY),
                "coin": one.asset,
                "network": "SIM",
                "status": 1,
                "address": "sim",
                "addressTag": "",
                "txId": f"sim-{one.id}",
                "insertTime": one.ts_ms,
                "completeTime": one.ts_ms,
                "transferType": 0,
                "confirmTimes": "1/1",
                "unlockConfirm": 0,
                "walletType": 0,
            }
            for one in _cut(rows, call.params)
        ]

    def withdraw(self, call: Call) -> dict[str, Any]:
        """A withdrawal, which is done at once and costs nothing."""
        call.params.text("address")
        asset, amount = call.params.text("coin"), read_money(call.params.text("amount"), "amount")
        return {"id": f"{self._treasury.move(call.account, 'WITHDRAW', asset, amount).id:032x}"}

    def withdrawals(self, call: Call) -> list[dict[str, Any]]:
        """Withdrawals, the newest first."""
        rows = _of_time(self._treasury.of(call.account, "WITHDRAW"), call, default_ms=90 * _DAY_MS)[::-1]
        return [
            {
                "id": f"{one.id:032x}",
                "amount": trimmed(one.amount, MONEY),
                "transactionFee": "0",
                "coin": one.asset,
                "status": 6,
                "address": "sim",
                "txId": f"sim-{one.id}",
                "applyTime": _text_of_time(one.ts_ms),
                "completeTime": _text_of_time(one.ts_ms),
                "network": "SIM",
                "transferType": 0,
                "walletType": 0,
            }
            for one in _cut(rows, call.params)
        ]


def read_money(text: str, name: str) -> int:
    """An amount above zero.

    Raises:
        ApiError: For anything else.
    """
    try:
        units = parse_units(text, MONEY)
    except ValueError as error:
        raise ApiError.illegal(name) from error
    if units is None or not 0 < units < 2**62:
        raise ApiError.illegal(name)
    return units


def _of_time(
    rows: Iterable[Movement], call: Call, *, default_ms: int | None, most_ms: int | None = 90 * _DAY_MS
) -> list[Movement]:
    """Those of `startTime` to `endTime`."""
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    until = call.now_ms if end is None else end
    if start is None:
        start = 0 if default_ms is None else until - default_ms
    elif most_ms is not None and until - start > most_ms:
        raise ApiError.too_long(most_ms)
    return [one for one in rows if start <= one.ts_ms <= until]


def _cut(rows: list[Movement], params: Params) -> list[Movement]:
    offset = params.integer("offset") or 0
    return rows[offset : offset + params.limit(1_000, 1_000)]


def _text_of_time(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
