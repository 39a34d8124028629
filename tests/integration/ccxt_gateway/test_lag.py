"""A venue whose histories lag behind its wallets: what came is not known for a while, and it is no incident."""

import pytest
from tests.integration.ccxt_gateway.world import MARKETS, SIZE, World


class Patient(World):
    histories_lag_s = 60


class Hasty(World):
    histories_lag_s = 3


def add_money(venue, market):
    if market == "spot":
        venue.control("money", {"account": "sim", "asset": "USDT", "amount": "1234.56789012"})
    else:
        moved = venue.ask("POST", "/sapi/v1/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount="500.00000001")
        assert "tranId" in moved, moved


def undecided(row):
    return {difference[0] for difference in row["look"]["undecided"]}


def where_money_comes(world, market):
    """A run that has found money of which no history says anything yet; gives its account's row."""
    world.start(market)
    world.until_agreed(market)
    world.venue.control("faults", {"kind": "lag", "account": "sim", "seconds": 3_600})
    add_money(world.venue, market)
    return world.until(market, lambda row: undecided(row) == {"BALANCE_DIFFERS"})


@pytest.mark.parametrize("market", MARKETS)
def test_orders_go_on_while_a_history_lags_and_the_money_is_booked_behind_it(thin, world_of, market):
    world = world_of(thin, Patient)
    where_money_comes(world, market)
    world.tell(market, f"BUY {SIZE[market]}")
    world.until_venue(market, 1)
    row = world.until(market, lambda row: row["positions"] or market == "spot")
    assert (row["incident"], row["stopped"]) == (None, None), row
    assert undecided(row) == {"BALANCE_DIFFERS"}, row
    thin.clear()
    world.until_agreed(market)
    summary = world.stop()
    assert summary["looks"][market]["differences"] == []
    world.check(market)
    assert world.incidents(market) == []


@pytest.mark.parametrize("market", [pytest.param("spot", marks=pytest.mark.slow), "linear"])
def test_what_no_history_explains_in_its_time_stops_new_orders(thin, world_of, market):
    world = world_of(thin, Hasty)
    first = where_money_comes(world, market)
    assert first["incident"] is None, first
    row = world.until(market, lambda row: row["incident"] is not None)
    assert row["stopped"][0] == "INCIDENT"
    world.tell(market, f"BUY {SIZE[market]}")
    world.life.wait_for("order REJECTED INCIDENT")
    # The history has it after all: it is booked, and an operator lets orders go again.
    thin.clear()
    world.until(market, lambda row: row["look"]["settled"] and not row["look"]["differences"])
    resumed = world.trading.shell.run("resume", "--account", market, "--yes", env=world.env)
    assert resumed.code == 0, resumed.out + resumed.err
    world.tell(market, f"BUY {SIZE[market]}")
    world.until_venue(market, 1)
    world.until_agreed(market)
    world.stop()
    world.check(market)
    assert len(world.incidents(market)) >= 1
