"""An order of ours that becomes smaller at the venue, and is filled with less than we asked for: it is over."""

import pytest
from tests.integration.ccxt_gateway.world import PATHS, SIZE

HALF = {"linear": "0.002", "spot": "0.00200"}


def make_smaller(venue, market):
    """As its owner does by hand."""
    base, _, symbol = PATHS[market]
    (order,) = venue.orders(market)
    which = {"symbol": symbol, "orderId": order["orderId"]}
    if market == "spot":
        answer = venue.ask("PUT", f"{base}/order/amend/keepPriority", **which, newQty=HALF[market])
    else:
        terms = {"side": order["side"], "quantity": HALF[market], "price": order["price"]}
        answer = venue.ask("PUT", f"{base}/order", **which, **terms)
    assert isinstance(answer, dict), answer
    return order["price"]


@pytest.mark.parametrize("market", ["linear", "spot"])
def test_an_order_that_its_owner_made_smaller_ends_with_what_it_has(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.until_agreed(market)
    world.tell(market, f"BUY {SIZE[market]} 5")
    world.until(market, lambda row: row["open_orders"] == 1)
    world.sweep(market, make_smaller(thin, market))
    world.until_venue(market, 1)
    world.until(market, lambda row: row["open_orders"] == 0)
    assert f"of the {SIZE[market]} that it has here: what it lacks is cancelled" in world.life.said
    world.until_agreed(market)
    world.stop()
    assert world.incidents(market) == []


def test_what_is_left_behind_a_smaller_closing_order_can_be_closed(thin, world_of):
    world = world_of(thin)
    world.start("linear")
    world.until_agreed("linear")
    world.tell("linear", f"BUY {SIZE['linear']}")
    world.until("linear", lambda row: row["positions"])
    world.tell("linear", f"SELL {SIZE['linear']} -5")
    world.until("linear", lambda row: row["open_orders"] == 1)
    world.sweep("linear", make_smaller(thin, "linear"), side="BUY", quantity="10.000")
    world.until("linear", lambda row: row["open_orders"] == 0)
    world.tell("linear", f"SELL {HALF['linear']}")
    world.until("linear", lambda row: not row["positions"])
    sent = [row for row in thin.control("orders?account=sim") if row["side"] == "SELL"]
    assert [row["reduceOnly"] for row in sent if row["origQty"] == HALF["linear"]][-1] is True
    world.stop()


def test_a_spot_order_that_was_amended_stays_ours_under_its_new_client_id(thin, world_of):
    world = world_of(thin)
    # Were it not found behind its window, it would be taken for lost.
    world.window_ms = 1_000
    world.start("spot")
    world.until_agreed("spot")
    world.tell("spot", f"BUY {SIZE['spot']} 5", f"BUY {SIZE['spot']} 6")
    world.until("spot", lambda row: row["open_orders"] == 2)
    far, near = sorted(thin.orders("spot"), key=lambda order: float(order["price"]))
    for order in (far, near):
        which = {"symbol": order["symbol"], "orderId": order["orderId"]}
        thin.ask("PUT", "/api/v3/order/amend/keepPriority", **which, newQty=HALF["spot"])
    assert {order["clientOrderId"] for order in thin.orders("spot")}.isdisjoint(
        {far["clientOrderId"], near["clientOrderId"]}
    )
    looked = world.row("spot")["look"]["at_ns"]
    row = world.until("spot", lambda row: row["look"]["at_ns"] > looked + 3_000_000_000)
    assert (row["open_orders"], row["look"]["foreign"], row["look"]["unsettled"]) == (2, 0, 0)
    world.sweep("spot", near["price"])
    world.until_venue("spot", 1)
    world.until("spot", lambda row: row["open_orders"] == 1)
    assert world.trading.shell.run("kill-switch", env=world.env).code == 0
    world.until("spot", lambda row: row["open_orders"] == 0)
    assert thin.orders("spot") == []
    world.stop(code=3)
    world.check("spot")
    assert "somebody else has traded" not in world.life.said
    assert "is not ours" not in world.life.said
    assert world.incidents("spot") == []
