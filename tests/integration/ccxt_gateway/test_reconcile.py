"""A node whose accounts are held against the simulated exchange: what happened behind its back, spot and linear."""

import secrets
import time
from decimal import Decimal

import pytest
from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.venue import exchange
from tests.integration.ccxt_gateway.world import MARKETS, SIZE, VENUE


@pytest.mark.parametrize("market", MARKETS)
def test_fills_while_we_were_down_are_booked_once(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.tell(market, f"BUY {SIZE[market]}", f"BUY {SIZE[market]} 1", f"BUY {SIZE[market]} 9")
    world.until_venue(market, 1)
    world.until(market, lambda row: row["open_orders"] == 2)
    world.until_agreed(market)
    world.kill()
    near, far = sorted((row for row in thin.orders(market)), key=lambda row: -Decimal(row["price"]))
    before = len(thin.traded(market))
    world.sweep(market, near["price"])
    assert len(thin.traded(market)) > before, "the venue executed it while we were down"
    for _ in range(2):
        world.start(market)
        world.until_agreed(market)
        world.until(market, lambda row: row["open_orders"] == 1)
        summary = world.stop()
        assert world.trading.fills(market) == thin.fills(market)
        assert summary["looks"][market]["differences"] == []
        assert thin.open_orders(market) == [far["clientOrderId"]]
        world.check(market)
    assert world.incidents(market) == []


@pytest.mark.parametrize("market", MARKETS)
def test_foreign_orders_are_left_and_lost_ones_of_ours_adopted(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.until_agreed(market)
    quantity, bid = SIZE[market], "50000.0"
    world.by_hand(market, "BUY", quantity, "by-hand", bid)
    world.until(market, lambda row: row["look"]["foreign"] == 1)
    # One under our prefix that works, and one that is over before any look.
    works, over = (f"L{secrets.token_hex(16)}" for _ in range(2))
    world.by_hand(market, "BUY", quantity, works, bid)
    world.by_hand(market, "BUY", quantity, over)
    world.until(market, lambda row: row["open_orders"] == 1)
    world.until_venue(market, 1)
    world.until_agreed(market)
    summary = world.stop()
    assert sorted(thin.open_orders(market)) == sorted(["by-hand", works])
    assert world.life.said.count("is not ours, and left alone") == 1
    assert summary["fills"] == len(thin.traded(market)) > 0
    statuses = {row["client_order_id"]: row["status"] for row in world.trading.rows("orders", market)}
    assert (statuses[works], statuses[over]) == ("ACCEPTED", "FILLED")
    assert world.trading.fills(market) == thin.fills(market)
    world.check(market)
    assert world.incidents(market) == []


@pytest.mark.slow
def test_funding_deposits_and_transfers_are_booked_and_no_difference(world_of, tmp_path):
    config = tmp_path / "venue.toml"
    config.write_text(VENUE.format(funding_s=4), encoding="utf-8")
    with exchange("--config", config) as venue:
        world = world_of(venue)
        world.start()
        world.until_agreed()
        for market in MARKETS:
            world.tell(market, f"BUY {SIZE[market]}")
            world.until_venue(market, 1)
        venue.control("money", {"account": "sim", "asset": "USDT", "amount": "1234.56789012"})
        venue.control("money", {"account": "sim", "asset": "ETH", "amount": "0.00000001", "kind": "dividend"})
        for kind, asset, amount in (
            ("MAIN_UMFUTURE", "USDT", "500.00000001"),
            ("UMFUTURE_MAIN", "USDT", "20"),
            ("MAIN_UMFUTURE", "BTC", "0.5"),
        ):
            assert "tranId" in venue.ask("POST", "/sapi/v1/asset/transfer", type=kind, asset=asset, amount=amount)
        opened_s = time.time_ns() // 10**9
        while time.time_ns() // 10**9 <= opened_s:
            # A withdrawal is told by the second, and one of the second of the opening counts as of before it.
            time.sleep(0.05)
        gone = venue.ask("POST", "/sapi/v1/capital/withdraw/apply", coin="BTC", amount="0.25", address="elsewhere")
        assert "id" in gone
        deadline = time.monotonic() + 60
        while not venue.control("trades?account=sim")["funding"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        world.until_agreed()
        world.stop()
        # The next payment is behind the end of this life, and booked by the next one.
        paid = len(venue.control("trades?account=sim")["funding"])
        while len(venue.control("trades?account=sim")["funding"]) == paid:
            time.sleep(0.05)
        world.start()
        world.until_agreed()
        world.tell("linear", f"SELL {SIZE['linear']}")
        world.until_venue("linear", len(venue.traded("linear")) + 1)
        world.until("linear", lambda row: not row["positions"])
        world.until_agreed()
        summary = world.stop()
        world.check()
        assert all(look["differences"] == [] for look in summary["looks"].values())
        assert [world.incidents(market) for market in MARKETS] == [[], []]


@pytest.mark.parametrize("market", MARKETS)
def test_what_nobody_explains_stops_new_orders_until_the_venues_word_is_taken(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.until_agreed(market)
    world.by_hand(market, "SELL", SIZE[market], "by-hand")
    code = "BALANCE_DIFFERS" if market == "spot" else "POSITION_DIFFERS"
    row = world.until(market, lambda row: row["incident"] is not None and row["look"]["differences"])
    assert row["stopped"][0] == "INCIDENT"
    assert code in [difference[0] for difference in row["look"]["differences"]]
    before = len(thin.traded(market))
    world.tell(market, f"BUY {SIZE[market]}")
    world.life.wait_for("order REJECTED INCIDENT")
    assert len(thin.traded(market)) == before
    arguments = ("resume", "--account", market, "--accept-venue", "--yes", "--reason", "sold by hand")
    accepted = world.trading.shell.run(*arguments, env=world.env)
    assert accepted.code == 0, accepted.out + accepted.err
    world.until_agreed(market)
    world.tell(market, f"BUY {SIZE[market]}")
    world.until_venue(market, before + 1)
    world.until_agreed(market)
    world.stop()
    world.check(market)
    assert len(world.incidents(market)) >= 1


def test_what_the_venue_rounds_is_no_difference(thin, world_of):
    world = world_of(thin)
    world.start("linear")
    world.until_agreed("linear")
    told, lines = 0, ["BUY 0.007", "BUY 0.003", "BUY 0.013", *["SELL 0.002"] * 7, "BUY 0.006", *["SELL 0.003"] * 4]
    while True:
        for line in lines:
            told += 1
            world.tell("linear", line)
            world.until_venue("linear", told)
        world.until_agreed("linear")
        _, rounded = truth.wallets(world.venue, "linear")
        if rounded:
            break
        # A basis of 23 parts that divides evenly: one in 23 does, by the prices that the market happened to have.
        assert told < 100, "the venue rounds nothing, so that this says nothing"
        lines = ["BUY 0.020", *["SELL 0.002"] * 7, "SELL 0.006"]
    # Not flat: what is left has a basis, and it is the venue's.
    summary = world.stop()
    assert summary["looks"]["linear"]["differences"] == []
    world.check("linear")
    world.start("linear")
    world.until_agreed("linear")
    world.tell("linear", "SELL 0.003")
    world.until("linear", lambda row: not row["positions"])
    world.until_agreed("linear")
    world.stop()
    world.check("linear")
    assert world.incidents("linear") == []
