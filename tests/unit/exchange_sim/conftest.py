"""A venue without sockets, on a clock of the test: requests are signed and asked as the server asks them."""

import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from libra.exchange_sim.clock import Clock
from libra.exchange_sim.numbers import MONEY
from libra.exchange_sim.params import Params
from libra.exchange_sim.settings import AccountSettings, MarketSettings, SimSettings
from libra.exchange_sim.signing import split_signature
from libra.exchange_sim.venue import Venue

START_MS = 1_800_000_000_000


class TestClock(Clock):
    """Time that the test moves."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.at_ns = START_MS * 1_000_000

    def now_ns(self) -> int:
        return self.at_ns


class Reader:
    """Stands where a client's transport stands, and keeps the messages."""

    def __init__(self) -> None:
        self.data = b""
        self.aborted = False
        self.reads = True
        self.waiting = 0

    def write(self, data: bytes) -> None:
        if self.reads:
            self.data += data
        else:
            self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def messages(self) -> list[Any]:
        """All whole messages so far, which are then forgotten."""
        found, data = [], self.data
        while data:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(data[2:10], "big"), 10
            assert data[0] == 0x81
            found.append(msgspec.json.decode(data[start : start + length]))
            data = data[start + length :]
        self.data = b""
        return found


class Stage:
    """A venue of quiet markets, and accounts `alice` and `bob`."""

    def __init__(self, **changes: Any) -> None:
        self.clock = TestClock()
        self.venue = Venue(msgspec.structs.replace(SETTINGS, **changes), self.clock)
        self.venue.open()

    def wait(self, seconds: float) -> None:
        """Lets time pass, in one step of the venue."""
        self.clock.at_ns += round(seconds * 1e9)
        self.venue.step()

    def ask(self, name: str, method: str, path: str, **params: Any) -> Any:
        """A signed request of an account; the side is that of the path, `spot/...` or `linear/...`."""
        where, _, path = path.partition("/")
        side = self.venue.sides[where == "spot"]
        values = {key: str(value) for key, value in params.items()}
        values.setdefault("timestamp", str(self.clock.now_ms()))
        query = urlencode(values)
        signature = hmac.new(f"{name}-secret".encode(), query.encode(), hashlib.sha256).hexdigest()
        query += f"&signature={signature}"
        endpoint = side.find(method, path)
        assert endpoint is not None, path
        answer, _ = side.ask(endpoint, Params.of_query(query), "1.2.3.4", f"{name}-key", split_signature(query, ""))
        self.venue.flush()
        return answer

    def order(self, name: str, side: str, quantity: str | None, price: str | None = None, **more: Any) -> Any:
        """A new order on BTCUSDT; `where` says on which side of the venue, spot unless it does."""
        where = more.pop("where", "spot")
        params = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, "newOrderRespType": "RESULT", **more}
        if price is not None:
            params = {"type": "LIMIT", "timeInForce": "GTC", "price": price, **params}
        params = {key: value for key, value in {"type": "MARKET", **params}.items() if value is not None}
        return self.ask(name, "POST", f"{where}/order", **params)

    def free(self, name: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Free and locked spot balances."""
        rows = self.ask(name, "GET", "spot/account")["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}

    def wallet(self, name: str) -> Decimal:
        """The USD-M wallet."""
        (row,) = self.ask(name, "GET", "linear/balance")
        return Decimal(row["balance"])

    def position(self, name: str) -> Any:
        """The position in BTCUSDT."""
        (row,) = self.ask(name, "GET", "linear/v2/positionRisk", symbol="BTCUSDT")
        return row

    def totals(self) -> dict[str, int]:
        """All of each asset: balances, wallets less what positions cost, and fees, over everyone and the flow."""
        totals: dict[str, int] = {}
        for account in self.venue.accounts.values():
            for asset in account.spot.assets():
                totals[asset] = totals.get(asset, 0) + account.spot.total(asset)
            for asset, amount in account.linear.wallet.items():
                totals[asset] = totals.get(asset, 0) + amount
            for position in account.linear.positions.values():
                totals[position.market.quote] = totals.get(position.market.quote, 0) - position.cost
            for fees in (account.spot.fees, account.linear.fees):
                for asset, amount in fees.items():
                    totals[asset] = totals.get(asset, 0) + amount
        return {asset: amount for asset, amount in totals.items() if amount}


def account(name: str, **more: Any) -> AccountSettings:
    rich = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
    spot, linear = more.pop("spot", rich), more.pop("linear", {"USDT": Decimal(1_000_000)})
    return AccountSettings(name=name, api_key=f"{name}-key", secret=f"{name}-secret", spot=spot, linear=linear, **more)


def market(symbol: str, **more: Any) -> MarketSettings:
    lot = Decimal("0.001") if ":" in symbol else Decimal("0.00001")
    defaults = {"start_price": Decimal(60_000), "tick_size": Decimal("0.1"), "lot_size": lot, "quiet": True}
    return MarketSettings(symbol=symbol, **{**defaults, **more})


SETTINGS = SimSettings(
    history_s=0,
    markets=(market("BTC/USDT"), market("BTC/USDT:USDT", min_notional=Decimal(100))),
    accounts=(account("alice"), account("bob")),
)

TOTALS = {"USDT": 4_000_000 * 10**MONEY, "BTC": 200 * 10**MONEY}
"""What alice and bob have together, and what nobody may make or lose."""


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def stage_with() -> Callable[..., Stage]:
    return Stage
