"""Profiles of nodes that trade at a simulated exchange, and runs of them."""

from __future__ import annotations

import pyarrow.parquet as parquet
import pytest
from tests.integration.ccxt_gateway.venue import KEYS, exchange
from tests.integration.ccxt_gateway.world import VENUE, World

from libra.config import list_profiles


@pytest.fixture
def sim():
    with exchange() as started:
        yield started


class Trading:
    """Runs the carried profile `ccxt_sim` with strategies of a test."""

    def __init__(self, shell):
        self.shell = shell

    def arguments(self, exchange, body, *more, accounts=("spot", "linear"), window_ms=10_000):
        """What follows `libra run`: each account's strategy is the given one."""
        strategy = self.shell.strategy(body)
        carried = list_profiles()["ccxt_sim"].read_text(encoding="utf-8")
        head = carried[: carried.index("[[account_groups]]")]
        groups = [part for part in carried.split("[[account_groups]]")[1:] if part.split('"')[1] in accounts]
        groups[-1] = groups[-1].partition("[[strategies]]")[0]
        text = head + "".join(f"[[account_groups]]{group}" for group in groups)
        for account in accounts:
            symbol = "BTC/USDT" if account == "spot" else "BTC/USDT:USDT"
            text += f'[[strategies]]\nname = "{account}_mine"\nclass = "{strategy}"\naccount = "{account}"\n'
            text += f'symbols = ["{symbol}"]\non_vanish = "keep"\n'
        limits = list_profiles()["ccxt_sim"].with_name("risk_limits.toml").read_text(encoding="utf-8")
        (self.shell.folder / "risk_limits.toml").write_text(limits, encoding="utf-8")
        profile = self.shell.folder / "trading.toml"
        text = text.replace("\nsizing =", f"\nvalidity_window_ms = {window_ms}\nsizing =")
        for account in accounts:
            # The exchange of a test outlives the run, so the log does.
            log = f'log = {{ path = ".libra/ccxt_sim-{account}.log", resume = true }}'
            text = text.replace(f'\nname = "{account}"\n', f'\nname = "{account}"\n{log}\n')
        profile.write_text(text.replace("http://127.0.0.1:0", exchange.url), encoding="utf-8")
        return ["run", "./trading.toml", "--json", "--out", "out", *more]

    def run(self, exchange, body, *more, **named):
        ended = self.shell.run(*self.arguments(exchange, body, *more, **named), env=KEYS, timeout_s=180)
        assert ended.code == 0, ended.err
        return ended

    def start(self, exchange, body, *more, **named):
        return self.shell.start(*self.arguments(exchange, body, *more, **named), env=KEYS)

    def rows(self, what, account):
        """Rows of the run's orders or fills, of one account."""
        table = parquet.read_table(self.shell.folder / "out" / f"{what}.parquet")
        # Python's own times have no nanoseconds.
        times = [field.name for field in table.schema if str(field.type).startswith("timestamp")]
        return [row for row in table.drop_columns(times).to_pylist() if row["account"] == account]

    def fills(self, account):
        """All executions of the account here: trade id, price, size, fee."""
        rows = self.rows("fills", account)
        return sorted((int(row["trade_id"]), row["price"], row["size"], row["fee"]) for row in rows)


@pytest.fixture
def trading(shell):
    return Trading(shell)


@pytest.fixture
def world_of(trading, tmp_path, tmp_path_factory):
    """Makes a world; it ends with the test."""
    run_folder = tmp_path_factory.mktemp("r")

    def make(venue, kind=World):
        return kind(venue, trading, run_folder)

    return make


@pytest.fixture
def thin(tmp_path):
    config = tmp_path / "venue.toml"
    config.write_text(VENUE.format(funding_s=28_800), encoding="utf-8")
    with exchange("--config", config) as started:
        yield started
