"""The account held against a venue that outlives us, at which others trade, and where money comes and goes."""

from decimal import Decimal

import pytest

# In the middle of each of its looks at the venue; the first and the last say most.
LOOK = (
    "look.orders",
    pytest.param("look.executions", marks=pytest.mark.slow),
    pytest.param("look.flows", marks=pytest.mark.slow),
    "look.state",
)
FLOWS = (("funding", "-0.01"), ("transfer", "1000"), ("rebate", "0.002"), ("transfer", "-500"))


def opened_with_a_resting_order(world):
    world.start()
    world.until_agreed()
    world.want(1)
    (order_id,) = world.until_orders(1)
    world.until(lambda row: row["open_orders"] == 1)
    world.want(0)
    return order_id


@pytest.mark.parametrize("dies_at", ["", *LOOK])
def test_what_was_executed_and_flowed_while_we_were_dead_is_booked_once(world, dies_at):
    order_id = opened_with_a_resting_order(world)
    world.until_agreed()
    world.kill()
    world.venue("touch", order_id=order_id, whole=False, lost=True)
    world.venue("touch", order_id=order_id, whole=True, lost=True)
    world.venue("flow", kind="funding", amount="-0.125")
    world.venue("flow", kind="transfer", amount="250")
    if dies_at:
        world.start(dies_at=f"{dies_at}:1")
        world.died()
    world.start()
    row = world.until_agreed()
    assert [Decimal(position["size"]) for position in row["positions"]] == [Decimal("0.020")]
    world.want(1, "buy")
    world.until_orders(2)
    world.until(lambda row: Decimal(row["positions"][0]["size"]) == Decimal("0.040") and row["open_orders"] == 0)
    world.until_agreed()
    summary = world.stop()
    assert summary["fills"] == len(world.venue("executions", since_ns=0)) - 1
    assert summary["looks"]["acct"]["differences"] == []
    world.check(summary)


def test_foreign_orders_are_told_once_and_left(world):
    opened_with_a_resting_order(world)
    world.venue("foreign_order")
    world.until(lambda row: row["look"]["foreign"] == 1)
    world.until_agreed()
    world.until_agreed()
    assert len(world.venue("open_orders")) == 2
    summary = world.stop()
    assert world.life.said.count("order foreign-0 is not ours") == 1
    assert world.ledger("cancel") == []
    world.check(summary)


@pytest.mark.parametrize("dies_at", ["", *LOOK])
def test_orders_of_a_lost_log_are_adopted_and_cancelled_by_the_kill_switch(world, dies_at):
    order_id = opened_with_a_resting_order(world)
    world.venue("touch", order_id=order_id, whole=False, lost=False)
    world.kill()
    world.log.unlink()
    if dies_at:
        # The second look is the one that opens the account.
        world.start(dies_at=f"{dies_at}:2")
        world.died()
    world.start()
    row = world.until_agreed()
    assert row["open_orders"] == 1
    # What was executed before is in the opening, and nowhere else.
    assert [Decimal(position["size"]) for position in row["positions"]] == [Decimal("0.010")]
    world.venue("touch", order_id=order_id, whole=False, lost=True)
    world.until(lambda row: Decimal(row["positions"][0]["size"]) == Decimal("0.015"))
    assert world.verb("kill-switch", "--reason", "test").code == 0
    assert world.orders()[order_id]["status"] == "CANCELLED"
    summary = world.stop()
    assert summary["fills"] == 1
    world.check(summary)


@pytest.mark.parametrize("dies_at", ["", "look.state"])
def test_a_trade_by_hand_stops_new_orders_until_the_venues_word_is_taken(world, dies_at):
    opened_with_a_resting_order(world)
    world.venue("by_hand", side="SELL", size="0.5", price="101.0", fee="0.01")
    row = world.until(lambda row: row["incident"] is not None)
    assert row["stopped"][0] == "INCIDENT"
    if dies_at:
        world.kill()
        world.start(dies_at=f"{dies_at}:2")
        world.died()
        world.start()
        world.until(lambda row: row["look"] is not None and len(row["look"]["differences"]) == 2)
    world.until(lambda row: len(row["look"]["differences"]) == 2)
    refused = world.verb("resume", "--yes")
    assert refused.code == 1
    assert "POSITION_DIFFERS BTC/USDT:USDT  ours 0, the venue's -0.5, difference -0.5" in refused.out
    sent = len(world.ledger("order"))
    world.want(1 if dies_at else 2, "buy")
    world.until(lambda row: row["incident"] is not None)
    assert len(world.ledger("order")) == sent
    accepted = world.verb("resume", "--account", "acct", "--accept-venue", "--yes", "--reason", "sold by hand")
    assert accepted.code == 0, accepted.out + accepted.err
    world.until_orders(2)
    world.until(lambda row: Decimal(row["positions"][0]["size"]) == Decimal("-0.480"))
    world.until_agreed()
    assert world.verb("resume", "--account", "acct", "--accept-venue", "--yes").code == 1, "there is nothing to take"
    world.check(world.stop())
    assert "sold by hand" in world.life.said
    # It stands in the log, and the next process agrees at once.
    world.want(0)
    world.start()
    world.until_agreed()
    world.check(world.stop())


def test_a_venues_word_that_passes_a_loss_limit_is_taken_and_stops_the_account_by_it(world):
    profile = world.folder / "p.toml"
    profile.write_text(profile.read_text().replace("risk = {", 'risk = { max_daily_loss = "10",'))
    opened_with_a_resting_order(world)
    world.venue("by_hand", side="SELL", size="0.5", price="101.0", fee="100")
    world.until(lambda row: row["incident"] is not None and len(row["look"]["differences"]) == 2)
    accepted = world.verb("resume", "--account", "acct", "--accept-venue", "--yes", "--reason", "a fee")
    assert accepted.code == 1, "something stops it"
    assert accepted.out.startswith("account acct: the venue's word is taken\n"), accepted.out + accepted.err
    assert "DAILY_LOSS" in accepted.out
    row = world.until(lambda row: row["look"]["settled"] and row["stopped"][0] == "DAILY_LOSS")
    assert (row["incident"], row["look"]["differences"]) == (None, [])
    assert Decimal(row["positions"][0]["size"]) == Decimal("-0.5")
    world.check(world.stop())
    assert "the venue's word is taken" in world.life.said
    assert "stands stopped by a loss all the same: DAILY_LOSS" in world.life.said


def test_funding_and_a_deposit_are_no_difference(world):
    opened_with_a_resting_order(world)
    for kind, amount in FLOWS:
        world.venue("flow", kind=kind, amount=amount)
    row = world.until_agreed()
    assert row["incident"] is None
    world.check(world.stop())
    flows = [(row["kind"], row["currency"], Decimal(row["amount"])) for row in world.journal("flows")]
    assert flows == [(kind, "USDT", Decimal(amount)) for kind, amount in FLOWS]
    assert "incident" not in world.life.said
